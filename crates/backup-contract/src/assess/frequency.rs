use super::judgement::Judgement;
use super::scope::newest_sound;
use crate::policy::BACKUP_WITHIN;
use crate::{Facts, Known, SubjectFacts};
use chrono::{DateTime, Utc};

/// Met when the newest backup that can be counted on, of the state and of each active app, was begun no longer ago than
/// [`BACKUP_WITHIN`].
pub(super) fn hourly(facts: &Facts, now: DateTime<Utc>) -> Vec<Judgement> {
    let mut parts: Vec<_> =
        facts.subjects().map(|(subject, known)| of_one(known, now).of_subject(subject)).collect();
    // Which apps there are is part of the question.
    parts.extend(facts.apps.why().map(Judgement::unknown));
    parts
}

fn of_one(known: &SubjectFacts, now: DateTime<Utc>) -> Judgement {
    let snapshots = match &known.snapshots {
        Known::Known(snapshots) => snapshots,
        Known::Unknown(why) => return Judgement::unknown(why),
    };
    let Some((newest, at)) = newest_sound(snapshots, now) else {
        return Judgement::violated("there is no backup that can be restored");
    };
    let judgement = if now - at <= BACKUP_WITHIN {
        Judgement::met(format!("the newest backup is {}", newest.id))
            .until(at.checked_add_signed(BACKUP_WITHIN))
    } else {
        Judgement::violated(format!("the newest backup, {}, is {} old", newest.id, age(at, now)))
    };
    judgement.by(newest.proof.iter().map(|proof| proof.evidence.clone()))
}

/// How old something is, in its largest unit.
pub(super) fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let minutes = (now - at).num_minutes();
    match (minutes / 60 / 24, minutes / 60) {
        (2.., _) => format!("{} days", minutes / 60 / 24),
        (_, 2..) => format!("{} hours", minutes / 60),
        _ => format!("{minutes} minutes"),
    }
}
