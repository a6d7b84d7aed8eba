use super::{Segments, WalSource};
use crate::codec::Compression;
use crate::wal::{BadSegment, Expected, History, Timeline, WalObject, check_pages};
use crate::{Error, Result};
use backup_store::Key;
use std::io::{self, Read, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// The longest history or label that is read, in bytes.
const MAX_TEXT: u64 = 1 << 20;

/// A file that is asked for.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) object: WalObject,
    pub(super) segments: Segments,
    pub(super) sources: &'a [WalSource<'a>],
}

impl Wanted<'_> {
    /// Decodes an object beside `path`, and renames it to that once it is what its name says.
    pub(super) fn bring(&self, source: &WalSource<'_>, key: &Key, path: &Path) -> Result<()> {
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let mut file = NamedTempFile::new_in(dir).map_err(Error::io("write in", dir))?;
        let compression = Compression::split(key.as_str()).1;
        let stored = source.store.open(key, None, 0)?;
        let plain = source.cipher.open(compression, stored).map_err(|e| self.fault(e))?;
        let mut content = Copied::new(plain, &mut file);
        let checked = match self.object {
            WalObject::Segment(name) => {
                let history = self.history(name.timeline)?;
                let Segments { size, system_identifier } = self.segments;
                let expected = Expected { name, size, history: &history, system_identifier };
                check_pages(&mut content, expected).map(drop)
            }
            WalObject::Partial(_) => limited(&mut content, self.segments.size.bytes()),
            _ => limited(&mut content, MAX_TEXT),
        };
        let refused = content.refused.take();
        drop(content);
        if let Some(e) = refused {
            return Err(Error::io("write", path)(e));
        }
        checked.map_err(|bad| match bad {
            BadSegment::Read(e) => self.fault(e),
            bad => self.bad(bad.to_string()),
        })?;
        file.persist(path).map(drop).map_err(|e| Error::io("name", path)(e.error))
    }

    /// How the timeline of a segment came to be. Where no history was archived it came out of no other: the server, which
    /// reads the pages too, thinks the same.
    fn history(&self, timeline: Timeline) -> Result<History> {
        let first = History::of_first(timeline);
        if timeline.0 <= 1 {
            return Ok(first);
        }
        let name = format!("{timeline}.history");
        for source in self.sources {
            if let Some(meta) = source.root.wal_objects(source.store, &name)?.first() {
                let compression = Compression::split(meta.key.as_str()).1;
                let stored = source.store.open(&meta.key, None, 0)?;
                let mut text = String::new();
                let read = source
                    .cipher
                    .open(compression, stored)
                    .and_then(|plain| plain.take(MAX_TEXT).read_to_string(&mut text));
                read.map_err(|e| self.fault(e))?;
                return History::parse(timeline, &text).map_err(|e| self.bad(e.to_string()));
            }
        }
        Ok(first)
    }

    fn bad(&self, why: String) -> Error {
        Error::BadWal { name: self.name.to_owned(), why }
    }

    /// The store's own errors say nothing of the file, every other one does.
    fn fault(&self, error: io::Error) -> Error {
        match error.downcast::<backup_store::Error>() {
            Ok(error) => error.into(),
            Err(error) => self.bad(error.to_string()),
        }
    }
}

fn limited(content: &mut impl Read, limit: u64) -> std::result::Result<(), BadSegment> {
    let found = io::copy(&mut content.take(limit + 1), &mut io::sink())?;
    if found > limit { Err(BadSegment::Length { expected: limit, found }) } else { Ok(()) }
}

/// A reader that writes down what passes. What the disk refuses is kept apart from what the object is wrong with.
pub(crate) struct Copied<'a, R> {
    inner: R,
    to: &'a mut NamedTempFile,
    pub(crate) refused: Option<io::Error>,
}

impl<'a, R> Copied<'a, R> {
    pub(crate) const fn new(inner: R, to: &'a mut NamedTempFile) -> Self {
        Self { inner, to, refused: None }
    }
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Err(e) = self.to.write_all(buffer.get(..count).unwrap_or_default()) {
            self.refused = Some(e);
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(count)
    }
}
