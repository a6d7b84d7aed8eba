//! What keeps a restore from being made: words that are missing or false, and whoever else is at work.

use crate::harness::{Host, NOON, RealClock};
use crate::restoring::{OWN, damage, reasons, restore, state_of};
use backup_contract::{CheckResult, Level, Outcome, Subject};
use backup_store::{DirStore, Holder, Lease, LeaseRequest, Observation};
use chrono::{TimeDelta, Utc};
use restore_guard::{EvidenceRecord, Ledger, MutationLock, OriginId, Tool, WriterId, WriterKey};
use std::fs::{self, File};
use std::time::Duration;

/// What the trail tells last: what was done, and how it ended.
fn last_act(host: &Host) -> (usize, String) {
    let rows = host.json(["audit", "list"]).expect(0).data();
    let last = rows.last().unwrap();
    let word = |name: &str| last[name].as_str().unwrap().to_owned();
    (rows.len(), word("action") + " " + &word("outcome"))
}

fn evidence_dir(host: &Host, id: &str) -> std::path::PathBuf {
    host.store().join("evidence/default/state").join(id)
}

fn checksum_of(host: &Host, id: &str) -> String {
    let rows = host.json(["list"]).expect(0).data();
    rows.iter().find(|row| row["id"] == id).unwrap()["checksum"].as_str().unwrap().to_owned()
}

/// Evidence that a snapshot passed, with the key of its host, which the host has not made.
fn forge(host: &Host, id: &str, writer: &WriterId) {
    let at = Utc::now() - TimeDelta::seconds(5);
    let record = EvidenceRecord {
        context: "default".parse().unwrap(),
        origin: OriginId::open(&host.home().join("origin/default")).unwrap().unwrap(),
        subject: Subject::State,
        id: id.parse().unwrap(),
        checksum: checksum_of(host, id).parse().unwrap(),
        level: Level::Content,
        outcome: Outcome::Passed,
        checks: vec![CheckResult { name: "content".into(), ok: true, detail: "x".into(), duration_ms: 1 }],
        host: "host-1".into(),
        operator: "mallory".into(),
        writer: writer.clone(),
        tool: Tool { name: "si-backup".into(), version: "0.1.0".into() },
        started_at: at,
        finished_at: at,
        recovery_seconds: None,
        data_loss_seconds: None,
        details: serde_json::Map::new(),
    };
    let key = WriterKey::open(&host.home().join("signing.key")).unwrap();
    let store = DirStore::open(host.store()).unwrap();
    Ledger::new(&store, &record.context.clone()).write(&record, &key).unwrap();
}

#[test]
fn a_stolen_key_proves_nothing_on_the_host_that_it_is_of() {
    let (host, proved) = Host::backed_up();
    let planted = host.back_up();
    fs::remove_dir_all(evidence_dir(&host, &planted)).unwrap();
    let own = WriterId::open(&host.home().join("writer-id")).unwrap().unwrap();
    for writer in [own, WriterId::generate().unwrap()] {
        forge(&host, &planted, &writer);
        let refused = restore(&host, &["--from", "LATEST", "--force"]).expect(13);
        assert_eq!(reasons(&refused), ["not-verified", "not-in-trail"]);
        assert!(refused.stdout.contains("si-backup verify"), "it says what to do: {}", refused.stdout);
        assert_eq!(refused.row()["refusal"]["last_verified"]["id"], proved.as_str());
        let listed = host.json(["list"]).expect(0).data();
        assert!(listed.iter().find(|row| row["id"] == planted.as_str()).unwrap()["verified"].is_null());
    }
    // What this host finds itself counts.
    host.json(["verify", &planted]).expect(0);
    restore(&host, &["--from", "LATEST", "--dry-run"]).expect(0);
}

#[test]
fn a_failure_counts_though_a_bucket_writer_takes_its_evidence_away() {
    let (host, id) = Host::backed_up();
    let bundle = host.bundle(&id);
    let whole = fs::read(&bundle).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let put = |bytes: &[u8]| {
        fs::remove_file(&bundle).unwrap();
        fs::write(&bundle, bytes).unwrap();
    };
    put(&flipped);
    let failed = host.json(["verify", &id]).expect(12).row();
    put(&whole);
    fs::remove_file(host.store().join(failed["evidence"].as_str().unwrap())).unwrap();
    let refused = restore(&host, &["--from", "LATEST", "--force"]).expect(13);
    assert_eq!(reasons(&refused), ["verification-failed"]);
    // Nor does a checksum help: words were said.
    let checksum = checksum_of(&host, &id);
    let refused = restore(&host, &["--from", &id, "--checksum", &checksum, "--force"]).expect(13);
    assert_eq!(reasons(&refused), ["verification-failed"]);
    host.json(["verify", &id]).expect(0);
    restore(&host, &["--from", "LATEST", "--dry-run"]).expect(0);
}

#[test]
fn another_run_is_a_reason_like_any_other() {
    let (host, proved) = Host::backed_up();
    damage(&host);
    let before = state_of(&host.context());
    // A process of this host.
    let held = File::create(host.home().join("locks/run-state-default.lock")).unwrap();
    held.lock().unwrap();
    assert_eq!(reasons(&restore(&host, &["--from", "LATEST", "--dry-run"]).expect(11)), ["run-active"]);
    let (acts, _) = last_act(&host);
    let refused = restore(&host, &["--from", "LATEST", "--force"]).expect(11);
    assert_eq!(reasons(&refused), ["run-active"]);
    assert_eq!(refused.row()["refusal"]["last_verified"]["id"], proved.as_str());
    assert_eq!(last_act(&host), (acts + 1, "restore refused".to_owned()));
    // Every other reason with it.
    let nothing = restore(&host, &["--from", "state-20200101T000000Z-00000000", "--force"]).expect(13);
    assert_eq!(reasons(&nothing), ["no-such-snapshot", "run-active"]);
    drop(held);
    restore(&host, &["--from", "LATEST", "--dry-run"]).expect(0);
    // One of another host.
    let (store, clock) = (DirStore::open(host.store()).unwrap(), RealClock::new());
    let request = LeaseRequest {
        name: "run-state-default".into(),
        holder: Holder { id: "another-home".into(), description: "ada@host-2".into() },
        ttl: Duration::from_secs(90),
        wait: Duration::ZERO,
    };
    let lease = Lease::acquire(&store, &clock, &request, &mut Observation::new()).unwrap();
    for word in ["--dry-run", "--force"] {
        let refused = restore(&host, &["--from", "LATEST", word]).expect(11);
        assert_eq!(reasons(&refused), ["run-active"]);
        assert!(refused.stdout.contains("ada@host-2"), "{}", refused.stdout);
    }
    lease.release().unwrap();
    // A deploy that has begun is let come to its end, and nothing is fetched before.
    let locks = MutationLock::new(host.context().join(OWN));
    let deploy = locks.enter(&"app:shop".parse().unwrap(), &clock, Duration::ZERO).unwrap();
    assert_eq!(reasons(&restore(&host, &["--from", "LATEST", "--dry-run"]).expect(11)), ["target-in-use"]);
    let args = ["--from", "LATEST", "--force", "--lock-wait", "10ms"];
    assert_eq!(reasons(&restore(&host, &args).expect(11)), ["target-in-use"]);
    assert_eq!(last_act(&host).1, "restore refused");
    assert_eq!(state_of(&host.context()), before);
    drop(deploy);
    restore(&host, &["--from", "LATEST", "--force"]).expect(0);
}

#[test]
fn the_command_that_a_refusal_names_is_let_through_as_it_stands() {
    let (host, proved) = Host::backed_up();
    let newer = host.back_up();
    fs::remove_dir_all(host.store().join("evidence/default/state")).unwrap();
    host.json(["verify", &proved, "--level", "checksum"]).expect(0);
    fs::rename(host.config(), host.path("its settings.toml")).unwrap();
    let settings = host.path("its settings.toml");
    let root = host.state_root();
    let global = [
        "--config",
        settings.to_str().unwrap(),
        "--state-root",
        root.to_str().unwrap(),
        "--context",
        "default",
    ];
    let asked = ["--from", &newer, "--accept-level", "checksum", "--reason", "it's late; hurry", "--force"];
    let refused = restore(&host, &[&asked[..], &global[..]].concat()).expect(13);
    let command = refused.row()["refusal"]["last_verified"]["command"].as_str().unwrap().to_owned();
    assert!(command.contains(&proved) && command.contains("--accept-level checksum"), "{command}");
    host.shell(&command, &root).expect(0);
    let trail = fs::read_to_string(host.trail()).unwrap();
    let is_told =
        |line: &str| line.contains("\"announced\"") && line.contains("\"reason\":\"it's late; hurry\"");
    assert!(trail.lines().any(is_told), "{trail}");
}

#[test]
fn a_refusal_is_in_the_trail_unless_somebody_only_looked() {
    let (host, _) = Host::backed_up();
    fs::remove_dir_all(host.store().join("evidence/default/state")).unwrap();
    let (acts, _) = last_act(&host);
    restore(&host, &["--from", "LATEST", "--dry-run"]).expect(13);
    assert_eq!(last_act(&host).0, acts);
    for args in [&["--from", "LATEST"][..], &["--from", "LATEST", "--force"]] {
        let (acts, _) = last_act(&host);
        restore(&host, args).expect(13);
        assert_eq!(last_act(&host), (acts + 1, "restore refused".to_owned()));
    }
}

#[test]
fn what_is_passed_over_is_said_before_anything_is_done() {
    let (host, proved) = Host::backed_up();
    let newer = host.back_up();
    fs::remove_dir_all(evidence_dir(&host, &newer)).unwrap();
    let bundle = host.bundle(&proved);
    let bytes = fs::read(&bundle).unwrap();
    fs::remove_file(&bundle).unwrap();
    fs::write(&bundle, vec![0; bytes.len()]).unwrap();
    let failed = restore(&host, &["--from", "LATEST", "--or-last-verified", "--force"]).expect(12);
    assert!(failed.stderr.starts_with(&format!("passed over {newer}: ")), "{}", failed.stderr);
}

#[test]
fn a_suspicion_is_lifted_by_what_came_later_in_the_trail_and_not_by_a_clock() {
    let host = Host::ready();
    host.back_up();
    host.check_that_there_is(&host.path("flag"));
    damage(&host);
    let in_hours = |hours| (Utc::now() + TimeDelta::hours(hours)).to_rfc3339();
    restore(&host, &["--from", "LATEST", "--force"]).expect(12);
    // Opened by a clock that is an hour ahead, and then shut again by one that is not.
    host.inside(&in_hours(1), ["guard", "release", "--reason", "x"]).expect(0);
    host.json(["restore", "confirm"]).expect(0);
    restore(&host, &["--from", "LATEST", "--force"]).expect(12);
    let suspect = host.back_up();
    let is_suspect = |at: &str| {
        let listed = host.inside(at, ["list", "--json"]).expect(0).data();
        listed.iter().find(|row| row["id"] == suspect.as_str()).unwrap()["suspect"] == true
    };
    host.inside(&in_hours(2), ["verify", &suspect]).expect(0);
    assert!(is_suspect(&in_hours(3)), "the lock is shut");
    host.json(["guard", "release", "--reason", "x"]).expect(0);
    assert!(is_suspect(&in_hours(3)), "it was verified before");
    host.inside(&in_hours(3), ["verify", &suspect]).expect(0);
    assert!(!is_suspect(&in_hours(4)));
    assert!(NOON < in_hours(0).as_str());
}
