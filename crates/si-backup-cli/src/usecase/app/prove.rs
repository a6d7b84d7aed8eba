use crate::report::message_of;
use crate::shelf::reference;
use crate::usecase::prove::{About, Measured, Verification, millis, sign};
use crate::{AppBucket, AppShelf, CliError, Meter, Session};
use backup_contract::{CheckResult, Checksum, Level, Snapshot, SnapshotId};
use backup_store::Store;
use chrono::TimeDelta;
use paas_state::Watch;
use restore_guard::OriginId;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use walg_driver::bucket::{Backup, Bucket};
use walg_driver::verify::{ContentCheck, Fingerprint, SegmentDigest};

/// How many objects are read at once.
pub(super) const AT_ONCE: usize = 4;

/// What a verification found, and of which bytes.
pub(super) struct Proved {
    pub(super) verification: Verification,
    /// By what the backup is recognised; none where nothing was read that could tell.
    pub(super) checksum: Option<Checksum>,
    /// The WAL that the backup needs, where it was decoded.
    pub(super) segments: Vec<SegmentDigest>,
}

/// What proves backups of one bucket.
pub(super) struct Prover<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) bucket: &'a AppBucket,
    pub(super) catalogue: &'a Bucket,
    /// The fingerprints that were recorded, or computed meanwhile.
    pub(super) known: BTreeMap<SnapshotId, Checksum>,
}

impl<'a> Prover<'a> {
    pub(super) fn new(session: &'a Session<'a>, bucket: &'a AppBucket, shelf: &'a AppShelf) -> Self {
        let recorded = |snapshot: &Snapshot| Some((snapshot.id.clone(), snapshot.checksum?));
        let known = shelf.snapshots().iter().filter_map(recorded).collect();
        Self { session, bucket, catalogue: &shelf.bucket, known }
    }

    /// How many bytes a verification reads, as far as can be known before.
    pub(super) fn bytes(&self, backup: &Backup, level: Level) -> u64 {
        let links = || backup.chain.iter().filter_map(|id| self.catalogue.backup(id));
        let is_fingerprinted = |link: &&Backup| link.id == backup.id || !self.known.contains_key(&link.id);
        let fingerprinted: u64 = links().filter(is_fingerprinted).map(|link| link.bytes).sum();
        match level {
            Level::Stored => 0,
            Level::Checksum => fingerprinted,
            Level::Content | Level::Restore => fingerprinted + links().map(|link| link.bytes).sum::<u64>(),
        }
    }

    /// Proves a backup at a level: `stored`, `checksum` and `content`, one after the other until one fails.
    ///
    /// # Errors
    /// What kept the verification from being made, which says nothing about the backup.
    pub(super) fn prove(
        &mut self,
        backup: &Backup,
        level: Level,
        meter: &Meter<'_>,
    ) -> Result<Proved, CliError> {
        let clock = &*self.session.world.clock;
        let (began, started_at) = (clock.monotonic(), self.session.now());
        let recorded = self.known.get(&backup.id).copied();
        let mut checks = vec![stored(backup)];
        let mut checksum = recorded;
        let mut segments = Vec::new();
        let mut reached = Level::Stored;
        if level >= Level::Checksum && checks.iter().all(|check| check.ok) {
            reached = Level::Checksum;
            let step = clock.monotonic();
            let found = self.fingerprint(backup, meter)?;
            let ok = recorded.is_none_or(|recorded| recorded == found);
            let detail = match recorded {
                None => format!("every byte read; recognised by {found} from now on"),
                Some(_) if ok => "every byte read, and the fingerprint is the recorded one".to_owned(),
                Some(recorded) => {
                    format!("its fingerprint is {found}, and {recorded} was recorded: it was changed")
                }
            };
            checksum = recorded.or(Some(found));
            let took = clock.monotonic().saturating_sub(step);
            checks.push(CheckResult { name: "fingerprint".into(), ok, detail, duration_ms: millis(took) });
        }
        if level >= Level::Content && checks.iter().all(|check| check.ok) {
            reached = Level::Content;
            let read = |bytes| told(meter, bytes);
            let content = ContentCheck {
                store: &*self.bucket.store,
                root: &self.bucket.root,
                cipher: &self.bucket.cipher,
                bucket: self.catalogue,
                clock,
                read: &read,
            };
            let found = content.run(backup)?;
            checks.extend(found.checks);
            segments = found.segments;
        }
        let took = clock.monotonic().saturating_sub(began);
        let finished_at = started_at + TimeDelta::from_std(took).unwrap_or_default();
        Ok(Proved {
            verification: Verification { level: reached, checks, started_at, finished_at, accounted: None },
            checksum,
            segments,
        })
    }

    /// The fingerprint of a backup, and of those that it is a delta of where nobody has recorded theirs.
    fn fingerprint(&mut self, backup: &Backup, meter: &Meter<'_>) -> Result<Checksum, CliError> {
        let read = |bytes| told(meter, bytes);
        let mut parent = None;
        for id in backup.chain.iter().rev() {
            let is_asked = *id == backup.id;
            if let Some(known) = self.known.get(id).filter(|_| !is_asked) {
                parent = Some(*known);
                continue;
            }
            let link = self.catalogue.backup(id).unwrap_or(backup);
            let store = &*self.bucket.store;
            let found =
                Fingerprint::compute(store, &self.bucket.root, link, parent.as_ref(), AT_ONCE, &read)?
                    .checksum;
            if is_asked {
                return Ok(found);
            }
            self.known.insert(id.clone(), found);
            parent = Some(found);
        }
        Err(walg_driver::Error::NoSentinel(backup.id.clone()).into())
    }
}

/// Tells a meter of bytes, which may be none, and asks it whether to go on.
pub(super) fn told(meter: &Meter<'_>, bytes: u64) -> ControlFlow<()> {
    meter.advanced(bytes);
    if meter.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Whether everything is there that a restore needs, as the catalogue has it.
fn stored(backup: &Backup) -> CheckResult {
    let problems: Vec<_> = backup.problems.iter().map(|problem| problem.detail.as_str()).collect();
    let detail = match problems.as_slice() {
        [] => format!("{} tars, the chain and the WAL from start to finish are listed", backup.parts.len()),
        problems => problems.join("; "),
    };
    CheckResult { name: "stored".into(), ok: problems.is_empty(), detail, duration_ms: 0 }
}

/// Signs what a verification found of a backup, and writes it into the control store. Returns where.
pub(super) fn write_evidence(
    session: &Session<'_>,
    control: &dyn Store,
    origin: &OriginId,
    snapshot: &Snapshot,
    checksum: Checksum,
    proved: &Proved,
    measured: Measured,
) -> Result<String, CliError> {
    let details = details_of(&proved.segments).into_iter().chain(measured.details).collect();
    let about = About { snapshot: reference(snapshot), checksum, measured: Measured { details, ..measured } };
    sign(session, control, origin, about, &proved.verification)
}

/// The digests of the WAL that was decoded: it is in no fingerprint, because a segment that is pushed again has other stored
/// bytes.
fn details_of(segments: &[SegmentDigest]) -> Map<String, Value> {
    if segments.is_empty() {
        return Map::new();
    }
    let told: Vec<_> = segments
        .iter()
        .map(|segment| {
            json!({ "segment": segment.name.to_string(), "sha256": Checksum::from_sha256(segment.sha256).to_string() })
        })
        .collect();
    Map::from_iter([("wal".to_owned(), Value::Array(told))])
}

/// What an error says of the backup itself; none where it could only not be looked at.
pub(super) fn fault_in(error: &CliError) -> Option<(Level, String)> {
    use backup_store::Error as StoreError;
    let CliError::Walg(walg) = error else { return None };
    let level = match walg {
        walg_driver::Error::NoSentinel(_) | walg_driver::Error::Store(StoreError::NotFound { .. }) => {
            Level::Stored
        }
        walg_driver::Error::Store(StoreError::Corrupt { .. }) => Level::Checksum,
        _ => return None,
    };
    Some((level, message_of(error)))
}
