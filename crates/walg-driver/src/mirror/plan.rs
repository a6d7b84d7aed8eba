use crate::bucket::{Backup, Bucket, Root, objects_of};
use crate::wal::{Archive, History, Lsn, Reach, SegmentName, Timeline, WalObject};
use crate::{Error, Result};
use backup_contract::SnapshotId;
use backup_store::{Key, ObjectMeta, Store};
use std::collections::BTreeMap;

/// Which WAL is fetched together with a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorWal {
    /// None: it is fetched as it is asked for.
    Leave,
    /// What leads from the backup's start along `timeline` to `end`.
    Until {
        /// Along which timeline.
        timeline: Timeline,
        /// How far.
        end: Lsn,
    },
}

impl MirrorWal {
    /// All that leads on from a backup.
    #[must_use]
    pub const fn all(reach: &Reach) -> Self {
        Self::Until { timeline: reach.timeline, end: reach.end }
    }
}

/// An object that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorObject {
    /// What the store says of it.
    pub meta: ObjectMeta,
    /// Its key below the prefix: its path in the mirror.
    pub path: String,
}

/// What is to be fetched, known before the first byte is.
#[derive(Debug, Clone)]
pub struct MirrorPlan {
    id: SnapshotId,
    /// The chain, the full first.
    chain: Vec<Backup>,
    objects: Vec<MirrorObject>,
}

impl MirrorPlan {
    /// Finds out what a backup needs: the objects of its whole chain, the WAL that is wanted, and the histories of every
    /// timeline, which `PostgreSQL` asks for by name. Nothing is written.
    ///
    /// # Errors
    /// [`Error::NoBackup`]; [`Error::NotRestorable`], with all that stands in its way; [`Error::Store`].
    pub fn new(
        store: &dyn Store,
        root: &Root,
        bucket: &Bucket,
        id: &SnapshotId,
        wal: &MirrorWal,
    ) -> Result<Self> {
        let backup = bucket.backup(id).ok_or_else(|| Error::NoBackup(id.clone()))?;
        if !backup.restorable() {
            let why: Vec<_> = backup.problems.iter().map(|problem| problem.detail.as_str()).collect();
            return Err(Error::NotRestorable { id: id.clone(), why: why.join("; ") });
        }
        let mut chain = Vec::new();
        for link in backup.chain.iter().rev() {
            chain.push(bucket.backup(link).ok_or_else(|| Error::NoBackup(link.clone()))?.clone());
        }
        let mut plan = Self { id: id.clone(), chain, objects: Vec::new() };
        for link in plan.chain.clone() {
            plan.add_backup(store, root, &link)?;
        }
        if let MirrorWal::Until { timeline, end } = wal {
            let (start, finish) = backup.span().ok_or_else(|| Error::NoSentinel(id.clone()))?;
            let known = bucket.archive.history(*timeline);
            let history = known.cloned().unwrap_or_else(|| History::of_first(*timeline));
            plan.add_wal(store, root, &bucket.archive, &history, (start, finish.max(*end)))?;
        }
        Ok(plan)
    }

    /// The backup.
    #[must_use]
    pub const fn id(&self) -> &SnapshotId {
        &self.id
    }

    /// What is to be fetched.
    #[must_use]
    pub fn objects(&self) -> &[MirrorObject] {
        &self.objects
    }

    /// How many bytes that is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.meta.size).sum()
    }

    /// The backups of the chain, the full first.
    #[must_use]
    pub fn chain(&self) -> &[Backup] {
        &self.chain
    }

    fn add_backup(&mut self, store: &dyn Store, root: &Root, backup: &Backup) -> Result<()> {
        let mut listed: BTreeMap<Key, ObjectMeta> = BTreeMap::new();
        for meta in store.list(&root.backup(&backup.id)?, None)? {
            let meta = meta?;
            listed.insert(meta.key.clone(), meta);
        }
        for key in objects_of(root, backup)? {
            let meta = match listed.remove(&key) {
                Some(meta) => meta,
                // The sentinel lies beside the others; and whatever was deleted since is told as that.
                None => store.head(&key, None)?,
            };
            self.push(root, meta);
        }
        Ok(())
    }

    /// Of a segment in which a timeline was left, both files are taken: which one is asked for is the server's affair.
    fn add_wal(
        &mut self,
        store: &dyn Store,
        root: &Root,
        archive: &Archive,
        history: &History,
        (start, end): (Lsn, Lsn),
    ) -> Result<()> {
        let size = archive.segment_size();
        let (first, last) = (size.at(start), size.before(end));
        for (timeline, begin, left) in history.stretches() {
            let (from, to) = (first.max(size.at(begin)), last.min(size.before(left)));
            let Some((from, to)) = size.name(timeline, from).zip(size.name(timeline, to)) else { continue };
            if from <= to {
                self.add_segments(store, root, from, to)?;
            }
        }
        // Few and small; and their names sort among the segments, so that one listing of them all would be long.
        for timeline in archive.histories() {
            for meta in root.wal_objects(store, &format!("{timeline}.history"))? {
                self.push(root, meta);
            }
        }
        Ok(())
    }

    fn add_segments(
        &mut self,
        store: &dyn Store,
        root: &Root,
        from: SegmentName,
        to: SegmentName,
    ) -> Result<()> {
        for meta in root.wal_from(store, &from.to_string())? {
            let meta = meta?;
            let Some((WalObject::Segment(name), _)) = meta.key.parts().next_back().map(WalObject::of) else {
                continue;
            };
            if name > to {
                break;
            }
            if name >= from {
                self.push(root, meta);
            }
        }
        Ok(())
    }

    fn push(&mut self, root: &Root, meta: ObjectMeta) {
        let path = root.relative(&meta.key).to_owned();
        self.objects.push(MirrorObject { meta, path });
    }
}
