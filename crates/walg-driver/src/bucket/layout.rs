//! Which object of a bucket is what, by its key: everything about names is here.

use crate::codec::Compression;
use crate::wal::SegmentName;
use backup_contract::SnapshotId;
use backup_store::{Key, ObjectMeta, Prefix, Store};

/// Below which base backups lie.
const BASE: &str = "basebackups_005";
/// Below which the archive of WAL lies.
const WAL: &str = "wal_005";
/// What the name of a sentinel ends in.
const SENTINEL: &str = "_backup_stop_sentinel.json";

/// Where in a store a bucket lies: a WAL-G prefix.
#[derive(Debug, Clone, Default)]
pub struct Root(Prefix);

/// What an object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Object<'a> {
    /// Written last: no sentinel, no backup.
    Sentinel(SnapshotId),
    /// What `backup-mark` may write again.
    Metadata(SnapshotId),
    /// Which file is in which tar.
    FilesMetadata(SnapshotId),
    /// A tar, by its own name.
    Part(SnapshotId, &'a str),
    /// Something else below a backup's name.
    Other(SnapshotId),
    /// An object of the archive, by its own name.
    Wal(&'a str),
    /// Nothing that belongs to a backup or to the archive.
    Stranger,
}

impl Root {
    /// A bucket below a prefix of a store.
    #[must_use]
    pub const fn new(prefix: Prefix) -> Self {
        Self(prefix)
    }

    /// Where the base backups lie.
    pub(super) fn base_backups(&self) -> backup_store::Result<Prefix> {
        Prefix::new(self.0.join(BASE)?.as_str())
    }

    /// Where the archive of WAL lies.
    pub(crate) fn archive(&self) -> backup_store::Result<Prefix> {
        Prefix::new(self.0.join(WAL)?.as_str())
    }

    /// Where the objects of a backup lie, but for its sentinel.
    pub(crate) fn backup(&self, id: &SnapshotId) -> backup_store::Result<Prefix> {
        Prefix::new(self.0.join(&format!("{BASE}/{id}"))?.as_str())
    }

    /// The objects of the archive from a name on, in order.
    pub(crate) fn wal_from<'a>(
        &self,
        store: &'a dyn Store,
        name: &str,
    ) -> backup_store::Result<Box<dyn Iterator<Item = backup_store::Result<ObjectMeta>> + Send + 'a>> {
        // Without its last character it sorts before everything that begins with it.
        let before = name.get(..name.len().saturating_sub(1)).filter(|before| !before.is_empty());
        let after = before.map(|before| self.wal(before)).transpose()?;
        store.list(&self.archive()?, after.as_ref())
    }

    /// The objects of the archive that hold the file `name`, in whichever compressions: from a listing, so that none is
    /// a proof that there is none.
    pub(crate) fn wal_objects(&self, store: &dyn Store, name: &str) -> backup_store::Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        for meta in self.wal_from(store, name)? {
            let meta = meta?;
            let object = meta.key.parts().next_back().unwrap_or_default();
            if Compression::split(object).0 == name {
                found.push(meta);
            } else if object > name && !object.starts_with(name) {
                break;
            }
        }
        Ok(found)
    }

    /// Whether the archive holds a file of WAL of this name, in whichever compression.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store)
    pub fn has_wal(&self, store: &dyn Store, name: &str) -> crate::Result<bool> {
        Ok(!self.wal_objects(store, name)?.is_empty())
    }

    /// The sentinel of a backup.
    pub(crate) fn sentinel(&self, id: &SnapshotId) -> backup_store::Result<Key> {
        self.0.join(&format!("{BASE}/{id}{SENTINEL}"))
    }

    /// The metadata of a backup.
    pub(crate) fn metadata(&self, id: &SnapshotId) -> backup_store::Result<Key> {
        self.0.join(&format!("{BASE}/{id}/metadata.json"))
    }

    /// Which file of a backup is in which tar.
    pub(crate) fn files_metadata(&self, id: &SnapshotId) -> backup_store::Result<Key> {
        self.0.join(&format!("{BASE}/{id}/files_metadata.json"))
    }

    /// A tar of a backup.
    pub(crate) fn part(&self, id: &SnapshotId, name: &str) -> backup_store::Result<Key> {
        self.0.join(&format!("{BASE}/{id}/tar_partitions/{name}"))
    }

    /// An object of the archive.
    pub(crate) fn wal(&self, name: &str) -> backup_store::Result<Key> {
        self.0.join(&format!("{WAL}/{name}"))
    }

    /// A key without what it has from the place of the bucket: the same in every copy of it.
    pub(crate) fn relative<'a>(&self, key: &'a Key) -> &'a str {
        let below = self.0.as_key().and_then(|root| key.as_str().strip_prefix(root.as_str()));
        below.map_or(key.as_str(), |rest| rest.trim_start_matches('/'))
    }

    /// What an object is.
    pub(super) fn object<'a>(&self, key: &'a Key) -> Object<'a> {
        let below = match self.0.as_key() {
            Some(root) => key.as_str().strip_prefix(root.as_str()).and_then(|rest| rest.strip_prefix('/')),
            None => Some(key.as_str()),
        };
        below.and_then(object).unwrap_or(Object::Stranger)
    }
}

fn object(name: &str) -> Option<Object<'_>> {
    let (place, rest) = name.split_once('/')?;
    if place == WAL {
        return (!rest.contains('/')).then_some(Object::Wal(rest));
    }
    if place != BASE {
        return None;
    }
    match rest.split_once('/') {
        None => Some(Object::Sentinel(backup(rest.strip_suffix(SENTINEL)?)?)),
        Some((id, "metadata.json")) => Some(Object::Metadata(backup(id)?)),
        Some((id, "files_metadata.json")) => Some(Object::FilesMetadata(backup(id)?)),
        Some((id, rest)) => {
            let id = backup(id)?;
            match rest.strip_prefix("tar_partitions/") {
                Some(part) if !part.contains('/') => Some(Object::Part(id, part)),
                _ => Some(Object::Other(id)),
            }
        }
    }
}

fn backup(name: &str) -> Option<SnapshotId> {
    name.starts_with("base_").then(|| name.parse().ok())?
}

/// The segment in which a backup began, from its name.
pub(super) fn segment_of(id: &SnapshotId) -> Option<SegmentName> {
    id.as_str().strip_prefix("base_")?.get(..24)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_what_it_names() {
        let root = Root::new(Prefix::new("shop/db").unwrap());
        let id: SnapshotId = "base_000000010000000000000004_D_000000010000000000000002".parse().unwrap();
        for (key, object) in [
            (root.sentinel(&id), Object::Sentinel(id.clone())),
            (root.metadata(&id), Object::Metadata(id.clone())),
            (root.files_metadata(&id), Object::FilesMetadata(id.clone())),
            (root.part(&id, "part_001.tar.zst"), Object::Part(id.clone(), "part_001.tar.zst")),
            (root.wal("00000002.history.zst"), Object::Wal("00000002.history.zst")),
        ] {
            assert_eq!(root.object(&key.unwrap()), object);
        }
        for stranger in [
            "shop/db/basebackups_005/x",
            "shop/db/basebackups_005/base__backup_stop_sentinel.json",
            "shop/db/catchup_005/x",
            "shop/db/wal_005/a/b",
            "shop/db2/wal_005/x",
            "basebackups_005/base_1_backup_stop_sentinel.json",
        ] {
            assert_eq!(root.object(&Key::new(stranger).unwrap()), Object::Stranger, "{stranger}");
        }
        assert_eq!(segment_of(&id).unwrap().to_string(), "000000010000000000000004");
    }
}
