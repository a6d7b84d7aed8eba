use crate::{Digest, Error, Key, Lock, ObjectMeta, PutOptions, Result, Store, Version};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write as _};
use std::ops::ControlFlow;

/// How many bytes are in memory at once.
const BUFFER: usize = 256 * 1024;

/// One object to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyItem {
    /// Its key in the store that it comes from.
    pub from: Key,
    /// Which incarnation; the current one if none is named.
    pub version: Option<Version>,
    /// Its key in the store that it goes to.
    pub to: Key,
    /// Its digest, where that was recorded: an object with another is not copied.
    pub expected: Option<Digest>,
}

impl CopyItem {
    /// The current object of `key`, to the same key.
    #[must_use]
    pub fn same(key: Key) -> Self {
        Self { from: key.clone(), version: None, to: key, expected: None }
    }
}

/// How far a copy is.
#[derive(Debug, Clone, Copy)]
pub struct CopyProgress<'a> {
    /// The object.
    pub item: &'a CopyItem,
    /// How many bytes of it have been read.
    pub bytes: u64,
    /// How many it has.
    pub size: u64,
    /// Set once it is done.
    pub done: Option<Copied>,
}

/// How one object came to be where it was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It was written.
    Written,
    /// It was there already, with the same bytes.
    Present,
}

/// What a copy did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyReport {
    /// Objects written.
    pub written: u64,
    /// Objects that were there already, with the same bytes.
    pub present: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Copies objects from store to store, one after the other, in the order given: what makes a set complete goes last, so
/// that a copy that ends early is not taken for a whole one.
///
/// An object that the target has already is read and compared: the same bytes are fine, so that a copy can be repeated;
/// others are an error. With a lock, each written object has it from the first moment, and one that is there already gets
/// its lock extended. `progress` is called at least once for each object and decides whether to go on.
///
/// # Errors
/// The first that any object meets: [`Error::Corrupt`], when the source has not the expected digest, or the target other
/// bytes under that key; [`Error::Interrupted`], when `progress` says so; as for the stores' own operations. What was
/// copied before it stays.
pub fn copy_objects(
    from: &dyn Store,
    to: &dyn Store,
    items: impl IntoIterator<Item = CopyItem>,
    lock: Option<Lock>,
    progress: &mut dyn FnMut(CopyProgress<'_>) -> ControlFlow<()>,
) -> Result<CopyReport> {
    let mut report = CopyReport::default();
    for item in items {
        let source = from.head(&item.from, item.version.as_ref())?;
        let mut tell =
            |bytes, done| match progress(CopyProgress { item: &item, bytes, size: source.size, done }) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Error::Interrupted("the copy")),
            };
        tell(0, None)?;
        let copied = match write(from, to, &item, &source, lock, &mut tell) {
            Err(Error::AlreadyExists { .. }) => {
                compare(from, to, &item, &source, lock, &mut tell)?;
                Copied::Present
            }
            written => written.map(|()| Copied::Written)?,
        };
        match copied {
            Copied::Written => {
                report.written += 1;
                report.bytes += source.size;
            }
            Copied::Present => report.present += 1,
        }
        tell(source.size, Some(copied))?;
    }
    Ok(report)
}

type Tell<'a> = dyn FnMut(u64, Option<Copied>) -> Result<()> + 'a;

fn write(
    from: &dyn Store,
    to: &dyn Store,
    item: &CopyItem,
    source: &ObjectMeta,
    lock: Option<Lock>,
    tell: &mut Tell<'_>,
) -> Result<()> {
    let mut upload = to.create(&item.to, &PutOptions { lock, size_hint: Some(source.size) })?;
    let read = digest_of(from, &item.from, source, &mut |bytes, seen| {
        upload.write_all(bytes).map_err(|error| Error::from_io(error, "write", item.to.as_str()))?;
        tell(seen, None)
    })?;
    // Before it is published: an altered source is not copied.
    read.must_be(&item.from, item.expected, source.size)?;
    let stored = upload.finish()?;
    let target = Seen { digest: stored.digest, size: stored.meta.size };
    target.must_be(&item.to, Some(read.digest), read.size)
}

fn compare(
    from: &dyn Store,
    to: &dyn Store,
    item: &CopyItem,
    source: &ObjectMeta,
    lock: Option<Lock>,
    tell: &mut Tell<'_>,
) -> Result<()> {
    let expected = digest_of(from, &item.from, source, &mut |_, seen| tell(seen, None))?;
    expected.must_be(&item.from, item.expected, source.size)?;
    let there = to.head(&item.to, None)?;
    let found = digest_of(to, &item.to, &there, &mut |_, _| Ok(()))?;
    found.must_be(&item.to, Some(expected.digest), expected.size)?;
    lock.map_or(Ok(()), |lock| to.lock(&item.to, there.version.as_ref(), lock))
}

struct Seen {
    digest: Digest,
    size: u64,
}

impl Seen {
    fn must_be(&self, key: &Key, digest: Option<Digest>, size: u64) -> Result<()> {
        let expected = digest.unwrap_or(self.digest);
        if self.digest == expected && self.size == size {
            return Ok(());
        }
        Err(Error::Corrupt {
            key: key.clone(),
            expected,
            expected_size: size,
            found: self.digest,
            found_size: self.size,
        })
    }
}

/// Reads an object to its end, handing on each piece with the number of bytes so far.
fn digest_of(
    store: &dyn Store,
    key: &Key,
    meta: &ObjectMeta,
    each: &mut dyn FnMut(&[u8], u64) -> Result<()>,
) -> Result<Seen> {
    let mut reader = store.open(key, meta.version.as_ref(), 0)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER]);
    loop {
        let bytes = match reader.read(&mut buffer) {
            Ok(0) => return Ok(Seen { digest: Digest(hash.finalize().into()), size }),
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::from_io(error, "read", key.as_str())),
        };
        hash.update(bytes);
        size += bytes.len() as u64;
        each(bytes, size)?;
    }
}
