use super::init;
use super::prove::{Verification, prove, write_evidence};
use crate::args::VerifyArgs;
use crate::report::{message_of, row};
use crate::shelf::reference;
use crate::view::{self, VerifyRow};
use crate::{CliError, Report, Session, Shelf, metered};
use backup_contract::{CheckResult, Checksum, Level, Outcome, Snapshot};
use backup_store::Store;
use paas_state::{Identities, record_key};
use restore_guard::{ActOutcome, Action, OriginId, read_origin};

/// Proves snapshots, and writes the evidence beside them.
pub(super) fn verify(session: &Session<'_>, args: &VerifyArgs) -> Result<Report, CliError> {
    if args.level == Level::Restore {
        return Err(CliError::usage("this version proves up to level 'content'", "use --level content"));
    }
    let store = session.open_store()?;
    // Any host may prove a context's snapshots, also one that has another of that name; whether its word counts is for
    // those to say who trust its key.
    let origin = origin_of(session, &*store)?;
    let identities = session.identities()?;
    if args.level >= Level::Content && identities.is_none() {
        return Err(session.no_identity(Some("use --level checksum")));
    }
    let shelf = Shelf::read(session, &*store)?;
    let chosen: Vec<&Snapshot> =
        if args.all { shelf.snapshots().iter().collect() } else { vec![chosen(&shelf, &args.id)?] };
    let one = One { session, store: &*store, shelf: &shelf, origin, identities };
    let mut rows = Vec::new();
    let mut text = String::new();
    let mut failure = None;
    for snapshot in chosen {
        let verified = match one.verify(snapshot, args.level) {
            // One that cannot be looked at must not keep the others from being proved.
            Err(error) if args.all && error.code() != "interrupted" => {
                one.unsigned(snapshot, args.level, message_of(&error))
            }
            verified => verified?,
        };
        let id = reference(snapshot).to_string();
        let (verification, evidence) = match verified {
            Verified::Signed(verification, evidence) => (verification, Some(evidence)),
            Verified::Unsigned(verification) => (verification, None),
            Verified::Gone if args.all => {
                session.warn(format!("{id} was deleted meanwhile; nothing is said of it"));
                continue;
            }
            Verified::Gone => return Err(CliError::NoSnapshot(id)),
        };
        text += &line(snapshot, &verification);
        if let Some(why) = verification.failure() {
            failure.get_or_insert(CliError::NotProved { id, level: args.level, why });
        }
        rows.push(row(&row_of(session, snapshot, verification, evidence)));
    }
    if rows.is_empty() {
        text += "there is no snapshot to verify\n";
    }
    let report = Report::new("backup verify", rows, text);
    Ok(match failure {
        Some(error) => report.with_error(error),
        None => report,
    })
}

/// Under which origin evidence is signed: the store's, which this host claims where nobody has.
pub(super) fn origin_of(session: &Session<'_>, store: &dyn Store) -> Result<OriginId, CliError> {
    match read_origin(store, &session.context)? {
        Some(record) => Ok(record.origin),
        None => init::claim(session, store, &session.home.open_signing_key()?),
    }
}

/// What is told of a verification, for which nothing was restored.
pub(super) fn row_of(
    session: &Session<'_>,
    snapshot: &Snapshot,
    verification: Verification,
    evidence: Option<String>,
) -> VerifyRow {
    VerifyRow {
        id: snapshot.id.clone(),
        subject: snapshot.subject.clone(),
        checksum: snapshot.checksum,
        level: verification.level,
        outcome: verification.outcome(),
        host: session.world.host.clone(),
        started_at: verification.started_at,
        finished_at: verification.finished_at,
        checks: verification.checks,
        recovery_seconds: None,
        data_loss_seconds: None,
        evidence,
    }
}

/// Puts a verification into the trail; one without a checksum found nothing that evidence could be about.
pub(super) fn record_proof(
    session: &Session<'_>,
    store: &dyn Store,
    snapshot: &Snapshot,
    checksum: Option<Checksum>,
    verification: &Verification,
    evidence: Option<&str>,
) -> Result<(), CliError> {
    let passed = verification.outcome() == Outcome::Passed;
    let mut entry = session
        .event(Action::Verify, if passed { ActOutcome::Done } else { ActOutcome::Failed })
        .snapshot(reference(snapshot))
        .detail("level", verification.level.as_str());
    if let Some(checksum) = checksum {
        entry = entry.checksum(checksum);
    }
    entry = match evidence {
        Some(evidence) => entry.detail("evidence", evidence.to_owned()),
        None => entry.detail("why", verification.failure().unwrap_or_default()),
    };
    session.record(&entry, Some(store))
}

/// The snapshot to prove: of `LATEST` the newest that is whole, also one that failed before and may have been mended.
fn chosen<'a>(shelf: &'a Shelf<'_>, id: &str) -> Result<&'a Snapshot, CliError> {
    match shelf.catalogue.newest_restorable().filter(|_| id == "LATEST") {
        Some(newest) => Ok(newest),
        None => shelf.resolve(id),
    }
}

struct One<'a> {
    session: &'a Session<'a>,
    store: &'a dyn Store,
    shelf: &'a Shelf<'a>,
    origin: OriginId,
    identities: Option<Identities>,
}

/// What came of looking at a snapshot.
enum Verified {
    /// It was looked at, and what was found is evidence at this key.
    Signed(Verification, String),
    /// What is wrong is nothing that evidence could be about.
    Unsigned(Verification),
    /// Somebody deleted it meanwhile, and what was found is of a deletion that was half-way.
    Gone,
}

impl One<'_> {
    fn verify(&self, snapshot: &Snapshot, level: Level) -> Result<Verified, CliError> {
        let session = self.session;
        let record = match self.shelf.record(snapshot) {
            Ok(record) => record,
            Err(CliError::State(
                e @ (paas_state::Error::Malformed { .. } | paas_state::Error::Newer { .. }),
            )) => {
                // Without a checksum there is nothing that evidence could be about.
                return Ok(self.unsigned(snapshot, level, message_of(&e.into())));
            }
            Err(CliError::State(paas_state::Error::Store(backup_store::Error::NotFound { .. }))) => {
                return Ok(Verified::Gone);
            }
            Err(e) => return Err(e),
        };
        if let Some(theirs) = record.origin.as_deref().filter(|origin| *origin != self.origin.as_str()) {
            // It was copied here. To sign that it is sound would make it one of this context's.
            let why = format!(
                "it is of another context named '{}', with origin {theirs} and not {}",
                session.context, self.origin
            );
            return Ok(self.unsigned(snapshot, level, why));
        }
        let bundle = self.shelf.bundle(snapshot)?;
        let (mode, interrupts) = (session.progress(), &session.world.interrupts);
        let what = format!("verifying {}", snapshot.id);
        let proved = metered(mode, &what, record.bytes, interrupts, None, |meter| {
            prove(session, &bundle, level, self.identities.as_ref(), meter)
        });
        let verification = match proved {
            Ok(verification) => verification,
            // That this program is too old to understand it says nothing against it.
            Err(CliError::State(e @ paas_state::Error::Newer { .. })) => {
                return Ok(self.unsigned(snapshot, level, message_of(&e.into())));
            }
            Err(error) => return Err(session.explain(error)),
        };
        let passed = verification.outcome() == Outcome::Passed;
        if !passed && self.is_gone(snapshot)? {
            return Ok(Verified::Gone);
        }
        let evidence = write_evidence(session, self.store, &record, &self.origin, &verification)?;
        record_proof(session, self.store, snapshot, Some(record.checksum), &verification, Some(&evidence))?;
        Ok(Verified::Signed(verification, evidence))
    }

    /// A failure that nobody signs.
    fn unsigned(&self, snapshot: &Snapshot, level: Level, why: String) -> Verified {
        if self.is_gone(snapshot).is_ok_and(|gone| gone) {
            return Verified::Gone;
        }
        let now = self.session.now();
        let check = CheckResult { name: "record".into(), ok: false, detail: why, duration_ms: 0 };
        Verified::Unsigned(Verification {
            level,
            checks: vec![check],
            started_at: now,
            finished_at: now,
            accounted: None,
        })
    }

    /// Whether the record is not there any more: a deletion takes it first.
    fn is_gone(&self, snapshot: &Snapshot) -> Result<bool, CliError> {
        match self.store.head(&record_key(&self.session.context, &snapshot.id)?, None) {
            Ok(_) => Ok(false),
            Err(backup_store::Error::NotFound { .. }) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }
}

pub(super) fn line(snapshot: &Snapshot, verification: &Verification) -> String {
    let took = verification.finished_at - verification.started_at;
    let last = verification.checks.last().map_or("", |check| check.detail.as_str());
    format!(
        "{}: {} at level '{}' in {}: {last}\n",
        reference(snapshot),
        verification.outcome(),
        verification.level,
        view::span(took),
    )
}
