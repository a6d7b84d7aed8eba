//! A clock that went backwards.

use crate::harness::{Host, NOON};
use std::fs::File;
use std::time::{Duration, SystemTime};

#[test]
fn a_clock_that_went_backwards_is_warned_of_and_nothing_is_lost() {
    let host = Host::ready();
    let first = host.inside(NOON, ["run", "--json"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    let an_hour_earlier = "2026-11-23T11:00:00Z";
    let second = host.inside(an_hour_earlier, ["run", "--json"]).expect(0);
    let warnings = second.envelope()["warnings"].to_string();
    assert!(warnings.contains("behind") && warnings.contains(&first), "{warnings}");
    let second = second.row()["id"].as_str().unwrap().to_owned();
    assert_eq!(host.ids(), [second.clone(), first.clone()], "in the order of their times");
    let later = "2026-11-23T13:00:00Z";
    let row = host.inside(later, ["show", "LATEST", "--json"]).expect(0).row();
    assert_eq!(row["id"], first.as_str());
    host.inside(later, ["verify", "--all", "--json"]).expect(0);
    // The trail's order is its sequence, whatever the clock said.
    host.inside(later, ["audit", "verify", "--json"]).expect(0);
    let rows = host.inside(later, ["audit", "list", "--json"]).expect(0).data();
    assert!(rows.iter().map(|row| row["sequence"].as_u64().unwrap()).is_sorted(), "{rows:#?}");
    // While the clock lags, doctor says so.
    let checks = host.inside(an_hour_earlier, ["doctor", "--json"]).expect(10).data();
    assert!(checks.iter().any(|check| check["code"] == "snapshot-from-the-future"), "{checks:#?}");
    // And for people.
    let text = host.inside(an_hour_earlier, ["run"]).expect(0);
    assert!(text.stderr.starts_with("warning: this host's clock is behind"), "{}", text.stderr);
    let quiet = host.inside(an_hour_earlier, ["run", "-q"]).expect(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn snapshots_of_one_second_are_two() {
    let host = Host::ready();
    host.inside(NOON, ["run"]).expect(0);
    host.inside(NOON, ["run"]).expect(0);
    let mut ids = host.ids();
    assert_eq!(ids.len(), 2);
    ids.dedup();
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_pin_that_a_later_record_outranks_says_so() {
    let host = Host::ready();
    host.inside(NOON, ["run"]).expect(0);
    let row =
        |ran: &crate::harness::Ran| (ran.row()["pinned"].clone(), ran.envelope()["warnings"].to_string());
    let pin = ["pin", "LATEST", "--reason", "x", "--json"];
    host.inside("2026-11-23T12:10:00Z", pin).expect(0);
    // The clock went back: it stays pinned, and nobody is told otherwise.
    let (pinned, warnings) =
        row(&host.inside("2026-11-23T12:05:00Z", ["unpin", "LATEST", "--json"]).expect(0));
    assert!(pinned == true && warnings.contains("still pinned"), "{warnings}");
    let (pinned, _) = row(&host.inside("2026-11-23T12:20:00Z", ["unpin", "LATEST", "--json"]).expect(0));
    assert_eq!(pinned, false);
    let (pinned, warnings) = row(&host.inside("2026-11-23T12:18:00Z", pin).expect(0));
    assert!(pinned == false && warnings.contains("not pinned"), "{warnings}");
    let text = host.inside("2026-11-23T12:18:00Z", &pin[..4]).expect(0);
    assert!(text.stdout.is_empty() && text.stderr.contains("is not pinned"), "{text:?}");
}

#[test]
fn a_pass_that_was_stored_before_it_was_finished_counts_for_nothing() {
    let host = Host::ready();
    let id = host.json(["run"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    let shown = || host.json(["show", &id]).expect(0).row();
    assert!(!shown()["verified"].is_null());
    // As if this host's clock had been an hour ahead of the store's.
    for entry in host.store().join("evidence/default/state").join(&id).read_dir().unwrap() {
        let file = File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    }
    let row = shown();
    assert!(row["verified"].is_null(), "{row:#?}");
    assert!(row["ignored_evidence"].to_string().contains("ahead-of-its-store"), "{row:#?}");
    // A new verification, by a clock that is right, proves it.
    host.json(["verify", &id]).expect(0);
    assert!(!shown()["verified"].is_null());
}
