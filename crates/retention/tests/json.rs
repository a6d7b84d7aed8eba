//! The shapes of JSON rows.
#![cfg(feature = "serde")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use retention::{Count, Counting, Counts, Error, Policy, Row, Snapshot, Tier, plan};
use serde_json::json;

fn rows(value: serde_json::Value) -> Vec<Snapshot<String>> {
    let rows: Vec<Row<String>> = serde_json::from_value(value).unwrap();
    rows.into_iter().map(|row| row.try_into().unwrap()).collect()
}

#[test]
fn a_plan_reads_and_writes_the_documented_rows() {
    let input = json!([
        {"id": "old", "time": "2026-07-01T02:00:00Z", "locked_until": "2026-12-24T00:00:00Z", "extra": 1},
        {"id": "older", "time": "2026-08-01T04:00:00+02:00", "complete": true, "verified": true},
        {"id": "full", "time": "2026-11-23T02:00:00Z", "kind": "full", "parent": "passed over"},
        {"id": "delta", "time": "2026-11-24T02:00:00Z", "kind": "delta", "parent": "full", "pinned": true},
        {"id": "broken", "time": "2026-11-01T02:00:00Z", "complete": false},
        {"id": "odd", "time": "2026-11-24T03:00:00Z", "suspect": true, "group": "other"},
    ]);
    let policy = Policy::new(Counts::default().daily(1)).unwrap();
    let plan = plan(rows(input), &policy, "2026-11-24T12:00:00Z".parse().unwrap()).unwrap();
    let output = serde_json::to_value(plan.rows().collect::<Vec<_>>()).unwrap();
    assert_eq!(
        output,
        json!([
            {"id": "old", "time": "2026-07-01T02:00:00Z", "keep": false, "reasons": [],
             "drop_reason": "beyond-counts", "drop_detail": "newer ones fill all daily slots",
             "locked_until": "2026-12-24T00:00:00Z", "restorable": true},
            {"id": "older", "time": "2026-08-01T02:00:00Z", "keep": true, "restorable": true,
             "reasons": [
                {"rule": "recovery-window", "detail": "anchor: the recovery window's first moments need it"},
                {"rule": "last-verified", "detail": "the newest verified one"}]},
            {"id": "full", "time": "2026-11-23T02:00:00Z", "keep": true, "restorable": true,
             "reasons": [
                {"rule": "daily", "slot": "2026-11-23", "rank": 1, "detail": "daily 2026-11-23, number 1"},
                {"rule": "recovery-window", "detail": "in the recovery window"},
                {"rule": "parent-of-kept", "detail": "delta needs it"}]},
            {"id": "delta", "time": "2026-11-24T02:00:00Z", "keep": true, "restorable": true,
             "reasons": [
                {"rule": "recovery-window", "detail": "in the recovery window"},
                {"rule": "newest", "detail": "the newest restorable one"},
                {"rule": "pinned", "detail": "pinned"}]},
            {"id": "broken", "time": "2026-11-01T02:00:00Z", "keep": false, "reasons": [], "restorable": false,
             "drop_reason": "incomplete", "drop_detail": "incomplete, and too old to be still on its way"},
            {"id": "odd", "group": "other", "time": "2026-11-24T03:00:00Z", "keep": true, "restorable": true,
             "reasons": [
                {"rule": "suspect", "detail": "suspect, in the recovery window; fills no slot"},
                {"rule": "newest", "detail": "the newest restorable one"}]},
        ])
    );
    assert_eq!(
        serde_json::to_value(plan.summary()).unwrap(),
        json!({"kept": 4, "dropped": 1, "blocked_by_lock": 1})
    );
}

#[test]
fn a_parent_without_a_kind_is_asked_about() {
    let row: Row<String> =
        serde_json::from_value(json!({"id": "b", "time": "2026-11-24T02:00:00Z", "parent": "a"})).unwrap();
    let error = Snapshot::try_from(row).unwrap_err();
    assert_eq!(error, Error::UnclearKind { id: "b".into() });
    assert!(error.hint().unwrap().contains("restic"));
}

#[test]
fn counts_are_numbers_or_all() {
    let counts: Counts = serde_json::from_value(json!({"daily": 7, "weekly": "all"})).unwrap();
    assert_eq!(counts, Counts::default().daily(7).with(Tier::Weekly, Count::All));
    assert_eq!(serde_json::to_value(counts).unwrap(), json!({"daily": 7, "weekly": "all"}));
    for wrong in [json!({"daily": -1}), json!({"daily": "some"}), json!({"dayly": 7}), json!({"daily": 1.5})]
    {
        assert!(serde_json::from_value::<Counts>(wrong).is_err());
    }
}

#[test]
fn names_are_the_documented_ones() {
    assert_eq!(serde_json::to_value(Counting::Exclusive).unwrap(), "exclusive");
    assert_eq!(serde_json::to_value(Counting::Shared).unwrap(), "shared");
    for tier in Tier::ALL {
        assert_eq!(serde_json::to_value(tier).unwrap(), tier.as_str());
    }
    for name in [
        "last",
        "hourly",
        "daily",
        "weekly",
        "monthly",
        "yearly",
        "oldest",
        "recovery-window",
        "parent-of-kept",
        "last-verified",
        "pinned",
        "newest",
        "incomplete-recent",
        "suspect",
        "future",
    ] {
        let rule: retention::Rule = serde_json::from_value(name.into()).unwrap();
        assert_eq!(rule.as_str(), name);
    }
}
