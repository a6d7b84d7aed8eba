//! What comes after a restore: its checks, the lock, what is kept of it and for how long.

use crate::harness::{Host, Ran, TinyDisk, small};
use crate::killed_restores::turn;
use crate::restoring::{OWN, damage, is_shut, lost, restore, without_logs};
use crate::stage::{RESTORE, Stage, Start, Way};
use chrono::{TimeDelta, Utc};
use serde_json::Value;
use si_backup_tests::{StateSpec, seeded_secrets};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn in_days(days: i64) -> String {
    (Utc::now() + TimeDelta::days(days)).to_rfc3339()
}

fn kept(host: &Host) -> PathBuf {
    host.context().join(OWN).join("restore/state/kept")
}

/// A restore of a damaged state whose one check fails until the flag is there.
fn with_a_failed_check() -> (Host, PathBuf) {
    let (host, _) = Host::backed_up();
    let flag = host.path("flag");
    host.check_that_there_is(&flag);
    damage(&host);
    restore(&host, &["--from", "LATEST", "--force"]).expect(12);
    (host, flag)
}

/// The checks of a row that failed, by name, with what is said of them.
fn failed(row: &Value) -> Vec<(String, String)> {
    let checks = row["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks.map(|check| (text(&check["name"]), text(&check["detail"]))).collect()
}

fn check(row: &Value, name: &str) -> Value {
    row["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone()
}

#[test]
fn what_was_replaced_goes_some_time_after_its_checks_have_passed() {
    let (host, _) = Host::backed_up();
    damage(&host);
    restore(&host, &["--from", "LATEST", "--force"]).expect(0);
    host.inside(&in_days(6), RESTORE).expect(11);
    assert!(kept(&host).exists());
    host.inside(&in_days(8), ["run", "--state"]).expect(0);
    assert!(!kept(&host).exists());
    let trail = fs::read_to_string(host.trail()).unwrap();
    assert!(trail.contains("its keeping time has run out"), "{trail}");
}

#[test]
fn what_was_replaced_stays_when_no_check_has_ever_passed() {
    let (host, _) = with_a_failed_check();
    host.json(["guard", "release", "--reason", "ticket 812"]).expect(0);
    for _ in 0..2 {
        host.inside(&in_days(30), RESTORE).expect(11);
        assert!(kept(&host).join("bluegreen.json").exists());
        host.back_up();
    }
    host.json(["restore", "undo", "--force"]).expect(0);
}

#[test]
fn a_clock_that_was_behind_makes_no_restore_old() {
    let (host, id) = Host::backed_up();
    let row = host.json(["list"]).expect(0).row();
    damage(&host);
    let args = ["restore", "--from", &id, "--checksum", row["checksum"].as_str().unwrap(), "--force"];
    host.inside("2020-01-01T00:00:00Z", args).expect(0);
    host.back_up();
    assert!(kept(&host).exists(), "it was made a moment ago");
}

type Act<'a> = &'a dyn Fn();

#[test]
fn what_must_not_be_in_a_restored_state_keeps_the_lock_shut() {
    let (host, flag) = with_a_failed_check();
    fs::write(&flag, "").unwrap();
    let context = host.context();
    let targets = context.join("targets.json");
    let config = context.join("config.json");
    let (own_targets, own_config) = (fs::read(&targets).unwrap(), fs::read(&config).unwrap());
    let secret = seeded_secrets(5).find(|(kind, _)| *kind == "github-token").unwrap().1;
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let (incoming, fragment) = (context.join(OWN).join("restore/state.incoming"), context.join("events"));
    let kinds: [(Act<'_>, Act<'_>); 5] = [
        (&|| fs::write(&targets, format!("{{\"note\": \"{secret}\"}}")).unwrap(), &|| {
            fs::write(&targets, &own_targets).unwrap();
        }),
        (&|| fs::write(&config, "{\"name\": \"other\"}").unwrap(), &|| {
            fs::write(&config, &own_config).unwrap();
        }),
        (&|| fs::create_dir(&incoming).unwrap(), &|| fs::remove_dir(&incoming).unwrap()),
        (&|| mode(&targets, 0o644), &|| mode(&targets, 0o600)),
        (&|| mode(&fragment, 0o755), &|| mode(&fragment, 0o700)),
    ];
    for (number, (make, mend)) in kinds.iter().enumerate() {
        make();
        let row = host.json(["guard", "recheck"]).expect(12).row();
        let names: Vec<_> = failed(&row).into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"doctor".to_owned()), "kind {number}: {row:#}");
        assert!(!row.to_string().contains(&secret));
        assert!(is_shut(&host), "kind {number}");
        mend();
    }
    // A state root in a git work tree is not even looked at.
    let git = host.state_root().join(".git");
    fs::create_dir(&git).unwrap();
    host.json(["guard", "recheck"]).expect(2);
    fs::remove_dir(&git).unwrap();
    assert!(is_shut(&host));
    host.json(["guard", "recheck"]).expect(0);
}

/// A `docker` that says that projects of these directories run.
fn docker_says(host: &mut Host, dirs: &str) {
    let bin = host.path("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("docker"), format!("#!/bin/sh\nprintf '%s\\n' {dirs}\n")).unwrap();
    fs::set_permissions(bin.join("docker"), Permissions::from_mode(0o755)).unwrap();
    host.setenv("PATH", format!("{}:/usr/bin:/bin", bin.display()));
}

#[test]
fn the_expected_release_must_be_seen_to_run_where_it_is_known_where() {
    let (mut host, _) = Host::backed_up();
    let state: Value =
        serde_json::from_slice(&fs::read(host.context().join("deployments.json")).unwrap()).unwrap();
    let expected = state["apps"]["shop"]["current_release"].as_str().unwrap().to_owned();
    // Nothing tells where it runs: that is said, and keeps nobody from coming back.
    let row = restore(&host, &["--from", "LATEST", "--force"]).expect(0).row();
    let told = check(&row, "app status shop")["detail"].as_str().unwrap().to_owned();
    assert!(told.contains("not compared") && told.contains(&expected), "{told}");
    host.json(["restore", "confirm"]).expect(0);
    let app = "\n[contexts.default.apps.shop]\nenv_file = \"/etc/si/shop.env\"\n\
               runner = { kind = \"compose\", dir = \"/srv/shop/r0\", files = [\"compose.yaml\"] }\n";
    fs::write(host.config(), fs::read_to_string(host.config()).unwrap() + app).unwrap();
    let says = |row: &Value, what: &str| {
        let [(name, detail)] = &failed(row)[..] else { panic!("{row:#}") };
        assert!(name == "app status shop" && detail.contains(what), "{row:#}");
    };
    says(&restore(&host, &["--from", "LATEST", "--force"]).expect(12).row(), "could not be asked");
    docker_says(&mut host, "/srv/billing/r1/deeper");
    says(&host.json(["guard", "recheck"]).expect(12).row(), "nothing of it runs");
    let status = host.json(["app", "status", "--app", "shop"]).expect(10);
    assert_eq!(status.envelope()["error"]["code"], "expected-release-not-seen");
    docker_says(&mut host, "/srv/shop/r0");
    says(&host.json(["guard", "recheck"]).expect(12).row(), "docker on this host says that r0 does");
    docker_says(&mut host, &format!("/srv/shop/r0 /srv/shop/{expected}"));
    host.json(["guard", "recheck"]).expect(12);
    docker_says(&mut host, &format!("/srv/shop/{expected} /srv/billing-2/x"));
    host.json(["guard", "recheck"]).expect(0);
    host.json(["app", "status", "--app", "shop"]).expect(0);
}

#[test]
fn a_query_is_asked_as_patiently_as_a_page() {
    let (host, _) = Host::backed_up();
    let app = "\n[contexts.default.apps.shop]\nenv_file = \"/nowhere/shop.env\"\n\
               runner = { kind = \"local\", pgdata = \"/x\" }\n\
               checks = [{ name = \"rows\", sql = \"select true\", when = \"open\", attempts = 3, every = \"150ms\" }]\n";
    fs::write(host.config(), fs::read_to_string(host.config()).unwrap() + app).unwrap();
    damage(&host);
    let row = restore(&host, &["--from", "LATEST", "--force"]).expect(12).row();
    let asked = check(&row, "shop rows");
    assert!(asked["detail"].as_str().unwrap().starts_with("it could not be asked ["), "{asked:#}");
    assert!(asked["duration_ms"].as_u64().unwrap() >= 300, "{asked:#}");
}

fn append(log: &Path, text: &str) {
    OpenOptions::new().append(true).open(log).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_restore_is_told_once_and_found_among_events_that_are_dated_ahead() {
    let (host, _) = Host::backed_up();
    let flag = host.path("flag");
    host.check_that_there_is(&flag);
    let log = host.context().join("events/audit.jsonl");
    let ahead = |n| {
        format!(
            "{{\"timestamp\":\"2036-01-01T00:00:00Z\",\"context\":\"default\",\"source\":\"si\",\"command\":\"x{n}\",\"status\":\"ok\",\"mode\":\"live\",\"severity\":\"info\",\"fields\":{{}}}}\n"
        )
    };
    append(&log, &(0..300).map(ahead).collect::<String>());
    damage(&host);
    restore(&host, &["--from", "LATEST", "--force"]).expect(12);
    host.json(["guard", "recheck"]).expect(12);
    append(&log, &(300..600).map(ahead).collect::<String>());
    fs::write(&flag, "").unwrap();
    host.json(["guard", "recheck"]).expect(0);
    let told = fs::read_to_string(&log).unwrap();
    assert_eq!(told.matches("\"command\":\"backup restore\"").count(), 1);
    assert_eq!(told.matches("\"command\":\"backup restore verify\"").count(), 3);
}

#[test]
fn a_restore_that_the_trail_does_not_tell_of_keeps_its_lock_shut() {
    let (host, flag) = with_a_failed_check();
    fs::write(&flag, "").unwrap();
    fs::rename(host.trail(), host.path("trail")).unwrap();
    let row = host.json(["guard", "recheck"]).expect(12).row();
    let events = check(&row, "events");
    assert!(events["detail"].as_str().unwrap().contains("who asked for the restore"), "{row:#}");
    assert!(is_shut(&host));
}

#[test]
fn the_checks_need_neither_the_backup_nor_its_identity() {
    let (host, flag) = with_a_failed_check();
    fs::remove_dir_all(host.store().join("state/default")).unwrap();
    fs::remove_file(host.home().join("identity.txt")).unwrap();
    host.json(["guard", "recheck"]).expect(12);
    fs::write(&flag, "").unwrap();
    host.json(["guard", "recheck"]).expect(0);
    let plan = fs::read_to_string(host.context().join(OWN).join("restore/state/plan.json")).unwrap();
    for (_, secret) in seeded_secrets(1) {
        assert!(!plan.contains(&secret), "what is kept of the backup holds no secret");
    }
    host.json(["restore", "confirm"]).expect(0);
}

#[test]
fn lines_that_cannot_be_saved_are_not_dropped() {
    let (host, _) = Host::backed_up();
    damage(&host);
    restore(&host, &["--from", "LATEST", "--force"]).expect(0);
    let log = kept(&host).join("events/deployments.jsonl");
    fs::rename(&log, host.path("log")).unwrap();
    fs::create_dir(&log).unwrap();
    host.json(["restore", "confirm"]).expect(1);
    // A backup is made all the same.
    let ran = host.inside(&in_days(8), ["run", "--state", "--json"]).expect(0);
    assert!(ran.envelope()["warnings"].to_string().contains("cannot be saved"), "{}", ran.stdout);
    assert!(kept(&host).exists());
    fs::remove_dir(&log).unwrap();
    fs::rename(host.path("log"), &log).unwrap();
    host.json(["restore", "confirm"]).expect(0);
}

/// A si that does not ask the lock writes in any moment of a restore, which is then undone.
#[test]
fn events_that_are_written_beside_a_restore_are_there_once() {
    let stage = Stage::new(Start::Damaged);
    stage.reset();
    let points = stage.points(RESTORE).len();
    let stride = if crate::harness::full() { 1 } else { 29 };
    for point in (1..=points).filter(|point| point % stride == turn() % stride) {
        for way in [None, Some(Way::Undo)] {
            stage.reset();
            let log = stage.host.context().join("events/deployments.jsonl");
            let line = format!("{{\"timestamp\":\"2026-11-24T09:00:00Z\",\"command\":\"beside {point}\"}}");
            let ran = stage.run_around(RESTORE, point, || append(&log, &format!("{line}\n")));
            let at = format!("at {point} of {points}, {way:?}: {ran:?}");
            assert_eq!(ran.code, Some(0), "{at}");
            if let Some(way) = way {
                stage.host.json(way.args()).expect(0);
            }
            let text = fs::read_to_string(&log).unwrap();
            assert_eq!(text.lines().filter(|found| **found == line).count(), 1, "{at}");
            stage.is_well(&at);
            stage.host.json(["restore", "confirm"]).expect(0);
            assert_eq!(fs::read_to_string(&log).unwrap(), text, "{at}");
        }
    }
}

#[test]
fn nobody_else_puts_things_right_at_the_same_time_also_without_a_store() {
    let stage = Stage::new(Start::Damaged);
    let (host, undo) = (&stage.host, Way::Undo.args());
    // The store is there, and no lease can be had.
    let leases = host.store().join("leases");
    fs::remove_dir_all(&leases).unwrap();
    fs::write(&leases, "").unwrap();
    let lock = || File::create(host.home().join("locks/run-state-default.lock")).unwrap();
    let held = lock();
    held.lock().unwrap();
    host.json(undo).expect(11);
    assert_eq!(stage.live(), stage.restored);
    drop(held);
    let undone = stage.run_around(undo, 60, || {
        assert!(stage.is_shut(), "it has begun");
        assert!(lock().try_lock().is_err(), "and others are kept away");
    });
    undone.expect(0);
    assert_eq!(stage.live(), stage.replaced);
}

#[test]
fn what_a_snapshot_unpacks_to_must_have_room_before_the_first_byte() {
    let host = Host::bare();
    let Some(_disk) = TinyDisk::mount(&host.path("home"), "40m") else { return };
    small().write(&host.state_root(), "default").unwrap();
    let spec = StateSpec { events_bytes: 9 << 20, ..small() };
    fs::remove_dir_all(host.state_root()).unwrap();
    spec.write(&host.state_root(), "default").unwrap();
    host.run(["init", "--store", &host.store_url()]).expect(0);
    let id = host.back_up();
    let unpacked = fs::metadata(host.bundle(&id)).unwrap().len();
    assert!(unpacked < 5 << 20, "it is compressed: {unpacked}");
    for log in ["alerts", "audit", "deployments"] {
        fs::write(host.context().join(format!("events/{log}.jsonl")), "").unwrap();
    }
    damage(&host);
    let before = without_logs(&host.context());
    let filled = host.path("home/filled");
    let mut file = File::create(&filled).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    // More than it takes compressed, and less than unpacked.
    file.set_len(length - (6 << 20)).unwrap();
    let checksum = host.json(["list"]).expect(0).row()["checksum"].as_str().unwrap().to_owned();
    let by_checksum = ["--from", &id, "--checksum", &checksum, "--force"];
    for args in [&["--from", "LATEST", "--force"][..], &by_checksum] {
        let failed = restore(&host, args).expect(1);
        assert_eq!(failed.envelope()["error"]["code"], "no-space", "{}", failed.stdout);
        assert_eq!(without_logs(&host.context()), before);
        // And where no evidence tells how much it is.
        let _ = fs::remove_dir_all(host.store().join("evidence"));
    }
    drop(file);
    fs::remove_file(filled).unwrap();
    restore(&host, &by_checksum).expect(0);
}

fn recover(host: &Host, identity: &Path) -> Vec<String> {
    let url = host.store_url();
    let words = ["init", "--recover", "--store", &url, "--identity", identity.to_str().unwrap()];
    words.map(str::to_owned).to_vec()
}

/// Wherever it was stopped, it is said again; with the settings, which are written last, all is there.
#[test]
fn a_recovery_that_was_stopped_is_made_by_saying_it_again() {
    let (host, _) = Host::backed_up();
    let told = host.path("points");
    let (new, identity) = lost(&host);
    let mut command = new.command(recover(&host, &identity));
    Ran::of(command.env("SI_BACKUP_FAIL_POINTS_TO", &told).output().unwrap()).expect(0);
    let points = fs::read_to_string(told).unwrap().lines().count();
    assert!(points > 20, "{points}");
    let stride = if crate::harness::full() { 1 } else { 7 };
    for point in (1..=points).filter(|point| point % stride == turn() % stride || points - point < 4) {
        let (mut new, identity) = lost(&host);
        new.setenv("SI_BACKUP_FAIL_POINT", point.to_string());
        let killed = new.run(recover(&host, &identity));
        assert_eq!(killed.code, None, "{point} of {points}: {killed:?}");
        new.unsetenv("SI_BACKUP_FAIL_POINT");
        if !new.config().exists() {
            new.json(recover(&host, &identity)).expect(0);
        }
        assert_eq!(fs::read(new.config()).unwrap(), fs::read(host.config()).unwrap());
        restore(&new, &["--from", "LATEST", "--dry-run"]).expect(0);
        let trail = fs::read_to_string(new.trail()).unwrap_or_default();
        assert!(trail.contains("\"action\":\"recover\""), "{point} of {points}");
        new.json(["doctor"]).expect(10);
        new.json(["audit", "verify"]).expect(0);
    }
}
