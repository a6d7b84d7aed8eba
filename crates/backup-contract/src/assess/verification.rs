use super::frequency::age;
use super::judgement::Judgement;
use crate::facts::has_come;
use crate::policy::REHEARSAL_WITHIN;
use crate::{Facts, Known, Outcome, Rehearsal, SubjectFacts};
use chrono::{DateTime, Utc};

/// Met when the newest restore test of the state and of each active app passed and was begun no longer ago than
/// [`REHEARSAL_WITHIN`]. Where the context is production, one on the subject's own host does not count.
pub(super) fn daily(facts: &Facts, now: DateTime<Utc>) -> Vec<Judgement> {
    let mut parts: Vec<_> = facts
        .subjects()
        .map(|(subject, known)| of_one(known, facts.production, now).of_subject(subject))
        .collect();
    parts.extend(facts.apps.why().map(Judgement::unknown));
    parts
}

fn of_one(known: &SubjectFacts, production: bool, now: DateTime<Utc>) -> Judgement {
    let rehearsals = match &known.rehearsals {
        Known::Known(rehearsals) => rehearsals,
        Known::Unknown(why) => return Judgement::unknown(why),
    };
    let newest = |counts: &dyn Fn(&Rehearsal) -> bool| {
        let all =
            rehearsals.iter().filter(|rehearsal| has_come(rehearsal.started_at, now) && counts(rehearsal));
        // Of two of one moment the one that failed is the later: a doubt stays one.
        all.max_by_key(|r| (r.started_at, r.outcome == Outcome::Failed, &r.evidence))
    };
    let Some(any) = newest(&|_| true) else {
        return Judgement::violated("no backup was ever restored for a test");
    };
    let newest = match (&known.host, production) {
        (_, false) => any,
        (Known::Unknown(why), true) => return Judgement::unknown(why),
        (Known::Known(host), true) => match newest(&|rehearsal| !same_host(host, &rehearsal.host)) {
            Some(newest) => newest,
            None => {
                return Judgement::violated(format!(
                    "it was rehearsed on its own host {host} only, which is production's"
                ))
                .by([any.evidence.clone()]);
            }
        },
    };
    let at = newest.started_at;
    let judgement = if newest.outcome == Outcome::Failed {
        Judgement::violated(format!("the newest restore test, of {} on {}, failed", newest.id, newest.host))
    } else if now - at > REHEARSAL_WITHIN {
        Judgement::violated(format!("the newest restore test is {} old", age(at, now)))
    } else {
        Judgement::met(format!("{} was restored on {}", newest.id, newest.host))
            .until(at.checked_add_signed(REHEARSAL_WITHIN))
    };
    judgement.by([newest.evidence.clone()])
}

/// Whether two names are of one host, as far as names can tell: one of them may leave its domain out.
#[must_use]
pub fn same_host(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_end_matches('.'), b.trim_end_matches('.'));
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if a.contains('.') && b.contains('.') { a.eq_ignore_ascii_case(b) } else { short(a) == short(b) }
}

#[cfg(test)]
mod tests {
    use super::same_host;

    #[test]
    fn a_host_is_known_with_and_without_its_domain() {
        for (a, b, same) in [
            ("db1", "db1", true),
            ("db1", "DB1.example.com", true),
            ("db1.example.com.", "db1", true),
            ("db1.eu.example", "db1.us.example", false),
            ("db1", "db10", false),
            ("db1", "rehearse-1", false),
        ] {
            assert_eq!((same_host(a, b), same_host(b, a)), (same, same), "{a} {b}");
        }
    }
}
