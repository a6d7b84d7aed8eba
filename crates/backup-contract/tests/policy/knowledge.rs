//! What is not known makes nothing right, and what is right holds as long as is said.

use crate::worlds::{copy, known, now, rehearsal, restore, shop, sound};
use backup_contract::{
    Facts, Gate, Known, Level, LockState, Offsite, Outcome, Status, SubjectFacts, Transit, Wanted,
    Whereabouts, assess,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

/// In how many places [`forget`] can take away what is known.
const PLACES: usize = 18;

fn forget(facts: &mut Facts, place: usize) {
    const WHY: &str = "forgotten";
    fn of_subject(subject: &mut SubjectFacts, place: usize) {
        match place {
            0 => subject.host = Known::unknown(WHY),
            1 => subject.snapshots = Known::unknown(WHY),
            2 => subject.rehearsals = Known::unknown(WHY),
            3 => subject.retention = Known::unknown(WHY),
            _ => subject.offsite = Offsite::Copies(Known::unknown(WHY)),
        }
    }
    match place {
        0 => facts.placements = Known::unknown(WHY),
        1 => facts.openers = Known::unknown(WHY),
        2 => facts.passages = Known::unknown(WHY),
        3 => facts.apps = Known::unknown(WHY),
        4 => facts.gate = Known::unknown(WHY),
        5 => facts.trail = Known::unknown(WHY),
        6 => facts.drills = Known::unknown(WHY),
        7..12 => of_subject(&mut facts.state, place - 7),
        12..17 => {
            if let Known::Known(apps) = &mut facts.apps {
                for app in apps {
                    of_subject(&mut app.subject, place - 12);
                }
            }
        }
        _ => {
            if let Known::Known(apps) = &mut facts.apps {
                for app in apps {
                    app.contract = Known::unknown(WHY);
                }
            }
        }
    }
}

/// The sound world with some things wrong: as many bits as there are things.
fn spoilt(bits: u32) -> Facts {
    let mut facts = sound();
    let is = |bit: u32| bits & (1 << bit) != 0;
    facts.production = !is(0);
    if is(1) {
        known(&mut facts.state.snapshots)[1].failed = true;
    }
    if is(2) {
        known(&mut facts.state.snapshots).clear();
    }
    if is(3) {
        known(&mut shop(&mut facts).subject.rehearsals).push(rehearsal(
            "prod-1",
            now() - TimeDelta::hours(1),
            Outcome::Passed,
        ));
    }
    if is(4) {
        known(&mut facts.openers).away = 0;
    }
    if is(5) {
        known(&mut facts.passages)[0].transit = Known::Known(Transit::PlainLoopback);
    }
    if is(6) {
        known(&mut facts.placements)[0].whereabouts = Known::Known(Whereabouts::InGit("/etc".into()));
    }
    if is(7) {
        shop(&mut facts).configured = false;
    }
    if is(8) {
        shop(&mut facts).active = false;
    }
    if is(9) {
        facts.state.offsite = Offsite::NotConfigured;
    }
    if is(10) {
        known(&mut facts.trail).restores.clear();
    }
    if is(11) {
        known(&mut facts.trail).restores.push(backup_contract::RestoreFact {
            lock: Known::Known(LockState::Open),
            evidence: None,
            ..restore()
        });
    }
    if is(12) {
        facts.gate = Known::Known(Gate::Evidence(Level::Stored));
    }
    if is(13) {
        known(&mut facts.drills).clear();
    }
    if is(14) {
        known(&mut facts.state.retention).monthly.wanted = Wanted::Copies(0);
    }
    if is(15) {
        known(&mut shop(&mut facts).contract).covers.clear();
    }
    if is(16) {
        shop(&mut facts).subject.offsite =
            Offsite::Copies(Known::Known(vec![copy(now() - TimeDelta::hours(40))]));
    }
    facts
}

#[test]
fn where_nothing_is_known_nothing_is_met() {
    for status in assess(&Facts::unknown("nobody looked"), now()) {
        assert_eq!(status.status, Status::Unknown, "{}: {}", status.clause, status.detail);
        assert!(status.detail.contains("nobody looked"), "{}: {}", status.clause, status.detail);
    }
}

#[test]
fn each_thing_that_is_forgotten_leaves_a_clause_unknown() {
    for place in 0..PLACES {
        let mut facts = sound();
        forget(&mut facts, place);
        let statuses = assess(&facts, now());
        assert!(
            statuses.iter().any(|s| s.status == Status::Unknown && s.detail.contains("forgotten")),
            "{place}"
        );
        assert!(statuses.iter().all(|s| s.status != Status::Violated), "{place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn less_knowledge_never_makes_a_clause_met(bits: u32, places in prop::collection::vec(0..PLACES, 1..6)) {
        let before = assess(&spoilt(bits), now());
        let mut facts = spoilt(bits);
        for place in places {
            forget(&mut facts, place);
        }
        for (before, after) in before.iter().zip(assess(&facts, now())) {
            // What does not apply stays so, or is not known any more.
            if after.status == Status::Met {
                prop_assert_eq!(before.status, Status::Met, "{}: {}", after.clause, after.detail);
            }
        }
    }

    #[test]
    fn what_is_met_holds_as_long_as_is_said(bits: u32, then in 0_i64..200 * 86_400) {
        let facts = spoilt(bits);
        let then = now() + TimeDelta::seconds(then);
        let later = assess(&facts, then);
        for (status, later) in assess(&facts, now()).into_iter().zip(later) {
            if status.status != Status::Met {
                continue;
            }
            match status.holds_until {
                Some(until) if then > until => {
                    prop_assert_eq!(later.status, Status::Violated, "{}: until {}, at {}", later.clause, until, then);
                }
                // A tier that the series has outgrown is short only of what never came.
                _ => prop_assert_eq!(later.status, Status::Met, "{}: {}", later.clause, later.detail),
            }
        }
    }

    #[test]
    fn no_time_makes_it_panic(bits: u32, seconds in prop_oneof![Just(DateTime::<Utc>::MIN_UTC), Just(DateTime::<Utc>::MAX_UTC)]) {
        let _ = assess(&spoilt(bits), seconds);
    }
}
