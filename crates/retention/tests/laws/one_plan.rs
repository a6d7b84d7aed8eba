//! Laws of a single plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use retention::{
    Count, Counting, Decision, Locking, Outcome, Plan, Policy, Reason, Remedy, Rule, Schedule, Snapshot,
    Tier, explain, forecast, lock_horizons, plan,
};

use crate::naive::{self, Snap};
use crate::worlds::{World, config, moment, policy, world};

fn planned(world: &World) -> Plan<u32> {
    plan(world.snapshots.iter().cloned(), &world.policy, world.now).unwrap()
}

fn kept(plan: &Plan<u32>) -> BTreeSet<u32> {
    plan.decisions().filter(Decision::is_kept).map(|d| *d.snapshot().id()).collect()
}

/// What is still there when the plan was carried out.
fn left(plan: &Plan<u32>) -> Vec<Snap> {
    plan.decisions().filter(|d| d.outcome() != Outcome::Drop).map(|d| d.snapshot().clone()).collect()
}

fn text(reason: Reason) -> String {
    match (reason.rank(), reason.slot()) {
        (Some(rank), Some(slot)) => format!("{} {slot} {rank}", reason.rule()),
        (Some(rank), None) => format!("{}  {rank}", reason.rule()),
        (None, _) => reason.rule().to_string(),
    }
}

fn groups(snapshots: &[Snap]) -> BTreeMap<&str, Vec<Snap>> {
    let mut groups: BTreeMap<&str, Vec<Snap>> = BTreeMap::new();
    for snap in snapshots {
        groups.entry(snap.group()).or_default().push(snap.clone());
    }
    groups
}

fn is_in_a_ring(snapshots: &[Snap], snap: &Snap) -> bool {
    let parent =
        |of: &Snap| snapshots.iter().find(|s| s.group() == of.group() && Some(s.id()) == of.parent());
    let mut at = parent(snap);
    for _ in snapshots {
        if at.is_some_and(|at| at.id() == snap.id()) {
            return true;
        }
        at = at.and_then(parent);
    }
    false
}

/// One more slot, or no limit.
fn raised(count: Count) -> [Count; 2] {
    match count {
        Count::None => [1.into(), Count::All],
        Count::Keep(n) => [(n.get() + 1).into(), Count::All],
        Count::All => [Count::All; 2],
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn every_reason_is_what_the_naive_implementation_finds(world in world()) {
        let plan = planned(&world);
        for (group, snapshots) in groups(&world.snapshots) {
            let expected = naive::keep(&snapshots, &world.policy, world.now);
            let found: naive::Kept = plan
                .decisions()
                .filter(|d| d.snapshot().group() == group && d.is_kept())
                .map(|d| (*d.snapshot().id(), d.reasons().map(text).collect()))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        (world, shuffled) in world().prop_flat_map(|w| (Just(w.clone()), Just(w.snapshots).prop_shuffle()))
    ) {
        let plan = planned(&world);
        let other = planned(&World { snapshots: shuffled, ..world });
        let decided = |plan: &Plan<u32>| -> BTreeMap<u32, String> {
            plan.decisions()
                .map(|d| {
                    let reasons: Vec<String> = d.reasons().map(|r| d.say(r)).collect();
                    let drop = d.drop_reason().map(|r| d.say_drop(r));
                    (*d.snapshot().id(), format!("{:?} {reasons:?} {drop:?} {:?}", d.outcome(), d.chain()))
                })
                .collect()
        };
        prop_assert_eq!(decided(&plan), decided(&other));
        let (mut one, mut two) = (String::new(), String::new());
        plan.write_canonical(&mut one).unwrap();
        other.write_canonical(&mut two).unwrap();
        prop_assert_eq!(one, two);
    }

    #[test]
    fn planning_over_what_was_kept_keeps_it(world in world()) {
        let first = planned(&world);
        let second = planned(&World { snapshots: left(&first), ..world });
        prop_assert_eq!(kept(&first), kept(&second));
        prop_assert_eq!(second.summary().dropped, 0);
    }

    #[test]
    fn raising_a_count_never_drops_more(world in world(), tier in 0_usize..6) {
        let tier = Tier::ALL[tier];
        let before = planned(&world);
        for count in raised(world.policy.counts().get(tier)) {
            let counts = world.policy.counts().with(tier, count);
            let policy = world.policy.clone().with_counts(counts).unwrap();
            let after = planned(&World { policy, ..world.clone() });
            let lost: Vec<u32> = kept(&before).difference(&kept(&after)).copied().collect();
            // The one exception: Borg has no oldest rule in a tier without a limit, and exclusive counting follows it.
            let borgs = count == Count::All && world.policy.counting() == Counting::Exclusive;
            let is_oldest = |id: &u32| {
                let decision = before.decisions().find(|d| d.snapshot().id() == id).unwrap();
                decision.reasons().all(|r| r.rule() == Rule::Oldest)
            };
            prop_assert!(lost.is_empty() || (borgs && lost.iter().all(is_oldest)), "{tier} {count}: {lost:?}");
        }
    }

    #[test]
    fn the_newest_restorable_of_each_group_survives(world in world()) {
        let plan = planned(&world);
        let believed = world.now + world.policy.future_tolerance();
        for group in groups(&world.snapshots).keys() {
            let restorable = || {
                plan.decisions().filter(|d| {
                    d.snapshot().group() == *group
                        && d.chain().is_restorable()
                        && d.snapshot().time() <= believed
                })
            };
            for verified in [false, true] {
                let all = || restorable().filter(move |d| !verified || d.snapshot().is_verified());
                let key = |d: &Decision<'_, u32>| (d.snapshot().time(), *d.snapshot().id());
                let newest = all().filter(|d| !d.snapshot().is_suspect()).max_by_key(key).or(all().max_by_key(key));
                prop_assert!(newest.is_none_or(|d| d.is_kept()));
            }
        }
        for decision in plan.decisions().filter(|d| d.snapshot().is_pinned()) {
            prop_assert!(decision.is_kept());
        }
    }

    #[test]
    fn chains_stay_whole(world in world()) {
        let plan = planned(&world);
        let row = |snap: &Snap, id: &u32| plan.find(snap.group(), id);
        for decision in plan.decisions().filter(|d| d.outcome() != Outcome::Drop) {
            let snap = decision.snapshot();
            if let Some(parent) = snap.parent().and_then(|id| row(snap, id)) {
                prop_assert!(plan.decision(parent).is_kept());
            }
        }
        // And while deleting: a parent never goes before its child.
        let deletions = plan.deletions();
        let place: BTreeMap<usize, usize> = deletions.iter().enumerate().map(|(at, d)| (d.row(), at)).collect();
        prop_assert_eq!(place.len(), plan.summary().dropped);
        for decision in &deletions {
            let snap = decision.snapshot();
            let parent = snap.parent().and_then(|id| row(snap, id)).and_then(|row| place.get(&row));
            prop_assert!(is_in_a_ring(&world.snapshots, snap) || parent.is_none_or(|parent| place[&decision.row()] < *parent));
        }
    }

    #[test]
    fn an_older_snapshot_never_makes_a_newer_one_go(
        world in world(), pick in any::<prop::sample::Index>()
    ) {
        prop_assume!(!world.snapshots.is_empty());
        let mut fewer = world.clone();
        let added = fewer.snapshots.remove(pick.index(world.snapshots.len()));
        // A parent that turns up makes its orphans restorable, and those may then be the newest: a rule of its own.
        let is_parent = world.snapshots.iter().any(|s| s.parent() == Some(added.id()));
        prop_assume!(!is_parent);
        let (before, after) = (planned(&fewer), planned(&world));
        let still = kept(&after);
        let lost = |row: usize| before.decision(row).is_kept() && !still.contains(before.snapshots()[row].id());
        for decision in before.decisions().filter(|d| lost(d.row())) {
            let snap = decision.snapshot();
            if (snap.time(), snap.id()) < (added.time(), added.id()) {
                continue;
            }
            for reason in decision.reasons() {
                let by_rule = match reason {
                    // The oldest is now another one.
                    Reason::Oldest { .. } => true,
                    // Suspect ones stand in only while there is nothing sound.
                    Reason::Newest | Reason::LastVerified => snap.is_suspect(),
                    Reason::ParentOfKept { child } => lost(child),
                    _ => false,
                };
                prop_assert!(by_rule, "{:?} lost {:?}", snap, reason);
            }
        }
    }

    #[test]
    fn groups_never_mix(world in world()) {
        let together = kept(&planned(&world));
        let mut apart = BTreeSet::new();
        for snapshots in groups(&world.snapshots).into_values() {
            apart.extend(kept(&planned(&World { snapshots, ..world.clone() })));
        }
        prop_assert_eq!(together, apart);
    }

    #[test]
    fn suspect_incomplete_and_future_ones_displace_nothing(world in world()) {
        let plan = planned(&world);
        let is_odd =
            |s: &Snap| !s.is_complete() || s.is_suspect() || s.time() > world.now + TimeDelta::hours(1);
        let is_needed = |s: &Snap| world.snapshots.iter().any(|c| c.parent() == Some(s.id()));
        let without = world.snapshots.iter().filter(|s| !is_odd(s) || is_needed(s)).cloned().collect();
        let without = planned(&World { snapshots: without, ..world.clone() });
        let kept = kept(&plan);
        for decision in without.decisions().filter(|d| d.is_kept() && !is_odd(d.snapshot())) {
            // What it needs may be another suspect one, for want of anything sound.
            if decision.reasons().all(|r| r.rule() == Rule::ParentOfKept) {
                continue;
            }
            prop_assert!(kept.contains(decision.snapshot().id()));
        }
    }

    #[test]
    fn a_lock_is_a_third_outcome(world in world()) {
        let plan = planned(&world);
        for decision in plan.decisions() {
            let lock = decision.snapshot().lock().filter(|until| *until > world.now);
            let expected = match (decision.is_kept(), lock) {
                (true, _) => Outcome::Keep,
                (false, Some(until)) => Outcome::ExpiredLocked { until },
                (false, None) => Outcome::Drop,
            };
            prop_assert_eq!(decision.outcome(), expected);
            prop_assert_eq!(decision.is_kept(), decision.drop_reason().is_none());
        }
    }

    #[test]
    fn every_remedy_works(world in world()) {
        let before = planned(&world);
        for decision in before.decisions().filter(|d| !d.is_kept()) {
            let explanation = explain(&before, decision.row());
            prop_assert!(!explanation.remedies().is_empty());
            for remedy in explanation.remedies() {
                let mut other = world.clone();
                match *remedy {
                    Remedy::RaiseCount { tier, to } => {
                        let counts = other.policy.counts().with(tier, to);
                        other.policy = other.policy.with_counts(counts).unwrap();
                    }
                    Remedy::WidenWindow(to) => other.policy = other.policy.with_recovery_window(to).unwrap(),
                    Remedy::Pin => {
                        other.snapshots[decision.row()] = other.snapshots[decision.row()].clone().pinned();
                    }
                    _ => unreachable!("{remedy:?}"),
                }
                prop_assert!(planned(&other).decision(decision.row()).is_kept(), "{remedy:?}");
            }
            let one_less = explanation.remedies().iter().find_map(|remedy| match remedy {
                Remedy::RaiseCount { tier, to } if *to > 1 => Some((*tier, *to - 1)),
                _ => None,
            });
            if let Some((tier, count)) = one_less {
                let counts = world.policy.counts().with(tier, count);
                let policy = world.policy.clone().with_counts(counts).unwrap();
                let plan = planned(&World { policy, ..world.clone() });
                let fills = plan.decision(decision.row()).reasons().any(|r| r.rule() == tier.into());
                prop_assert!(!fills, "{tier} {count} is enough");
            }
        }
    }
}

/// Any instant that chrono can hold, its ends included.
fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    prop_oneof![
        Just(DateTime::<Utc>::MIN_UTC),
        Just(DateTime::<Utc>::MAX_UTC),
        (-8_334_601_228_800_i64..8_210_266_876_799, 0_u32..1_000_000_000)
            .prop_filter_map("no such instant", |(seconds, nanos)| DateTime::from_timestamp(seconds, nanos)),
        moment(),
    ]
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn no_input_panics(
        policy in policy(),
        zone in 0..chrono_tz::TZ_VARIANTS.len(),
        lengths in prop::array::uniform3(prop_oneof![Just(TimeDelta::MAX), (0_i64..i64::MAX / 1000).prop_map(TimeDelta::seconds)]),
        times in prop::collection::vec((any_time(), 0_u32..40, 0_u8..32, prop::option::of(any_time())), 0..24),
        now in any_time(),
    ) {
        let policy: Policy = policy
            .with_time_zone(chrono_tz::TZ_VARIANTS[zone])
            .with_recovery_window(lengths[0]).unwrap()
            .with_incomplete_grace(lengths[1]).unwrap()
            .with_future_tolerance(lengths[2]).unwrap();
        let mut snapshots = Vec::new();
        for (id, (time, parent, marks, lock)) in (0_u32..).zip(times) {
            let mut snap = if parent < 20 { Snapshot::full(id, time) } else { Snapshot::delta(id, time, parent - 20) };
            if marks & 1 != 0 { snap = snap.verified(); }
            if marks & 2 != 0 { snap = snap.suspect(); }
            if marks & 4 != 0 { snap = snap.incomplete(); }
            if marks & 0x18 == 0x18 { snap = snap.pinned(); }
            if let Some(until) = lock { snap = snap.locked_until(until); }
            snapshots.push(snap);
        }
        let plan = plan(snapshots, &policy, now).unwrap();
        let horizons = lock_horizons(&plan, &Locking::default());
        for decision in plan.decisions() {
            prop_assert_eq!(horizons[decision.row()].is_some(), decision.is_kept());
            prop_assert!(!explain(&plan, decision.row()).to_string().is_empty());
        }
        let ahead = forecast(&plan, &Schedule::daily_with_hourly_deltas(chrono::NaiveTime::MIN), 3);
        prop_assert!(ahead.days().len() <= 3);
        let mut text = String::new();
        plan.write_canonical(&mut text).unwrap();
        let _ = (plan.deletions().len(), plan.summary());
    }
}
