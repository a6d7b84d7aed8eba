use super::init;
use super::prove::{Verification, prove, write_evidence};
use crate::args::VerifyArgs;
use crate::report::row;
use crate::shelf::reference;
use crate::view::{self, VerifyRow};
use crate::{CliError, Report, Session, Shelf, metered};
use backup_contract::{CheckResult, Level, Outcome, Snapshot};
use backup_store::Store;
use paas_state::Identities;
use restore_guard::{ActOutcome, Action, OriginId, read_origin};

/// Proves snapshots, and writes the evidence beside them.
pub(super) fn verify(session: &Session<'_>, args: &VerifyArgs) -> Result<Report, CliError> {
    if args.level == Level::Restore {
        return Err(CliError::usage("this version proves up to level 'content'", "use --level content"));
    }
    let store = session.open_store()?;
    // Any host may prove a context's snapshots; whether its word counts is for those to say who trust its key.
    let origin = match read_origin(&*store, &session.context)? {
        Some(record) => record.origin,
        None => init::claim(session, &*store, &session.home.open_signing_key()?)?,
    };
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
        let (verification, evidence) = match one.verify(snapshot, args.level) {
            // One that cannot be looked at must not keep the others from being proved.
            Err(error) if args.all && error.code() != "interrupted" => {
                (unreadable(session, args.level, &error), None)
            }
            verified => verified?,
        };
        text += &line(snapshot, &verification);
        if let Some(why) = verification.failure() {
            let id = reference(snapshot).to_string();
            failure.get_or_insert(CliError::NotProved { id, level: args.level, why });
        }
        rows.push(row(&VerifyRow {
            id: snapshot.id.clone(),
            subject: snapshot.subject.clone(),
            checksum: snapshot.checksum,
            level: verification.level,
            outcome: verification.outcome(),
            host: session.world.host.clone(),
            started_at: verification.started_at,
            finished_at: verification.finished_at,
            checks: verification.checks,
            evidence,
        }));
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

impl One<'_> {
    fn verify(&self, snapshot: &Snapshot, level: Level) -> Result<(Verification, Option<String>), CliError> {
        let session = self.session;
        let record = match self.shelf.record(snapshot) {
            Ok(record) => record,
            Err(CliError::State(
                e @ (paas_state::Error::Malformed { .. } | paas_state::Error::Newer { .. }),
            )) => {
                // Without a checksum there is nothing that evidence could be about.
                return Ok((unreadable(session, level, &e.into()), None));
            }
            Err(e) => return Err(e),
        };
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
                return Ok((unreadable(session, level, &e.into()), None));
            }
            Err(error) => return Err(session.explain(error)),
        };
        let evidence = write_evidence(session, self.store, &record, &self.origin, &verification)?;
        let passed = verification.outcome() == Outcome::Passed;
        let entry = session
            .event(Action::Verify, if passed { ActOutcome::Done } else { ActOutcome::Failed })
            .snapshot(reference(snapshot))
            .checksum(record.checksum)
            .detail("level", verification.level.as_str())
            .detail("evidence", evidence.clone());
        session.record(&entry, Some(self.store))?;
        Ok((verification, Some(evidence)))
    }
}

fn unreadable(session: &Session<'_>, level: Level, error: &CliError) -> Verification {
    let now = session.now();
    let check = CheckResult {
        name: "record".into(),
        ok: false,
        detail: crate::report::message_of(error),
        duration_ms: 0,
    };
    Verification { level, checks: vec![check], started_at: now, finished_at: now }
}

fn line(snapshot: &Snapshot, verification: &Verification) -> String {
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
