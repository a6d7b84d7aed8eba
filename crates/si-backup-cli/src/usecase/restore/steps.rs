use super::{
    Aftermath, LivePlace, about, blank, bring_events, keep_events, manifest_of_pending, release, row_of,
    shut, undo_row,
};
use crate::args::UndoArgs;
use crate::report::{finding_lines, message_of, row};
use crate::usecase::run::note_event;
use crate::{CliError, Mode, Report, Session};
use backup_contract::Subject;
use backup_store::Store;
use paas_state::Event;
use restore_guard::{ActOutcome, Action, LockStanding, Pending, Phase, Resumed, Writes};
use std::fmt::Write;

/// Does `work` while no backup and no other restore is made here or elsewhere. What is needed to put things right is in the
/// context: a store that cannot be reached keeps nobody from that, and then nobody else reaches it to make a backup.
pub(in crate::usecase) fn alone<T>(
    session: &Session<'_>,
    mut work: impl FnMut(Option<&dyn Store>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let lease = session.state_lease();
    let mut is_begun = false;
    let away = match session.open_store() {
        Ok(store) => {
            let done = session.with_lease(&*store, &lease, |_| {
                is_begun = true;
                work(Some(&*store))
            });
            match done {
                // The lease could not be had.
                Err(e @ CliError::Store(_)) if !is_begun && e.exit_code() != LOCKED => e,
                done => return done,
            }
        }
        Err(e) => e,
    };
    session.warn(format!("the store is not reached, and is done without: {}", message_of(&away)));
    // Others of this host are kept away all the same.
    let _one_process = session.lock_for(&lease, session.global.lock_wait.unwrap_or_default())?;
    work(None)
}

/// The exit code of what somebody else holds.
const LOCKED: u8 = 11;

/// Finishes what was interrupted.
pub(super) fn resume(session: &Session<'_>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore resume";
    let place = LivePlace::open(session)?;
    alone(session, |store| {
        let started_at = session.now();
        let Some(pending) = place.journal().pending()? else {
            return nothing_was_changed(session, &place, store, COMMAND);
        };
        if let Some(report) = is_done(session, &place, store, &pending, COMMAND)? {
            return Ok(report);
        }
        let entry = |outcome| about(session, Action::RestoreResume, outcome, &pending.grant);
        session.record(&entry(ActOutcome::Announced).detail("phase", pending.phase.word()), store)?;
        // Somebody may have opened it, or it was never shut again for an undo that was killed.
        let go_on = || place.journal().resume(session.now());
        let resumed = if pending.phase == Phase::Dropping {
            // What is live stays as it is.
            go_on().map_err(|e| session.explain(e.into()))
        } else {
            behind_the_lock(session, &place, store, &pending, go_on)
        };
        let resumed = resumed.inspect_err(|error| session.record_failure(entry, error, store))?;
        session.record(&entry(ActOutcome::Done), store)?;
        let mut view = row_of(session, &place, &pending, "resumed");
        view.started_at = started_at;
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
                // What it has left must not keep the lock shut.
                place.sweep()?;
                let manifest = manifest_of_pending(session, store, &pending)?;
                let after = Aftermath { place: &place, store, grant: &pending.grant, manifest: &manifest };
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
            Resumed::Confirmed => {
                place.sweep()?;
                Ok(Report::new(COMMAND, vec![row(&view)], text))
            }
        }
    })
}

/// What is said where there is nothing to finish, or to take back.
fn is_done(
    session: &Session<'_>,
    place: &LivePlace,
    store: Option<&dyn Store>,
    pending: &Pending,
    command: &'static str,
) -> Result<Option<Report>, CliError> {
    if pending.phase == Phase::Undone {
        // Killed before it had opened the lock, which nothing else would open any more.
        undone_now(session, place, store, pending)?;
    }
    place.sweep()?;
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
    let mut view = row_of(session, place, pending, if error.is_some() { "checks-failed" } else { "resumed" });
    view.undo = undo_row(session, place);
    let report = Report::new(command, vec![row(&view)], text.to_owned() + &standing_line(place)?);
    Ok(Some(match error {
        Some(error) => report.with_error(error),
        None => report,
    }))
}

/// Changes what is live of a restore that was begun, while nobody else changes or opens anything.
fn behind_the_lock<T>(
    session: &Session<'_>,
    place: &LivePlace,
    store: Option<&dyn Store>,
    pending: &Pending,
    change: impl FnOnce() -> restore_guard::Result<T>,
) -> Result<T, CliError> {
    let why = format!("restore of {}, which is {}", pending.grant.snapshot(), pending.phase.word());
    let _held = shut(session, place, store, &pending.grant, why)?;
    change().map_err(|e| session.explain(e.into()))
}

/// Whether the lock is open, as it is found.
fn standing_line(place: &LivePlace) -> Result<String, CliError> {
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
    place: &LivePlace,
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
    let seen = place.lock().standing(&Subject::State)?;
    if let LockStanding::Shut(record) = &seen {
        let about = |outcome| {
            session
                .event(Action::LockReleased, outcome)
                .subject(Subject::State)
                .detail("reason", "nothing was changed")
                .detail("request", record.request.to_string())
        };
        release(session, place, store, &seen, about)?;
        let text = "nothing had been changed; the mutation lock is open again\n".to_owned();
        return Ok(Report::new(command, vec![row(&view)], text));
    }
    if is_cleared || has_leftovers {
        let text = "removed what a restore had left; nothing live was changed\n".to_owned();
        return Ok(Report::new(command, vec![row(&view)], text));
    }
    Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into())
}

/// Puts back what a restore has replaced.
pub(super) fn undo(session: &Session<'_>, args: &UndoArgs) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore undo";
    let place = LivePlace::open(session)?;
    let Some(pending) = place.journal().pending()? else {
        return Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into());
    };
    let mut view = row_of(session, &place, &pending, "planned");
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
            && let Some(report) = is_done(session, &place, store, &pending, COMMAND)?
        {
            return Ok(report);
        }
        if pending.phase == Phase::Dropping {
            // What was kept may be gone already: nothing is shut for that.
            let phase = pending.phase.word();
            return Err(restore_guard::Error::RestorePhase { phase, asked: "undone" }.into());
        }
        let entry = |outcome| about(session, Action::RestoreUndo, outcome, &pending.grant);
        session.record(&entry(ActOutcome::Announced).detail("discard_writes", args.discard_writes), store)?;
        // What is put back changes live data like what was brought: nobody else does meanwhile.
        let writes = if args.discard_writes { Writes::Discard } else { Writes::Refuse };
        let undone =
            behind_the_lock(session, &place, store, &pending, || place.journal().undo(writes, session.now()));
        let undone = match undone {
            Ok(undone) => undone,
            Err(error) => {
                session.record_failure(entry, &error, store);
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
    place: &LivePlace,
    store: Option<&dyn Store>,
    pending: &Pending,
) -> Result<(), CliError> {
    if !undo_of_the_lock(session, place, store, pending, "the restore was undone")? {
        return Ok(());
    }
    let event = Event::new(session.now(), &place.context, "backup restore undo", true)
        .with("subject", &pending.grant.subject)
        .with("snapshot", &pending.grant.id);
    note_event(session, &place.context, &event);
    Ok(())
}

/// Opens the lock, if it is this restore that has shut it; whether it was.
fn undo_of_the_lock(
    session: &Session<'_>,
    place: &LivePlace,
    store: Option<&dyn Store>,
    pending: &Pending,
    why: &str,
) -> Result<bool, CliError> {
    let seen = place.lock().standing(&Subject::State)?;
    match &seen {
        LockStanding::Shut(record) if record.request == pending.grant.request => {
            let released =
                |outcome| about(session, Action::LockReleased, outcome, &pending.grant).detail("reason", why);
            release(session, place, store, &seen, released).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Drops what was kept for undoing.
pub(super) fn confirm(session: &Session<'_>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup restore confirm";
    let place = LivePlace::open(session)?;
    let store = session.open_store()?;
    session.with_lease(&*store, &session.state_lease(), |_| {
        let Some(pending) = place.journal().pending()? else {
            return Err(restore_guard::Error::NoRestore(place.journal().path().to_owned()).into());
        };
        place.refuse_half_way()?;
        if place.lock().standing(&Subject::State)?.is_shut() {
            return Err(CliError::LockStillShut);
        }
        let mut view = row_of(session, &place, &pending, "confirmed");
        drop_kept(session, &place, &*store, &pending, "the operator confirmed it")?;
        view.finished_at = session.now();
        let text = "dropped what was kept for undoing the restore\n".to_owned();
        Ok(Report::new(COMMAND, vec![row(&view)], text))
    })
}

pub(super) fn drop_kept(
    session: &Session<'_>,
    place: &LivePlace,
    store: &dyn Store,
    pending: &Pending,
    why: &str,
) -> Result<(), CliError> {
    if pending.phase == Phase::Moved {
        // Of one that was undone, what is kept is what was restored: its lines belong nowhere.
        bring_events(place, pending)?;
    }
    let entry = |outcome| about(session, Action::RestoreConfirm, outcome, &pending.grant).detail("why", why);
    session.record(&entry(ActOutcome::Announced), Some(store))?;
    if let Err(e) = place.journal().confirm(session.now()) {
        let error = session.explain(e.into());
        session.record_failure(entry, &error, Some(store));
        return Err(error);
    }
    place.sweep()?;
    session.record(&entry(ActOutcome::Done), Some(store))
}
