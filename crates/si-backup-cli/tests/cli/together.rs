//! Runs beside one another.

use crate::harness::{Host, RealClock, Running, big, small, wait_for};
use backup_store::{DirStore, Holder, Lease, LeaseRequest, Observation};
use rustix::process::Signal;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn lock_file(host: &Host) -> PathBuf {
    host.home().join("locks/run-state-default.lock")
}

/// Whether a process has a file open.
fn has_open(pid: u32, path: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok()).any(|target| target == path)
}

#[test]
fn a_second_run_is_refused_at_once_or_waits() {
    let host = Host::with(&big());
    let mut first = host.start(["run", "--json"]);
    host.await_upload();
    first.stop();
    let began = Instant::now();
    let said = host.json(["run"]).expect(11).error("busy");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(said.contains("--lock-wait"), "{said}");
    // What only looks is not kept from it, and sees nothing half-made.
    assert!(host.ids().is_empty());
    host.json(["status"]).expect(10);
    let second = host.start(["run", "--json", "--lock-wait", "60s"]);
    wait_for("a run that waits", || has_open(second.id(), &lock_file(&host)));
    first.resume();
    let first = first.wait().expect(0).row()["id"].clone();
    let second = second.wait().expect(0).row()["id"].clone();
    assert_eq!(host.ids(), [first.as_str().unwrap(), second.as_str().unwrap()]);
    host.json(["audit", "verify"]).expect(0);
}

#[test]
fn waiting_has_an_end() {
    let host = Host::ready();
    fs::create_dir_all(lock_file(&host).parent().unwrap()).unwrap();
    let held = File::create(lock_file(&host)).unwrap();
    held.lock().unwrap();
    let began = Instant::now();
    host.json(["run", "--lock-wait", "300ms"]).expect(11).error("busy");
    assert!(began.elapsed() >= Duration::from_millis(300));
    // A signal ends it too.
    let mut waiting = host.start(["run", "--json", "--lock-wait", "1h"]);
    wait_for("a run that waits", || has_open(waiting.id(), &lock_file(&host)));
    waiting.signal(Signal::TERM);
    waiting.wait().expect(143).error("interrupted");
    drop(held);
    host.json(["run"]).expect(0);
}

#[test]
fn ten_runs_at_once_all_come_to_their_turn() {
    let host = Host::ready();
    let runs: Vec<_> = (0..10).map(|_| host.start(["run", "--json", "--lock-wait", "60s"])).collect();
    let mut made: Vec<_> =
        runs.into_iter().map(|run| run.wait().expect(0).row()["id"].as_str().unwrap().to_owned()).collect();
    made.sort();
    let mut listed = host.ids();
    listed.sort();
    assert_eq!(listed, made);
    let rows = host.json(["list"]).data();
    assert!(rows.iter().all(|row| row["verified"]["level"] == "content"), "{rows:#?}");
    host.json(["audit", "verify"]).expect(0);
    // One after the other: each was done before the next was announced.
    let audit = host.json(["audit", "list"]).data();
    let told: Vec<_> = audit
        .iter()
        .filter(|row| row["action"] == "run")
        .map(|row| row["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["announced", "done"].repeat(10));
}

#[test]
fn a_lease_of_another_host_is_respected() {
    let host = Host::ready();
    let store = DirStore::open(host.store()).unwrap();
    let clock = RealClock::new();
    let request = LeaseRequest {
        name: "run-state-default".into(),
        holder: Holder { id: "another-home".into(), description: "ada@host-2".into() },
        ttl: Duration::from_secs(90),
        wait: Duration::ZERO,
    };
    let lease = Lease::acquire(&store, &clock, &request, &mut Observation::new()).unwrap();
    let said = host.json(["run"]).expect(11).error("lease-held");
    assert!(said.contains("ada@host-2") && said.contains("--lock-wait"), "{said}");
    // Whoever waits for it can be interrupted, and at once.
    let mut waiting = host.start(["run", "--json", "--lock-wait", "1h"]);
    let seen = host.home().join("leases/run-state-default.json");
    let pid = waiting.id();
    wait_for("a run that waits", || has_open(pid, &lock_file(&host)) && seen.exists());
    let began = Instant::now();
    waiting.signal(Signal::INT);
    waiting.wait().expect(130).error("interrupted");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let waiting = host.start(["run", "--json", "--lock-wait", "60s"]);
    wait_for("a run that waits", || has_open(waiting.id(), &lock_file(&host)));
    lease.release().unwrap();
    waiting.wait().expect(0);
    assert_eq!(host.ids().len(), 1);
}

#[test]
fn two_contexts_do_not_wait_for_one_another() {
    let host = Host::ready();
    small().write(&host.state_root(), "staging").unwrap();
    fs::write(host.state_root().join("current_context"), "default\n").unwrap();
    let text = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), format!("{text}\n{}", text.replace("contexts.default", "contexts.staging")))
        .unwrap();
    let held = File::create({
        fs::create_dir_all(lock_file(&host).parent().unwrap()).unwrap();
        lock_file(&host)
    })
    .unwrap();
    held.lock().unwrap();
    host.json(["run"]).expect(11);
    host.json(["run", "--context", "staging"]).expect(0);
    assert!(host.ids().is_empty(), "and their snapshots are apart");
    assert_eq!(host.json(["list", "--context", "staging"]).expect(0).data().len(), 1);
}

/// Starts to verify, and stops once the bundle of a snapshot is being read.
fn verify_until(host: &Host, args: &[&str], id: &str) -> Running {
    let mut verify = host.start(args.iter().chain(&["--json"]));
    wait_for("a bundle that is read", || has_open(verify.id(), &host.bundle(id)));
    verify.stop();
    verify
}

/// What a deletion does, up to its end or to its first half: the record goes first.
fn delete(host: &Host, id: &str) {
    fs::remove_file(host.object(id, "snapshot.json")).unwrap();
    fs::remove_file(host.bundle(id)).unwrap();
}

fn evidence(host: &Host, id: &str) -> Vec<String> {
    let dir = host.store().join("evidence/default/state").join(id);
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_snapshot_that_is_deleted_while_all_are_verified_did_not_fail() {
    let host = Host::with(&big());
    let (first, second) = (host.back_up(), host.back_up());
    let before = evidence(&host, &second);
    let mut verify = verify_until(&host, &["verify", "--all"], &first);
    delete(&host, &second);
    verify.resume();
    let ran = verify.wait().expect(0);
    assert_eq!(ran.row()["id"], first.as_str());
    let warnings = ran.envelope()["warnings"].to_string();
    assert!(warnings.contains(&second) && warnings.contains("deleted"), "{warnings}");
    assert_eq!(evidence(&host, &second), before, "nothing is signed against what was sound to its end");
    // A bundle alone that goes away is another matter.
    let third = host.back_up();
    let mut verify = verify_until(&host, &["verify", "--all"], &first);
    fs::remove_file(host.bundle(&third)).unwrap();
    verify.resume();
    verify.wait().expect(12).error("verification-failed");
    assert!(evidence(&host, &third).iter().any(|name| name.contains("-failed-")));
}

#[test]
fn a_snapshot_that_is_deleted_while_it_is_verified_is_none_any_more() {
    let host = Host::with(&big());
    let id = host.back_up();
    let before = evidence(&host, &id);
    let mut verify = verify_until(&host, &["verify", &id], &id);
    // As in a store that gives up an object under its readers.
    File::options().write(true).open(host.bundle(&id)).unwrap().set_len(1_000).unwrap();
    delete(&host, &id);
    verify.resume();
    let said = verify.wait().expect(2).error("no-such-snapshot");
    assert!(said.contains(&id), "{said}");
    assert_eq!(evidence(&host, &id), before);
}
