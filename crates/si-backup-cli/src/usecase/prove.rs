use crate::{CliError, Meter, Session};
use backup_contract::{Accounted, CheckResult, Checksum, Level, Outcome, SnapshotRef, Subject};
use backup_store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use paas_state::{Error as StateError, Identities, Record, UnverifiedBundle, Watch};
use restore_guard::{EvidenceRecord, Ledger, OriginId, Tool};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The program's name in records.
pub(super) const TOOL: &str = "si-backup";
/// The program's version in records.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a verification ended. Only one that could be made has an outcome.
#[derive(Debug)]
pub(super) struct Verification {
    /// What is proved when it passed; when it failed, the weakest level that did: bytes that are not the recorded ones
    /// speak against more than what they decrypt to.
    pub(super) level: Level,
    pub(super) checks: Vec<CheckResult>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) finished_at: DateTime<Utc>,
    /// What the manifest says of the files, when it was read.
    pub(super) accounted: Option<Told>,
}

/// What a manifest tells of its files in sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    protected: Accounted,
    /// How many there are, and how many bytes they have, unpacked.
    files: u64,
    bytes: u64,
}

impl Verification {
    pub(super) fn outcome(&self) -> Outcome {
        Outcome::of(&self.checks)
    }

    /// The first check that failed, in words.
    pub(super) fn failure(&self) -> Option<String> {
        self.checks.iter().find(|check| !check.ok).map(|check| check.detail.clone())
    }
}

/// Proves a bundle at a level: `stored`, `checksum` and `content`, one after the other until one fails.
///
/// # Errors
/// What kept the verification from being made, which says nothing about the bundle.
pub(super) fn prove(
    session: &Session<'_>,
    bundle: &UnverifiedBundle<'_>,
    level: Level,
    identities: Option<&Identities>,
    meter: &Meter<'_>,
) -> Result<Verification, CliError> {
    let began = session.world.clock.monotonic();
    let started_at = session.now();
    let mut checks = Vec::new();
    let mut reached = level;
    let mut accounted = None;
    for step in Level::ALL.into_iter().filter(|step| level.covers(*step)) {
        let step_began = session.world.clock.monotonic();
        let detail = match step {
            Level::Stored => bundle.check_stored().map(|()| "the bundle is there, with its size".to_owned()),
            // Reading the content compares every byte with the record too.
            Level::Checksum if level > Level::Checksum => continue,
            Level::Checksum => bundle.check_sum(meter).map(|()| "every byte equals the record".to_owned()),
            Level::Content | Level::Restore => {
                let identities = identities.ok_or_else(|| session.no_identity(None))?;
                bundle.verify(identities, meter as &dyn Watch).map(|verified| {
                    let manifest = verified.manifest();
                    accounted = Some(Told {
                        protected: manifest.accounted(),
                        files: manifest.files.len() as u64,
                        bytes: manifest.bytes(),
                    });
                    let malformed: u64 = manifest.files.iter().map(|file| file.malformed_lines).sum();
                    let noted = if malformed == 0 {
                        String::new()
                    } else {
                        format!(", {malformed} lines that were malformed when they were read")
                    };
                    format!(
                        "{} files, {} bytes, each equal to the manifest{noted}",
                        manifest.files.len(),
                        manifest.bytes()
                    )
                })
            }
        };
        let took = session.world.clock.monotonic().saturating_sub(step_began);
        let check = |step: Level, ok, detail| CheckResult {
            name: step.to_string(),
            ok,
            detail,
            duration_ms: millis(took),
        };
        match detail {
            Ok(detail) => checks.push(check(step, true, detail)),
            Err(e) => match level_that_failed(&e, step) {
                Some(failed) => {
                    reached = failed;
                    checks.push(check(failed, false, crate::report::message_of(&e.into())));
                    break;
                }
                None => return Err(e.into()),
            },
        }
    }
    let took = session.world.clock.monotonic().saturating_sub(began);
    let finished_at = started_at + TimeDelta::from_std(took).unwrap_or_default();
    Ok(Verification { level: reached, checks, started_at, finished_at, accounted })
}

/// At which level an error says that the snapshot is not right; `None` when it could only not be looked at.
pub(super) fn level_that_failed(error: &StateError, step: Level) -> Option<Level> {
    use backup_store::Error as StoreError;
    match error {
        StateError::Bundle { .. } | StateError::Malformed { .. } => Some(step),
        StateError::Store(StoreError::Corrupt { .. }) => Some(step.min(Level::Checksum)),
        StateError::Store(StoreError::NotFound { .. }) => Some(Level::Stored),
        _ => None,
    }
}

/// What a verification was about, and what it measured besides.
#[derive(Debug)]
pub(super) struct About {
    pub(super) snapshot: SnapshotRef,
    /// The bytes that were looked at.
    pub(super) checksum: Checksum,
    pub(super) measured: Measured,
}

/// What a verification measured; nothing but details where nothing was restored.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) recovery_seconds: Option<u64>,
    pub(super) data_loss_seconds: Option<u64>,
    pub(super) details: Map<String, Value>,
}

/// Signs what a verification of a bundle found, and writes it beside the backups. Returns where.
pub(super) fn write_evidence(
    session: &Session<'_>,
    store: &dyn Store,
    record: &Record,
    origin: &OriginId,
    verification: &Verification,
) -> Result<String, CliError> {
    let details = verification.accounted.map(details_of).unwrap_or_default();
    let about = About {
        snapshot: SnapshotRef { subject: Subject::State, id: record.id.clone() },
        checksum: record.checksum,
        measured: Measured { details, ..Measured::default() },
    };
    sign(session, store, origin, about, verification)
}

/// Signs what a verification found, and writes it into the control store. Returns where.
pub(super) fn sign(
    session: &Session<'_>,
    store: &dyn Store,
    origin: &OriginId,
    about: About,
    verification: &Verification,
) -> Result<String, CliError> {
    let About { snapshot, checksum, measured } = about;
    let evidence = EvidenceRecord {
        context: session.context.clone(),
        origin: origin.clone(),
        subject: snapshot.subject,
        id: snapshot.id,
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
        details: measured.details,
    };
    let key = session.home.open_signing_key()?;
    Ok(Ledger::new(store, &session.context).write(&evidence, &key)?.to_string())
}

/// Under which name evidence tells of the protected files.
const PROTECTED_FILES: &str = "protected_files";

/// Under which name it tells what the snapshot unpacks to.
const UNPACKED: &str = "unpacked";

fn details_of(told: Told) -> Map<String, Value> {
    let Accounted { held, absent, missing } = told.protected;
    let protected = json!({ "held": held, "absent": absent, "missing": missing });
    let unpacked = json!({ "files": told.files, "bytes": told.bytes });
    Map::from_iter([(PROTECTED_FILES.to_owned(), protected), (UNPACKED.to_owned(), unpacked)])
}

/// How many files a snapshot unpacks to, and how many bytes; evidence of older versions, and of weaker levels, tells nothing.
pub(super) fn unpacked_in(details: &Map<String, Value>) -> Option<(u64, u64)> {
    let told = details.get(UNPACKED)?;
    Some((told.get("files")?.as_u64()?, told.get("bytes")?.as_u64()?))
}

/// What evidence tells of the protected files; that of older versions tells nothing.
pub(super) fn accounted_in(details: &Map<String, Value>) -> Option<Accounted> {
    let told = details.get(PROTECTED_FILES)?;
    let count = |name: &str| told.get(name)?.as_u64();
    Some(Accounted { held: count("held")?, absent: count("absent")?, missing: count("missing")? })
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
