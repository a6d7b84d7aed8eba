use super::AppBucket;
use crate::judge::Judge;
use crate::place::origin_meant;
use crate::shelf::{find, reference};
use crate::{CliError, Session};
use backup_contract::{Checksum, Level, Snapshot, SnapshotId, Subject};
use backup_store::Store;
use chrono::{DateTime, Utc};
use restore_guard::{Evidence, Ledger, PinSet, Pins, Question, Records, Scope, Standing, WhyIgnored};
use serde_json::Value;
use std::collections::BTreeMap;
use walg_driver::bucket::{Backup, Bucket};

/// The backups of an app's database with what is known about them: the catalogue of its bucket, and evidence and pins of
/// the control store, joined by id and fingerprint.
#[derive(Debug)]
pub struct AppShelf {
    /// What there is.
    pub bucket: Bucket,
    /// What was proved.
    pub evidence: Records,
    /// What is kept in any case.
    pub pins: PinSet,
    subject: Subject,
    context: String,
    snapshots: Vec<Snapshot>,
    /// Where in `snapshots` each is: chains are followed for every one of them.
    places: BTreeMap<SnapshotId, usize>,
    now: DateTime<Utc>,
}

impl AppShelf {
    /// Reads all three.
    ///
    /// # Errors
    /// [`CliError::Walg`], [`CliError::Store`], [`CliError::Guard`] when a store cannot be read.
    pub fn read(session: &Session<'_>, control: &dyn Store, bucket: &AppBucket) -> Result<Self, CliError> {
        Self::of(session, control, bucket, bucket.read()?)
    }

    /// Reads what is known about the backups of a catalogue that was read just now.
    ///
    /// # Errors
    /// As for [`AppShelf::read`].
    pub fn of(
        session: &Session<'_>,
        control: &dyn Store,
        bucket: &AppBucket,
        catalogue: Bucket,
    ) -> Result<Self, CliError> {
        let subject = Subject::App(bucket.app.clone());
        let context = session.context.clone();
        let origin = origin_meant(session, control)?;
        let ledger = session.as_dated(Ledger::new(control, &context));
        let ledger = origin.as_ref().map_or(ledger, |origin| ledger.of_origin(origin));
        let evidence = ledger.read(&Scope::Subject(subject.clone()), &session.trusted()?)?;
        let evidence = evidence.unless(|evidence| of_another_cluster(evidence, &catalogue));
        let pins = Pins::new(control, &context).read(Some(&subject))?;
        let bucket = catalogue;
        let snapshots = bucket.backups.iter().map(|backup| backup.snapshot(&subject));
        let snapshots: Vec<_> = snapshots
            .map(|snapshot| Snapshot { checksum: goes_by(&evidence, &snapshot), ..snapshot })
            .collect();
        let places = snapshots.iter().enumerate().map(|(place, one)| (one.id.clone(), place)).collect();
        Ok(Self {
            bucket,
            evidence,
            pins,
            subject,
            context: context.to_string(),
            snapshots,
            places,
            now: session.now(),
        })
    }

    /// Of what.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The backups, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
    }

    /// The backup of a name.
    fn snapshot(&self, id: &SnapshotId) -> Option<&Snapshot> {
        self.snapshots.get(*self.places.get(id)?)
    }

    /// How far a backup is proved, whatever is known of those that it is a delta of.
    fn own_standing(&self, snapshot: &Snapshot) -> Option<Standing<'_>> {
        let checksum = snapshot.checksum?;
        let snapshot = &reference(snapshot);
        Some(self.evidence.standing(&Question { snapshot, checksum, origin: None, now: self.now }))
    }

    /// The fingerprints under which backups were first proved: other bytes of theirs were changed.
    #[must_use]
    pub fn recorded(&self) -> BTreeMap<SnapshotId, Checksum> {
        let one = |snapshot: &Snapshot| Some((snapshot.id.clone(), first_proved(&self.evidence, snapshot)?));
        self.snapshots.iter().filter_map(one).collect()
    }

    /// Whether nothing speaks against a full that a delta could hang on.
    #[must_use]
    pub fn is_sound(&self, full: &SnapshotId) -> bool {
        self.snapshot(full).is_some_and(|full| self.failed(full).is_none())
    }

    /// The newest of which everything is there.
    #[must_use]
    pub fn newest_restorable(&self) -> Option<&Snapshot> {
        self.snapshots.iter().rev().find(|snapshot| snapshot.restorable() && !snapshot.suspect)
    }

    /// The backup that is meant by an id, by the unique beginning of one, or by `LATEST`: the newest that is restorable.
    ///
    /// # Errors
    /// [`CliError::NoSnapshot`], [`CliError::Ambiguous`], [`CliError::NothingThere`].
    pub fn resolve(&self, text: &str) -> Result<&Snapshot, CliError> {
        if text == "LATEST" {
            return self.newest_restorable().ok_or_else(|| CliError::NothingThere {
                subject: self.subject.to_string(),
                context: self.context.clone(),
            });
        }
        find(&self.snapshots, &self.subject, text)
    }

    /// What the bucket says of a snapshot.
    #[must_use]
    pub fn backup(&self, snapshot: &Snapshot) -> Option<&Backup> {
        self.bucket.backup(&snapshot.id)
    }
}

/// The fingerprint that a backup goes by: under which it was first proved, and where it never was, that of the bytes that
/// failed last.
fn goes_by(evidence: &Records, snapshot: &Snapshot) -> Option<Checksum> {
    let failed = || told(evidence, snapshot).next_back();
    first_proved(evidence, snapshot).or_else(|| Some(failed()?.record().checksum))
}

/// The fingerprint under which a backup was first proved: no engine records one, so the evidence does. Who changes a bucket
/// changes no evidence, and what is read later is held against this. Bytes that failed bind nobody: they may be put right.
fn first_proved(evidence: &Records, snapshot: &Snapshot) -> Option<Checksum> {
    Some(told(evidence, snapshot).find(|evidence| evidence.passed())?.record().checksum)
}

/// What was signed of a backup's bytes.
fn told<'e>(evidence: &'e Records, snapshot: &Snapshot) -> impl DoubleEndedIterator<Item = &'e Evidence> {
    evidence.of(&reference(snapshot)).iter().filter(|evidence| evidence.record().level >= Level::Checksum)
}

/// Under which name evidence tells of which cluster the backup is.
const CLUSTER: &str = "cluster";

/// What evidence tells besides: a new cluster in an emptied bucket gives its backups the names of the old one's.
pub(crate) fn cluster_detail(backup: &Backup) -> Option<(String, Value)> {
    let system = backup.sentinel.as_ref()?.system_identifier?;
    // A number of JSON is a float to many.
    Some((CLUSTER.to_owned(), Value::String(system.to_string())))
}

fn of_another_cluster(evidence: &Evidence, catalogue: &Bucket) -> Option<WhyIgnored> {
    let backup = catalogue.backup(&evidence.record().id)?;
    let (_, here) = cluster_detail(backup)?;
    let there = evidence.record().details.get(CLUSTER).filter(|there| **there != here)?;
    let (there, here) = (there.as_str().unwrap_or("?"), here.as_str().unwrap_or("?"));
    Some(WhyIgnored::OtherSnapshot { reason: format!("of the cluster {there}, and this one is of {here}") })
}

impl Judge for AppShelf {
    /// Its own standing, on that of everything that it is a delta of.
    fn standing(&self, snapshot: &Snapshot) -> Option<Standing<'_>> {
        let own = self.own_standing(snapshot)?;
        let bases = self.backup(snapshot).into_iter().flat_map(|backup| &backup.chain);
        let bases = bases.filter(|id| **id != snapshot.id).filter_map(|id| self.snapshot(id));
        Some(bases.filter_map(|base| self.own_standing(base)).fold(own, |own, base| own.resting_on(&base)))
    }

    fn locked_until(&self, _snapshot: &Snapshot) -> Result<Option<DateTime<Utc>>, CliError> {
        // A backup is as many objects as its database is large: to ask for each lock is for whoever means to delete it.
        Ok(None)
    }

    fn is_pinned(&self, snapshot: &Snapshot) -> bool {
        self.pins.is_pinned(&reference(snapshot), self.now)
    }
}
