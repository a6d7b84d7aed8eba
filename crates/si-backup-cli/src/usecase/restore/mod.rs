//! A snapshot of the state into the live place: through the gate, by a promotion, behind a shut mutation lock.

mod after;
mod empty;
mod gate;
mod place;
mod source;
mod steps;

pub(super) use after::{Aftermath, check_lines, failed, passed};
pub(super) use place::Place;
pub(super) use steps::{alone, drop_what_has_run_out, manifest_of};

use crate::args::{RestoreArgs, RestoreStep};
use crate::report::{message_of, row};
use crate::usecase::prove::millis;
use crate::view::{self, PassedOverRow, RefusalRow, RestoreRow, UndoRow};
use crate::{CliError, Mode, Report, Session, Shelf};
use backup_contract::{SnapshotRef, Subject};
use backup_store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use empty::EmptyContext;
use gate::decided;
use paas_state::{Inventory, Manifest, Shape, carry_events_from, carry_events_into, spoken_for};
use restore_guard::{
    ActOutcome, Action, Allowed, Decision, Growth, Permit, Plan, Promoted, Protected, Refusal, ShutRecord,
    require_space,
};
use source::Bundles;
use std::fmt::Write;
use std::time::Duration;

const COMMAND: &str = "backup restore";

/// How long a deploy or a change of secrets that is under way is waited for, where nobody says.
const WAIT: Duration = Duration::from_secs(10);

/// What is needed besides the files themselves, in bytes: the journal, and room for the directories.
const BESIDES: u64 = 1 << 20;

/// Restores the state, or goes on with a restore.
pub(super) fn restore(session: &Session<'_>, args: &RestoreArgs) -> Result<Report, CliError> {
    match &args.step {
        Some(RestoreStep::Resume(_)) => return steps::resume(session),
        Some(RestoreStep::Undo(args)) => return steps::undo(session, args),
        Some(RestoreStep::Confirm(_)) => return steps::confirm(session),
        None => {}
    }
    if args.subject.app.is_some() {
        return Err(CliError::usage(
            "a database is not restored into its live place by this version",
            "'si-backup extract LATEST --app SLUG --into DIR' makes a data directory that is ready to be started",
        ));
    }
    let store = session.open_store()?;
    // On a new host there is no context yet. Who only looks leaves none behind.
    let made = EmptyContext::make(session)?;
    let place = Place::open(session)?;
    if !args.force {
        let shelf = Shelf::read(session, &*store)?;
        return show(session, args, &place, &shelf);
    }
    made.keep();
    // No backup is made meanwhile, nor by another host of the same context.
    session.with_lease(&*store, &format!("run-state-{}", session.context), |_| {
        let shelf = Shelf::read(session, &*store)?;
        carry_out(session, args, &place, &*store, &shelf)
    })
}

/// How long to wait for whoever changes the context just now.
pub(super) fn patience(session: &Session<'_>) -> Duration {
    session.global.lock_wait.unwrap_or(WAIT)
}

/// Shows what would be done, or why not.
fn show(
    session: &Session<'_>,
    args: &RestoreArgs,
    place: &Place,
    shelf: &Shelf<'_>,
) -> Result<Report, CliError> {
    let (request, decision) = decided(session, args, place, shelf)?;
    let started_at = session.now();
    let report = match decision {
        Decision::Refused(refusal) => refused(session, place, &request.subject, &refusal, started_at),
        Decision::Allowed(allowed) => {
            let identities = session.identities()?.ok_or_else(|| session.no_identity(None))?;
            let manifest = look(session, shelf, &allowed, &identities)?;
            let mut row = blank(session, place, started_at, "planned");
            describe(&mut row, &allowed);
            let steps = planned(place, &manifest)?;
            row.replaced = steps.len();
            row.plan = steps;
            let mut text = told(&allowed);
            for step in &row.plan {
                let _ = writeln!(text, "  {:<40} {}", step.step, step.detail);
            }
            let _ = writeln!(
                text,
                "before: the mutation lock is shut; after: doctor, app status, events and the configured checks open it"
            );
            Report::new(COMMAND, vec![crate::report::row(&row)], text)
        }
    };
    let report = Report { mode: Mode::DryRun, ..report };
    if args.dry_run || report.error.is_some() {
        return Ok(report);
    }
    Ok(report.with_error(CliError::ForceRequired))
}

/// What a snapshot holds, read and proved without being unpacked.
fn look(
    session: &Session<'_>,
    shelf: &Shelf<'_>,
    allowed: &Allowed,
    identities: &paas_state::Identities,
) -> Result<Manifest, CliError> {
    let SnapshotRef { subject, id } = allowed.snapshot();
    let bundle = shelf.bundle(crate::shelf::find(shelf.snapshots(), &subject, id.as_str())?)?;
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let read = crate::metered(mode, "reading", 0, interrupts, None, |meter| bundle.verify(identities, meter));
    Ok(read.map_err(|e| session.explain(e.into()))?.into_manifest())
}

/// The steps that a restore of what a manifest tells would have, before anything is unpacked.
fn planned(place: &Place, manifest: &Manifest) -> Result<Vec<view::StepRow>, CliError> {
    let rows = spoken_for(manifest, &place.context)?.into_iter().filter_map(|(path, _)| {
        let live = std::fs::symlink_metadata(place.context.path().join(&path)).ok().map(|meta| meta.len());
        let (what, detail) = match (manifest.file(path.as_str()), live) {
            (Some(file), Some(_)) if file.shape == Shape::Log => (
                "replace",
                format!("{} bytes, and behind them the lines that only the live log has", file.size),
            ),
            (Some(file), Some(live)) => ("replace", format!("{} bytes in place of {live} bytes", file.size)),
            (Some(file), None) => ("add", format!("{} bytes", file.size)),
            (None, Some(live)) => ("put away", format!("{live} bytes, kept for undoing")),
            (None, None) => return None,
        };
        Some(view::StepRow { step: format!("{what} {path}"), detail })
    });
    Ok(rows.collect())
}

fn carry_out(
    session: &Session<'_>,
    args: &RestoreArgs,
    place: &Place,
    store: &dyn Store,
    shelf: &Shelf<'_>,
) -> Result<Report, CliError> {
    let started_at = session.now();
    drop_what_has_run_out(session, place, store)?;
    let (request, decision) = decided(session, args, place, shelf)?;
    let allowed = match decision {
        Decision::Allowed(allowed) => *allowed,
        Decision::Refused(refusal) => {
            session.record(&refusal.event(&request), Some(store))?;
            return Ok(refused(session, place, &request.subject, &refusal, started_at));
        }
    };
    let identities = session.identities()?.ok_or_else(|| session.no_identity(None))?;
    place.sweep()?;
    let SnapshotRef { subject, id } = allowed.snapshot();
    let sealed = crate::shelf::find(shelf.snapshots(), &subject, id.as_str())?.bytes;
    // What it unpacks to is not known before it is read; what is live now tells about how much.
    let live = Inventory::take(&place.context, &[])?.bytes_taken();
    let entry = Described::of(&allowed, sealed.max(live));
    let mut row = blank(session, place, started_at, "restored");
    describe(&mut row, &allowed);
    let text = told(&allowed);

    let target = place.context.path().display().to_string();
    let announced = allowed.announce(&target, &session.home.trail(&session.context)?, session.now())?;
    let request = announced.request();
    let mut bundles = Bundles { session, shelf, identities: &identities };
    let done = prepare(session, place, &entry, || {
        announced.fetch(&mut bundles, &place.incoming(), || session.now())
    })
    .and_then(|(permit, manifest)| {
        promote(session, place, store, &entry, request, permit, &manifest)
            .map(|promoted| (promoted, manifest))
    });
    let (promoted, manifest) = match done {
        Ok(done) => done,
        Err(error) => {
            let error = session.explain(error);
            session.record_failure(|outcome| entry.event(session, outcome), &error, store);
            // What was unpacked and not promoted is of no use to anybody.
            if let Ok(None) = place.journal().pending() {
                let _ = place.sweep();
            }
            return Err(error);
        }
    };
    row.replaced = promoted.steps;
    let after = Aftermath {
        place,
        store,
        snapshot: &entry.snapshot,
        checksum: entry.checksum,
        request,
        manifest: &manifest,
    };
    after.finish(session, row, text, &promoted.findings)
}

/// Fetches what is to be restored, where there is room for it.
fn prepare<T>(
    session: &Session<'_>,
    place: &Place,
    entry: &Described,
    fetch: impl FnOnce() -> Result<T, CliError>,
) -> Result<T, CliError> {
    let incoming = place.incoming();
    if let Some(parent) = incoming.parent() {
        backup_store::durable::create_dir_all(parent, 0o700)?;
        require_space(parent, entry.bytes.saturating_add(BESIDES))?;
    }
    fetch().map_err(|error| session.explain(error))
}

/// Shuts the lock, and changes what is live. An error before the first change opens the lock again.
fn promote(
    session: &Session<'_>,
    place: &Place,
    store: &dyn Store,
    entry: &Described,
    request: backup_contract::Checksum,
    permit: Permit,
    manifest: &Manifest,
) -> Result<Promoted, CliError> {
    let incoming = place.incoming();
    let shut = ShutRecord::new(
        Subject::State,
        session.now(),
        session.operator(),
        &session.world.host,
        format!("restore of {}", entry.snapshot),
        request,
    )
    .of(entry.snapshot.id.clone());
    // In the trail before it is shut: a lock without a word about it is a riddle.
    session.record(&entry.about(session, Action::LockShut, ActOutcome::Announced), Some(store))?;
    // Held until all is in its place: meanwhile nobody opens it.
    let held = place.lock().shut(&shut, &*session.world.clock, patience(session))?;
    session.record(&entry.about(session, Action::LockShut, ActOutcome::Done), Some(store))?;
    let changed = || -> Result<Promoted, CliError> {
        // Whoever wrote events until now has done so: nobody who asks the lock begins any more.
        carry_events_into(&incoming, &place.context)?;
        let protected: Vec<_> = spoken_for(manifest, &place.context)?
            .into_iter()
            .map(|(path, shape)| Protected {
                path: path.to_string(),
                growth: if shape == Shape::Log { Growth::Grows } else { Growth::Any },
            })
            .collect();
        let plan = Plan::files(place.context.path(), &incoming, &protected)?;
        Ok(place.journal().promote(&plan, permit, session.now())?)
    };
    let done = changed();
    drop(held);
    let promoted = match done {
        Ok(promoted) => promoted,
        Err(error) => {
            if let Ok(None) = place.journal().pending() {
                let about = |outcome| {
                    entry
                        .about(session, Action::LockReleased, outcome)
                        .detail("reason", "nothing was changed")
                };
                release(session, place, Some(store), about)?;
            }
            return Err(error);
        }
    };
    keep_events(session, place);
    Ok(promoted)
}

/// Opens the lock, with a word in the trail before and after it.
pub(super) fn release(
    session: &Session<'_>,
    place: &Place,
    store: Option<&dyn Store>,
    about: impl Fn(ActOutcome) -> restore_guard::TrailEvent,
) -> Result<(), CliError> {
    session.record(&about(ActOutcome::Announced), store)?;
    place.lock().release(&Subject::State, &*session.world.clock, patience(session))?;
    session.record(&about(ActOutcome::Done), store)
}

/// Gives the live logs what was written to the replaced ones in the moment of their replacement.
pub(super) fn keep_events(session: &Session<'_>, place: &Place) {
    let pending = place.journal().pending();
    let kept = pending.ok().flatten().map(|pending| pending.kept);
    if let Some(Err(e)) = kept.map(|kept| carry_events_from(&kept, &place.context)) {
        session.warn(format!(
            "events that were written during the restore may lie in what was replaced: {}",
            message_of(&e.into())
        ));
    }
}

/// What every entry of the trail about one restore says.
struct Described {
    snapshot: SnapshotRef,
    checksum: backup_contract::Checksum,
    evidence: String,
    bytes: u64,
}

impl Described {
    fn of(allowed: &Allowed, bytes: u64) -> Self {
        let announced = allowed.event(ActOutcome::Announced);
        let evidence = announced.detail.get("evidence").and_then(|text| text.as_str()).unwrap_or_default();
        Self {
            snapshot: allowed.snapshot(),
            checksum: allowed.checksum(),
            evidence: evidence.to_owned(),
            bytes,
        }
    }

    fn about(&self, session: &Session<'_>, action: Action, outcome: ActOutcome) -> restore_guard::TrailEvent {
        session.event(action, outcome).snapshot(self.snapshot.clone()).checksum(self.checksum)
    }

    fn event(&self, session: &Session<'_>, outcome: ActOutcome) -> restore_guard::TrailEvent {
        self.about(session, Action::Restore, outcome).detail("evidence", self.evidence.clone())
    }
}

/// What goes before the plan: which snapshot, what it rests on, and which newer ones are passed over.
fn told(allowed: &Allowed) -> String {
    let mut text = String::new();
    for over in allowed.passed_over() {
        let why: Vec<_> = over.reasons.iter().map(ToString::to_string).collect();
        let why = if why.is_empty() { "an older one was asked for".to_owned() } else { why.join("; ") };
        let _ = writeln!(text, "passed over {}: {why}", over.id);
    }
    let _ = writeln!(text, "restore {}", allowed.snapshot());
    let _ = match allowed.evidence() {
        Some((key, level, at)) => {
            writeln!(text, "proved at level '{level}' on {}: {key}", view::time(*at))
        }
        None => writeln!(text, "known by the checksum that was given: {}", allowed.checksum()),
    };
    text
}

fn describe(row: &mut RestoreRow, allowed: &Allowed) {
    row.id = Some(allowed.snapshot().id);
    row.checksum = Some(allowed.checksum());
    row.evidence = allowed.evidence().map(|(key, ..)| key.to_string());
    row.passed_over = allowed.passed_over().iter().map(PassedOverRow::from).collect();
    if let Some(requested) = allowed.event(ActOutcome::Announced).detail.get("requested") {
        requested.as_str().unwrap_or_default().clone_into(&mut row.requested);
    }
}

/// A row about the live place, of which nothing else is known yet.
pub(super) fn blank(
    session: &Session<'_>,
    place: &Place,
    started_at: DateTime<Utc>,
    outcome: &'static str,
) -> RestoreRow {
    RestoreRow {
        id: None,
        subject: Subject::State,
        checksum: None,
        operator: session.operator(),
        started_at,
        finished_at: session.now(),
        requested: String::new(),
        evidence: None,
        target: place.context.path().display().to_string(),
        replaced: 0,
        undo: None,
        checks: Vec::new(),
        outcome,
        plan: Vec::new(),
        passed_over: Vec::new(),
        refusal: None,
    }
}

/// Where what was replaced is kept, as far as something is.
pub(super) fn undo_row(session: &Session<'_>, place: &Place) -> Option<UndoRow> {
    let pending = place.journal().pending().ok()??;
    let keep = session.context_settings().ok()?.undo_keep;
    Some(UndoRow {
        kept: pending.kept.display().to_string(),
        until: pending.since + TimeDelta::from_std(keep).unwrap_or_default(),
    })
}

fn refused(
    session: &Session<'_>,
    place: &Place,
    subject: &Subject,
    refusal: &Refusal,
    started_at: DateTime<Utc>,
) -> Report {
    let mut view = blank(session, place, started_at, "refused");
    view.id.clone_from(&refusal.id);
    view.checksum = refusal.checksum;
    let reasons = RefusalRow::of(refusal, subject);
    let mut text = String::new();
    for reason in &reasons.reasons {
        let _ = writeln!(text, "refused: {} [{}]", reason.detail, reason.code);
    }
    let use_instead = reasons.last_verified.as_ref().map(|last| last.command.clone());
    if let Some(last) = &reasons.last_verified {
        let _ = writeln!(
            text,
            "last verified: {} at level '{}' on {}\n  {}",
            last.id,
            last.level,
            view::time(last.at),
            last.checksum
        );
    }
    let error = CliError::RestoreRefused {
        id: refusal.id.as_ref().map_or_else(|| "the restore".to_owned(), |id| format!("{subject}/{id}")),
        codes: reasons.reasons.iter().map(|reason| reason.code).collect(),
        use_instead,
    };
    view.refusal = Some(reasons);
    Report::new(COMMAND, vec![row(&view)], text).with_error(error)
}

/// How long something took, for a check's row.
pub(super) fn took(session: &Session<'_>, began: Duration) -> u64 {
    millis(session.world.clock.monotonic().saturating_sub(began))
}
