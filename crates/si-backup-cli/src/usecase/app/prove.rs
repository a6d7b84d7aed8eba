use crate::report::message_of;
use crate::usecase::prove::{TOOL, VERSION, Verification, millis};
use crate::{AppBucket, AppShelf, CliError, Meter, Session};
use backup_contract::{CheckResult, Checksum, Level, Snapshot, SnapshotId};
use backup_store::Store;
use chrono::TimeDelta;
use paas_state::Watch;
use restore_guard::{EvidenceRecord, Ledger, OriginId, Tool};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use walg_driver::bucket::{Backup, Bucket};
use walg_driver::verify::{ContentCheck, Fingerprint, SegmentDigest};

/// How many objects are read at once.
const AT_ONCE: usize = 4;

/// What a verification found, and of which bytes.
pub(super) struct Proved {
    pub(super) verification: Verification,
    /// By what the backup is recognised; none where nothing was read that could tell.
    pub(super) checksum: Option<Checksum>,
    /// The WAL that the backup needs, where it was decoded.
    pub(super) segments: Vec<SegmentDigest>,
}

/// What a restore measured; nothing where there was none.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) recovery_seconds: Option<u64>,
    pub(super) data_loss_seconds: Option<u64>,
    pub(super) details: Map<String, Value>,
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
        let unknown_parents = backup.chain.iter().skip(1).filter(|id| !self.known.contains_key(*id));
        let parents: u64 =
            unknown_parents.filter_map(|id| self.catalogue.backup(id)).map(|link| link.bytes).sum();
        let own = backup.bytes + parents;
        match level {
            Level::Stored => 0,
            Level::Checksum => own,
            Level::Content | Level::Restore => {
                own + backup
                    .chain
                    .iter()
                    .filter_map(|id| self.catalogue.backup(id))
                    .map(|link| link.bytes)
                    .sum::<u64>()
            }
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
    let verification = &proved.verification;
    let evidence = EvidenceRecord {
        context: session.context.clone(),
        origin: origin.clone(),
        subject: snapshot.subject.clone(),
        id: snapshot.id.clone(),
        checksum,
        level: verification.level,
        outcome: verification.outcome(),
        checks: verification.checks.clone(),
        host: session.world.host.clone(),
        operator: session.operator(),
        writer: session.home.writer()?,
        tool: Tool { name: TOOL.into(), version: VERSION.into() },
        started_at: verification.started_at,
        finished_at: verification.finished_at,
        recovery_seconds: measured.recovery_seconds,
        data_loss_seconds: measured.data_loss_seconds,
        details: details_of(&proved.segments).into_iter().chain(measured.details).collect(),
    };
    let key = session.home.open_signing_key()?;
    Ok(Ledger::new(control, &session.context).write(&evidence, &key)?.to_string())
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
    match error {
        CliError::Walg(walg_driver::Error::NoSentinel(_)) => Some((Level::Stored, message_of(error))),
        CliError::Walg(walg_driver::Error::Store(StoreError::NotFound { .. })) => {
            Some((Level::Stored, message_of(error)))
        }
        CliError::Walg(walg_driver::Error::Store(StoreError::Corrupt { .. })) => {
            Some((Level::Checksum, message_of(error)))
        }
        _ => None,
    }
}
