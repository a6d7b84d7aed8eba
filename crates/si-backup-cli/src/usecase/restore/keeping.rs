//! For how long what a restore has replaced is kept.

use super::steps::drop_kept;
use super::{LivePlace, bring_events};
use crate::report::message_of;
use crate::{CliError, Session};
use backup_contract::Subject;
use backup_store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use restore_guard::{ActOutcome, Action, Pending, Phase, TrailEntry, TrailLine};

/// Drops what an earlier restore, or its undoing, has kept, once its checks have passed and its time has run out.
///
/// That the lock is open says nothing: an operator may have opened it although no check has ever passed.
pub(in crate::usecase) fn drop_what_has_run_out(
    session: &Session<'_>,
    place: &LivePlace,
    store: &dyn Store,
) -> Result<(), CliError> {
    let Some(pending) = place.journal().pending()? else { return Ok(()) };
    if place.lock().standing(&Subject::State)?.is_shut() {
        return Ok(());
    }
    match pending.phase {
        Phase::Moved | Phase::Undone if has_run_out(session, &pending)? => {
            // What cannot be saved of it is a reason to keep it, and none to make no backup.
            if pending.phase == Phase::Moved
                && let Err(e) = bring_events(place, &pending)
            {
                session.warn(format!(
                    "what a restore has replaced is kept, though its time has run out: events of it cannot be saved: {}",
                    message_of(&e)
                ));
                return Ok(());
            }
            drop_kept(session, place, store, &pending, "its keeping time has run out")
        }
        Phase::Dropping => drop_kept(session, place, store, &pending, "it was being dropped"),
        _ => Ok(()),
    }
}

fn has_run_out(session: &Session<'_>, pending: &Pending) -> Result<bool, CliError> {
    let keep = TimeDelta::from_std(session.context_settings()?.undo_keep).unwrap_or(TimeDelta::MAX);
    let is_over = |since: DateTime<Utc>| session.now().signed_duration_since(since) > keep;
    if !is_over(pending.since) {
        return Ok(false);
    }
    let trail = session.home.trail(&session.context)?.verify()?;
    Ok(begins(&trail.lines, pending).is_some_and(is_over))
}

/// When the keeping time of a restore has begun: when its own checks have passed, or when it was undone, as this host's trail
/// tells; `None` where it tells nothing of that, or where no clock can be believed.
fn begins(trail: &[TrailLine], pending: &Pending) -> Option<DateTime<Utc>> {
    let request = pending.grant.request.to_string();
    let is_end = |entry: &TrailEntry| {
        let is_about = entry.detail.get("request").and_then(|it| it.as_str()) == Some(request.as_str());
        is_about
            && match pending.phase {
                Phase::Moved => entry.action == Action::LockOpened && entry.outcome == ActOutcome::Done,
                _ => matches!(entry.action, Action::RestoreUndo | Action::RestoreResume),
            }
    };
    let end = trail.iter().rposition(|line| is_end(&line.entry))?;
    // A clock that was behind is corrected by what it had said before.
    let latest = trail.iter().take(end + 1).map(|line| line.entry.at).max();
    let began = latest.max(Some(pending.since))?;
    // Nothing is restored before it was backed up.
    let taken = pending.grant.id.state_time();
    (taken.is_none_or(|taken| taken <= began)).then_some(began)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::{Checksum, ContextName, SnapshotId};
    use restore_guard::{Carries, Grant, TrailEvent, WriterId};

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_464_900, 0).unwrap() + TimeDelta::days(day)
    }

    const REQUEST: Checksum = Checksum::from_sha256([6; 32]);

    fn pending(phase: Phase, since: i64) -> Pending {
        let grant = Grant {
            context: ContextName::new("default").unwrap(),
            subject: Subject::State,
            id: SnapshotId::state(at(0), 7),
            checksum: Checksum::from_sha256([5; 32]),
            operator: "ada@host-1".into(),
            evidence: None,
            request: REQUEST,
            granted_at: at(since),
            valid_until: at(since),
        };
        let (live, kept) = ("/live".into(), "/kept".into());
        let (begun_at, since) = (at(since), at(since));
        Pending { grant, phase, begun_at, since, carries: Carries::Files, live, kept, note: None }
    }

    fn trail(entries: &[(i64, Action, ActOutcome, Option<Checksum>)]) -> Vec<TrailLine> {
        let home = tempfile::tempdir().unwrap();
        let context = ContextName::new("default").unwrap();
        let trail =
            restore_guard::Trail::new(home.path().join("trail"), context, WriterId::generate().unwrap());
        for (day, action, outcome, request) in entries {
            let event = TrailEvent::new("ada", action.clone(), outcome.clone());
            let event = match request {
                Some(request) => event.detail("request", request.to_string()),
                None => event,
            };
            trail.append(&event, at(*day)).unwrap();
        }
        trail.verify().unwrap().lines
    }

    #[test]
    fn it_begins_with_passed_checks_of_that_restore_and_by_no_clock_that_was_behind() {
        use ActOutcome::{Announced, Done};
        use Action::{LockOpened, LockReleased, RestoreUndo, Run};
        let moved = |since| pending(Phase::Moved, since);
        let (ours, theirs) = (Some(REQUEST), Some(Checksum::from_sha256([9; 32])));
        let begun = |entries: &[_], pending: &Pending| begins(&trail(entries), pending);
        assert_eq!(begun(&[], &moved(1)), None);
        assert_eq!(begun(&[(2, LockReleased, Done, ours)], &moved(1)), None, "a mere release");
        assert_eq!(begun(&[(2, LockOpened, Announced, ours)], &moved(1)), None);
        assert_eq!(begun(&[(2, LockOpened, Done, theirs)], &moved(1)), None, "another restore's");
        assert_eq!(begun(&[(2, LockOpened, Done, ours)], &moved(1)), Some(at(2)));
        // The clock went back between a backup and the restore.
        let late = [(9, Run, Done, None), (2, LockOpened, Done, ours)];
        assert_eq!(begun(&late, &moved(2)), Some(at(9)));
        // It had never been right.
        assert_eq!(begun(&[(-9000, LockOpened, Done, ours)], &moved(-9000)), None);
        let undone = pending(Phase::Undone, 3);
        assert_eq!(begun(&[(2, LockOpened, Done, ours)], &undone), None);
        assert_eq!(begun(&[(3, RestoreUndo, Done, ours)], &undone), Some(at(3)));
    }
}
