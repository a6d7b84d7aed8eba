use super::frequency::age;
use super::judgement::Judgement;
use crate::facts::has_come;
use crate::policy::DRILL_WITHIN;
use crate::{Drill, Facts, Known, Outcome, Subject};
use chrono::{DateTime, Utc};

/// Met when the newest drill of the state and of each active app passed and was begun no longer ago than [`DRILL_WITHIN`].
/// Not applicable where the context is not production.
pub(super) fn quarterly(facts: &Facts, now: DateTime<Utc>) -> Vec<Judgement> {
    if !facts.production {
        return vec![Judgement::not_applicable("the context is not production")];
    }
    let drills = match &facts.drills {
        Known::Known(drills) => drills,
        Known::Unknown(why) => return vec![Judgement::unknown(why)],
    };
    let mut parts: Vec<_> =
        facts.subjects().map(|(subject, _)| of_one(drills, &subject, now).of_subject(subject)).collect();
    parts.extend(facts.apps.why().map(Judgement::unknown));
    parts
}

fn of_one(drills: &[Drill], subject: &Subject, now: DateTime<Utc>) -> Judgement {
    let held = drills.iter().filter(|drill| drill.subject == *subject && has_come(drill.started_at, now));
    let Some(newest) = held.max_by_key(|drill| (drill.started_at, drill.outcome == Outcome::Failed)) else {
        return Judgement::violated("there was never a drill");
    };
    let at = newest.started_at;
    let judgement = if newest.outcome == Outcome::Failed {
        Judgement::violated("the newest drill failed")
    } else if now - at > DRILL_WITHIN {
        Judgement::violated(format!("the newest drill is {} old", age(at, now)))
    } else {
        Judgement::met(format!("the newest drill was held by {}", newest.operator))
            .until(at.checked_add_signed(DRILL_WITHIN))
    };
    judgement.by([newest.record.clone()])
}
