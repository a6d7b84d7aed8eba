//! What each command prints for scripts: an envelope with rows that have every promised field.

use crate::harness::{Host, small};
use serde_json::Value;
use std::fs;

#[track_caller]
fn has(row: &Value, fields: &[&str]) {
    for field in fields {
        assert!(row.get(field).is_some(), "no '{field}' in {row:#}");
    }
}

#[track_caller]
fn is_time(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no time"));
    let time = chrono::DateTime::parse_from_rfc3339(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(time.offset().local_minus_utc(), 0, "{text}");
}

#[track_caller]
fn is_checksum(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no checksum"));
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    assert!(
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "{text}"
    );
}

const FINDING: [&str; 5] = ["code", "severity", "place", "detail", "hint"];
/// What a row of si's own `backup run` and `backup status` has.
const SI: [&str; 8] =
    ["target", "app", "release", "service", "operation", "command", "status", "duration_ms"];
const LIST: [&str; 13] = [
    "id",
    "subject",
    "kind",
    "started_at",
    "finished_at",
    "bytes",
    "checksum",
    "lineage",
    "restorable",
    "problems",
    "verified",
    "suspect",
    "pinned",
];

#[test]
fn init() {
    let host = Host::with_state(&small());
    let ran = host.json(["init", "--store", &host.store_url()]).expect(0);
    let row = ran.row();
    has(&row, &["config", "identity", "recipients", "public_key", "origin"]);
    assert_eq!(row["config"], host.config().to_str().unwrap());
    assert_eq!(ran.envelope()["command"], "backup init");
    assert_eq!(ran.envelope()["context"], "default");
}

#[test]
fn run() {
    let host = Host::ready();
    let ran = host.json(["run", "--state"]).expect(0);
    let row = ran.row();
    has(&row, &SI);
    has(
        &row,
        &["id", "subject", "checksum", "kind", "bytes", "restorable", "verified", "evidence", "findings"],
    );
    assert_eq!((&row["status"], &row["operation"]), (&"ok".into(), &"run".into()));
    assert_eq!((&row["subject"], &row["kind"]), (&"state".into(), &"bundle".into()));
    assert_eq!(row["verified"]["level"], "content");
    is_time(&row["verified"]["at"]);
    is_checksum(&row["checksum"]);
    let bundle = host.bundle(row["id"].as_str().unwrap());
    assert_eq!(row["bytes"], fs::metadata(bundle).unwrap().len());
    assert!(
        host.store().join(row["evidence"].as_str().unwrap()).is_file(),
        "the evidence lies where it says"
    );
    let envelope = ran.envelope();
    assert_eq!((&envelope["command"], &envelope["mode"]), (&"backup run".into(), &"live".into()));
}

#[test]
fn run_dry() {
    let host = Host::ready();
    let ran = host.json(["run", "--dry-run"]).expect(0);
    assert_eq!(ran.envelope()["mode"], "dry-run");
    let row = ran.row();
    has(&row, &SI);
    let entries = row["entries"].as_array().unwrap();
    for entry in entries {
        has(entry, &["path", "class", "reason", "bytes"]);
    }
    let class = |path: &str| entries.iter().find(|e| e["path"] == path).map(|e| e["class"].as_str().unwrap());
    assert_eq!(class("targets.json"), Some("protected"));
    assert_eq!(class("vault/"), Some("excluded"));
    assert_eq!(class("releases/"), Some("not-asked"));
    assert_eq!(class("alerts/telegram.token"), Some("excluded"));
}

#[test]
fn a_dry_run_that_fails_is_a_dry_run_too() {
    let ran = Host::ready().json(["run", "--dry-run", "--context", "nope"]).expect(2);
    assert_eq!(ran.envelope()["mode"], "dry-run");
}

#[test]
fn findings_have_every_field_wherever_they_are_told() {
    let host = Host::ready();
    fs::write(host.context().join("targets.json"), "{").unwrap();
    let dry = host.json(["run", "--dry-run"]).expect(10);
    dry.row()["findings"].as_array().unwrap().iter().for_each(|finding| has(finding, &FINDING));
    let ran = host.json(["run"]).expect(10);
    let row = ran.row();
    assert_eq!(row["status"], "failed");
    has(&row, &SI);
    has(&row, &["error"]);
    row["findings"].as_array().unwrap().iter().for_each(|finding| has(finding, &FINDING));
    ran.envelope()["error"]["findings"].as_array().unwrap().iter().for_each(|finding| has(finding, &FINDING));
    let doctor = host.json(["doctor"]).expect(10).data();
    let broken: Vec<_> = doctor.iter().filter(|check| check["ok"] == false).collect();
    assert!(
        broken.iter().any(|check| check["place"].as_str().unwrap().contains("targets.json")),
        "{broken:#?}"
    );
    for check in &broken {
        has(check, &FINDING);
    }
}

#[test]
fn status() {
    let (host, id) = Host::backed_up();
    let row = host.json(["status"]).expect(0).row();
    has(&row, &SI);
    has(&row, &["id", "subject", "checksum", "kind", "bytes", "restorable", "verified"]);
    assert_eq!((&row["id"], &row["newest_proved"]), (&id.as_str().into(), &id.as_str().into()));
    assert!(row["age_seconds"].as_i64().unwrap() < 60);
    let empty = Host::ready().json(["status"]).expect(10);
    assert_eq!((&empty.row()["id"], &empty.row()["restorable"]), (&Value::Null, &false.into()));
}

#[test]
fn list() {
    let (host, id) = Host::backed_up();
    let row = host.json(["list"]).expect(0).row();
    has(&row, &LIST);
    assert_eq!((&row["id"], &row["lineage"]), (&id.as_str().into(), &id.as_str().into()));
    is_time(&row["started_at"]);
    is_time(&row["finished_at"]);
    is_checksum(&row["checksum"]);
    assert_eq!(row["verified"]["level"], "content");
    assert!(Host::ready().json(["list"]).expect(0).data().is_empty());
}

#[test]
fn show() {
    let (host, id) = Host::backed_up();
    let row = host.json(["show", "LATEST"]).expect(0).row();
    has(&row, &LIST);
    has(&row, &["host", "tool", "keep", "reasons", "evidence", "ignored_evidence", "manifest"]);
    assert_eq!(row["keep"], true);
    let rules: Vec<_> = row["reasons"].as_array().unwrap().iter().map(|reason| &reason["rule"]).collect();
    assert_eq!(rules, ["daily", "recovery-window", "newest", "last-verified"]);
    let deployments = fs::read(host.context().join("deployments.json")).unwrap();
    let deployments: Value = serde_json::from_slice(&deployments).unwrap();
    assert_eq!(row["releases"]["shop"], deployments["apps"]["shop"]["current_release"]);
    let evidence = row["evidence"][0].clone();
    has(&evidence, &["key", "level", "outcome", "at", "host", "operator", "checks"]);
    has(&evidence["checks"][0], &["name", "ok", "detail", "duration_ms"]);
    assert_eq!(row["manifest"]["id"], id.as_str());
    has(&row["manifest"]["files"][0], &["path", "size", "mode", "mtime", "sha256"]);
    // The full form of an id, and a beginning of it, are as good.
    for name in [format!("state/{id}"), id.clone(), id[..id.len() - 3].to_owned()] {
        assert_eq!(host.json(["show", &name]).expect(0).row()["id"], id.as_str());
    }
}

#[test]
fn diff() {
    let (host, _) = Host::backed_up();
    fs::remove_file(host.context().join("bluegreen.json")).unwrap();
    let rows = host.json(["diff", "LATEST"]).expect(0).data();
    for row in &rows {
        has(row, &["path", "change", "keys"]);
    }
    assert!(
        rows.iter().any(|row| row["path"] == "bluegreen.json" && row["change"] == "removed"),
        "{rows:#?}"
    );
}

#[test]
fn verify() {
    let (host, id) = Host::backed_up();
    for level in ["stored", "checksum", "content"] {
        let row = host.json(["verify", "LATEST", "--level", level]).expect(0).row();
        has(
            &row,
            &[
                "id",
                "subject",
                "checksum",
                "level",
                "outcome",
                "host",
                "started_at",
                "finished_at",
                "checks",
                "evidence",
            ],
        );
        assert_eq!(
            (&row["id"], &row["level"], &row["outcome"]),
            (&id.as_str().into(), &level.into(), &"passed".into())
        );
        let checks = row["checks"].as_array().unwrap();
        for check in checks {
            has(check, &["name", "ok", "detail", "duration_ms"]);
        }
        assert_eq!(checks.last().unwrap()["name"], level);
        let key = row["evidence"].as_str().unwrap();
        assert!(key.starts_with(&format!("evidence/default/state/{id}/")), "{key}");
        assert!(host.store().join(key).is_file());
    }
    assert!(Host::ready().json(["verify", "--all"]).expect(0).data().is_empty());
}

#[test]
fn extract() {
    let (host, id) = Host::backed_up();
    let into = host.path("back");
    let row = host.json(["extract", "LATEST", "--into", into.to_str().unwrap()]).expect(0).row();
    has(&row, &["id", "subject", "checksum", "into", "files", "bytes"]);
    assert_eq!((&row["id"], &row["into"]), (&id.as_str().into(), &into.to_str().unwrap().into()));
}

#[test]
fn pin_and_unpin() {
    let (host, id) = Host::backed_up();
    let row =
        host.json(["pin", &id, "--reason", "why", "--until", "2099-01-01T00:00:00+02:00"]).expect(0).row();
    has(&row, &["id", "subject", "pinned", "reason", "until", "record"]);
    assert_eq!((&row["pinned"], &row["reason"]), (&true.into(), &"why".into()));
    assert_eq!(row["until"], "2098-12-31T22:00:00Z");
    assert_eq!(host.json(["list"]).row()["pinned"], true);
    assert_eq!(host.json(["unpin", &id]).expect(0).row()["pinned"], false);
    assert_eq!(host.json(["list"]).row()["pinned"], false);
    assert!(host.json(["unpin", &id]).expect(0).data().is_empty());
}

#[test]
fn audit() {
    let (host, id) = Host::backed_up();
    let rows = host.json(["audit", "list"]).expect(0).data();
    for row in &rows {
        has(row, &["writer", "sequence", "at", "operator", "action", "subject", "outcome", "digest"]);
        is_time(&row["at"]);
        is_checksum(&row["digest"]);
    }
    let told: Vec<_> =
        rows.iter().map(|row| (row["action"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
    assert_eq!(told, [("init", "done"), ("run", "announced"), ("run", "done")]);
    assert_eq!(rows[1]["id"], id.as_str());
    let checks = host.json(["audit", "verify"]).expect(0).data();
    for check in &checks {
        has(check, &["name", "ok", "detail"]);
    }
    assert!(checks.iter().all(|check| check["ok"] == true));
}

#[test]
fn events() {
    let (host, id) = Host::backed_up();
    let rows = host.json(["events", "list", "--limit", "1"]).expect(0).data();
    let row = &rows[0];
    has(row, &["timestamp", "context", "source", "command", "status", "mode", "severity", "fields"]);
    assert_eq!(
        (&row["source"], &row["command"], &row["status"]),
        (&"si-backup".into(), &"backup run".into(), &"ok".into())
    );
    assert_eq!(row["fields"]["snapshot"], id.as_str());
    fs::write(host.context().join("targets.json"), "{").unwrap();
    host.json(["run"]).expect(10);
    let failed = &host.json(["events", "list", "--limit", "1"]).data()[0];
    has(failed, &["error_code", "error_message", "error_remediation"]);
    assert_eq!((&failed["status"], &failed["error_code"]), (&"failed".into(), &"state-findings".into()));
    let text = host.run(["events", "list"]).expect(0).stdout;
    assert!(text.lines().all(|line| line.chars().count() < 220), "one event, one line:\n{text}");
    assert!(text.lines().last().unwrap().contains("error_code=state-findings"), "{text}");
    assert!(host.json(["events", "list", "--limit", "0"]).expect(0).data().is_empty());
}

#[test]
fn doctor() {
    let ran = Host::ready().json(["doctor"]).expect(10);
    assert!(ran.envelope()["data"].is_null(), "doctor has checks");
    ran.data().iter().for_each(|check| has(check, &["name", "ok", "detail"]));
}

#[test]
fn kit() {
    let (host, id) = Host::backed_up();
    let row = host.json(["kit"]).expect(0).row();
    has(&row, &["out", "text"]);
    assert!(row["text"].as_str().unwrap().contains(&id));
}
