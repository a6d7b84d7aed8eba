//! Worlds for the laws: snapshots and policies at random, dense where calendars are odd.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use retention::{Count, Counting, Counts, Policy, Snapshot, Tier};

use crate::naive::Snap;

/// Thousands of cases; ten times as many with `SI_BACKUP_FULL=1`.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "the length of a test run is set from outside")]
    let full = std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1");
    ProptestConfig {
        cases: if full { cases * 10 } else { cases },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        max_global_rejects: 1_000_000,
        max_local_rejects: 1_000_000,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

pub(crate) const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"];

/// New Year in ISO weeks, clock changes, a clock change over midnight, a day that Apia never had, a leap day.
const MOMENTS: [&str; 8] = [
    "2024-12-30T00:00:00Z",
    "2026-10-25T00:00:00Z",
    "2026-03-29T00:00:00Z",
    "2010-11-07T02:31:00Z",
    "2011-12-30T10:00:00Z",
    "2011-12-28T10:00:00Z",
    "2024-02-29T12:00:00Z",
    "2027-01-01T00:00:00Z",
];

pub(crate) fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    select(&MOMENTS[..]).prop_map(|text| text.parse().unwrap())
}

/// Seconds away from a moment: minutes, hours, days or months.
pub(crate) fn distance() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => (0_i64..400).prop_map(|n| n * 60),
        3 => (0_i64..200).prop_map(|n| n * 1800),
        4 => (0_i64..40).prop_map(|n| n * 86_400 + 7200),
        2 => (0_i64..30).prop_map(|n| n * 86_400 * 17),
        1 => Just(0),
    ]
}

pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let count = || {
        prop_oneof![
            4 => Just(Count::None),
            6 => (1_u32..6).prop_map(Count::from),
            1 => Just(Count::from(40)),
            1 => Just(Count::All),
        ]
    };
    let counts = prop::array::uniform6(count()).prop_map(|each| {
        let counts = Tier::ALL.into_iter().zip(each).fold(Counts::default(), |c, (tier, n)| c.with(tier, n));
        if counts.used().next().is_none() { counts.daily(2) } else { counts }
    });
    let window = prop_oneof![2 => Just(0_i64), 2 => Just(24), 3 => Just(168), 1 => 1_i64..2000];
    (counts, any::<bool>(), select(&ZONES[..]), window, 0_i64..48).prop_map(
        |(counts, shared, zone, window, grace)| {
            Policy::new(counts)
                .unwrap()
                .with_counting(if shared { Counting::Shared } else { Counting::Exclusive })
                .with_time_zone(zone.parse().unwrap())
                .with_recovery_window(TimeDelta::hours(window))
                .unwrap()
                .with_incomplete_grace(TimeDelta::hours(grace))
                .unwrap()
        },
    )
}

/// Snapshots of up to two groups, with everything that can be wrong with them, and a time to plan at.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) snapshots: Vec<Snap>,
    pub(crate) policy: Policy,
    pub(crate) now: DateTime<Utc>,
}

/// Marks are 0 to 99, and set in the top share: the simplest world has none.
#[derive(Debug, Clone)]
struct Dice {
    distance: i64,
    group: u8,
    delta: u8,
    parent: prop::sample::Index,
    marks: [u8; 6],
}

fn dice() -> impl Strategy<Value = Dice> {
    let marks = prop::array::uniform6(0_u8..100);
    (distance(), 0_u8..4, 0_u8..100, any::<prop::sample::Index>(), marks)
        .prop_map(|(distance, group, delta, parent, marks)| Dice { distance, group, delta, parent, marks })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    (moment(), prop::collection::vec(dice(), 0..32), policy(), -30_i64..60, prop::bool::weighted(0.5))
        .prop_map(|(moment, dice, policy, later, plain)| {
            let now = moment + TimeDelta::hours(later * 7);
            let count = dice.len();
            let mut snapshots = Vec::new();
            for (at, dice) in dice.iter().enumerate() {
                // Numbers in an order that says nothing about time.
                let id = |at: usize| u32::try_from((at * 7919 + 13) % 10_007).unwrap();
                let time = moment - TimeDelta::seconds(dice.distance);
                let share = if plain { 0 } else { 12 };
                let mut snap = if plain || dice.delta < 55 {
                    Snapshot::full(id(at), time)
                } else if dice.delta < 95 {
                    Snapshot::delta(id(at), time, id(dice.parent.index(count)))
                } else {
                    Snapshot::orphan(id(at), time)
                };
                if dice.group == 0 {
                    snap = snap.in_group("other");
                }
                let [verified, pinned, suspect, incomplete, locked, future] =
                    dice.marks.map(|die| die >= 100 - share);
                if verified {
                    snap = snap.verified();
                }
                if pinned && dice.marks[1] >= 95 {
                    snap = snap.pinned();
                }
                if suspect {
                    snap = snap.suspect();
                }
                if incomplete {
                    snap = snap.incomplete();
                }
                if locked {
                    snap = snap.locked_until(now + TimeDelta::hours(i64::from(dice.marks[4] % 12) * 8 - 30));
                }
                if future && dice.marks[5] >= 96 {
                    snap = Snapshot::full(id(at), now + TimeDelta::days(3650));
                }
                snapshots.push(snap);
            }
            World { snapshots, policy, now }
        })
}
