use super::{Segments, WalGet, WalSource, wal_get};
use crate::several::several;
use crate::wal::SegmentName;
use crate::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What is kept in the directory that a caller names, so that nothing else in that is ever touched.
const WITHIN: &str = "si-backup-wal-ahead";
/// How many segments are fetched at once, the one that was asked for among them.
const SEGMENTS: u64 = 8;

/// Where segments are kept that a recovery will ask for next.
///
/// They are fetched together with the one that is asked for, several at a time, by the same call: nothing runs in the
/// background that a killed recovery would leave behind. Each is decoded, held against its name, and there whole or not at
/// all. The directory is one server's own, and on the file system of its `pg_wal`.
#[derive(Debug, Clone)]
pub struct Ahead {
    dir: PathBuf,
}

impl Ahead {
    /// In a directory of its own below this one.
    #[must_use]
    pub fn in_directory(dir: &Path) -> Self {
        Self { dir: dir.join(WITHIN) }
    }

    /// Moves a segment that was fetched before to where it is wanted.
    fn take(&self, name: SegmentName, path: &Path) -> Result<bool> {
        match fs::rename(self.dir.join(name.to_string()), path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::io("move a segment that was fetched ahead to", path)(e)),
        }
    }

    /// Makes the directory, or sees that it is nobody else's: what others could put there would be replayed.
    fn open(&self) -> Result<()> {
        let failed = |what, e| Error::io(what, &self.dir)(e);
        match fs::DirBuilder::new().mode(0o700).create(&self.dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed("make", e)),
        }
        let found = fs::symlink_metadata(&self.dir).map_err(|e| failed("look at", e))?;
        let is_own = found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.permissions().mode() & 0o777 == 0o700;
        if is_own {
            return Ok(());
        }
        let why = std::io::Error::new(ErrorKind::PermissionDenied, "it is not a directory of ours alone");
        Err(failed("keep segments in", why))
    }

    /// Drops what lies there: it was fetched on a way that the recovery did not take, or by an earlier recovery.
    fn empty(&self) -> Result<()> {
        for entry in fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))? {
            let path = entry.map_err(Error::io("list", &self.dir))?.path();
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }
}

/// As [`wal_get`], and brings the segments that come next into `ahead` when it has to go to the sources at all.
///
/// What comes next and is not there, or cannot be used, is no failure of this call: it is told when it is asked for.
#[must_use]
pub fn wal_get_ahead(
    sources: &[WalSource<'_>],
    name: &str,
    path: &Path,
    segments: Segments,
    ahead: &Ahead,
) -> WalGet {
    match brought(sources, name, path, segments, ahead) {
        Ok(got) => got,
        Err(error) => WalGet::Failed(error),
    }
}

fn brought(
    sources: &[WalSource<'_>],
    name: &str,
    path: &Path,
    segments: Segments,
    ahead: &Ahead,
) -> Result<WalGet> {
    ahead.open()?;
    let Ok(segment) = name.parse::<SegmentName>() else {
        // A recovery begins by asking for histories: what lies there is not its own.
        ahead.empty()?;
        return Ok(wal_get(sources, name, path, segments));
    };
    if ahead.take(segment, path)? {
        return Ok(WalGet::Found);
    }
    ahead.empty()?;
    let number = segments.size.number(segment).unwrap_or(u64::MAX);
    let next = (1..SEGMENTS)
        .filter_map(|more| segments.size.name(segment.timeline, number.checked_add(more)?))
        .map(|next| (next, ahead.dir.join(next.to_string())));
    let all: Vec<_> = std::iter::once((segment, path.to_owned())).chain(next).collect();
    let mut got =
        several(&all, all.len(), |(name, path), _| Ok(wal_get(sources, &name.to_string(), path, segments)))?;
    Ok(got.swap_remove(0))
}
