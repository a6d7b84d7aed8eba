use crate::record::{prefix_of, record_key};
use crate::{Error, Record, Result};
use backup_contract::{ContextName, Problem, Snapshot, SnapshotId, SnapshotKind, Subject};
use backup_store::{Key, Store};
use std::collections::BTreeMap;

/// The longest record that is read, in bytes.
const MAX_RECORD: u64 = 64 * 1024;

/// The state snapshots of a context, read from their objects.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// The snapshots, oldest first; those of one second by id.
    pub snapshots: Vec<Snapshot>,
    /// The records behind them, by id; none for a snapshot whose record cannot be read.
    pub records: BTreeMap<SnapshotId, Record>,
    /// Objects that belong to no snapshot: bundles without a record, left by a run that was killed, and strangers.
    pub strays: Vec<Stray>,
}

/// An object below a context's snapshots that belongs to none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its key.
    pub key: Key,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Catalogue {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be listed. What is wrong with one snapshot is a problem of that one.
    pub fn read(store: &dyn Store, context: &ContextName) -> Result<Self> {
        let mut sizes: BTreeMap<SnapshotId, Vec<(Key, u64)>> = BTreeMap::new();
        let mut strays = Vec::new();
        for meta in store.list(&prefix_of(context)?, None)? {
            let meta = meta?;
            let id = meta.key.parts().nth(2).and_then(|part| part.parse::<SnapshotId>().ok());
            match id.filter(|id| id.fits(&Subject::State) && meta.key.parts().count() == 4) {
                Some(id) => sizes.entry(id).or_default().push((meta.key, meta.size)),
                None => strays.push(Stray { key: meta.key, bytes: meta.size }),
            }
        }
        let mut catalogue = Self { snapshots: Vec::new(), records: BTreeMap::new(), strays };
        for (id, objects) in sizes {
            catalogue.add(store, context, id, objects)?;
        }
        catalogue.snapshots.sort_by(|a, b| a.started_at.cmp(&b.started_at).then_with(|| a.id.cmp(&b.id)));
        Ok(catalogue)
    }

    fn add(
        &mut self,
        store: &dyn Store,
        context: &ContextName,
        id: SnapshotId,
        objects: Vec<(Key, u64)>,
    ) -> Result<()> {
        let [bundle, record] = crate::objects_of(context, &id)?;
        let size_of = |key: &Key| objects.iter().find(|(k, _)| k == key).map(|(_, size)| *size);
        if size_of(&record).is_none() {
            // No record, no snapshot.
            self.strays.extend(objects.into_iter().map(|(key, bytes)| Stray { key, bytes }));
            return Ok(());
        }
        let mut problems = Vec::new();
        let mut problem = |code: &str, detail: String| problems.push(Problem { code: code.into(), detail });
        let read = match read_record(store, context, &id) {
            Ok(read) => Some(read),
            // Deleted since the listing: as good as never there.
            Err(Error::Store(backup_store::Error::NotFound { .. })) => return Ok(()),
            Err(e @ (Error::Malformed { .. } | Error::Newer { .. })) => {
                problem(
                    if matches!(e, Error::Newer { .. }) { "record-newer" } else { "record-malformed" },
                    e.to_string(),
                );
                None
            }
            Err(e) => return Err(e),
        };
        match (size_of(&bundle), &read) {
            (None, _) => problem("bundle-missing", format!("there is no object '{bundle}'")),
            (Some(found), Some(record)) if found != record.bytes => {
                problem("bundle-size", format!("the bundle has {found} bytes instead of {}", record.bytes));
            }
            _ => {}
        }
        self.snapshots.push(Snapshot {
            subject: Subject::State,
            kind: SnapshotKind::Bundle,
            started_at: read.as_ref().map(|r| r.started_at).or_else(|| id.state_time()),
            finished_at: read.as_ref().map(|r| r.finished_at),
            bytes: objects.iter().map(|(_, size)| size).sum(),
            checksum: read.as_ref().map(|r| r.checksum),
            parent: None,
            lineage: id.clone(),
            suspect: read.as_ref().is_some_and(|r| r.suspect),
            problems,
            id: id.clone(),
        });
        if let Some(read) = read {
            self.records.insert(id, read);
        }
        Ok(())
    }

    /// The newest snapshot of which everything is there, and which was not taken in doubt.
    #[must_use]
    pub fn newest_restorable(&self) -> Option<&Snapshot> {
        self.snapshots.iter().rev().find(|snapshot| snapshot.restorable() && !snapshot.suspect)
    }
}

/// Reads one snapshot's record.
///
/// # Errors
/// [`Error::Store`] when there is none; [`Error::Malformed`], also when it is another snapshot's; [`Error::Newer`].
pub fn read_record(store: &dyn Store, context: &ContextName, id: &SnapshotId) -> Result<Record> {
    let bytes = backup_store::read_bytes(store, &record_key(context, id)?, None, MAX_RECORD)?;
    let record = Record::parse(&bytes)?;
    if record.id == *id && record.context == *context {
        return Ok(record);
    }
    Err(Error::Malformed {
        what: format!("record of {id}"),
        reason: format!("it is of {} in context {}", record.id, record.context),
    })
}
