use super::{Aftermath, Place, blank, keep_events, patience, undo_row};
use crate::args::UndoArgs;
use crate::report::{finding_lines, row};
use crate::usecase::run::note_event;
use crate::{CliError, Mode, Report, Session, Shelf, metered};
use backup_contract::{SnapshotRef, Subject};
use backup_store::Store;
use chrono::TimeDelta;
use paas_state::{Event, Manifest};
use restore_guard::{ActOutcome, Action, LockStanding, Pending, Phase, Resumed, TrailEvent, Writes};
use std::fmt::Write;

/// Finishes what was interrupted.
pub(super) fn resume(session: &Session<'_>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore resume";
    let place = Place::open(session)?;
    let store = session.open_store()?;
    session.with_lease(&*store, &format!("run-state-{}", session.context), |_| {
        let started_at = session.now();
        let Some(pending) = place.journal().pending()? else {
            return nothing_was_changed(session, &place, &*store, COMMAND);
        };
        let entry = |outcome| entry(session, Action::RestoreResume, outcome, &pending);
        session.record(&entry(ActOutcome::Announced).detail("phase", pending.phase.word()), Some(&*store))?;
        let resumed = match place.journal().resume(session.now()) {
            Ok(resumed) => resumed,
            Err(e) => {
                let error = session.explain(e.into());
                session.record_failure(entry, &error, &*store);
                return Err(error);
            }
        };
        session.record(&entry(ActOutcome::Done), Some(&*store))?;
        let mut view = blank(session, &place, started_at, "resumed");
        view.id = Some(pending.grant.id.clone());
        view.checksum = Some(pending.grant.checksum);
        view.requested = pending.grant.id.to_string();
        view.evidence = pending.grant.evidence.as_ref().map(ToString::to_string);
        let text = format!("finished what was {}\n", pending.phase.word());
        match resumed {
            Resumed::Promoted(promoted) => {
                keep_events(session, &place);
                let manifest = manifest_of(session, &*store, &pending.grant.snapshot())?;
                view.replaced = promoted.steps;
                let after = Aftermath {
                    place: &place,
                    store: &*store,
                    snapshot: &pending.grant.snapshot(),
                    checksum: pending.grant.checksum,
                    request: pending.grant.request,
                    manifest: &manifest,
                };
                let report = after.finish(session, view, text, &promoted.findings)?;
                Ok(Report { command: COMMAND, ..report })
            }
            Resumed::Undone(undone) => {
                undone_now(session, &place, &*store, &pending)?;
                view.replaced = undone.steps;
                view.outcome = "undone";
                let text = text + &finding_lines(&undone.findings);
                Ok(Report::new(COMMAND, vec![row(&view)], text))
            }
            Resumed::Confirmed => Ok(Report::new(COMMAND, vec![row(&view)], text)),
        }
    })
}

/// A restore that was killed after it had shut the lock and before it had changed anything: the lock is opened again.
fn nothing_was_changed(
    session: &Session<'_>,
    place: &Place,
    store: &dyn Store,
    command: &'static str,
) -> Result<Report, CliError> {
    place.sweep()?;
    if let LockStanding::Shut(record) = place.lock().standing(&Subject::State)? {
        let released = session
            .event(Action::LockReleased, ActOutcome::Done)
            .subject(Subject::State)
            .detail("reason", "nothing was changed")
            .detail("request", record.request.to_string());
        session.record(&released, Some(store))?;
        place.lock().release(&Subject::State, &*session.world.clock, patience(session))?;
        let view = blank(session, place, session.now(), "resumed");
        let text = "nothing had been changed; the mutation lock is open again\n".to_owned();
        return Ok(Report::new(command, vec![row(&view)], text));
    }
    Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into())
}

/// What a snapshot holds, by its bundle.
pub(in crate::usecase) fn manifest_of(
    session: &Session<'_>,
    store: &dyn Store,
    snapshot: &SnapshotRef,
) -> Result<Manifest, CliError> {
    let identities = session.identities()?.ok_or_else(|| session.no_identity(None))?;
    let shelf = Shelf::read(session, store)?;
    let found = crate::shelf::find(shelf.snapshots(), &snapshot.subject, snapshot.id.as_str())?;
    let bundle = shelf.bundle(found)?;
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let verified =
        metered(mode, "reading", found.bytes, interrupts, None, |meter| bundle.verify(&identities, meter));
    Ok(verified.map_err(|e| session.explain(e.into()))?.into_manifest())
}

/// Puts back what a restore has replaced.
pub(super) fn undo(session: &Session<'_>, args: &UndoArgs) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore undo";
    let place = Place::open(session)?;
    let Some(pending) = place.journal().pending()? else {
        return Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into());
    };
    let mut view = blank(session, &place, session.now(), "planned");
    view.id = Some(pending.grant.id.clone());
    view.checksum = Some(pending.grant.checksum);
    view.requested = pending.grant.id.to_string();
    view.undo = undo_row(session, &place);
    if !args.force {
        let text = format!(
            "would put back what the restore of {} by {} has replaced, from {}\n",
            pending.grant.snapshot(),
            pending.grant.operator,
            pending.kept.display()
        );
        let report = Report { mode: Mode::DryRun, ..Report::new(COMMAND, vec![row(&view)], text) };
        return Ok(report.with_error(CliError::ForceRequired));
    }
    let store = session.open_store()?;
    session.with_lease(&*store, &format!("run-state-{}", session.context), |_| {
        let entry = |outcome| entry(session, Action::RestoreUndo, outcome, &pending);
        session.record(
            &entry(ActOutcome::Announced).detail("discard_writes", args.discard_writes),
            Some(&*store),
        )?;
        let writes = if args.discard_writes { Writes::Discard } else { Writes::Refuse };
        let undone = match place.journal().undo(writes, session.now()) {
            Ok(undone) => undone,
            Err(e) => {
                let error = session.explain(e.into());
                session.record_failure(entry, &error, &*store);
                return Err(error);
            }
        };
        session.record(&entry(ActOutcome::Done), Some(&*store))?;
        undone_now(session, &place, &*store, &pending)?;
        view.replaced = undone.steps;
        view.outcome = "undone";
        view.undo = None;
        view.finished_at = session.now();
        let mut text = format!("put back what was replaced: {} files\n", undone.steps);
        text += &finding_lines(&undone.findings);
        if !undone.carried.is_empty() {
            let _ = writeln!(text, "with the lines that were added since: {}", undone.carried.join(", "));
        }
        text += "the mutation lock is open\n'si-backup restore confirm' drops what was restored\n";
        Ok(Report::new(COMMAND, vec![row(&view)], text))
    })
}

/// All is as it was before the restore: so is the lock.
fn undone_now(
    session: &Session<'_>,
    place: &Place,
    store: &dyn Store,
    pending: &Pending,
) -> Result<(), CliError> {
    if let LockStanding::Shut(record) = place.lock().standing(&Subject::State)?
        && record.request == pending.grant.request
    {
        let released = entry(session, Action::LockReleased, ActOutcome::Done, pending)
            .detail("reason", "the restore was undone");
        session.record(&released, Some(store))?;
        place.lock().release(&Subject::State, &*session.world.clock, patience(session))?;
    }
    let event = Event::new(session.now(), &place.context, "backup restore undo", true)
        .with("subject", &pending.grant.subject)
        .with("snapshot", &pending.grant.id);
    note_event(session, &place.context, &event);
    Ok(())
}

/// Drops what was kept for undoing.
pub(super) fn confirm(session: &Session<'_>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore confirm";
    let place = Place::open(session)?;
    let store = session.open_store()?;
    let Some(pending) = place.journal().pending()? else {
        return Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into());
    };
    if place.lock().standing(&Subject::State)?.is_shut() {
        return Err(CliError::LockStillShut);
    }
    let mut view = blank(session, &place, session.now(), "confirmed");
    view.id = Some(pending.grant.id.clone());
    view.checksum = Some(pending.grant.checksum);
    view.requested = pending.grant.id.to_string();
    drop_kept(session, &place, &*store, &pending, "the operator confirmed it")?;
    view.finished_at = session.now();
    Ok(Report::new(COMMAND, vec![row(&view)], "dropped what was kept for undoing the restore\n".into()))
}

fn drop_kept(
    session: &Session<'_>,
    place: &Place,
    store: &dyn Store,
    pending: &Pending,
    why: &str,
) -> Result<(), CliError> {
    keep_events(session, place);
    let entry = |outcome| entry(session, Action::RestoreConfirm, outcome, pending).detail("why", why);
    session.record(&entry(ActOutcome::Announced), Some(store))?;
    if let Err(e) = place.journal().confirm(session.now()) {
        let error = session.explain(e.into());
        session.record_failure(entry, &error, store);
        return Err(error);
    }
    session.record(&entry(ActOutcome::Done), Some(store))
}

/// Drops what an earlier restore has kept, once its checks have passed and its time has run out, and what an undone one
/// took away.
pub(in crate::usecase) fn drop_what_has_run_out(
    session: &Session<'_>,
    place: &Place,
    store: &dyn Store,
) -> Result<(), CliError> {
    let Some(pending) = place.journal().pending()? else { return Ok(()) };
    if place.lock().standing(&Subject::State)?.is_shut() {
        return Ok(());
    }
    let keep = TimeDelta::from_std(session.context_settings()?.undo_keep).unwrap_or(TimeDelta::MAX);
    match pending.phase {
        Phase::Moved if session.now().signed_duration_since(pending.since) > keep => {
            drop_kept(session, place, store, &pending, "its keeping time has run out")
        }
        Phase::Undone => drop_kept(session, place, store, &pending, "it was undone"),
        _ => Ok(()),
    }
}

fn entry(session: &Session<'_>, action: Action, outcome: ActOutcome, pending: &Pending) -> TrailEvent {
    session.event(action, outcome).snapshot(pending.grant.snapshot()).checksum(pending.grant.checksum)
}
