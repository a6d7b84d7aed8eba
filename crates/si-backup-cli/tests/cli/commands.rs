//! What each command prints for people: one snapshot of the text for each.

use crate::harness::{Host, NOON, small};
use insta::assert_snapshot;
use std::fs;

const LATER: &str = "2026-11-23T15:20:00Z";

/// A host with one snapshot, taken at noon.
fn at_noon() -> Host {
    let host = Host::ready();
    host.inside(NOON, ["run", "--state"]).expect(0);
    host
}

/// What a command says at a quarter past three, on both outputs.
#[track_caller]
fn says(host: &Host, args: &[&str], code: i32) -> String {
    let ran = host.inside(LATER, args).expect(code);
    let complaint = if ran.stderr.is_empty() { String::new() } else { format!("--- stderr\n{}", ran.stderr) };
    host.redact(&format!("{}{complaint}", ran.stdout))
}

#[test]
fn init() {
    let host = Host::with_state(&small());
    let url = host.store_url();
    assert_snapshot!(says(&host, &["init", "--store", &url], 0));
    let settings = fs::read_to_string(host.config()).unwrap();
    assert_snapshot!("init_settings", host.redact(&settings));
    assert_snapshot!("init_again", says(&host, &["init", "--store", &url], 2));
}

#[test]
fn init_with_recipients_and_without_a_store() {
    let (donor, host) = (Host::ready(), Host::with_state(&small()));
    let settings = fs::read_to_string(donor.config()).unwrap();
    let recipient = settings.split('"').find(|text| text.starts_with("age1")).unwrap();
    assert_snapshot!(says(&host, &["init", "--recipient", recipient], 0));
    assert!(!host.home().join("identity.txt").exists(), "no key is made that nobody asked for");
}

#[test]
fn run_dry() {
    let host = Host::ready();
    assert_snapshot!(says(&host, &["run", "--state", "--dry-run"], 0));
    assert_snapshot!("run_dry_with_trees", says(&host, &["run", "--dry-run", "--with", "releases,cache"], 0));
    assert!(host.ids().is_empty(), "a dry run stores nothing");
}

#[test]
fn run() {
    let host = Host::ready();
    assert_snapshot!(says(&host, &["run", "--state"], 0));
}

#[test]
fn run_blocked_by_a_file_that_does_not_parse() {
    let host = Host::ready();
    fs::write(host.context().join("targets.json"), "{\"targets\": [\n").unwrap();
    assert_snapshot!(says(&host, &["run", "--state"], 10));
    assert_snapshot!("run_dry_blocked", says(&host, &["run", "--state", "--dry-run"], 10));
}

#[test]
fn status() {
    let host = Host::ready();
    assert_snapshot!("status_before_the_first_run", says(&host, &["status"], 10));
    host.inside(NOON, ["run"]).expect(0);
    assert_snapshot!(says(&host, &["status"], 0));
}

#[test]
fn list() {
    let host = Host::ready();
    assert_snapshot!("list_before_the_first_run", says(&host, &["list"], 0));
    host.inside(NOON, ["run"]).expect(0);
    host.inside("2026-11-23T13:30:00Z", ["run"]).expect(0);
    host.inside(LATER, ["pin", "LATEST", "--reason", "before the move"]).expect(0);
    assert_snapshot!(says(&host, &["list"], 0));
}

#[test]
fn show() {
    assert_snapshot!(says(&at_noon(), &["show", "LATEST"], 0));
}

#[test]
fn show_without_the_identity() {
    let host = at_noon();
    fs::remove_file(host.home().join("identity.txt")).unwrap();
    assert_snapshot!(says(&host, &["show", "LATEST"], 0));
}

#[test]
fn diff() {
    let host = at_noon();
    host.inside(NOON, ["run"]).expect(0);
    let deployments = host.context().join("deployments.json");
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&deployments).unwrap()).unwrap();
    document["apps"]["shop"]["current_release"] = "r-next".into();
    document["apps"]["billing"]["note"] = "a value that is nobody's business".into();
    fs::write(&deployments, document.to_string()).unwrap();
    fs::remove_file(host.context().join("bluegreen.json")).unwrap();
    let text = says(&host, &["diff", "LATEST"], 0);
    assert!(!text.contains("nobody's business"), "values are never shown");
    assert_snapshot!(text);
    let ids = host.ids();
    assert_snapshot!("diff_of_two_snapshots", says(&host, &["diff", &ids[0], &ids[1]], 0));
    assert_snapshot!("diff_of_one_snapshot", says(&host, &["diff", "LATEST", "LATEST"], 0));
}

#[test]
fn verify() {
    let host = at_noon();
    assert_snapshot!(says(&host, &["verify"], 0));
    assert_snapshot!("verify_all_by_checksum", says(&host, &["verify", "--all", "--level", "checksum"], 0));
    assert_snapshot!("verify_up_to_restore", says(&host, &["verify", "--level", "restore"], 2));
}

#[test]
fn extract() {
    let host = at_noon();
    let into = host.path("back");
    assert_snapshot!(says(&host, &["extract", "LATEST", "--state", "--into", into.to_str().unwrap()], 0));
}

#[test]
fn pin_and_unpin() {
    let host = at_noon();
    let until = "2027-03-01T00:00:00+01:00";
    assert_snapshot!(says(&host, &["pin", "LATEST", "--reason", "the move", "--until", until], 0));
    let unpin = || host.redact(&host.inside("2026-11-23T15:21:00Z", ["unpin", "LATEST"]).expect(0).stdout);
    assert_snapshot!("unpin", unpin());
    assert_snapshot!("unpin_again", unpin());
}

#[test]
fn audit() {
    let host = at_noon();
    host.inside(LATER, ["pin", "LATEST", "--reason", "x", "--operator", "grace"]).expect(0);
    assert_snapshot!("audit_list", says(&host, &["audit", "list"], 0));
    assert_snapshot!("audit_verify", says(&host, &["audit", "verify"], 0));
}

#[test]
fn events() {
    let host = Host::ready();
    let line = |time: &str, source: &str, command: &str, status: &str, fields: &str| {
        format!(
            "{{\"timestamp\":\"{time}\",\"context\":\"default\",\"source\":\"{source}\",\"command\":\"{command}\",\
             \"status\":\"{status}\",\"mode\":\"live\",\"severity\":\"info\",\"fields\":{fields}}}\n"
        )
    };
    let deployed =
        line("2026-11-23T09:00:00.5Z", "agent", "deploy run", "ok", r#"{"app":"shop","release":"r42"}"#);
    // An hour before, though its text is the greater one.
    let alert = line("2026-11-23T10:00:00+02:00", "cli", "alert send", "failed", r#"{"channel":"ops"}"#);
    fs::write(host.context().join("events/deployments.jsonl"), deployed).unwrap();
    fs::write(host.context().join("events/alerts.jsonl"), format!("{alert}no event\n")).unwrap();
    host.inside(NOON, ["run"]).expect(0);
    assert_snapshot!(says(&host, &["events", "list", "--limit", "3"], 0));
}

#[test]
fn doctor() {
    let host = Host::with_state(&small());
    assert_snapshot!("doctor_before_init", says(&host, &["doctor"], 10));
    let url = host.store_url();
    host.inside(NOON, ["init", "--store", &url]).expect(0);
    assert_snapshot!("doctor_after_init", says(&host, &["doctor"], 10));
}

#[test]
fn doctor_with_two_recipients_and_a_snapshot_is_content() {
    let (donor, host) = (Host::ready(), Host::ready());
    let settings = fs::read_to_string(donor.config()).unwrap();
    let recipient = settings.split('"').find(|text| text.starts_with("age1")).unwrap();
    host.edit_settings("recipients = [", &format!("recipients = [\"{recipient}\", "));
    host.inside(NOON, ["run"]).expect(0);
    assert_snapshot!(says(&host, &["doctor"], 0));
}

#[test]
fn kit() {
    let host = at_noon();
    assert_snapshot!(says(&host, &["kit"], 0));
    let sheet = host.path("sheet.txt");
    assert_snapshot!("kit_to_a_file", says(&host, &["kit", "--out", sheet.to_str().unwrap()], 0));
    let printed = host.inside(LATER, ["kit"]).stdout;
    assert_eq!(fs::read_to_string(&sheet).unwrap(), printed);
    // A sheet is never overwritten.
    host.inside(LATER, ["kit", "--out", sheet.to_str().unwrap()]).expect(2);
}
