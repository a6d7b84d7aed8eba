use crate::bucket::{Backup, Root, objects_of};
use crate::{Error, Result};
use backup_contract::Checksum;
use backup_store::{Key, Store};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many bytes of each object are in memory at once.
const BUFFER: usize = 256 * 1024;

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
        let sentinel = backup.sentinel.as_ref().ok_or_else(|| Error::NoSentinel(backup.id.clone()))?;
        match (&sentinel.delta, parent) {
            (Some(_), None) => return Err(Error::NoParentFingerprint(backup.id.clone())),
            (None, Some(_)) => return Err(Error::NotADelta(backup.id.clone())),
            _ => {}
        }
        let mut keys = objects_of(root, backup)?;
        let unread = [root.sentinel(&backup.id)?, root.metadata(&backup.id)?];
        keys.retain(|key| !unread.contains(key));
        keys.sort();
        let objects = digests(store, &keys, threads, read)?;

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

/// Reads objects, several at a time, in the order of `keys`.
fn digests(
    store: &dyn Store,
    keys: &[Key],
    threads: usize,
    read: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Vec<ObjectDigest>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::with_capacity(keys.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, keys.len().max(1)) {
            scope.spawn(|| {
                let mut buffer = vec![0; BUFFER];
                // One failure is enough to know: the others need not read on.
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(key) = keys.get(index) else { break };
                    let digest = digest(store, key, &mut buffer, read);
                    failed.fetch_or(digest.is_err(), Ordering::Relaxed);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, digest));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, digest)| digest).collect()
}

fn digest(
    store: &dyn Store,
    key: &Key,
    buffer: &mut [u8],
    read: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<ObjectDigest> {
    let mut object = store.open(key, None, 0)?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        let count = match object.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(backup_store::Error::from_io(e, "read", key.as_str()).into()),
        };
        hash.update(buffer.get(..count).unwrap_or_default());
        size += count as u64;
        if read(count as u64).is_break() {
            return Err(backup_store::Error::Interrupted("reading a backup").into());
        }
    }
    Ok(ObjectDigest { key: key.clone(), size, sha256: hash.finalize().into() })
}
