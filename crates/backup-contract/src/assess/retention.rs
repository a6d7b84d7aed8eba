use super::judgement::Judgement;
use crate::facts::has_come;
use crate::policy::{DAILY_COPIES, MONTHLY_COPIES, OFFSITE_WITHIN, WEEKLY_COPIES};
use crate::{Facts, Known, Offsite, OffsiteCopy, RetentionFacts, SubjectFacts, TierFacts, Wanted};
use chrono::{DateTime, TimeDelta, Utc};

/// How far back a series without a gap reaches when it has filled the tier, whichever way the tiers are counted: a week;
/// besides that four weeks, begun in their middle; besides those three months.
const FILLED_AFTER: [(&str, u32, TimeDelta); 3] = [
    ("daily", DAILY_COPIES, TimeDelta::days(8)),
    ("weekly", WEEKLY_COPIES, TimeDelta::days(8 + 5 * 7)),
    ("monthly", MONTHLY_COPIES, TimeDelta::days(8 + 5 * 7 + 4 * 31)),
];

/// Met when the settings ask for as many copies of each tier as the policy, and when as many are there as a series of this
/// age has. A series that is younger than a tier is not short of it.
pub(super) fn copies(facts: &Facts, now: DateTime<Utc>) -> Vec<Judgement> {
    let mut parts: Vec<_> =
        facts.subjects().map(|(subject, known)| of_one(known, now).of_subject(subject)).collect();
    parts.extend(facts.apps.why().map(Judgement::unknown));
    parts
}

fn of_one(known: &SubjectFacts, now: DateTime<Utc>) -> Judgement {
    let kept = match &known.retention {
        Known::Known(kept) => kept,
        Known::Unknown(why) => return Judgement::unknown(why),
    };
    let tiers = [kept.daily, kept.weekly, kept.monthly];
    let mut wrong = Vec::new();
    for ((name, copies, filled_after), tier) in FILLED_AFTER.into_iter().zip(tiers) {
        if let TierFacts { wanted: Wanted::Copies(wanted), .. } = tier
            && wanted < copies
        {
            wrong.push(format!("the settings ask for {wanted} {name} copies, the policy for {copies}"));
        } else if tier.held < u64::from(copies) && is_old_enough(kept, filled_after, now) {
            wrong.push(format!("there are {} {name} copies of {copies}", tier.held));
        }
    }
    if kept.oldest.is_none() {
        wrong.push("there is no backup that could be kept".into());
    }
    if !wrong.is_empty() {
        return Judgement::violated(wrong.join(", "));
    }
    let [daily, weekly, monthly] = tiers.map(|tier| tier.held);
    let overdue = match kept.overdue {
        0 => String::new(),
        n => format!("; {n} more are to go ('si-backup retention apply')"),
    };
    Judgement::met(format!("{daily} daily, {weekly} weekly and {monthly} monthly copies{overdue}"))
}

fn is_old_enough(kept: &RetentionFacts, age: TimeDelta, now: DateTime<Utc>) -> bool {
    kept.oldest.is_some_and(|oldest| now.signed_duration_since(oldest) > age)
}

/// Met when a full backup of the state and of each active app, begun no longer ago than [`OFFSITE_WITHIN`], has a complete
/// copy in the offsite store that the store itself lets nobody change, for as long as the retention needs it.
pub(super) fn offsite(facts: &Facts, now: DateTime<Utc>) -> Vec<Judgement> {
    let mut parts: Vec<_> =
        facts.subjects().map(|(subject, known)| of_copies(&known.offsite, now).of_subject(subject)).collect();
    parts.extend(facts.apps.why().map(Judgement::unknown));
    parts
}

fn of_copies(offsite: &Offsite, now: DateTime<Utc>) -> Judgement {
    let copies = match offsite {
        Offsite::NotConfigured => return Judgement::violated("the settings name no offsite store"),
        Offsite::Copies(Known::Unknown(why)) => return Judgement::unknown(why),
        Offsite::Copies(Known::Known(copies)) => copies,
    };
    let whole = copies.iter().filter(|copy| copy.complete && has_come(copy.taken_at, now));
    let fresh = |copy: &&OffsiteCopy| now - copy.taken_at <= OFFSITE_WITHIN;
    let Some(newest) = whole.clone().max_by_key(|copy| copy.taken_at) else {
        return Judgement::violated("no full backup has a complete copy offsite");
    };
    // A newer one may be on its way and not locked yet: one that holds is enough.
    let holding = whole.filter(fresh).filter_map(|copy| {
        let until = copy.locked_until.filter(|until| *until > now && copy.needed_until <= Some(*until))?;
        Some((copy, until.min(copy.taken_at.checked_add_signed(OFFSITE_WITHIN)?)))
    });
    match holding.max_by_key(|(_, until)| *until) {
        Some((copy, until)) => {
            Judgement::met(format!("{} is there, and nobody can change it", copy.id)).until(Some(until))
        }
        None if !fresh(&newest) => {
            Judgement::violated(format!("the newest copy, of {}, is too old", newest.id))
        }
        None => Judgement::violated(format!(
            "the copy of {} is not locked for as long as the retention needs it",
            newest.id
        )),
    }
}
