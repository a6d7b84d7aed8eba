//! Laws of many plans, one after the other: pruning, forecasts, locks.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use proptest::prelude::*;
use retention::{
    Arrival, Counting, Counts, Decision, Kind, LockStep, Locking, Outcome, Plan, Policy, Reason, Schedule,
    Snapshot, Tier, forecast, lock_horizons, plan,
};

use crate::naive::Snap;
use crate::worlds::{ZONES, config, moment, policy};

fn kept(plan: &Plan<u32>) -> BTreeSet<u32> {
    plan.decisions().filter(Decision::is_kept).map(|d| *d.snapshot().id()).collect()
}

/// One step of a history: so many minutes later a snapshot, and perhaps a pruning after it.
#[derive(Debug, Clone)]
struct Step {
    minutes: i64,
    delta: bool,
    parent: prop::sample::Index,
    marks: u8,
    prune: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let minutes = prop_oneof![
        1 => Just(0_i64),
        4 => 1_i64..180,
        4 => (1_i64..40).prop_map(|hours| hours * 60),
        6 => Just(24 * 60),
        1 => (1_i64..90).prop_map(|days| days * 24 * 60),
    ];
    (minutes, prop::bool::weighted(0.3), any::<prop::sample::Index>(), any::<u8>(), any::<bool>())
        .prop_map(|(minutes, delta, parent, marks, prune)| Step { minutes, delta, parent, marks, prune })
}

proptest! {
    #![proptest_config(config(2000))]

    /// Exact, for both ways of counting: with snapshots that arrive in the order of their times, whatever is let go once
    /// is never wanted again.
    #[test]
    fn pruning_all_the_time_keeps_what_pruning_once_keeps(
        start in moment(),
        steps in prop::collection::vec(step(), 1..50),
        policy in policy(),
        plain in any::<bool>(),
    ) {
        let mut history: Vec<Snap> = Vec::new();
        let mut alive: Vec<Snap> = Vec::new();
        let mut now = start;
        for (id, step) in (0_u32..).zip(&steps) {
            now += TimeDelta::minutes(step.minutes);
            let before = plan(alive.iter().cloned(), &policy, now).unwrap();
            let bases: Vec<u32> =
                before.decisions().filter(|d| d.chain().is_restorable()).map(|d| *d.snapshot().id()).collect();
            let mut snap = if plain || !step.delta || bases.is_empty() {
                Snapshot::full(id, now)
            } else {
                Snapshot::delta(id, now, *step.parent.get(&bases))
            };
            if !plain {
                match step.marks % 16 {
                    0..4 => snap = snap.verified(),
                    4 => snap = snap.suspect(),
                    5 => snap = snap.suspect().verified(),
                    6 => snap = snap.incomplete(),
                    7 if step.marks > 200 => snap = snap.pinned(),
                    _ => {}
                }
            }
            history.push(snap.clone());
            alive.push(snap);
            if step.prune {
                let plan = plan(alive.iter().cloned(), &policy, now).unwrap();
                alive = plan.decisions().filter(Decision::is_kept).map(|d| d.snapshot().clone()).collect();
            }
        }
        let once = plan(history, &policy, now).unwrap();
        let step_by_step = plan(alive, &policy, now).unwrap();
        prop_assert_eq!(kept(&step_by_step), kept(&once));
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// The forecast is what happens when one snapshot after the other is made, and each day ends with a pruning.
    #[test]
    fn a_forecast_comes_true(
        now in moment(),
        ages in prop::collection::vec((0_i64..2000, any::<bool>(), -100_i64..300), 0..20),
        policy in policy(),
        days in 1_u32..40,
        deltas in any::<bool>(),
    ) {
        let mut snapshots: Vec<Snap> = Vec::new();
        for (id, (age, verified, lock)) in (0_u32..).zip(ages) {
            let mut snap = Snapshot::full(id, now - TimeDelta::hours(age));
            if verified { snap = snap.verified(); }
            if lock > 0 { snap = snap.locked_until(now + TimeDelta::hours(lock)); }
            snapshots.push(snap);
        }
        let two = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
        let schedule = if deltas { Schedule::daily_with_hourly_deltas(two) } else { Schedule::daily(two) };
        let first = plan(snapshots.iter().cloned(), &policy, now).unwrap();
        let ahead = forecast(&first, &schedule, days);
        prop_assert_eq!(ahead.days().len(), days as usize);

        let zone = policy.time_zone();
        let mut alive = snapshots;
        let mut made = 1000_u32;
        let mut day_start = now;
        for day in ahead.days() {
            // Minute by minute through the zone's day, by its clock.
            let mut at = day_start;
            while at.with_timezone(&zone).date_naive() <= day.date {
                at += TimeDelta::minutes(1);
            }
            let day_end = at;
            let mut due: Vec<Arrival> = Vec::new();
            let mut minute = day_start;
            let mut full_made = day_start.with_timezone(&zone).time() > two;
            while minute < day_end {
                let clock = minute.with_timezone(&zone).time();
                // A clock change may skip half past two, then the next quarter after it is taken.
                if !full_made && clock >= two {
                    due.push(Arrival { time: minute, kind: Kind::Full });
                    full_made = true;
                } else if deltas && (minute - day_start).num_minutes() % 60 == 0 {
                    due.push(Arrival { time: minute, kind: Kind::Delta });
                }
                minute += TimeDelta::minutes(1);
            }
            for arrival in due {
                let id = made;
                made += 1;
                let newest = alive.iter().max_by_key(|s| (s.time(), *s.id())).map(|s| *s.id());
                let snap = match (arrival.kind, newest) {
                    (Kind::Delta, Some(parent)) => Snapshot::delta(id, arrival.time, parent),
                    _ => Snapshot::full(id, arrival.time),
                };
                alive.push(snap.verified());
            }
            let plan = plan(alive.iter().cloned(), &policy, day_end).unwrap();
            let summary = plan.summary();
            prop_assert_eq!(day.fulls + day.deltas, summary.kept, "{}", day.date);
            prop_assert_eq!(day.blocked_by_lock, summary.blocked_by_lock, "{}", day.date);
            for gone in plan.deletions() {
                let id = *gone.snapshot().id();
                if id < 1000 {
                    prop_assert_eq!(ahead.gone_on(id as usize), Some(day.date));
                }
            }
            alive = plan.decisions().filter(|d| d.outcome() != Outcome::Drop).map(|d| d.snapshot().clone()).collect();
            day_start = day_end;
        }
        for snap in alive.iter().filter(|s| *s.id() < 1000) {
            prop_assert_eq!(ahead.gone_on(*snap.id() as usize), None);
        }
    }
}

/// What locks cost over a run of days.
#[derive(Debug, Default)]
struct Paid {
    snapshots: usize,
    extra_days: f64,
    worst: f64,
    kept_days: f64,
}

/// Runs a store for `days` days: a backup, a plan and its locks each time `due` says so.
/// Panics when a kept snapshot is without a lock at any hour, or a lock is shortened.
fn run_locked(
    policy: &Policy,
    locking: &Locking,
    start: DateTime<Utc>,
    days: u32,
    deltas: bool,
    mut due: impl FnMut(u32) -> bool,
) -> Paid {
    let mut alive: Vec<Snap> = Vec::new();
    let mut paid = Paid::default();
    let mut expired: BTreeSet<u32> = BTreeSet::new();
    for hour in 0..days * 24 {
        let now = start + TimeDelta::hours(i64::from(hour));
        let runs = hour % 24 == 2 && due(hour / 24);
        if runs {
            alive.push(Snapshot::full(hour, now).verified());
        } else if deltas && hour % 6 == 0 && !alive.is_empty() {
            let parent = *alive.last().unwrap().id();
            alive.push(Snapshot::delta(hour, now, parent));
        }
        if runs || (deltas && hour % 6 == 0) {
            let locked = plan(alive.iter().cloned(), policy, now).unwrap();
            for (row, horizon) in lock_horizons(&locked, locking).into_iter().enumerate() {
                let Some(horizon) = horizon else { continue };
                let snap = &mut alive[row];
                assert!(snap.lock().is_none_or(|lock| lock <= horizon.until), "shortened");
                assert_eq!(horizon.step == LockStep::Enough, snap.lock() == Some(horizon.until));
                *snap = snap.clone().locked_until(horizon.until);
            }
        }
        let plan = plan(alive.iter().cloned(), policy, now).unwrap();
        for decision in plan.decisions() {
            let snap = decision.snapshot();
            let lock = snap.lock().unwrap_or(now);
            match decision.outcome() {
                Outcome::Keep => assert!(lock > now, "{now}: {snap:?} is kept and not locked"),
                Outcome::ExpiredLocked { .. } | Outcome::Drop if expired.insert(*snap.id()) => {
                    let extra = f64::from(u32::try_from((lock - now).num_minutes().max(0)).unwrap()) / 1440.0;
                    paid.snapshots += 1;
                    paid.extra_days += extra;
                    paid.worst = paid.worst.max(extra);
                    paid.kept_days +=
                        f64::from(u32::try_from((now - snap.time()).num_hours()).unwrap()) / 24.0;
                }
                _ => {}
            }
        }
        if runs {
            alive = plan
                .decisions()
                .filter(|d| d.outcome() != Outcome::Drop)
                .map(|d| d.snapshot().clone())
                .collect();
        }
    }
    paid
}

fn baseline(counting: Counting, window: i64) -> Policy {
    Policy::baseline().with_counting(counting).with_recovery_window(TimeDelta::days(window)).unwrap()
}

/// 1,100 days of the baseline, watched every hour.
#[test]
fn no_kept_snapshot_is_ever_unlocked() {
    let start = "2024-01-01T00:00:00Z".parse().unwrap();
    let locking = Locking::default();
    for counting in [Counting::Exclusive, Counting::Shared] {
        for window in [0, 7] {
            let paid = run_locked(&baseline(counting, window), &locking, start, 1100, false, |_| true);
            #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
            let mean = paid.extra_days / paid.snapshots as f64;
            println!(
                "{counting}, window {window} d: {} snapshots let go, kept {:.0} days in all, \
                 locked {:.0} days longer: {mean:.1} a snapshot, at most {:.1}",
                paid.snapshots, paid.kept_days, paid.extra_days, paid.worst
            );
            assert!(paid.snapshots > 1000);
            assert!(mean < 10.0, "{mean}");
        }
    }
}

/// The same when runs are missed, as long as one comes within the margin.
#[test]
fn no_kept_snapshot_is_ever_unlocked_when_runs_are_missed() {
    let start = "2024-01-01T00:00:00Z".parse().unwrap();
    for counting in [Counting::Exclusive, Counting::Shared] {
        for deltas in [false, true] {
            let mut last = 0;
            let policy = baseline(counting, 7).with_counts(Counts::baseline().yearly(2)).unwrap();
            run_locked(&policy, &Locking::default(), start, if deltas { 150 } else { 1100 }, deltas, |day| {
                let runs = day == last + 2 || day.wrapping_mul(2_654_435_761).rotate_left(9) % 5 < 2;
                if runs {
                    last = day;
                }
                runs
            });
        }
    }
}

/// When runs stop extending locks, what is locked stays so for its time in its tier, but for one period at most.
#[test]
fn locks_outlive_the_host_that_set_them() {
    let start: DateTime<Utc> = "2025-01-01T02:00:00Z".parse().unwrap();
    let policy = baseline(Counting::Exclusive, 0);
    let of_tier = |plan: &Plan<u32>, row: usize| match plan.decision(row).reasons().next() {
        Some(Reason::Slot { tier, .. }) => Some(tier),
        _ => None,
    };
    for lost_on in 180..220_u32 {
        let days = || (0..=lost_on).map(|day| Snapshot::full(day, start + TimeDelta::days(day.into())));
        let last = start + TimeDelta::days(lost_on.into());
        let before = plan(days(), &policy, last).unwrap();
        let horizons = lock_horizons(&before, &Locking::default());
        for later in 1..130 {
            let now = last + TimeDelta::days(later.into());
            let more = (1..=later).map(|day| Snapshot::full(1000 + day, last + TimeDelta::days(day.into())));
            let after = plan(days().chain(more), &policy, now).unwrap();
            for (row, horizon) in horizons.iter().enumerate() {
                let (Some(horizon), Some(tier)) = (horizon, of_tier(&before, row)) else { continue };
                let period = match tier {
                    Tier::Daily => 1,
                    Tier::Weekly => 7,
                    _ => 31,
                };
                if of_tier(&after, row) == Some(tier) {
                    assert!(horizon.until + TimeDelta::days(period) > now, "{tier} {row} on day {later}");
                }
            }
        }
    }
}

/// The figures that a store of daily backups settles at, pruned every day for 1,100 days.
#[test]
fn daily_backups_settle_at_the_known_figures() {
    for (counting, copies, oldest) in
        [(Counting::Exclusive, 14..=14, 66..=126), (Counting::Shared, 9..=12, 29..=62)]
    {
        let policy = baseline(counting, 0);
        let start: DateTime<Utc> = "2023-01-01T02:00:00Z".parse().unwrap();
        let mut alive: Vec<Snap> = Vec::new();
        for day in 0..1100_u32 {
            let now = start + TimeDelta::days(i64::from(day));
            alive.push(Snapshot::full(day, now));
            let plan = plan(alive, &policy, now).unwrap();
            alive = plan.decisions().filter(Decision::is_kept).map(|d| d.snapshot().clone()).collect();
            if day > 130 {
                let age = (now - alive.iter().map(Snapshot::time).min().unwrap()).num_days();
                assert!(copies.contains(&alive.len()), "{counting}: {} copies", alive.len());
                assert!(oldest.contains(&age), "{counting}: the oldest is {age} days old");
            }
        }
    }
}

#[test]
fn the_zones_of_the_worlds_exist() {
    for zone in ZONES {
        zone.parse::<chrono_tz::Tz>().unwrap();
    }
}
