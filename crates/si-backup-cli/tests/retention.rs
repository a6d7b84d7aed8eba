//! Which snapshots are kept, and the deletion of the others, end to end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[expect(dead_code, reason = "the other end-to-end tests use the rest of it")]
#[path = "cli/harness.rs"]
mod harness;

use backup_store::{DirStore, Key, Lock, LockMode, Store};
use chrono::{DateTime, TimeDelta, Utc};
use harness::{Host, wait_for};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// A day in whose past the state was backed up every night.
const TODAY: &str = "2026-11-24T12:00:00Z";
const ONE_A_DAY: [&str; 4] = ["--keep-daily", "2", "--recovery-window", "none"];

fn at(days_ago: i64) -> DateTime<Utc> {
    TODAY.parse::<DateTime<Utc>>().unwrap() - TimeDelta::days(days_ago)
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A host with snapshots of so many days ago, each proved; their ids by the days.
fn with_backups_of(days_ago: &[i64]) -> (Host, BTreeMap<i64, String>) {
    let host = Host::ready();
    let mut ids = BTreeMap::new();
    for &days in days_ago {
        let ran = host.inside(&text(at(days)), ["run", "--json"]).expect(0);
        ids.insert(days, ran.row()["id"].as_str().unwrap().to_owned());
    }
    (host, ids)
}

/// A host with whole snapshots of the last `count` days that nobody proved, made without the program.
fn with_forged(count: i64) -> Host {
    let host = Host::ready();
    for days in 0..count {
        forge(&host, &forged_id(days), at(days));
    }
    host
}

/// The same for the program's own clock: whole snapshots of the last days, the newest first.
fn with_recent(count: i64) -> (Host, Vec<String>) {
    let host = Host::ready();
    let now = Utc::now();
    let ids = (1..=count).map(|days| {
        let time = now - TimeDelta::days(days);
        let id = format!("state-{}-{days:08x}", time.format("%Y%m%dT%H%M%SZ"));
        forge(&host, &id, time);
        id
    });
    let ids = ids.collect();
    (host, ids)
}

fn forged_id(days_ago: i64) -> String {
    format!("state-{}-{days_ago:08x}", at(days_ago).format("%Y%m%dT%H%M%SZ"))
}

fn forge(host: &Host, id: &str, time: DateTime<Utc>) {
    fs::create_dir_all(host.bundle(id).parent().unwrap()).unwrap();
    fs::write(host.bundle(id), b"sealed").unwrap();
    let record = json!({
        "format": "si-backup/state-snapshot", "version": 1, "id": id, "context": "default",
        "checksum": format!("sha256:{}", "0".repeat(64)), "bytes": 6, "started_at": time, "finished_at": time,
        "host": "host-1", "tool": "test", "recipients": 1,
    });
    fs::write(host.object(id, "snapshot.json"), record.to_string()).unwrap();
}

fn apply(host: &Host, more: &[&str]) -> harness::Ran {
    host.inside(TODAY, ["retention", "apply", "--json"].iter().chain(&ONE_A_DAY).chain(more))
}

fn plan(host: &Host, more: &[&str]) -> harness::Ran {
    host.inside(TODAY, ["retention", "plan", "--json"].iter().chain(&ONE_A_DAY).chain(more))
}

fn plan_id(host: &Host) -> String {
    plan(host, &[]).expect(0).envelope()["summary"]["plan_id"].as_str().unwrap().to_owned()
}

fn outcomes(ran: &harness::Ran) -> BTreeMap<String, String> {
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    ran.data().iter().map(|row| (word(row, "id"), word(row, "outcome"))).collect()
}

/// What the trail says of the applies, with its details.
fn told(host: &Host) -> Vec<Value> {
    let lines = fs::read_to_string(host.trail()).unwrap();
    let entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].clone());
    entries.filter(|entry| entry["action"] == "retention-apply").collect()
}

/// Both parts of a snapshot: the record, the bundle.
fn parts(host: &Host, id: &str) -> (bool, bool) {
    (host.object(id, "snapshot.json").exists(), host.bundle(id).exists())
}

fn lock(host: &Host, id: &str, until: DateTime<Utc>) {
    let store = DirStore::open(host.store()).unwrap();
    let key = Key::new(format!("state/default/{id}/bundle.tar.zst.age")).unwrap();
    store.lock(&key, None, Lock { mode: LockMode::Compliance, until }).unwrap();
}

/// Rows of another tool, newest first, one a day.
fn rows(count: i64) -> Vec<Value> {
    (0..count).map(|days| json!({ "id": format!("snap-{days:03}"), "time": at(days) })).collect()
}

fn from_json(host: &Host, rows: &str, more: &[&str]) -> harness::Ran {
    fs::write(host.path("rows.json"), rows).unwrap();
    let args = ["retention", "plan", "--from-json", "rows.json", "--now", TODAY, "--json"];
    host.json(args.iter().filter(|arg| **arg != "--json").chain(more))
}

#[test]
fn a_plan_for_people() {
    let host = Host::bare();
    let mut rows = rows(40);
    rows[20]["pinned"] = true.into();
    rows[30]["locked_until"] = "2026-12-24T00:00:00Z".into();
    rows[26]["locked_until"] = "2026-12-24T00:00:00Z".into();
    rows[3]["complete"] = false.into();
    rows[5]["verified"] = true.into();
    fs::write(host.path("rows.json"), Value::from(rows).to_string()).unwrap();
    let args = ["retention", "plan", "--from-json", "rows.json", "--now", TODAY];
    assert_snapshot!("plan", host.run(args).expect(0).stdout);
    let shared = ["--counting", "shared", "--timezone", "Europe/Berlin", "--recovery-window", "none"];
    assert_snapshot!("plan_shared", host.run(args.iter().chain(&shared)).expect(0).stdout);
    let one = host.run(args.iter().chain(&["--explain", "snap-026"])).expect(0).stdout;
    assert_snapshot!("plan_explain_locked", one);
    let one = host.run(args.iter().chain(&["--explain", "snap-000"])).expect(0).stdout;
    assert_snapshot!("plan_explain_kept", one);
    host.json(args.iter().chain(&["--explain", "snap-0"])).expect(2).error("ambiguous-id");
    host.json(args.iter().chain(&["--explain", "snap-9"])).expect(2).error("no-such-snapshot");
}

#[test]
fn a_snapshot_says_why_it_is_kept_or_goes() {
    let (host, ids) = with_backups_of(&[20, 19, 1, 0]);
    host.edit_settings(
        "# retention = { daily = 7, weekly = 4, monthly = 3,",
        "retention = { daily = 2, weekly = 0, monthly = 0,",
    );
    let show = |days: i64| host.inside(TODAY, ["show", &ids[&days], "--json"]).expect(0).row();
    let planned = host.inside(TODAY, ["retention", "plan", "--json"]).expect(0).data();
    for (row, days) in planned.iter().zip([20, 19, 1, 0]) {
        let shown = show(days);
        for field in ["id", "keep", "reasons", "drop_reason", "drop_detail"] {
            assert_eq!(row.get(field), shown.get(field), "'{field}' of {days} days ago: as the plan says");
        }
    }
    assert_eq!(show(20)["keep"], false);
    let text = |days: i64| {
        let text = host.inside(TODAY, ["show", &ids[&days]]).expect(0).stdout;
        text.split("  evidence").next().unwrap().to_owned()
    };
    assert_snapshot!("show_one_that_goes", host.redact(&text(20)));
    assert_snapshot!("show_one_that_stays", host.redact(&text(0)));
    // A policy that is none is no reason not to show it.
    host.edit_settings("daily = 2,", "daily = 0,");
    let shown = host.inside(TODAY, ["show", &ids[&0], "--json"]).expect(0);
    assert_eq!((&shown.row()["keep"], &shown.row()["reasons"]), (&Value::Null, &json!([])));
    assert!(shown.envelope()["warnings"].to_string().contains("no slots"), "{}", shown.stdout);
}

#[test]
fn a_plan_of_the_state_for_people() {
    let (host, ids) = with_backups_of(&[12, 3, 1, 0]);
    let latest = host.inside(TODAY, ["retention", "plan", "--explain", "LATEST", "--json"]).expect(0).row();
    assert_eq!(latest["id"], ids[&0].as_str());
    assert!(latest["explanation"].as_str().unwrap().contains("until"), "{latest:#}");
    let ran = host.inside(TODAY, ["retention", "plan"].iter().chain(&ONE_A_DAY)).expect(0);
    let redacted = host.redact(&ran.stdout);
    let id = regex::Regex::new("plan [0-9a-f]{16}").unwrap();
    assert_snapshot!("plan_of_the_state", id.replace_all(&redacted, "plan [id]"));
}

#[test]
fn the_rows_of_a_plan() {
    let host = Host::bare();
    let mut given = rows(4);
    given[2]["locked_until"] = "2026-12-24T00:00:00Z".into();
    given.rotate_left(2);
    let ran = from_json(
        &host,
        &Value::from(given).to_string(),
        &["--keep-daily", "1", "--recovery-window", "none"],
    )
    .expect(0);
    let envelope = ran.envelope();
    assert_eq!(
        (&envelope["command"], &envelope["mode"]),
        (&"backup retention plan".into(), &"dry-run".into())
    );
    let data = ran.data();
    let ids: Vec<_> = data.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["snap-002", "snap-003", "snap-000", "snap-001"], "in the order of the input");
    assert_eq!(data[0]["locked_until"], "2026-12-24T00:00:00Z");
    assert_eq!((&data[0]["keep"], &data[0]["reasons"]), (&false.into(), &json!([])));
    assert!(data[1]["drop_reason"].is_string() && data[1].get("locked_until").is_none());
    assert_eq!(data[2]["keep"], true);
    assert!(data[2].get("drop_reason").is_none());
    assert_eq!(data[2]["reasons"][0]["rule"], "daily");
    assert_eq!(data[2]["reasons"][0]["slot"], "2026-11-24");
    assert!(data[2]["reasons"][0]["detail"].is_string());
    let summary = &envelope["summary"];
    assert_eq!(
        [&summary["kept"], &summary["dropped"], &summary["blocked_by_lock"]],
        [&json!(1), &json!(2), &json!(1)]
    );
    let id = summary["plan_id"].as_str().unwrap();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    assert!(from_json(&host, "[]", &[]).expect(0).data().is_empty());
}

#[test]
fn the_id_of_a_plan_names_what_was_put_in() {
    let host = Host::bare();
    let id = |rows: &[Value], more: &[&str]| {
        let ran = from_json(&host, &Value::from(rows).to_string(), more).expect(0);
        ran.envelope()["summary"]["plan_id"].as_str().unwrap().to_owned()
    };
    let rows = rows(30);
    let first = id(&rows, &[]);
    let mut turned = rows.clone();
    turned.rotate_left(7);
    assert_eq!(id(&turned, &[]), first, "not the order");
    assert_ne!(id(&rows[..29], &[]), first);
    assert_ne!(id(&rows, &["--keep-daily", "8"]), first);
    assert_ne!(id(&rows, &["--timezone", "Asia/Tokyo"]), first);
    let mut pinned = rows.clone();
    pinned[20]["pinned"] = true.into();
    assert_ne!(id(&pinned, &[]), first);
}

#[test]
fn rows_come_as_an_array_or_one_after_the_other_from_a_file_or_a_pipe() {
    let host = Host::bare();
    let rows = rows(20);
    let array = Value::from(rows.clone()).to_string();
    let lines = rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let by_file = from_json(&host, &array, &[]).expect(0).data();
    assert_eq!(from_json(&host, &lines, &[]).expect(0).data(), by_file);
    for input in [&array, &lines] {
        let mut command = host.command(["retention", "plan", "--from-json", "-", "--now", TODAY, "--json"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let envelope: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(envelope["data"], Value::from(by_file.clone()));
    }
}

#[test]
fn bad_input_is_named() {
    let host = Host::bare();
    let good = r#"{"id": "a", "time": "2026-11-23T02:00:00Z"}"#;
    for (rows, part) in [
        (format!("{good}\n{{\"id\": \"b\"}}\n"), "rows.json, line 2, column"),
        (format!("[\n{good},\n{good},\n7]"), "line 4"),
        (format!("[{good}"), "line 1"),
        (format!("\n\n{good}\nnothing"), "line 4"),
        ("snapshots".into(), "neither an array nor an object"),
        (r#"{"id": "a", "time": "2026-11-23T02:00:00Z", "parent": "z"}"#.into(), "kind"),
        (r#"{"id": "a", "time": "23 November"}"#.into(), "line 1"),
    ] {
        let said = from_json(&host, &rows, &[]).expect(2).error("invalid-row");
        assert!(said.contains(part), "{rows}: {said}");
    }
    let said = from_json(&host, &format!("{good}{good}"), &[]).expect(2).error("duplicate-id");
    assert!(said.contains("\"a\""), "{said}");
    from_json(&host, good, &["--keep-daily", "0"]).expect(2).error("empty-policy");
    let said = from_json(&host, good, &["--timezone", "Europe/Berln"]).expect(2).error("unknown-time-zone");
    assert!(said.contains("Europe/Berlin"), "{said}");
    for bad in [["--keep-daily", "many"], ["--counting", "twice"], ["--recovery-window", "long"]] {
        from_json(&host, good, &bad).expect(2).error("usage");
    }
    host.json(["retention", "plan", "--from-json", "nowhere.json"]).expect(1).error("not-found");
    host.json(["retention", "plan", "--from-json", "-", "--state"]).expect(2).error("usage");
}

#[test]
fn flags_settings_and_the_baseline() {
    let bare = Host::bare();
    let one = Value::from(rows(1)).to_string();
    let policy = |host: &Host, more: &[&str]| {
        from_json(host, &one, more).expect(0).envelope()["summary"]["policy"].as_str().unwrap().to_owned()
    };
    let baseline = "7 daily, 4 weekly, 3 monthly, counted exclusive in UTC, recovery window 7 days";
    assert_eq!(policy(&bare, &[]), baseline);
    let host = Host::ready();
    assert_eq!(policy(&host, &[]), baseline);
    let text = fs::read_to_string(host.config()).unwrap();
    let settings = "retention = { daily = 3, weekly = 0, monthly = \"all\", counting = \"shared\", recovery_window = \"2d\" }\ntimezone = \"Asia/Tokyo\"\n";
    let set = text.replacen("production = false", &format!("{settings}production = false"), 1);
    fs::write(host.config(), set).unwrap();
    assert_eq!(
        policy(&host, &[]),
        "3 daily, all monthly, counted shared in Asia/Tokyo, recovery window 2 days"
    );
    assert_eq!(
        policy(&host, &["--keep-hourly", "5"]),
        "5 hourly, counted shared in Asia/Tokyo, recovery window 2 days",
        "any count replaces all counts, and nothing else"
    );
    assert_eq!(
        policy(&host, &["--recovery-window", "none", "--counting", "exclusive", "--timezone", "UTC"]),
        "3 daily, all monthly, counted exclusive in UTC, no recovery window"
    );
    fs::write(
        host.config(),
        text.replacen("production = false", "timezone = \"Mars/Base\"\nproduction = false", 1),
    )
    .unwrap();
    host.json(["retention", "plan"]).expect(2).error("unknown-time-zone");
}

#[test]
fn an_apply_is_shown_first_and_does_exactly_that() {
    let (host, ids) = with_backups_of(&[9, 4, 2, 1, 0]);
    let before = host.ids();
    let asked = apply(&host, &[]).expect(2);
    let said = asked.error("yes-required");
    assert!(said.contains("delete 3 snapshots"), "{said}");
    assert_eq!(asked.envelope()["mode"], "dry-run");
    assert_eq!(host.ids(), before, "nothing was touched");
    assert!(told(&host).is_empty());
    let id = plan_id(&host);
    assert_eq!(asked.envelope()["summary"]["plan_id"], id.as_str());
    assert!(said.contains(&format!("--plan-id {id} --yes")), "what is to be typed: {said}");
    // 9 is the oldest of a tier that has no slots left, 4 and 2 are beyond the counts.
    let done = apply(&host, &["--plan-id", &id, "--yes"]).expect(0);
    let expected: BTreeMap<_, _> = [(9, "deleted"), (4, "deleted"), (2, "deleted"), (1, "kept"), (0, "kept")]
        .map(|(days, word)| (ids[&days].clone(), word.to_owned()))
        .into();
    assert_eq!(outcomes(&done), expected);
    assert_eq!(done.envelope()["mode"], "live");
    assert_eq!(
        (&done.envelope()["summary"]["deleted"], &done.envelope()["summary"]["left"]),
        (&3.into(), &2.into())
    );
    assert_eq!(host.ids(), [ids[&1].clone(), ids[&0].clone()]);
    assert!(!host.bundle(&ids[&9]).parent().unwrap().exists());
    // What tells of it stays.
    assert!(host.store().join("evidence/default/state").join(&ids[&9]).is_dir());
    let told = told(&host);
    assert_eq!(
        told.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect::<Vec<_>>(),
        ["announced", "done"]
    );
    for (entry, field) in told.iter().zip(["delete", "deleted"]) {
        assert_eq!(entry["detail"]["plan_id"], id.as_str());
        let named: Vec<_> =
            entry["detail"][field].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(named.len(), 3, "{entry:#}");
        assert!([9, 4, 2].iter().all(|days| named.contains(&ids[days].as_str())), "{entry:#}");
    }
    host.inside(TODAY, ["audit", "verify"]).expect(0);
    // Nothing is left to do.
    let again = apply(&host, &["--yes"]).expect(0);
    assert_eq!(again.envelope()["summary"]["deleted"], 0);
    apply(&host, &[]).expect(0);
}

#[test]
fn a_plan_that_is_another_one_by_now_is_not_done() {
    let (host, ids) = with_backups_of(&[4, 2, 1]);
    let id = plan_id(&host);
    let newer = host.inside(TODAY, ["run", "--json"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    for yes in [&["--plan-id", id.as_str(), "--yes"][..], &["--plan-id", id.as_str()][..]] {
        let said = apply(&host, yes).expect(2).error("plan-changed");
        assert!(said.contains(&id) && said.contains(&plan_id(&host)), "{said}");
    }
    assert_eq!(host.ids().len(), 4);
    // A pin changes it too, and an unpin changes it back.
    let with_newer = plan_id(&host);
    host.inside(TODAY, ["pin", &ids[&4], "--reason", "why"]).expect(0);
    apply(&host, &["--plan-id", &with_newer, "--yes"]).expect(2).error("plan-changed");
    let later = text(at(0) + TimeDelta::minutes(1));
    host.inside(&later, ["unpin", &ids[&4]]).expect(0);
    apply(&host, &["--plan-id", &with_newer, "--yes"]).expect(0);
    assert_eq!(host.ids(), [ids[&1].clone(), newer]);
    apply(&host, &["--plan-id", "12", "--yes"]).expect(2).error("usage");
}

#[test]
fn the_last_verified_one_is_never_deleted() {
    let (host, ids) = with_backups_of(&[30]);
    for days in 0..5 {
        forge(&host, &forged_id(days), at(days));
    }
    let row = &plan(&host, &[]).expect(0).data()[0];
    assert_eq!(row["id"], ids[&30].as_str());
    assert!(
        row["reasons"].as_array().unwrap().iter().any(|reason| reason["rule"] == "last-verified"),
        "{row:#}"
    );
    apply(&host, &["--yes"]).expect(0);
    assert_eq!(host.ids(), [ids[&30].clone(), forged_id(1), forged_id(0)]);
    // One that failed to be proved displaces nothing: the forged ones are no bundles.
    host.inside(TODAY, ["verify", &forged_id(0)]).expect(12);
    host.inside(TODAY, ["verify", &forged_id(1)]).expect(12);
    let rows = plan(&host, &[]).expect(0).data();
    let rules = |row: &Value| row["reasons"].to_string();
    assert!(rules(&rows[0]).contains("daily") && rules(&rows[0]).contains("newest"), "{rows:#?}");
    assert!(rules(&rows[2]).contains("suspect") && !rules(&rows[2]).contains("daily"), "{rows:#?}");
}

#[test]
fn damaged_records_are_kept_and_nothing_goes_without_one_to_stay() {
    let host = with_forged(5);
    for days in 0..3 {
        fs::write(host.object(&forged_id(days), "snapshot.json"), "{").unwrap();
    }
    let text = fs::read_to_string(host.object(&forged_id(3), "snapshot.json")).unwrap();
    fs::write(host.object(&forged_id(3), "snapshot.json"), text.replace("\"version\":1", "\"version\":99"))
        .unwrap();
    let planned = plan(&host, &[]).expect(0);
    assert_eq!(planned.data().len(), 1);
    let warnings = planned.envelope()["warnings"].to_string();
    assert!((0..4).all(|days| warnings.contains(&forged_id(days))), "{warnings}");
    apply(&host, &["--yes"]).expect(0);
    assert_eq!(host.ids().len(), 5);
    // All that is left cannot be restored, and is old: still nothing goes.
    fs::remove_file(host.bundle(&forged_id(4))).unwrap();
    assert_eq!(plan(&host, &[]).expect(0).envelope()["summary"]["dropped"], 1);
    apply(&host, &["--yes"]).expect(12).error("no-restorable-snapshot");
    assert_eq!(host.ids().len(), 5);
    assert!(told(&host).is_empty());
}

#[test]
fn what_a_lock_holds_is_no_failure() {
    let host = with_forged(5);
    lock(&host, &forged_id(3), "2026-12-24T00:00:00Z".parse().unwrap());
    let planned = plan(&host, &[]).expect(0);
    assert_eq!(planned.envelope()["summary"]["blocked_by_lock"], 1);
    let done = apply(&host, &["--yes"]).expect(0);
    assert_eq!(outcomes(&done)[&forged_id(3)], "locked");
    let listed = host.inside(TODAY, ["list", "--json"]).expect(0).data();
    let locked: Vec<_> = listed.iter().filter(|row| row.get("locked_until").is_some()).collect();
    assert_eq!(locked.len(), 1, "{listed:#?}");
    assert_eq!(
        (&locked[0]["id"], &locked[0]["locked_until"]),
        (&json!(forged_id(3)), &json!("2026-12-24T00:00:00Z"))
    );
    let later = host.inside("2026-12-24T00:00:01Z", ["list", "--json"]).expect(0).data();
    assert!(later.iter().all(|row| row.get("locked_until").is_none()), "one that has run out holds nothing");
    let row = done.data().into_iter().find(|row| row["id"] == forged_id(3).as_str()).unwrap();
    assert_eq!(row["locked_until"], "2026-12-24T00:00:00Z");
    assert!(row["problem"].as_str().unwrap().contains("locked until 2026-12-24"), "{row:#}");
    assert_eq!(parts(&host, &forged_id(3)), (true, true));
    assert_eq!(host.ids(), [forged_id(3), forged_id(1), forged_id(0)]);
}

#[test]
fn a_deletion_that_failed_is_listed_and_made_later() {
    let (host, ids) = with_recent(5);
    let stuck = host.bundle(&ids[3]).parent().unwrap().to_owned();
    // Everything becomes that user's by the first call, then one directory is closed.
    host.run_unprivileged(["list"]).expect(0);
    fs::set_permissions(&stuck, Permissions::from_mode(0o500)).unwrap();
    let args = ["retention", "apply", "--yes", "--json", "--keep-last", "2", "--recovery-window", "none"];
    let ran = host.run_unprivileged(args).expect(3);
    let said = ran.error("deletions-failed");
    assert!(said.contains("1 snapshot"), "{said}");
    let words = outcomes(&ran);
    assert_eq!((words[&ids[3]].as_str(), words[&ids[4]].as_str()), ("failed", "deleted"));
    let row = ran.data().into_iter().find(|row| row["id"] == ids[3].as_str()).unwrap();
    assert!(row["problem"].as_str().unwrap().contains("ermission denied"), "{row:#}");
    assert_eq!(parts(&host, &ids[3]), (true, true));
    let last = told(&host).pop().unwrap();
    assert_eq!((&last["outcome"], &last["detail"]["failed"]), (&"failed".into(), &json!([ids[3]])));
    fs::set_permissions(&stuck, Permissions::from_mode(0o700)).unwrap();
    host.run_unprivileged(args).expect(0);
    assert_eq!(parts(&host, &ids[3]), (false, false));
}

#[test]
fn strays_go_when_they_are_old_and_nobody_wants_them() {
    let host = with_forged(3);
    let stray = |days: i64| {
        let id = format!("state-{}-{days:08x}", (at(days) - TimeDelta::hours(1)).format("%Y%m%dT%H%M%SZ"));
        forge(&host, &id, at(days));
        fs::remove_file(host.object(&id, "snapshot.json")).unwrap();
        id
    };
    let (young, old, pinned, locked) = (stray(0), stray(3), stray(4), stray(5));
    fs::create_dir_all(host.store().join("state/default/notes")).unwrap();
    fs::write(host.store().join("state/default/notes/mine"), "a stranger").unwrap();
    lock(&host, &locked, "2026-12-24T00:00:00Z".parse().unwrap());
    // It can only be pinned while it is a snapshot.
    forge(&host, &pinned, at(4));
    host.inside(TODAY, ["pin", &pinned, "--reason", "why"]).expect(0);
    fs::remove_file(host.object(&pinned, "snapshot.json")).unwrap();
    let summary = plan(&host, &[]).expect(0).envelope()["summary"].clone();
    let key = format!("state/default/{old}/bundle.tar.zst.age");
    assert_eq!(summary["strays"], json!([{ "key": key, "bytes": 6 }]));
    let said = apply(&host, &[]).expect(2).error("yes-required");
    assert!(said.contains("1 stray bundle"), "{said}");
    let done = apply(&host, &["--yes"]).expect(0).envelope()["summary"].clone();
    assert_eq!(done["strays"][0]["outcome"], "deleted");
    assert!(!host.bundle(&old).exists());
    assert!(host.bundle(&young).exists() && host.bundle(&pinned).exists() && host.bundle(&locked).exists());
    assert!(host.store().join("state/default/notes/mine").exists());
}

#[test]
fn killed_between_two_objects_it_is_done_again() {
    let (host, ids) = with_recent(120);
    let args = ["retention", "apply", "--yes", "--json", "--keep-last", "2", "--recovery-window", "none"];
    let count = || fs::read_dir(host.store().join("state/default")).unwrap().count();
    let mut kills = 0;
    while count() > 2 && kills < 3 {
        let before = count();
        let running = host.start(args);
        wait_for("a deletion", || count() + 3 < before || count() <= 2);
        running.kill();
        kills += 1;
        // Each is whole, or without its record: never a record without its bundle.
        for id in &ids {
            assert_ne!(parts(&host, id), (true, false));
        }
        assert_eq!([0, 1].map(|newest: usize| parts(&host, &ids[newest])), [(true, true); 2]);
    }
    assert_eq!(kills, 3, "it was met in the middle");
    assert!(count() > 2);
    // A killed process leaves its lease behind; who waits for it gets it.
    let done = host.run(args.iter().chain(&["--lock-wait", "3m"])).expect(0);
    assert_eq!(done.envelope()["summary"]["left"], 2);
    // An empty directory may be left of one: no object.
    assert!(ids[2..].iter().all(|id| parts(&host, id) == (false, false)));
    let told: Vec<_> =
        told(&host).iter().map(|entry| entry["outcome"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["announced", "announced", "announced", "announced", "done"]);
    host.json(["audit", "verify"]).expect(0);
}

#[test]
fn two_at_once_are_one_after_the_other() {
    for name in ["retention-default", "run-state-default"] {
        let host = with_forged(4);
        fs::create_dir_all(host.home().join("locks")).unwrap();
        let held = File::create(host.home().join(format!("locks/{name}.lock"))).unwrap();
        held.lock().unwrap();
        apply(&host, &["--yes"]).expect(11).error("busy");
        assert_eq!(host.ids().len(), 4);
        // Looking is free.
        plan(&host, &[]).expect(0);
        apply(&host, &[]).expect(2).error("yes-required");
        drop(held);
        apply(&host, &["--yes"]).expect(0);
    }
    let (host, _) = with_recent(60);
    let args = ["retention", "apply", "--yes", "--json", "--keep-last", "2", "--recovery-window", "none"];
    let both = [host.start(args), host.start(args)].map(harness::Running::wait);
    let mut codes = both.each_ref().map(|ran| ran.code.unwrap());
    codes.sort_unstable();
    // The second one found the first one at work, or found nothing to do.
    assert!(codes == [0, 11] || codes == [0, 0], "{both:#?}");
    let deleted = |ran: &harness::Ran| ran.envelope()["summary"]["deleted"].as_u64().unwrap_or(0);
    assert_eq!(both.iter().map(deleted).sum::<u64>(), 58);
}

#[test]
fn a_pin_that_comes_meanwhile_is_heeded() {
    let (host, ids) = with_recent(200);
    let args = ["retention", "apply", "--yes", "--json", "--keep-last", "2", "--recovery-window", "none"];
    let count = || fs::read_dir(host.store().join("state/default")).unwrap().count();
    let running = host.start(args);
    wait_for("a deletion", || count() < 198);
    // The oldest one goes last.
    let wanted = ids[199].clone();
    host.json(["pin", &wanted, "--reason", "why"]).expect(0);
    assert_eq!(parts(&host, &wanted), (true, true), "it was pinned in time");
    let done = running.wait().expect(0);
    assert_eq!(outcomes(&done)[&wanted], "spared");
    assert_eq!(parts(&host, &wanted), (true, true));
    assert_eq!(count(), 3);
}

#[test]
fn a_forecast_says_how_many_and_until_when() {
    let (host, ids) = with_backups_of(&[9, 1, 0]);
    let ran = host.inside(TODAY, ["retention", "forecast", "--json", "--recovery-window", "none"]).expect(0);
    assert_eq!(ran.envelope()["mode"], "live");
    let days = ran.data();
    assert_eq!(days.len(), 90);
    assert_eq!(days[0]["date"], "2026-11-24");
    // Seven daily, four weekly, three monthly, and one that is the last of a tier.
    assert_eq!(days[89]["total"], 14);
    let summary = &ran.envelope()["summary"];
    assert_eq!(summary["schedule"], "daily 02:00");
    let snapshots = summary["snapshots"].as_array().unwrap();
    assert_eq!(snapshots.len(), 3);
    assert_eq!(snapshots[0]["id"], ids[&9].as_str());
    assert!(snapshots.iter().all(|row| row.get("gone_on").is_some() && row["time"].is_string()));
    let text = host.inside(TODAY, ["retention", "forecast", "--days", "40"]).expect(0).stdout;
    assert_snapshot!("forecast", host.redact(&text));
    host.inside(TODAY, ["retention", "forecast", "--json", "--schedule", "quarterly"])
        .expect(2)
        .error("usage");
    host.inside(TODAY, ["retention", "forecast", "--json", "--days", "0"]).expect(2).error("usage");
    let none = ["retention", "forecast", "--json", "--schedule", "none", "--keep-last", "1"];
    let days = host.inside(TODAY, none).expect(0).data();
    assert_eq!(days[89]["total"], 1, "the last one stays when no other comes");
}
