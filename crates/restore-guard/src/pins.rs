use crate::evidence::future_tolerance;
use crate::{Error, Result, id, objects, stamp};
use backup_contract::{ContextName, SnapshotRef, Subject};
use backup_store::{Key, Prefix, Store};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const VERSION: u64 = 1;

/// Whether a snapshot is to be kept whatever the counts say, as one operator said at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRecord {
    /// Keep it, or no longer.
    pub action: PinAction,
    /// Why.
    pub reason: String,
    /// Until when; `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Who said so.
    pub operator: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a pin record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinAction {
    /// Keep the snapshot.
    Pin,
    /// Let the policy decide again.
    Unpin,
}

#[derive(Serialize)]
struct Versioned<'a> {
    version: u64,
    #[serde(flatten)]
    record: &'a PinRecord,
}

/// The pins of one context in a store, at `pins/<context>/<subject>/<id>/<utc>-<random>.json`.
#[derive(Debug, Clone, Copy)]
pub struct Pins<'a> {
    store: &'a dyn Store,
    context: &'a ContextName,
}

/// What the store says about pins.
#[derive(Debug, Default)]
pub struct PinSet {
    records: BTreeMap<SnapshotRef, Vec<Found>>,
    strays: Vec<Key>,
}

#[derive(Debug)]
struct Found {
    /// By the record, or, where that cannot be read, by its key.
    at: DateTime<Utc>,
    key: Key,
    record: Result<PinRecord>,
}

/// Whether a snapshot is pinned.
#[derive(Debug, Clone, Copy)]
pub enum PinStanding<'a> {
    /// Nothing keeps it.
    Unpinned,
    /// The newest record keeps it.
    Pinned(&'a PinRecord),
    /// The newest record cannot be read, and may be a pin: keeping too much is the smaller harm.
    Unreadable(&'a Error),
}

impl<'a> Pins<'a> {
    /// The pins of `context` in `store`.
    pub const fn new(store: &'a dyn Store, context: &'a ContextName) -> Self {
        Self { store, context }
    }

    /// Writes a record about a snapshot. Returns where it lies.
    ///
    /// # Errors
    /// [`Error::OtherSubject`], for an id that no snapshot of the subject has; [`Error::Store`].
    pub fn write(&self, snapshot: &SnapshotRef, record: &PinRecord) -> Result<Key> {
        let SnapshotRef { subject, id } = snapshot;
        if !id.fits(subject) {
            return Err(Error::OtherSubject { subject: subject.to_string(), id: id.to_string() });
        }
        let key = Key::new(format!(
            "pins/{}/{subject}/{id}/{}-{}.json",
            self.context,
            stamp::write(record.at),
            id::random_suffix()?
        ))?;
        objects::put(self.store, &key, &objects::to_json("a pin", &Versioned { version: VERSION, record })?)?;
        Ok(key)
    }

    /// Reads all pins of the context, or of one subject.
    ///
    /// # Errors
    /// [`Error::Store`], when the store cannot be listed or a record cannot be fetched: it could be a pin.
    pub fn read(&self, subject: Option<&Subject>) -> Result<PinSet> {
        let context = self.context;
        let below = match subject {
            Some(subject) => format!("pins/{context}/{subject}"),
            None => format!("pins/{context}"),
        };
        let mut set = PinSet::default();
        for meta in self.store.list(&Prefix::new(&below)?, None)? {
            let key = meta?.key;
            let Some((snapshot, stamp)) = take_apart(&key) else {
                set.strays.push(key);
                continue;
            };
            let record = match objects::read_record::<PinRecord>(self.store, &key, "pin", VERSION) {
                Err(Error::Store(backup_store::Error::NotFound { .. })) => continue,
                Err(error @ Error::Store(_)) => return Err(error),
                record => record,
            };
            let at = record.as_ref().map_or(stamp, |record| record.at);
            set.records.entry(snapshot).or_default().push(Found { at, key, record });
        }
        for found in set.records.values_mut() {
            found.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.key.cmp(&b.key)));
        }
        Ok(set)
    }
}

fn take_apart(key: &Key) -> Option<(SnapshotRef, DateTime<Utc>)> {
    let parts: Vec<&str> = key.parts().collect();
    let [_, _, subject, id, name] = parts.as_slice() else { return None };
    let (stamp, random) = name.strip_suffix(".json")?.split_once('-')?;
    let snapshot = SnapshotRef { subject: subject.parse().ok()?, id: id.parse().ok()? };
    stamp::is_suffix(random).then_some((snapshot, stamp::read(stamp)?))
}

impl PinSet {
    /// Whether a snapshot is pinned at `now`: the newest record decides. An unpin that is dated in the future does not
    /// count yet; a pin does.
    #[must_use]
    pub fn standing(&self, snapshot: &SnapshotRef, now: DateTime<Utc>) -> PinStanding<'_> {
        let counts = |found: &&Found| match &found.record {
            Ok(PinRecord { action: PinAction::Unpin, at, .. }) => {
                at.signed_duration_since(now) <= future_tolerance()
            }
            _ => true,
        };
        let newest = self.records.get(snapshot).and_then(|found| found.iter().rev().find(counts));
        match newest.map(|found| &found.record) {
            None | Some(Ok(PinRecord { action: PinAction::Unpin, .. })) => PinStanding::Unpinned,
            Some(Ok(pin)) if pin.until.is_some_and(|until| until <= now) => PinStanding::Unpinned,
            Some(Ok(pin)) => PinStanding::Pinned(pin),
            Some(Err(error)) => PinStanding::Unreadable(error),
        }
    }

    /// Whether a snapshot must be kept at `now`.
    #[must_use]
    pub fn is_pinned(&self, snapshot: &SnapshotRef, now: DateTime<Utc>) -> bool {
        !matches!(self.standing(snapshot, now), PinStanding::Unpinned)
    }

    /// The snapshots that any record is about.
    pub fn snapshots(&self) -> impl Iterator<Item = &SnapshotRef> {
        self.records.keys()
    }

    /// Objects among the pins that are none.
    #[must_use]
    pub fn strays(&self) -> &[Key] {
        &self.strays
    }
}
