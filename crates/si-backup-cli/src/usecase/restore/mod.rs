//! A snapshot of the state into the live place: through the gate, by a promotion, behind a shut mutation lock.

mod after;
mod empty;
mod gate;
mod keeping;
mod note;
mod place;
mod room;
mod si;
mod source;
mod steps;

pub(super) use after::{Aftermath, check_lines, failed, passed};
pub(super) use keeping::drop_what_has_run_out;
pub(super) use note::manifest_of_pending;
pub(super) use place::LivePlace;
pub(super) use steps::alone;

use crate::args::{RestoreArgs, RestoreStep};
use crate::report::{message_of, row};
use crate::usecase::prove::millis;
use crate::view::{self, PassedOverRow, RefusalRow, RestoreRow, UndoRow};
use crate::{CliError, Mode, Report, Session, Shelf, metered};
use backup_contract::{SnapshotRef, Subject};
use backup_store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use empty::EmptyContext;
use gate::{Others, decided};
use paas_state::{Manifest, Shape, carry_events_from, carry_events_into, spoken_for};
use restore_guard::{
    ActOutcome, Action, Allowed, Decision, Grant, Growth, LockStanding, MutationPass, Pending, Permit, Plan,
    Promoted, Protected, Refusal, RestoreRequest, ShutRecord, TrailEvent, require_space,
};
use source::Bundles;
use std::fmt::Write;
use std::time::Duration;

const COMMAND: &str = "backup restore";

/// How long a deploy or a change of secrets that is under way is waited for, where nobody says.
const WAIT: Duration = Duration::from_secs(10);

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
    let place = LivePlace::open(session)?;
    if !args.force {
        let others =
            Others { run: session.at_work(&*store, &session.state_lease())?, patience: Duration::ZERO };
        let shelf = Shelf::read(session, &*store)?;
        return show(session, args, &place, &*store, &shelf, &others);
    }
    made.keep();
    // No backup is made meanwhile, nor by another host of the same context.
    let mut is_begun = false;
    let done = session.with_lease(&*store, &session.state_lease(), |_| {
        is_begun = true;
        let shelf = Shelf::read(session, &*store)?;
        carry_out(session, args, &place, &*store, &shelf)
    });
    match done {
        Err(busy) if !is_begun && ["busy", "lease-held"].contains(&busy.code()) => {
            let others = Others { run: Some(message_of(&busy)), patience: Duration::ZERO };
            let shelf = Shelf::read(session, &*store)?;
            match decided(session, args, &place, &shelf, &others)? {
                (request, Decision::Refused(refusal)) => {
                    refuse(session, &place, &*store, &request, &refusal, session.now())
                }
                (_, Decision::Allowed(_)) => Err(busy),
            }
        }
        done => done,
    }
}

/// How long to wait for whoever changes the context just now.
pub(super) fn patience(session: &Session<'_>) -> Duration {
    session.global.lock_wait.unwrap_or(WAIT)
}

/// Shows what would be done, or why not.
fn show(
    session: &Session<'_>,
    args: &RestoreArgs,
    place: &LivePlace,
    store: &dyn Store,
    shelf: &Shelf<'_>,
    others: &Others,
) -> Result<Report, CliError> {
    let (request, decision) = decided(session, args, place, shelf, others)?;
    let started_at = session.now();
    let report = match decision {
        // Who only looks has asked for nothing.
        Decision::Refused(refusal) if args.dry_run => refused(session, place, &request, &refusal, started_at),
        Decision::Refused(refusal) => refuse(session, place, store, &request, &refusal, started_at)?,
        Decision::Allowed(allowed) => {
            let manifest = manifest_of(session, shelf, &allowed.snapshot())?;
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
pub(super) fn manifest_of(
    session: &Session<'_>,
    shelf: &Shelf<'_>,
    snapshot: &SnapshotRef,
) -> Result<Manifest, CliError> {
    let identities = session.identities()?.ok_or_else(|| session.no_identity(None))?;
    let found = crate::shelf::find(shelf.snapshots(), &snapshot.subject, snapshot.id.as_str())?;
    let bundle = shelf.bundle(found)?;
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let verified =
        metered(mode, "reading", found.bytes, interrupts, None, |meter| bundle.verify(&identities, meter));
    Ok(verified.map_err(|e| session.explain(e.into()))?.into_manifest())
}

/// The steps that a restore of what a manifest tells would have, before anything is unpacked.
fn planned(place: &LivePlace, manifest: &Manifest) -> Result<Vec<view::StepRow>, CliError> {
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
    place: &LivePlace,
    store: &dyn Store,
    shelf: &Shelf<'_>,
) -> Result<Report, CliError> {
    let started_at = session.now();
    drop_what_has_run_out(session, place, store)?;
    let others = Others { run: None, patience: patience(session) };
    let (request, decision) = decided(session, args, place, shelf, &others)?;
    let allowed = match decision {
        Decision::Allowed(allowed) => *allowed,
        Decision::Refused(refusal) => return refuse(session, place, store, &request, &refusal, started_at),
    };
    let identities = session.identities()?.ok_or_else(|| session.no_identity(None))?;
    if args.or_last_verified && !allowed.passed_over().is_empty() {
        // Before anything is done, and whatever comes of it.
        crate::progress::say(&told(&allowed));
    }
    place.sweep()?;
    let snapshot = allowed.snapshot();
    let (checksum, rests_on) = (allowed.checksum(), allowed.rests_on());
    let mut row = blank(session, place, started_at, "restored");
    describe(&mut row, &allowed);
    let text = told(&allowed);

    let target = place.context.path();
    let announced = allowed.announce(target, &session.home.trail(&session.context)?, session.now())?;
    let mut bundles = Bundles { session, shelf, identities: &identities };
    let done = room::needed(session, place, shelf, announced.allowed())
        .and_then(|bytes| {
            prepare(session, place, bytes, || {
                announced.fetch(&mut bundles, &place.incoming(), || session.now())
            })
        })
        .and_then(|(permit, manifest)| {
            let grant = permit.grant().clone();
            promote(session, place, store, permit, &manifest).map(|promoted| (promoted, grant, manifest))
        });
    let (promoted, grant, manifest) = match done {
        Ok(done) => done,
        Err(error) => {
            let error = session.explain(error);
            let entry = |outcome| {
                let event = session.event(Action::Restore, outcome).snapshot(snapshot).checksum(checksum);
                event.detail("evidence", rests_on)
            };
            session.record_failure(entry, &error, Some(store));
            // What was unpacked and not promoted is of no use to anybody.
            if let Ok(None) = place.journal().pending() {
                let _ = place.sweep();
            }
            return Err(error);
        }
    };
    row.replaced = promoted.steps;
    let after = Aftermath { place, store, grant: &grant, manifest: &manifest };
    after.finish(session, row, text, &promoted.findings)
}

/// Fetches what is to be restored, where there is room for it.
fn prepare<T>(
    session: &Session<'_>,
    place: &LivePlace,
    bytes: u64,
    fetch: impl FnOnce() -> Result<T, CliError>,
) -> Result<T, CliError> {
    let incoming = place.incoming();
    if let Some(parent) = incoming.parent() {
        backup_store::durable::create_dir_all(parent, 0o700)?;
        require_space(parent, bytes)?;
    }
    fetch().map_err(|error| session.explain(error))
}

/// Shuts the lock, and changes what is live. An error before the first change opens the lock again.
fn promote(
    session: &Session<'_>,
    place: &LivePlace,
    store: &dyn Store,
    permit: Permit,
    manifest: &Manifest,
) -> Result<Promoted, CliError> {
    let incoming = place.incoming();
    let grant = permit.grant().clone();
    // In the trail before it is shut: a lock without a word about it is a riddle.
    session.record(&about(session, Action::LockShut, ActOutcome::Announced, &grant), Some(store))?;
    // Held until all is in its place: meanwhile nobody opens it.
    let why = format!("restore of {}", grant.snapshot());
    let held = shut(session, place, Some(store), &grant, why)?;
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
        let plan = Plan::files(place.context.path(), &incoming, &protected)?.noting(note::of(manifest)?);
        Ok(place.journal().promote(&plan, permit, session.now())?)
    };
    let done = changed();
    drop(held);
    let promoted = match done {
        Ok(promoted) => promoted,
        Err(error) => {
            if let Ok(None) = place.journal().pending() {
                let released = |outcome| {
                    about(session, Action::LockReleased, outcome, &grant)
                        .detail("reason", "nothing was changed")
                };
                let seen = place.lock().standing(&Subject::State)?;
                if matches!(&seen, LockStanding::Shut(record) if record.request == grant.request) {
                    release(session, place, Some(store), &seen, released)?;
                }
            }
            return Err(error);
        }
    };
    keep_events(session, place);
    Ok(promoted)
}

/// Shuts the lock for what is to be changed by a restore, durably, and says so in the trail.
pub(super) fn shut(
    session: &Session<'_>,
    place: &LivePlace,
    store: Option<&dyn Store>,
    grant: &Grant,
    why: String,
) -> Result<MutationPass, CliError> {
    let (by, host) = (session.operator(), &session.world.host);
    let record =
        ShutRecord::new(Subject::State, session.now(), by, host, why, grant.request).of(grant.id.clone());
    let held = place.lock().shut(&record, &*session.world.clock, patience(session))?;
    session.record(&about(session, Action::LockShut, ActOutcome::Done, grant), store)?;
    Ok(held)
}

/// The beginning of an entry of the trail about what becomes of a restore.
pub(super) fn about(session: &Session<'_>, action: Action, outcome: ActOutcome, grant: &Grant) -> TrailEvent {
    let event = session.event(action, outcome).snapshot(grant.snapshot()).checksum(grant.checksum);
    event.detail("request", grant.request.to_string())
}

/// Opens the lock as it was seen, with a word in the trail before and after it.
pub(super) fn release(
    session: &Session<'_>,
    place: &LivePlace,
    store: Option<&dyn Store>,
    seen: &LockStanding,
    about: impl Fn(ActOutcome) -> TrailEvent,
) -> Result<(), CliError> {
    session.record(&about(ActOutcome::Announced), store)?;
    place.lock().release(&Subject::State, seen, &*session.world.clock, patience(session))?;
    session.record(&about(ActOutcome::Done), store)
}

/// Gives the live logs what was written to the replaced ones in the moment of their replacement. Where that cannot be done
/// it is done before what was replaced is dropped.
pub(super) fn keep_events(session: &Session<'_>, place: &LivePlace) {
    let pending = place.journal().pending().map_err(CliError::from);
    let brought = pending.and_then(|pending| match pending {
        Some(pending) => bring_events(place, &pending),
        None => Ok(()),
    });
    if let Err(e) = brought {
        session.warn(format!(
            "events that were written during the restore may lie in what was replaced: {}",
            message_of(&e)
        ));
    }
}

/// The same, of what a restore has kept; nothing where somebody has taken that away.
pub(super) fn bring_events(place: &LivePlace, pending: &Pending) -> Result<(), CliError> {
    if pending.kept.exists() {
        carry_events_from(&pending.kept, &place.context)?;
    }
    Ok(())
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
    row.requested = allowed.requested();
}

/// A row about the live place, of which nothing else is known yet.
pub(super) fn blank(
    session: &Session<'_>,
    place: &LivePlace,
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

/// The same, about a restore that its journal knows.
pub(super) fn row_of(
    session: &Session<'_>,
    place: &LivePlace,
    pending: &Pending,
    outcome: &'static str,
) -> RestoreRow {
    RestoreRow {
        id: Some(pending.grant.id.clone()),
        checksum: Some(pending.grant.checksum),
        requested: pending.grant.id.to_string(),
        ..blank(session, place, session.now(), outcome)
    }
}

/// Where what was replaced is kept, as far as something is.
pub(super) fn undo_row(session: &Session<'_>, place: &LivePlace) -> Option<UndoRow> {
    let pending = place.journal().pending().ok()??;
    let keep = session.context_settings().ok()?.undo_keep;
    Some(UndoRow {
        kept: pending.kept.display().to_string(),
        until: pending.since + TimeDelta::from_std(keep).unwrap_or_default(),
    })
}

/// Refuses what was asked for, with a word in the trail.
fn refuse(
    session: &Session<'_>,
    place: &LivePlace,
    store: &dyn Store,
    request: &RestoreRequest,
    refusal: &Refusal,
    started_at: DateTime<Utc>,
) -> Result<Report, CliError> {
    session.record(&refusal.event(request), Some(store))?;
    Ok(refused(session, place, request, refusal, started_at))
}

fn refused(
    session: &Session<'_>,
    place: &LivePlace,
    request: &RestoreRequest,
    refusal: &Refusal,
    started_at: DateTime<Utc>,
) -> Report {
    let subject = &request.subject;
    let mut view = blank(session, place, started_at, "refused");
    view.id.clone_from(&refusal.id);
    view.checksum = refusal.checksum;
    let reasons = RefusalRow::of(refusal, request, &session.global);
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
