//! The policy held against a host, and what is due on it.

use crate::harness::{Host, NOON, Ran};
use insta::assert_snapshot;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const LATER: &str = "2026-11-23T12:20:00Z";

/// Runs `policy` at a time that is told, whatever the clock says.
fn policy(host: &Host, now: &str, more: &[&str]) -> Ran {
    host.inside(NOON, ["policy", "--now", now].iter().chain(more))
}

fn rows(host: &Host, now: &str) -> Vec<Value> {
    policy(host, now, &["--json"]).expect(10).data()
}

fn status(rows: &[Value], clause: &str) -> (String, String) {
    let row = rows.iter().find(|row| row["clause"] == clause).unwrap_or_else(|| panic!("no {clause}"));
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("status"), text("detail"))
}

#[track_caller]
fn is(rows: &[Value], clause: &str, expected: &str, says: &str) {
    let (status, detail) = status(rows, clause);
    assert_eq!(status, expected, "{clause}: {detail}");
    assert!(detail.contains(says), "{clause}: {detail}");
}

/// In the settings and the state there is an app, so there are only the state's clauses to be met without one.
fn without_apps(host: &Host) {
    fs::remove_file(host.context().join("deployments.json")).unwrap();
}

fn away(host: &Host) {
    let other = Host::ready();
    let settings = fs::read_to_string(other.config()).unwrap();
    let recipient = settings.split('"').find(|text| text.starts_with("age1")).unwrap();
    host.edit_settings("recipients = [", &format!("recipients = [\"{recipient}\", "));
}

#[test]
fn a_fresh_host() {
    let host = Host::ready();
    let ran = policy(&host, LATER, &[]).expect(10);
    assert_snapshot!(host.redact(&format!("{}--- stderr\n{}", ran.stdout, ran.stderr)));
}

#[test]
fn a_host_with_a_backup_and_nobody_away() {
    let host = Host::ready();
    without_apps(&host);
    host.inside(NOON, ["run"]).expect(0);
    let ran = policy(&host, LATER, &[]).expect(10);
    assert_snapshot!(host.redact(&format!("{}--- stderr\n{}", ran.stdout, ran.stderr)));
    assert_snapshot!("verbose", host.redact(&policy(&host, LATER, &["-v"]).expect(10).stdout));
}

#[test]
fn rows_have_the_fields_that_are_promised() {
    let host = Host::ready();
    without_apps(&host);
    host.inside(NOON, ["run"]).expect(0);
    let envelope = policy(&host, LATER, &["--json"]).expect(10).envelope();
    assert_eq!(
        (&envelope["command"], &envelope["error"]["code"]),
        (&"backup policy".into(), &"policy-findings".into())
    );
    let rows = envelope["data"].as_array().unwrap();
    assert_eq!(rows.len(), 16);
    for row in rows {
        for field in ["clause", "section", "status", "detail", "evidence", "findings", "text"] {
            assert!(!row[field].is_null(), "{field}: {row:#}");
        }
        let statuses = ["met", "violated", "unknown", "not-applicable"];
        assert!(statuses.contains(&row["status"].as_str().unwrap()), "{row:#}");
    }
    let hourly = rows.iter().find(|row| row["clause"] == "hourly-incremental").unwrap();
    assert_eq!(hourly["holds_until"], "2026-11-23T13:30:00Z");
    assert!(hourly["evidence"][0].as_str().unwrap().starts_with("evidence/default/state/state-"));
    let due = envelope["summary"]["due"].as_array().unwrap();
    let told: Vec<_> =
        due.iter().map(|row| (row["task"].as_str().unwrap(), row["when"].as_str().unwrap())).collect();
    assert_eq!(told, [("rehearse", "now"), ("snapshot", "later")]);
    assert_eq!(due[1]["at"], "2026-11-23T13:00:00Z");
    assert_eq!(due[1]["last"], NOON);
    let counted: u64 = ["met", "violated", "unknown", "not_applicable"]
        .iter()
        .map(|name| envelope["summary"][name].as_u64().unwrap())
        .sum();
    assert_eq!(counted, 16);
    // The same by its own option; and one of the two only.
    let by_format = policy(&host, LATER, &["--format", "json"]).expect(10);
    assert_eq!(by_format.envelope(), envelope);
    policy(&host, LATER, &["--json", "--format", "junit"]).expect(2).error("usage");
}

#[test]
fn what_a_backup_changes() {
    let host = Host::ready();
    without_apps(&host);
    away(&host);
    let before = rows(&host, NOON);
    is(&before, "protected-files", "violated", "no backup of the state can be restored");
    is(&before, "exclusions", "not-applicable", "no backup of the state yet");
    is(&before, "encrypted-at-rest", "not-applicable", "nothing is stored");
    is(&before, "hourly-incremental", "violated", "no backup that can be restored");
    is(&before, "retention", "violated", "no backup that could be kept");
    host.inside(NOON, ["run"]).expect(0);
    let after = rows(&host, LATER);
    is(
        &after,
        "protected-files",
        "met",
        "the newest backup holds 9 protected files, and records 1 as absent",
    );
    is(&after, "exclusions", "met", "the one backup was opened");
    is(&after, "encrypted-at-rest", "met", "sealed to 2 recipients");
    is(&after, "encrypted-in-transit", "met", "control store: is a directory");
    is(&after, "outside-git", "met", "control store");
    is(&after, "hourly-incremental", "met", "the newest backup is state-20261123T120000Z-");
    is(&after, "retention", "met", "1 daily, 0 weekly and 0 monthly copies");
    // What this version cannot do is not held to be done.
    is(&after, "daily-rehearsal", "violated", "state: no backup was ever restored for a test");
    is(&after, "immutable-offsite", "violated", "state: the settings name no offsite store");
    is(&after, "restore-gate", "met", "a restore needs evidence of level 'content' or more");
    for clause in ["restore-log", "mutation-block", "vault-reconcile"] {
        is(&after, clause, "not-applicable", "nothing was ever restored");
    }
    for clause in ["app-contract", "databasus-private"] {
        is(&after, clause, "not-applicable", "no active app");
    }
    is(&after, "quarterly-drill", "not-applicable", "not production");
    // An hour and a half later nobody has made another.
    is(&rows(&host, "2026-11-23T13:30:01Z"), "hourly-incremental", "violated", "90 minutes old");
    // A look from before it was made knows nothing of it.
    is(&rows(&host, "2026-11-23T11:00:00Z"), "hourly-incremental", "violated", "no backup");
}

#[test]
fn settings_that_ask_for_less_are_told() {
    let host = Host::ready();
    without_apps(&host);
    host.inside(NOON, ["run"]).expect(0);
    let policy = "retention = { daily = 7, weekly = 4, monthly = 2 }\nproduction = true                #";
    host.edit_settings("production = false", policy);
    let rows = rows(&host, LATER);
    is(&rows, "retention", "violated", "the settings ask for 2 monthly copies, the policy for 3");
    is(&rows, "quarterly-drill", "violated", "state: there was never a drill");
}

#[test]
fn an_app_that_runs_and_is_backed_up_by_nobody_is_told() {
    let host = Host::ready();
    let deployments = r#"{"apps": {"shop": {"current_release": "r7"}, "old": {"current_release": ""}}}"#;
    fs::write(host.context().join("deployments.json"), deployments).unwrap();
    let rows = rows(&host, LATER);
    is(&rows, "app-contract", "violated", "app:shop: it is active, and the settings do not name it");
    is(&rows, "databasus-private", "unknown", "app:shop: the settings do not name it");
    assert!(rows.iter().all(|row| !row["detail"].as_str().unwrap().contains("app:old")));
    // Once it is named, what is not known of it is unknown.
    let mut settings = fs::read_to_string(host.config()).unwrap();
    settings += "\n[contexts.default.apps.shop]\nenv_file = \"/etc/si/shop.env\"\nrunner = { kind = \"local\", pgdata = \"/x\" }\n";
    fs::write(host.config(), settings).unwrap();
    host.inside(NOON, ["run"]).expect(0);
    let rows = self::rows(&host, LATER);
    for clause in ["hourly-incremental", "retention", "databasus-private"] {
        is(&rows, clause, "unknown", "app:shop");
    }
    // Of an env file that is not there nothing is known but that.
    is(&rows, "app-contract", "violated", "app:shop: /etc/si/shop.env is not there");
    is(&rows, "encrypted-in-transit", "unknown", "app:shop: nothing that was looked at of it tells");
    let due = policy(&host, LATER, &["--json"]).envelope()["summary"]["due"].clone();
    let of_shop: Vec<_> = due.as_array().unwrap().iter().filter(|row| row["subject"] == "app:shop").collect();
    assert!(of_shop.len() == 3 && of_shop.iter().all(|row| row["when"] == "unknown"), "{of_shop:#?}");
    // Deployments that si is writing just now are no empty ones.
    fs::write(host.context().join("deployments.json"), "{\"apps\":").unwrap();
    is(&self::rows(&host, LATER), "app-contract", "unknown", "deployments.json");
}

#[test]
fn an_env_file_tells_of_encryption_and_of_the_way_to_the_bucket() {
    let host = Host::ready();
    let deployments = r#"{"apps": {"shop": {"current_release": "r7"}}}"#;
    fs::write(host.context().join("deployments.json"), deployments).unwrap();
    let env_file = host.path("shop.env");
    let settings = fs::read_to_string(host.config()).unwrap();
    let app =
        format!("env_file = \"{}\"\nrunner = {{ kind = \"local\", pgdata = \"/x\" }}\n", env_file.display());
    let settings = format!("{settings}\n[contexts.default.apps.shop]\n{app}");
    fs::write(host.config(), settings).unwrap();
    let write = |text: &str| {
        fs::write(&env_file, text).unwrap();
        fs::set_permissions(&env_file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("WALG_S3_PREFIX=s3://bucket/shop\nWALG_AWS_ENDPOINT=http://s3.example\n");
    let plain = rows(&host, LATER);
    is(&plain, "encrypted-in-transit", "violated", "app:shop: ");
    let found = plain.iter().find(|row| row["clause"] == "encrypted-in-transit").unwrap();
    assert_eq!(found["findings"][0]["clause"], "encrypted-in-transit", "{found:#}");
    write("WALG_S3_PREFIX=s3://bucket/shop\nWALG_AWS_ENDPOINT=https://s3.example\n");
    let tls = rows(&host, LATER);
    is(&tls, "encrypted-in-transit", "met", "app:shop: nothing in its contract speaks against it");
    is(&tls, "encrypted-at-rest", "violated", "app:shop: ");
}

#[test]
fn what_cannot_be_looked_at_is_unknown() {
    let host = Host::ready();
    without_apps(&host);
    host.inside(NOON, ["run"]).expect(0);
    fs::rename(host.store(), host.path("elsewhere")).unwrap();
    let rows = rows(&host, LATER);
    for clause in ["protected-files", "hourly-incremental", "daily-rehearsal", "retention", "restore-log"] {
        is(&rows, clause, "unknown", "the control store cannot be opened");
    }
    is(&rows, "outside-git", "met", "settings");
}

#[test]
fn a_backup_that_was_altered_counts_for_nothing() {
    let host = Host::ready();
    without_apps(&host);
    away(&host);
    host.inside(NOON, ["run"]).expect(0);
    let id = host.ids().remove(0);
    let bundle = host.bundle(&id);
    let mut bytes = fs::read(&bundle).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::remove_file(&bundle).unwrap();
    fs::write(&bundle, bytes).unwrap();
    host.inside(LATER, ["verify"]).expect(12);
    let rows = rows(&host, "2026-11-23T12:40:00Z");
    is(&rows, "protected-files", "violated", "no backup of the state can be restored");
    is(&rows, "hourly-incremental", "violated", "no backup that can be restored");
    is(&rows, "exclusions", "unknown", "nobody has opened 1 of 1");
}

#[test]
fn a_trail_that_was_changed_is_told() {
    let host = Host::ready();
    let text = fs::read_to_string(host.trail()).unwrap();
    fs::write(host.trail(), text.replace("\"ada", "\"eve")).unwrap();
    is(&rows(&host, LATER), "restore-log", "violated", "entry 1 was changed");
}

#[test]
fn a_repository_around_the_store_is_told() {
    let host = Host::ready();
    fs::create_dir(host.store().join(".git")).unwrap();
    is(&rows(&host, LATER), "outside-git", "violated", "control store lies at");
}

#[test]
fn junit() {
    let host = Host::ready();
    without_apps(&host);
    host.inside(NOON, ["run"]).expect(0);
    let ran = policy(&host, LATER, &["--format", "junit"]).expect(10);
    roxmltree::Document::parse(&ran.stdout).unwrap_or_else(|e| panic!("{e}\n{}", ran.stdout));
    assert_snapshot!(host.redact(&ran.stdout));
}

#[test]
fn run_and_status_say_what_is_due() {
    let host = Host::ready();
    let before = host.inside(NOON, ["status", "--json"]).expect(10).row();
    let due = |row: &Value, task: &str| {
        let rows = row["due"].as_array().unwrap().clone();
        rows.into_iter().find(|due| due["task"] == task).unwrap_or_else(|| panic!("no {task}: {row:#}"))
    };
    assert_eq!(
        (&due(&before, "snapshot")["when"], &due(&before, "snapshot")["at"]),
        (&"now".into(), &Value::Null)
    );
    let ran = host.inside(NOON, ["run", "--json"]).expect(0).row();
    let next = due(&ran, "snapshot");
    assert_eq!((&next["when"], &next["at"]), (&"later".into(), &"2026-11-23T13:00:00Z".into()));
    let after = host.inside("2026-11-23T13:10:00Z", ["status", "--json"]).expect(0).row();
    let now = due(&after, "snapshot");
    assert_eq!((&now["when"], &now["at"]), (&"now".into(), &"2026-11-23T13:00:00Z".into()));
    assert_eq!(due(&after, "rehearse")["when"], "now");
}

#[test]
fn a_schedule_that_is_none_is_refused_with_its_place() {
    let host = Host::ready();
    host.edit_settings("production = false", "schedule = { delta = \"every hour\" }\nproduction = false");
    let said = host.json(["policy"]).expect(2).error("settings-invalid");
    assert!(said.contains("config.toml:4:22: 'every hour' is not a schedule"), "{said}");
}
