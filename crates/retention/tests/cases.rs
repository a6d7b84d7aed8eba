//! Cases that broke others, and the worked calendars of the documentation.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use chrono::{DateTime, TimeDelta, Utc};
use retention::{
    Chain, Counting, Counts, Decision, DropReason, Error, Outcome, Plan, Policy, Reason, Rule, Snapshot,
    Tier, plan,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn full(id: &'static str, time: &str) -> Snapshot<&'static str> {
    Snapshot::full(id, at(time))
}

fn policy(counts: Counts) -> Policy {
    Policy::new(counts).unwrap().with_recovery_window(TimeDelta::zero()).unwrap()
}

fn kept(plan: &Plan<&'static str>) -> Vec<&'static str> {
    plan.decisions().filter(Decision::is_kept).map(|d| *d.snapshot().id()).collect()
}

fn rules(plan: &Plan<&'static str>, row: usize) -> Vec<Rule> {
    plan.decision(row).reasons().map(|reason| reason.rule()).collect()
}

fn reasons<Id>(plan: &Plan<Id>, row: usize) -> Vec<Reason> {
    plan.decision(row).reasons().collect()
}

const NOW: &str = "2026-11-24T12:00:00Z";

#[test]
fn an_empty_policy_is_refused() {
    assert_eq!(Policy::new(Counts::default()), Err(Error::EmptyPolicy));
    assert_eq!(Policy::baseline().with_counts(Counts::default().daily(0)), Err(Error::EmptyPolicy));
    assert_eq!(Error::EmptyPolicy.code(), "empty-policy");
    assert!(Error::EmptyPolicy.hint().is_some());
}

#[test]
fn the_oldest_is_kept_while_a_tier_has_slots_left() {
    let all = || "all".parse::<retention::Count>().unwrap();
    let day = |id, day: u32| full(id, &format!("2026-11-{day:02}T02:00:00Z"));
    // Monday to Wednesday of one week: one weekly slot is filled, and others are left.
    let week = || [day("mon", 16), day("tue", 17), day("wed", 18)];
    let kept_by = |counts, counting| {
        let plan = plan(week(), &policy(counts).with_counting(counting), at(NOW)).unwrap();
        (kept(&plan), rules(&plan, 0))
    };
    for counting in [Counting::Exclusive, Counting::Shared] {
        assert_eq!(kept_by(Counts::default().weekly(2), counting), (vec!["mon", "wed"], vec![Rule::Oldest]));
        assert_eq!(kept_by(Counts::default().weekly(1), counting), (vec!["wed"], vec![]));
    }
    // Without a limit restic has an oldest rule, Borg has none.
    assert_eq!(kept_by(Counts::default().weekly(all()), Counting::Shared).0, ["mon", "wed"]);
    assert_eq!(kept_by(Counts::default().weekly(all()), Counting::Exclusive).0, ["wed"]);
    // Shared: for every tier with slots left.
    let (kept, why) = kept_by(Counts::default().weekly(2).monthly(2), Counting::Shared);
    assert_eq!((kept, why), (vec!["mon", "wed"], vec![Rule::Oldest, Rule::Oldest]));
}

#[test]
fn iso_week_one_and_month_one_are_two_slots() {
    let counts = Counts::default().weekly(2).monthly(2);
    let plan = plan(
        [full("new-year", "2026-01-01T02:00:00Z")],
        &policy(counts).with_counting(Counting::Shared),
        at(NOW),
    );
    let plan = plan.unwrap();
    let slots: Vec<String> =
        plan.decision(0).reasons().filter_map(|reason| reason.slot()).map(|s| s.to_string()).collect();
    assert_eq!(slots, ["2026-W01", "2026-01"]);
}

#[test]
fn the_last_of_december_and_the_fourth_of_january_share_an_iso_week() {
    let snapshots = [
        full("dec-22", "2024-12-22T02:00:00Z"),
        full("dec-31", "2024-12-31T02:00:00Z"),
        full("jan-04", "2025-01-04T02:00:00Z"),
    ];
    let plan = plan(snapshots, &policy(Counts::default().weekly(2)), at(NOW)).unwrap();
    assert_eq!(kept(&plan), ["dec-22", "jan-04"]);
}

#[test]
fn a_gap_of_sixty_days_uses_no_slots() {
    let before =
        (1_u32..=5).map(|d| Snapshot::full(d, at("2026-08-01T02:00:00Z") + TimeDelta::days(d.into())));
    let after =
        (6_u32..=8).map(|d| Snapshot::full(d, at("2026-10-01T02:00:00Z") + TimeDelta::days(d.into())));
    let plan = plan(before.chain(after), &policy(Counts::default().daily(7)), at(NOW)).unwrap();
    assert_eq!(plan.summary().kept, 7);
    assert!(!plan.decision(0).is_kept());
}

#[test]
fn the_copies_of_a_tier_are_counted_by_their_slots() {
    let nightly =
        (0_u32..200).map(|d| Snapshot::full(d, at("2026-05-01T02:00:00Z") + TimeDelta::days(d.into())));
    let counts = [(Tier::Daily, 7), (Tier::Weekly, 4), (Tier::Monthly, 3), (Tier::Yearly, 0)];
    for counting in [Counting::Exclusive, Counting::Shared] {
        let policy = policy(Counts::baseline()).with_counting(counting);
        let plan = plan(nightly.clone(), &policy, at(NOW)).unwrap();
        assert_eq!(counts.map(|(tier, _)| (tier, plan.copies(tier))), counts);
    }
    let young = plan(nightly.take(3), &policy(Counts::baseline()), at("2026-05-03T12:00:00Z")).unwrap();
    assert_eq!(young.copies(Tier::Daily), 3);
}

#[test]
fn a_snapshot_dated_ten_years_ahead_expires_nothing_and_is_reported() {
    let mut snapshots: Vec<_> =
        (1_i64..=9).map(|d| Snapshot::full(d, at("2026-11-10T02:00:00Z") + TimeDelta::days(d))).collect();
    let without = plan(snapshots.clone(), &policy(Counts::default().daily(7)), at(NOW)).unwrap();
    snapshots.push(Snapshot::full(99, at("2036-11-24T02:00:00Z")));
    let with = plan(snapshots, &policy(Counts::default().daily(7)), at(NOW)).unwrap();
    for row in 0..9 {
        assert_eq!(reasons(&with, row), reasons(&without, row));
    }
    assert_eq!(reasons(&with, 9), [Reason::Future]);
}

#[test]
fn a_clock_that_is_a_little_ahead_is_believed() {
    let plan =
        plan([full("ahead", "2026-11-24T12:30:00Z")], &policy(Counts::default().daily(1)), at(NOW)).unwrap();
    assert!(rules(&plan, 0).contains(&Rule::Daily));
}

#[test]
fn equal_times_are_ordered_by_id() {
    let time = "2026-11-24T02:00:00Z";
    for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
        for counting in [Counting::Exclusive, Counting::Shared] {
            let policy = policy(Counts::default().last(2)).with_counting(counting);
            let plan = plan(order.map(|id| full(id, time)), &policy, at(NOW)).unwrap();
            let mut kept = kept(&plan);
            kept.sort_unstable();
            assert_eq!(kept, ["b", "c"]);
        }
    }
}

#[test]
fn the_hour_that_a_clock_change_repeats_is_one_hour() {
    // 00:30, 01:00 and 01:30 UTC are 02:30, 02:00 and 02:30 in Berlin.
    let times =
        ["2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"];
    let snapshots = (0_u8..).zip(times).map(|(id, time)| Snapshot::full(id, at(time)));
    let policy = policy(Counts::default().hourly(2)).with_time_zone(chrono_tz::Europe::Berlin);
    let plan = plan(snapshots, &policy, at(NOW)).unwrap();
    let kept: Vec<bool> = plan.decisions().map(|d| d.is_kept()).collect();
    assert_eq!(kept, [true, false, false, true]);
}

#[test]
fn a_date_that_a_clock_change_repeats_counts_once() {
    // St John's: Saturday 23:50, Sunday 00:00, then back: Saturday 23:10, Sunday 00:10.
    let times =
        ["2010-11-07T02:20:00Z", "2010-11-07T02:30:30Z", "2010-11-07T02:40:00Z", "2010-11-07T03:40:00Z"];
    let snapshots = (0_u8..).zip(times).map(|(id, time)| Snapshot::full(id, at(time)));
    let policy = policy(Counts::default().daily("all".parse::<retention::Count>().unwrap()))
        .with_time_zone(chrono_tz::America::St_Johns);
    let plan = plan(snapshots, &policy, at(NOW)).unwrap();
    let kept: Vec<bool> = plan.decisions().map(|d| d.is_kept()).collect();
    assert_eq!(kept, [false, false, true, true]);
}

#[test]
fn an_interrupted_backup_displaces_nothing() {
    let snapshots = [
        full("good", "2026-11-24T02:00:00Z"),
        full("interrupted", "2026-11-24T03:00:00Z").incomplete(),
        full("old-interrupted", "2026-11-20T03:00:00Z").incomplete(),
    ];
    let plan = plan(snapshots, &policy(Counts::default().daily(1)), at(NOW)).unwrap();
    assert_eq!(rules(&plan, 0), [Rule::Daily, Rule::Newest]);
    assert_eq!(rules(&plan, 1), [Rule::IncompleteRecent]);
    assert_eq!(plan.decision(2).drop_reason(), Some(DropReason::Incomplete));
}

#[test]
fn two_series_are_pruned_apart() {
    let snapshots = [
        full("a", "2026-11-20T02:00:00Z").in_group("app:shop"),
        full("a", "2026-11-24T02:00:00Z").in_group("state"),
    ];
    let plan = plan(snapshots, &policy(Counts::default().last(1)), at(NOW)).unwrap();
    assert_eq!(plan.summary().kept, 2);
}

#[test]
fn one_id_twice_in_a_group_is_refused() {
    let twice = [full("a", "2026-11-20T02:00:00Z"), full("a", "2026-11-24T02:00:00Z")];
    let error = plan(twice, &Policy::baseline(), at(NOW)).unwrap_err();
    assert_eq!(error, Error::DuplicateId { group: String::new(), id: "a".into() });
}

#[test]
fn unverified_ones_never_push_out_the_last_verified() {
    let mut snapshots = vec![full("proved", "2026-01-01T02:00:00Z").verified()];
    for (id, day) in ["a", "b", "c", "d"].into_iter().zip(20..) {
        snapshots.push(full(id, &format!("2026-11-{day}T02:00:00Z")));
    }
    let plan = plan(snapshots, &policy(Counts::default().last(2)), at(NOW)).unwrap();
    assert_eq!(kept(&plan), ["proved", "c", "d"]);
    assert_eq!(rules(&plan, 0), [Rule::LastVerified]);
}

#[test]
fn suspect_ones_are_kept_and_stand_for_nothing() {
    let snapshots = [
        full("old-suspect", "2026-11-01T02:00:00Z").suspect(),
        full("good", "2026-11-23T02:00:00Z"),
        full("suspect", "2026-11-24T02:00:00Z").suspect(),
    ];
    let policy = policy(Counts::default().daily(1)).with_recovery_window(TimeDelta::days(7)).unwrap();
    let plan = plan(snapshots, &policy, at(NOW)).unwrap();
    assert_eq!(plan.decision(0).drop_reason(), Some(DropReason::Suspect));
    assert_eq!(rules(&plan, 1), [Rule::Daily, Rule::RecoveryWindow, Rule::Newest]);
    assert_eq!(rules(&plan, 2), [Rule::Suspect]);
}

#[test]
fn the_window_holds_its_anchor_with_its_chain() {
    let snapshots = [
        full("full-1", "2026-11-10T02:00:00Z"),
        Snapshot::delta("delta-1", at("2026-11-12T02:00:00Z"), "full-1"),
        Snapshot::delta("delta-2", at("2026-11-16T02:00:00Z"), "delta-1"),
        Snapshot::delta("delta-3", at("2026-11-19T02:00:00Z"), "delta-2"),
        full("full-2", "2026-11-22T02:00:00Z"),
    ];
    let policy = policy(Counts::default().last(1)).with_recovery_window(TimeDelta::days(7)).unwrap();
    let plan = plan(snapshots, &policy, at(NOW)).unwrap();
    assert_eq!(kept(&plan).len(), 5);
    assert_eq!(reasons(&plan, 2), [Reason::Anchor, Reason::ParentOfKept { child: 3 }]);
    assert_eq!(reasons(&plan, 0), [Reason::ParentOfKept { child: 1 }]);
    assert_eq!(reasons(&plan, 3), [Reason::InWindow]);
}

#[test]
fn behind_the_window_a_full_stays_and_its_deltas_go() {
    let snapshots = [
        full("full-1", "2026-10-10T02:00:00Z"),
        Snapshot::delta("delta-1", at("2026-10-11T02:00:00Z"), "full-1"),
        full("full-2", "2026-11-10T02:00:00Z"),
        full("full-3", "2026-11-23T02:00:00Z"),
    ];
    let plan = plan(snapshots, &Policy::baseline(), at(NOW)).unwrap();
    assert_eq!(kept(&plan), ["full-1", "full-2", "full-3"]);
    assert_eq!(plan.decision(1).drop_reason(), Some(DropReason::DeltaBehindWindow));
}

#[test]
fn orphans_are_reported_and_never_count_as_restorable() {
    let snapshots = [
        full("good", "2026-11-01T02:00:00Z"),
        Snapshot::delta("old-orphan", at("2026-11-02T02:00:00Z"), "gone"),
        Snapshot::delta("orphan", at("2026-11-23T02:00:00Z"), "gone").verified(),
        Snapshot::delta("its-child", at("2026-11-23T03:00:00Z"), "orphan"),
    ];
    let plan = plan(snapshots, &Policy::baseline(), at(NOW)).unwrap();
    assert_eq!(rules(&plan, 0), [Rule::Daily, Rule::RecoveryWindow, Rule::Newest]);
    assert_eq!(plan.decision(1).drop_reason(), Some(DropReason::Unrestorable(Chain::ParentMissing)));
    assert_eq!(rules(&plan, 2), [Rule::RecoveryWindow, Rule::ParentOfKept]);
    assert_eq!(plan.decision(3).chain(), Chain::ParentMissing);
    assert_eq!(plan.unrestorable().count(), 3);
}

#[test]
fn a_lock_holds_what_the_policy_lets_go_and_what_that_needs() {
    let until = at("2026-12-24T00:00:00Z");
    let snapshots = [
        full("full", "2026-10-01T02:00:00Z"),
        Snapshot::delta("delta", at("2026-10-02T02:00:00Z"), "full").locked_until(until),
        full("expired-lock", "2026-10-03T02:00:00Z").locked_until(at("2026-11-01T00:00:00Z")),
        full("newest", "2026-11-24T02:00:00Z").locked_until(until),
    ];
    let plan = plan(snapshots, &policy(Counts::default().last(1)), at(NOW)).unwrap();
    assert_eq!(rules(&plan, 0), [Rule::ParentOfKept]);
    assert_eq!(plan.decision(1).outcome(), Outcome::ExpiredLocked { until });
    assert_eq!(plan.decision(2).outcome(), Outcome::Drop);
    assert_eq!(plan.decision(3).outcome(), Outcome::Keep);
    let summary = plan.summary();
    assert_eq!((summary.kept, summary.dropped, summary.blocked_by_lock), (2, 1, 1));
}

#[test]
fn garbage_slightly_newer_than_the_good_ones_leaves_the_proved_one() {
    // A flood of fresh snapshots takes the slots; evidence is what protects the good one.
    let mut snapshots: Vec<_> =
        (0_i64..500).map(|n| Snapshot::full(n, at("2026-11-24T03:00:00Z") + TimeDelta::seconds(n))).collect();
    snapshots.push(Snapshot::full(1000, at("2026-11-24T02:00:00Z")).verified());
    let plan = plan(snapshots, &policy(Counts::baseline()), at(NOW)).unwrap();
    assert!(plan.decision(500).is_kept());
}

/// 40 days of one snapshot at 02:00, newest on Tuesday 2026-11-24: the calendars of the crate's introduction.
#[test]
fn the_worked_calendars_are_right() {
    let days = (0_i64..40).map(|ago| Snapshot::full(ago, at("2026-11-24T02:00:00Z") - TimeDelta::days(ago)));
    let counts = Counts::default().daily(4).weekly(2).monthly(1);
    let calendar = |counting| -> Vec<String> {
        let plan = plan(days.clone(), &policy(counts).with_counting(counting), at(NOW)).unwrap();
        let line = |d: Decision<'_, i64>| {
            let reasons: Vec<String> = d
                .reasons()
                .filter(|r| r.rule() != Rule::Newest)
                .map(|r| format!("{} {}", r.rule(), r.slot().unwrap()))
                .collect();
            format!("{}: {}", d.snapshot().time().format("%a %d %b"), reasons.join(", "))
        };
        plan.decisions().filter(Decision::is_kept).map(line).collect()
    };
    assert_eq!(
        calendar(Counting::Exclusive),
        [
            "Tue 24 Nov: daily 2026-11-24",
            "Mon 23 Nov: daily 2026-11-23",
            "Sun 22 Nov: daily 2026-11-22",
            "Sat 21 Nov: daily 2026-11-21",
            "Sun 15 Nov: weekly 2026-W46",
            "Sun 08 Nov: weekly 2026-W45",
            "Sat 31 Oct: monthly 2026-10",
        ]
    );
    assert_eq!(
        calendar(Counting::Shared),
        [
            "Tue 24 Nov: daily 2026-11-24, weekly 2026-W48, monthly 2026-11",
            "Mon 23 Nov: daily 2026-11-23",
            "Sun 22 Nov: daily 2026-11-22, weekly 2026-W47",
            "Sat 21 Nov: daily 2026-11-21",
        ]
    );
}
