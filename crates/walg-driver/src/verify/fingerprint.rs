use crate::bucket::{Backup, Root, Sentinel, objects_of};
use crate::several::several;
use crate::{Error, Result};
use backup_contract::Checksum;
use backup_store::{Key, Store};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Read;
use std::ops::ControlFlow;

/// By what the bytes of a backup are recognised: engines record nothing of that kind.
///
/// The SHA-256 of a text (its form is fixed in `docs/formats.md`): each object of the backup with its size and digest, sorted
/// by key; what of the sentinel no engine ever writes again; and for a delta the fingerprint of its parent. Neither
/// metadata, which may be written again, nor WAL is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The SHA-256.
    pub checksum: Checksum,
    /// The objects that were read, sorted by key.
    pub objects: Vec<ObjectDigest>,
}

/// What was read of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectDigest {
    /// Its key in the store.
    pub key: Key,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes as they are stored.
    pub sha256: [u8; 32],
}

impl ObjectDigest {
    /// Reads an object to its end, and hands on each piece.
    pub(crate) fn of(
        key: &Key,
        object: &mut dyn Read,
        buffer: &mut [u8],
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Self> {
        let (mut hash, mut size) = (Sha256::new(), 0);
        loop {
            let bytes = match object.read(buffer) {
                Ok(0) => break,
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(backup_store::Error::from_io(e, "read", key.as_str()).into()),
            };
            hash.update(bytes);
            size += bytes.len() as u64;
            each(bytes)?;
        }
        Ok(Self { key: key.clone(), size, sha256: hash.finalize().into() })
    }
}

impl Fingerprint {
    /// How many bytes were read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// Reads every byte of a backup, `threads` objects at a time. `parent` is the *recorded* fingerprint of what it is a
    /// delta of, so that an hourly check does not read the daily full again. `read` is told of bytes as they pass, and
    /// decides whether to go on.
    ///
    /// # Errors
    /// [`Error::NoSentinel`]; [`Error::NoParentFingerprint`] for a delta without `parent`, [`Error::NotADelta`] for a full with
    /// one; [`Error::Store`], also with `interrupted` when `read` says so.
    pub fn compute(
        store: &dyn Store,
        root: &Root,
        backup: &Backup,
        parent: Option<&Checksum>,
        threads: usize,
        read: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
    ) -> Result<Self> {
        // Before anything is read.
        sentinel_of(backup, parent)?;
        let objects = digests(store, &Self::covers(root, backup)?, threads, read)?;
        Self::of(root, backup, objects, parent)
    }

    /// The objects whose bytes are in the fingerprint of a backup, sorted by key.
    pub(crate) fn covers(root: &Root, backup: &Backup) -> Result<Vec<Key>> {
        let mut keys = objects_of(root, backup)?;
        let unread = [root.sentinel(&backup.id)?, root.metadata(&backup.id)?];
        keys.retain(|key| !unread.contains(key));
        keys.sort();
        Ok(keys)
    }

    /// The fingerprint of a backup whose objects were read by somebody else, who hands in the digest of each that
    /// [`Fingerprint::covers`] names, in that order.
    pub(crate) fn of(
        root: &Root,
        backup: &Backup,
        objects: Vec<ObjectDigest>,
        parent: Option<&Checksum>,
    ) -> Result<Self> {
        let sentinel = sentinel_of(backup, parent)?;
        let mut text = format!("si-backup/fingerprint 1\nbackup {}\n", backup.id);
        for object in &objects {
            let sha256 = Checksum::from_sha256(object.sha256);
            let _ = writeln!(text, "object {} {} {sha256}", root.relative(&object.key), object.size);
        }
        text += sentinel.unchanging();
        if let Some(parent) = parent {
            let _ = writeln!(text, "parent {parent}");
        }
        Ok(Self { checksum: Checksum::from_sha256(Sha256::digest(text).into()), objects })
    }
}

/// The sentinel of a backup that is recognised together with `parent`.
fn sentinel_of<'a>(backup: &'a Backup, parent: Option<&Checksum>) -> Result<&'a Sentinel> {
    let sentinel = backup.sentinel.as_ref().ok_or_else(|| Error::NoSentinel(backup.id.clone()))?;
    match (&sentinel.delta, parent) {
        (Some(_), None) => Err(Error::NoParentFingerprint(backup.id.clone())),
        (None, Some(_)) => Err(Error::NotADelta(backup.id.clone())),
        _ => Ok(sentinel),
    }
}

/// Reads objects, several at a time, in the order of `keys`.
fn digests(
    store: &dyn Store,
    keys: &[Key],
    threads: usize,
    read: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Vec<ObjectDigest>> {
    several(keys, threads, |key, buffer| digest(store, key, buffer, read))
}

fn digest(
    store: &dyn Store,
    key: &Key,
    buffer: &mut [u8],
    read: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<ObjectDigest> {
    ObjectDigest::of(key, &mut store.open(key, None, 0)?, buffer, |bytes| match read(bytes.len() as u64) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(backup_store::Error::Interrupted("reading a backup").into()),
    })
}
