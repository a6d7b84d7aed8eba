use super::LivePlace;
use crate::args::RestoreArgs;
use crate::judge::Judge;
use crate::{CliError, Session, Shelf};
use backup_contract::Subject;
use chrono::TimeDelta;
use restore_guard::{
    AcceptedLevel, Candidate, Decision, Latest, LockStanding, Obstacle, Phase, RestoreRequest, Wanted, decide,
};
use std::time::Duration;

/// Who else is at work, and how long they may take to end.
pub(super) struct Others {
    /// Another run, in words.
    pub(super) run: Option<String>,
    /// For how long a deploy or a change of secrets that is under way is waited for.
    pub(super) patience: Duration,
}

/// Asks the gate, of everything that is known here.
///
/// # Errors
/// What keeps it from being known; [`CliError::Ambiguous`].
pub(super) fn decided(
    session: &Session<'_>,
    args: &RestoreArgs,
    place: &LivePlace,
    shelf: &Shelf<'_>,
    others: &Others,
) -> Result<(RestoreRequest, Decision), CliError> {
    let gate = &session.context_settings()?.gate;
    let from = args.from.as_deref().unwrap_or("LATEST");
    let wanted = if from == "LATEST" {
        // An older state does lose data: nobody is sent there unasked.
        Wanted::Latest(Latest::Newest)
    } else {
        match shelf.resolve(from) {
            Ok(snapshot) => Wanted::Id(snapshot.id.clone()),
            // The gate says so, with what there is instead.
            Err(CliError::NoSnapshot(text)) => Wanted::Id(text.parse()?),
            Err(e) => return Err(e),
        }
    };
    let request = RestoreRequest {
        context: session.context.clone(),
        subject: Subject::State,
        wanted,
        checksum: args.checksum,
        least: gate.state,
        max_age: TimeDelta::from_std(gate.max_age).unwrap_or(TimeDelta::MAX),
        accept: args
            .accept_level
            .map(|level| AcceptedLevel { level, reason: args.reason.clone().unwrap_or_default() }),
        step_back: args.or_last_verified,
        operator: session.operator(),
        obstacles: obstacles(session, place, others)?,
    };
    let candidates: Vec<_> = shelf
        .snapshots()
        .iter()
        .map(|snapshot| Candidate {
            snapshot,
            standing: shelf.standing(snapshot),
            is_foreign: shelf.is_foreign(snapshot),
        })
        .collect();
    let decision = decide(&request, &candidates, session.now());
    Ok((request, decision))
}

fn obstacles(session: &Session<'_>, place: &LivePlace, others: &Others) -> Result<Vec<Obstacle>, CliError> {
    let mut obstacles = Vec::new();
    obstacles.extend(others.run.clone().map(Obstacle::RunActive));
    if let Some(pending) = place.journal().pending()?
        && pending.phase != Phase::Dropping
    {
        obstacles.push(Obstacle::RestorePending {
            id: pending.grant.id,
            operator: pending.grant.operator,
            phase: pending.phase.word().to_owned(),
        });
    }
    match place.lock().standing(&Subject::State)? {
        LockStanding::Open => {}
        LockStanding::Shut(record) => obstacles.push(Obstacle::LockShut {
            by: record.by.clone(),
            why: record.why.clone(),
            since: record.since,
        }),
        LockStanding::Unreadable { path, why } => {
            obstacles.push(Obstacle::TargetInUse(format!("{} cannot be read: {why}", path.display())));
        }
    }
    if obstacles.is_empty() && place.lock().is_in_use(&*session.world.clock, others.patience)? {
        obstacles.push(Obstacle::TargetInUse("a deploy or a change of secrets is under way".to_owned()));
    }
    Ok(obstacles)
}
