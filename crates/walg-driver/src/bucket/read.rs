use super::backup::Backup;
use super::judge::{Files, Raw, judge};
use super::layout::{Object, Root, segment_of};
use super::parts::{Part, tars_of};
use super::sentinel::{BadSentinel, Sentinel};
use crate::codec::{Cipher, Compression};
use crate::wal::{Archive, ArchiveBuilder, History, Lsn, SegmentName, Timeline};
use crate::{Error, Result};
use backup_contract::SnapshotId;
use backup_store::{Key, Store, read_bytes};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest sentinel that is read, in bytes: old ones hold the list of files.
const MAX_SENTINEL: u64 = 256 << 20;
/// The longest history that is read, in bytes.
const MAX_HISTORY: u64 = 1 << 20;
/// How many small objects are fetched at once: each is a round trip.
const AT_ONCE: usize = 16;

/// What a bucket holds, read from its objects alone: nothing is written, and no engine is asked.
#[derive(Debug)]
pub struct Bucket {
    /// The base backups, oldest first.
    pub backups: Vec<Backup>,
    /// What crashed pushes have left: tars and lists without a sentinel. Also a push that is under way looks so.
    pub leftovers: Vec<Leftover>,
    /// The archive of WAL.
    pub archive: Archive,
    /// Histories that could not be read: what lies behind those promotions cannot be reached from before them.
    pub unread_histories: Vec<UnreadHistory>,
    /// Objects that belong to no backup and not to the archive.
    pub strangers: Vec<Key>,
}

/// Objects under a backup's name that has no sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The name.
    pub id: SnapshotId,
    /// What they take in the store, in bytes.
    pub bytes: u64,
    /// When the newest of them was written, by the store's clock: their age.
    pub newest: DateTime<Utc>,
}

/// A history that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadHistory {
    /// Of which timeline.
    pub timeline: Timeline,
    /// Why.
    pub why: String,
}

/// What the listing says of one backup's objects.
#[derive(Debug, Default)]
struct Listed {
    sentinel: bool,
    metadata: bool,
    files_metadata: bool,
    parts: Vec<Part>,
    bytes: u64,
    newest: DateTime<Utc>,
}

impl Bucket {
    /// Reads the catalogue of a bucket. `cipher` is needed for histories of timelines only, and what it cannot open is told.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be listed, or an object that was listed cannot be read. What is wrong with one
    /// backup is a problem of that one.
    pub fn read(store: &dyn Store, root: &Root, cipher: &Cipher) -> Result<Self> {
        let mut strangers = Vec::new();
        let listed = list_backups(store, root, &mut strangers)?;
        let mut builder = ArchiveBuilder::default();
        for meta in store.list(&root.archive()?, None)? {
            let meta = meta?;
            match root.object(&meta.key) {
                Object::Wal(name) => builder.add(name, meta.size, meta.modified),
                _ => strangers.push(meta.key),
            }
        }
        let (whole, rest): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(_, listed)| listed.sentinel);
        let leftovers = rest
            .into_iter()
            .map(|(id, listed)| Leftover { id, bytes: listed.bytes, newest: listed.newest })
            .collect();
        let raw = read_all(store, root, whole)?;
        let starts: Vec<(SegmentName, Lsn)> = raw
            .iter()
            .filter_map(|(id, raw)| Some((segment_of(id)?, raw.sentinel.as_ref().ok()?.start)))
            .collect();
        let size = builder.size(&starts);
        let (histories, unread_histories) = read_histories(store, root, cipher, &builder)?;
        let archive = builder.build(size, histories);
        let backups = judge(raw, &archive);
        Ok(Self { backups, leftovers, archive, unread_histories, strangers })
    }

    /// The backup of this name.
    #[must_use]
    pub fn backup(&self, id: &SnapshotId) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.id == *id)
    }

    /// A backup with everything that it is a delta of, itself first, as far as it is there.
    pub fn chain<'b>(&'b self, backup: &'b Backup) -> impl Iterator<Item = &'b Backup> {
        backup.chain.iter().filter_map(|id| self.backup(id))
    }

    /// The newest backup of which everything is there.
    #[must_use]
    pub fn newest_restorable(&self) -> Option<&Backup> {
        self.backups.iter().rev().find(|backup| backup.restorable())
    }

    /// The clusters of which there are backups. More than one in a bucket is a fault: the names of WAL segments do not
    /// say of which cluster they are.
    #[must_use]
    pub fn systems(&self) -> BTreeSet<u64> {
        self.backups.iter().filter_map(|backup| backup.sentinel.as_ref()?.system_identifier).collect()
    }
}

/// The keys of a backup's objects, in the order in which they may be written: its sentinel last.
///
/// # Errors
/// [`Error::Store`] when a name makes no key.
pub fn objects_of(root: &Root, backup: &Backup) -> Result<Vec<Key>> {
    let id = &backup.id;
    let mut keys: Vec<Key> =
        backup.parts.iter().map(|part| root.part(id, &part.name)).collect::<backup_store::Result<_>>()?;
    if backup.has_files_metadata {
        keys.push(root.files_metadata(id)?);
    }
    if backup.has_metadata {
        keys.push(root.metadata(id)?);
    }
    keys.push(root.sentinel(id)?);
    Ok(keys)
}

fn list_backups(
    store: &dyn Store,
    root: &Root,
    strangers: &mut Vec<Key>,
) -> Result<BTreeMap<SnapshotId, Listed>> {
    let mut all: BTreeMap<SnapshotId, Listed> = BTreeMap::new();
    for meta in store.list(&root.base_backups()?, None)? {
        let meta = meta?;
        let (id, add): (_, fn(&mut Listed, Option<Part>)) = match root.object(&meta.key) {
            Object::Sentinel(id) => (id, |listed, _| listed.sentinel = true),
            Object::Metadata(id) => (id, |listed, _| listed.metadata = true),
            Object::FilesMetadata(id) => (id, |listed, _| listed.files_metadata = true),
            Object::Part(id, _) => (id, |listed, part| listed.parts.extend(part)),
            Object::Other(id) => (id, |_, _| ()),
            Object::Wal(_) | Object::Stranger => {
                strangers.push(meta.key);
                continue;
            }
        };
        let part = meta.key.parts().next_back().map(|name| Part { name: name.into(), size: meta.size });
        let listed = all.entry(id).or_default();
        add(listed, part);
        listed.bytes += meta.size;
        listed.newest = listed.newest.max(meta.modified);
    }
    Ok(all)
}

/// Reads what is to be read of every backup, several at once.
fn read_all(
    store: &dyn Store,
    root: &Root,
    listed: Vec<(SnapshotId, Listed)>,
) -> Result<BTreeMap<SnapshotId, Raw>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Result<Raw>>>> = Mutex::new(Vec::new());
    let lock = || done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    lock().resize_with(listed.len(), || None);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(listed.len()) {
            scope.spawn(|| {
                while let Some((id, one)) = listed.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let index = listed.partition_point(|(other, _)| other < id);
                    let raw = read_one(store, root, id, one);
                    if let Some(place) = lock().get_mut(index) {
                        *place = Some(raw);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut all = BTreeMap::new();
    for ((id, listed), raw) in listed.into_iter().zip(done.into_iter().flatten()) {
        match raw {
            Ok(raw) => drop(all.insert(id, Raw { parts: listed.parts, ..raw })),
            // Deleted since the listing: as good as never there.
            Err(Error::Store(backup_store::Error::NotFound { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn read_one(store: &dyn Store, root: &Root, id: &SnapshotId, listed: &Listed) -> Result<Raw> {
    let mut sentinel = match read_bytes(store, &root.sentinel(id)?, None, MAX_SENTINEL) {
        Err(backup_store::Error::TooLarge { .. }) => Err(BadSentinel::TooLong),
        bytes => Sentinel::parse(&bytes?),
    };
    let mut metadata_fault = None;
    if listed.metadata
        && let Ok(sentinel) = &mut sentinel
    {
        metadata_fault = match read_bytes(store, &root.metadata(id)?, None, MAX_SENTINEL) {
            Err(backup_store::Error::TooLarge { .. }) => Some(BadSentinel::TooLong),
            bytes => sentinel.complete(&bytes?).err(),
        };
    }
    let files = if listed.files_metadata {
        match tars_of(store.open(&root.files_metadata(id)?, None, 0)?) {
            Ok(tars) => Files::Tars(tars),
            // The store could not be read: that says nothing of the object.
            Err(e) if e.is_io() => return Err(failed(e, &root.files_metadata(id)?)),
            Err(e) => Files::Unreadable(e.to_string()),
        }
    } else {
        Files::Missing
    };
    Ok(Raw {
        sentinel,
        metadata_fault,
        files,
        has_metadata: listed.metadata,
        parts: Vec::new(),
        bytes: listed.bytes,
    })
}

fn failed(error: serde_json::Error, key: &Key) -> Error {
    backup_store::Error::from_io(error.into(), "read", key.as_str()).into()
}

fn read_histories(
    store: &dyn Store,
    root: &Root,
    cipher: &Cipher,
    builder: &ArchiveBuilder,
) -> Result<(Vec<History>, Vec<UnreadHistory>)> {
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for (timeline, name) in builder.histories() {
        let stored = store.open(&root.wal(name)?, None, 0)?;
        let mut text = String::new();
        let opened = cipher
            .open(Compression::split(name).1, stored)
            .and_then(|content| content.take(MAX_HISTORY).read_to_string(&mut text));
        let parsed = match opened {
            Ok(_) => History::parse(*timeline, &text).map_err(|e| e.to_string()),
            // What the store failed with says nothing of the object.
            Err(e) => match e.downcast::<backup_store::Error>() {
                Ok(error) => return Err(error.into()),
                Err(e) => Err(e.to_string()),
            },
        };
        match parsed {
            Ok(history) => read.push(history),
            Err(why) => unread.push(UnreadHistory { timeline: *timeline, why }),
        }
    }
    Ok((read, unread))
}
