use super::{Aftermath, Place, blank, keep_events, patience, release, undo_row};
use crate::args::UndoArgs;
use crate::report::{finding_lines, message_of, row};
use crate::usecase::run::note_event;
use crate::{CliError, Mode, Report, Session, Shelf, metered};
use backup_contract::{SnapshotRef, Subject};
use backup_store::Store;
use chrono::TimeDelta;
use paas_state::{Event, Manifest};
use restore_guard::{
    ActOutcome, Action, LockStanding, MutationPass, Pending, Phase, Resumed, ShutRecord, TrailEvent, Writes,
};
use std::fmt::Write;

/// Does `work` while no backup and no other restore is made here or elsewhere. What is needed to put things right is in the
/// context: a store that cannot be reached keeps nobody from that, and then nobody else reaches it to make a backup.
pub(in crate::usecase) fn alone<T>(
    session: &Session<'_>,
    work: impl FnOnce(Option<&dyn Store>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let lease = format!("run-state-{}", session.context);
    let away = |session: &Session<'_>, error: &CliError| {
        session.warn(format!("the store is not reached, and is done without: {}", message_of(error)));
    };
    let mut work = Some(work);
    let store = match session.open_store() {
        Ok(store) => store,
        Err(e) => {
            away(session, &e);
            let _one_process = session.home.lock(
                &lease.replace('/', "-"),
                session.global.lock_wait.unwrap_or_default(),
                session.world,
            )?;
            return work.take().map_or_else(|| Err(e), |work| work(None));
        }
    };
    let done = session.with_lease(&*store, &lease, |_| match work.take() {
        Some(work) => work(Some(&*store)),
        None => Err(CliError::ForceRequired),
    });
    match (done, work.take()) {
        // It was never begun: the lease could not be had.
        (Err(e @ CliError::Store(_)), Some(work)) if e.exit_code() != LOCKED => {
            away(session, &e);
            work(None)
        }
        (done, _) => done,
    }
}

/// The exit code of what somebody else holds.
const LOCKED: u8 = 11;

/// Finishes what was interrupted.
pub(super) fn resume(session: &Session<'_>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore resume";
    let place = Place::open(session)?;
    alone(session, |store| {
        let started_at = session.now();
        let Some(pending) = place.journal().pending()? else {
            return nothing_was_changed(session, &place, store, COMMAND);
        };
        if let Some(report) = is_done(session, &place, &pending, COMMAND)? {
            return Ok(report);
        }
        let entry = |outcome| entry(session, Action::RestoreResume, outcome, &pending);
        session.record(&entry(ActOutcome::Announced).detail("phase", pending.phase.word()), store)?;
        // Somebody may have opened it, or it was never shut again for an undo that was killed.
        let held = match shut_for(session, &place, &pending) {
            Ok(held) => held,
            Err(error) => {
                failed(session, entry, &error, store)?;
                return Err(error);
            }
        };
        session.record(&self::entry(session, Action::LockShut, ActOutcome::Done, &pending), store)?;
        let resumed = place.journal().resume(session.now());
        drop(held);
        let resumed = match resumed {
            Ok(resumed) => resumed,
            Err(e) => {
                let error = session.explain(e.into());
                failed(session, entry, &error, store)?;
                return Err(error);
            }
        };
        session.record(&entry(ActOutcome::Done), store)?;
        let mut view = blank(session, &place, started_at, "resumed");
        view.id = Some(pending.grant.id.clone());
        view.checksum = Some(pending.grant.checksum);
        view.requested = pending.grant.id.to_string();
        view.evidence = pending.grant.evidence.as_ref().map(ToString::to_string);
        let text = format!("finished what was {}\n", pending.phase.word());
        match resumed {
            Resumed::Promoted(promoted) => {
                keep_events(session, &place);
                view.replaced = promoted.steps;
                let Some(store) = store else {
                    view.undo = undo_row(session, &place);
                    let text =
                        text + "without the store nothing can be checked: the mutation lock stays shut\n";
                    return Ok(
                        Report::new(COMMAND, vec![row(&view)], text).with_error(CliError::ChecksFailed)
                    );
                };
                let manifest = manifest_of(session, store, &pending.grant.snapshot())?;
                let after = Aftermath {
                    place: &place,
                    store,
                    snapshot: &pending.grant.snapshot(),
                    checksum: pending.grant.checksum,
                    request: pending.grant.request,
                    manifest: &manifest,
                };
                let report = after.finish(session, view, text, &promoted.findings)?;
                Ok(Report { command: COMMAND, ..report })
            }
            Resumed::Undone(undone) => {
                undone_now(session, &place, store, &pending)?;
                view.replaced = undone.steps;
                view.outcome = "undone";
                let text = text + &finding_lines(&undone.findings) + &standing_line(&place)?;
                Ok(Report::new(COMMAND, vec![row(&view)], text))
            }
            Resumed::Confirmed => Ok(Report::new(COMMAND, vec![row(&view)], text)),
        }
    })
}

/// What is said where there is nothing to finish, or to take back.
fn is_done(
    session: &Session<'_>,
    place: &Place,
    pending: &Pending,
    command: &'static str,
) -> Result<Option<Report>, CliError> {
    let is_shut = place.lock().standing(&Subject::State)?.is_shut();
    let (text, error) = match pending.phase {
        Phase::Moved if is_shut => (
            "the restore is done, and its checks have not passed: 'si-backup guard recheck'\n",
            Some(CliError::ChecksFailed),
        ),
        Phase::Moved => {
            ("the restore is done: 'si-backup restore confirm' drops what it has replaced\n", None)
        }
        Phase::Undone => {
            ("the restore is undone: 'si-backup restore confirm' drops what it had brought\n", None)
        }
        _ => return Ok(None),
    };
    let mut view =
        blank(session, place, session.now(), if error.is_some() { "checks-failed" } else { "resumed" });
    view.id = Some(pending.grant.id.clone());
    view.checksum = Some(pending.grant.checksum);
    view.requested = pending.grant.id.to_string();
    view.undo = undo_row(session, place);
    let report = Report::new(command, vec![row(&view)], text.to_owned() + &standing_line(place)?);
    Ok(Some(match error {
        Some(error) => report.with_error(error),
        None => report,
    }))
}

/// Shuts the lock for what is still to be changed of a restore.
fn shut_for(session: &Session<'_>, place: &Place, pending: &Pending) -> Result<MutationPass, CliError> {
    let shut = ShutRecord::new(
        Subject::State,
        session.now(),
        session.operator(),
        &session.world.host,
        format!("restore of {}, which is {}", pending.grant.snapshot(), pending.phase.word()),
        pending.grant.request,
    )
    .of(pending.grant.id.clone());
    Ok(place.lock().shut(&shut, &*session.world.clock, patience(session))?)
}

/// Puts a failure into the trail, here and, where it is reached, in the store.
fn failed(
    session: &Session<'_>,
    entry: impl Fn(ActOutcome) -> TrailEvent,
    error: &CliError,
    store: Option<&dyn Store>,
) -> Result<(), CliError> {
    match store {
        Some(store) => {
            session.record_failure(entry, error, store);
            Ok(())
        }
        None => session.record(&entry(ActOutcome::Failed).detail("error_code", error.code()), None),
    }
}

/// Whether the lock is open, as it is found.
fn standing_line(place: &Place) -> Result<String, CliError> {
    let is_shut = place.lock().standing(&Subject::State)?.is_shut();
    Ok(if is_shut {
        "the mutation lock is shut: 'si-backup guard status' says why\n".to_owned()
    } else {
        "the mutation lock is open\n".to_owned()
    })
}

/// A restore that was killed after it had shut the lock and before it had changed anything: the lock is opened again.
fn nothing_was_changed(
    session: &Session<'_>,
    place: &Place,
    store: Option<&dyn Store>,
    command: &'static str,
) -> Result<Report, CliError> {
    // The rest of one that was being confirmed is no restore any more, and goes.
    let is_cleared = match place.journal().resume(session.now()) {
        Ok(_) => true,
        Err(restore_guard::Error::NoRestore(_)) => false,
        Err(e) => return Err(e.into()),
    };
    let has_leftovers = !place.leftovers().is_empty();
    place.sweep()?;
    let view = blank(session, place, session.now(), "resumed");
    if let LockStanding::Shut(record) = place.lock().standing(&Subject::State)? {
        let about = |outcome| {
            session
                .event(Action::LockReleased, outcome)
                .subject(Subject::State)
                .detail("reason", "nothing was changed")
                .detail("request", record.request.to_string())
        };
        release(session, place, store, about)?;
        let text = "nothing had been changed; the mutation lock is open again\n".to_owned();
        return Ok(Report::new(command, vec![row(&view)], text));
    }
    if is_cleared || has_leftovers {
        let text = "removed what a restore had left; nothing live was changed\n".to_owned();
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
    let was_open = !place.lock().standing(&Subject::State)?.is_shut();
    alone(session, |store| {
        // Again: another one may have been waited for.
        let pending = place.journal().pending()?.filter(|now| now.grant == pending.grant);
        let Some(pending) = pending else {
            return Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into());
        };
        if pending.phase == Phase::Undone
            && let Some(report) = is_done(session, &place, &pending, COMMAND)?
        {
            return Ok(report);
        }
        let entry = |outcome| entry(session, Action::RestoreUndo, outcome, &pending);
        session.record(&entry(ActOutcome::Announced).detail("discard_writes", args.discard_writes), store)?;
        // What is put back changes live data like what was brought: nobody else does meanwhile.
        let held = match shut_for(session, &place, &pending) {
            Ok(held) => held,
            Err(error) => {
                failed(session, entry, &error, store)?;
                return Err(error);
            }
        };
        session.record(&self::entry(session, Action::LockShut, ActOutcome::Done, &pending), store)?;
        let writes = if args.discard_writes { Writes::Discard } else { Writes::Refuse };
        let undone = place.journal().undo(writes, session.now());
        drop(held);
        let undone = match undone {
            Ok(undone) => undone,
            Err(e) => {
                let error = session.explain(e.into());
                failed(session, entry, &error, store)?;
                if was_open && place.half_way()?.is_none() {
                    undo_of_the_lock(session, &place, store, &pending, "nothing was put back")?;
                }
                return Err(error);
            }
        };
        session.record(&entry(ActOutcome::Done), store)?;
        undone_now(session, &place, store, &pending)?;
        view.replaced = undone.steps;
        view.outcome = "undone";
        view.undo = undo_row(session, &place);
        view.finished_at = session.now();
        let mut text = format!("put back what was replaced: {} files\n", undone.steps);
        text += &finding_lines(&undone.findings);
        if !undone.carried.is_empty() {
            let _ = writeln!(text, "with the lines that were added since: {}", undone.carried.join(", "));
        }
        text += &standing_line(&place)?;
        text += "'si-backup restore confirm' drops what was restored, and what was written since\n";
        Ok(Report::new(COMMAND, vec![row(&view)], text))
    })
}

/// All is as it was before the restore: so is the lock.
fn undone_now(
    session: &Session<'_>,
    place: &Place,
    store: Option<&dyn Store>,
    pending: &Pending,
) -> Result<(), CliError> {
    undo_of_the_lock(session, place, store, pending, "the restore was undone")?;
    let event = Event::new(session.now(), &place.context, "backup restore undo", true)
        .with("subject", &pending.grant.subject)
        .with("snapshot", &pending.grant.id);
    note_event(session, &place.context, &event);
    Ok(())
}

/// Opens the lock, if it is this restore that has shut it.
fn undo_of_the_lock(
    session: &Session<'_>,
    place: &Place,
    store: Option<&dyn Store>,
    pending: &Pending,
    why: &str,
) -> Result<(), CliError> {
    match place.lock().standing(&Subject::State)? {
        LockStanding::Shut(record) if record.request == pending.grant.request => {
            let about =
                |outcome| entry(session, Action::LockReleased, outcome, pending).detail("reason", why);
            release(session, place, store, about)
        }
        _ => Ok(()),
    }
}

/// Drops what was kept for undoing.
pub(super) fn confirm(session: &Session<'_>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore confirm";
    let place = Place::open(session)?;
    let store = session.open_store()?;
    session.with_lease(&*store, &format!("run-state-{}", session.context), |_| {
        let Some(pending) = place.journal().pending()? else {
            return Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into());
        };
        place.refuse_half_way()?;
        if place.lock().standing(&Subject::State)?.is_shut() {
            return Err(CliError::LockStillShut);
        }
        let mut view = blank(session, &place, session.now(), "confirmed");
        view.id = Some(pending.grant.id.clone());
        view.checksum = Some(pending.grant.checksum);
        view.requested = pending.grant.id.to_string();
        drop_kept(session, &place, &*store, &pending, "the operator confirmed it")?;
        view.finished_at = session.now();
        let text = "dropped what was kept for undoing the restore\n".to_owned();
        Ok(Report::new(COMMAND, vec![row(&view)], text))
    })
}

fn drop_kept(
    session: &Session<'_>,
    place: &Place,
    store: &dyn Store,
    pending: &Pending,
    why: &str,
) -> Result<(), CliError> {
    if pending.phase == Phase::Moved {
        // Of one that was undone, what is kept is what was restored: its lines belong nowhere.
        keep_events(session, place);
    }
    let entry = |outcome| entry(session, Action::RestoreConfirm, outcome, pending).detail("why", why);
    session.record(&entry(ActOutcome::Announced), Some(store))?;
    if let Err(e) = place.journal().confirm(session.now()) {
        let error = session.explain(e.into());
        session.record_failure(entry, &error, store);
        return Err(error);
    }
    session.record(&entry(ActOutcome::Done), Some(store))
}

/// Drops what an earlier restore, or its undoing, has kept, once the lock is open and its time has run out.
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
        Phase::Moved | Phase::Undone if session.now().signed_duration_since(pending.since) > keep => {
            drop_kept(session, place, store, &pending, "its keeping time has run out")
        }
        Phase::Dropping => drop_kept(session, place, store, &pending, "it was being dropped"),
        _ => Ok(()),
    }
}

fn entry(session: &Session<'_>, action: Action, outcome: ActOutcome, pending: &Pending) -> TrailEvent {
    session.event(action, outcome).snapshot(pending.grant.snapshot()).checksum(pending.grant.checksum)
}
