//! Processes that are killed at every system call by which they change a trail or a lock, and what can be done after.

use crate::support::{at, context, writer};
use crate::trail::{event, trail_in};
use backup_contract::{CheckResult, Subject};
use restore_guard::{
    Action, LockStanding, MutationLock, PassedChecks, ShutRecord, Trail, TrailFinding, TrailLine,
};
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Set in the processes that these tests start: what to do, at which fail point to die, where.
const CHILD: &str = "RESTORE_GUARD_TEST_KILLED";

/// Nobody else is there: what is to be waited for never comes.
const WAIT: Duration = Duration::ZERO;

/// Not a test by itself: does what it was started for, and says which fail points it came to.
#[test]
fn killed_process() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let words: Vec<&str> = what.splitn(3, ' ').collect();
    let [verb, deadly, home] = words[..] else { panic!("{what}") };
    let (home, clock) = (Path::new(home), crate::lock_race::Real::new());
    let (trail, lock) = (trail_in(home), locks(home));
    backup_store::fail_point::arm(deadly.parse().unwrap());
    match verb {
        "append" => drop(trail.append(&event("killed"), at(5)).unwrap()),
        "shut" => drop(lock.shut(&record(), &clock, WAIT).unwrap()),
        "open" => drop(lock.open(&Subject::State, record().request, &passed(), &clock, WAIT).unwrap()),
        _ => {
            let seen = lock.standing(&Subject::State).unwrap();
            lock.release(&Subject::State, &seen, &clock, WAIT).unwrap();
        }
    }
    println!("\nhits {}", backup_store::fail_point::hits().join(" "));
}

/// What the process came to; `None` when it was killed.
fn run(verb: &str, deadly: usize, home: &Path) -> Option<Vec<String>> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::killed_process", "--nocapture", "--quiet"])
        .env(CHILD, format!("{verb} {deadly} {}", home.display()))
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    if output.status.signal() == Some(9) {
        return None;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let hits = text.lines().find_map(|line| line.strip_prefix("hits "));
    Some(hits.unwrap_or_else(|| panic!("{text}")).split(' ').map(str::to_owned).collect())
}

/// Kills at each point in a new home; holds the calls that the points are at against `calls`, each of which has two.
fn matrix(verb: &str, calls: &[&str], prepare: impl Fn(&Path), holds: impl Fn(&Path, usize)) {
    let counted = tempfile::tempdir().unwrap();
    prepare(counted.path());
    let hits = run(verb, 0, counted.path()).unwrap();
    let expected: Vec<&str> = calls.iter().flat_map(|call| [*call, *call]).collect();
    assert_eq!(hits, expected, "every call that changes something is one to die at");
    holds(counted.path(), hits.len() + 1);
    for deadly in 1..=hits.len() {
        let home = tempfile::tempdir().unwrap();
        prepare(home.path());
        assert_eq!(run(verb, deadly, home.path()), None, "{verb}: point {deadly} is reached");
        holds(home.path(), deadly);
    }
}

fn notes(lines: &[TrailLine]) -> Vec<&str> {
    let own = lines.iter().filter(|line| line.entry.action == Action::Run);
    own.map(|line| line.entry.detail["note"].as_str().unwrap()).collect()
}

/// What must be true of a trail wherever an append was killed, and that the next append works.
fn trail_holds(home: &Path, before: &[&str], torn: &str, is_durable: bool) {
    let trail = trail_in(home);
    let found = trail.verify().unwrap();
    assert!(found.findings.iter().all(TrailFinding::is_harmless), "{:?}", found.findings);
    trail.append(&event("next"), at(9)).unwrap();
    let report = trail.verify().unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    let (without, with) =
        ([before, &["next"][..]].concat(), [before, &["killed"][..], &["next"][..]].concat());
    let notes = notes(&report.lines);
    assert!(notes == with || (notes == without && !is_durable), "{notes:?}");
    if !torn.is_empty() {
        // Its bytes are beside the trail, and an entry says so.
        let recovered: Vec<_> =
            report.lines.iter().filter(|line| line.entry.action == Action::TrailRecovered).collect();
        assert!((1..=2).contains(&recovered.len()), "{recovered:?}");
        for line in recovered {
            let file = home.join(line.entry.detail["file"].as_str().unwrap());
            assert_eq!(fs::read_to_string(file).unwrap(), torn);
            assert_eq!(line.entry.detail["bytes"], torn.len());
        }
    }
}

#[test]
fn an_append_that_is_killed_leaves_a_trail_that_goes_on() {
    let first = ["create", "write", "fsync", "fsync"];
    matrix("append", &first, |_| {}, |home, deadly| trail_holds(home, &[], "", deadly > 6));
    let prepare = |home: &Path| drop(trail_in(home).append(&event("before"), at(0)).unwrap());
    let later = ["create", "write", "fsync"];
    matrix("append", &later, prepare, |home, deadly| trail_holds(home, &["before"], "", deadly > 5));
}

#[test]
fn so_does_one_that_is_killed_while_it_sets_a_torn_end_aside() {
    let torn = "{\"digest\":\"sha256:12";
    let prepare = |home: &Path| {
        let trail: Trail = trail_in(home);
        trail.append(&event("before"), at(0)).unwrap();
        fs::OpenOptions::new().append(true).open(trail.path()).unwrap().write_all(torn.as_bytes()).unwrap();
    };
    let calls = [
        "create", // the trail
        "create", "write", "chmod", "fsync", "rename", "fsync", // what is kept of the torn end
        "truncate", "write", "fsync",  // the trail
        "rename", // of what is kept
    ];
    matrix("append", &calls, prepare, |home, deadly| trail_holds(home, &["before"], torn, deadly > 19));
}

fn locks(home: &Path) -> MutationLock {
    MutationLock::new(home.join(".si-backup"))
}

fn record() -> ShutRecord {
    let request = format!("sha256:{}", "6".repeat(64)).parse().unwrap();
    ShutRecord::new(Subject::State, at(0), "ada", "host-1", "restore", request)
}

fn passed() -> PassedChecks {
    let check = CheckResult { name: "x".into(), ok: true, detail: String::new(), duration_ms: 0 };
    PassedChecks::of(&[check]).unwrap()
}

/// What a lock stands at: never anything but open or shut by whom it says.
fn is_shut(home: &Path) -> bool {
    match locks(home).standing(&Subject::State).unwrap() {
        LockStanding::Open => false,
        LockStanding::Shut(found) => {
            assert_eq!(*found, record());
            true
        }
        LockStanding::Unreadable { path, why } => panic!("{}: {why}", path.display()),
    }
}

/// What a lock covers is what it stands at, and it can be shut, opened and released as if nothing had been.
fn lock_holds(home: &Path) {
    let (lock, clock) = (locks(home), crate::lock_race::Real::new());
    let enters = || lock.enter(&Subject::State, &clock, WAIT).is_ok();
    assert_eq!(enters(), !is_shut(home));
    drop(lock.shut(&record(), &clock, WAIT).unwrap());
    assert!(is_shut(home) && !enters());
    assert_eq!(
        lock.open(&Subject::State, record().request, &passed(), &clock, WAIT).unwrap(),
        Some(record())
    );
    assert!(!is_shut(home) && enters());
    drop(lock.shut(&record(), &clock, WAIT).unwrap());
    let seen = lock.standing(&Subject::State).unwrap();
    assert!(seen.is_shut());
    lock.release(&Subject::State, &seen, &clock, WAIT).unwrap();
    assert!(enters());
}

#[test]
fn a_lock_that_is_being_shut_is_open_or_shut() {
    let calls = ["create", "create", "write", "chmod", "fsync", "rename", "fsync"];
    let prepare = |home: &Path| fs::create_dir(home.join(".si-backup")).unwrap();
    matrix("shut", &calls, prepare, |home, deadly| {
        // Before it has its name it is not there; from then on it is.
        assert_eq!(is_shut(home), deadly > 11, "killed at {deadly}");
        lock_holds(home);
    });
    // The directory is made as well.
    let calls = [&["mkdir", "fsync", "fsync"][..], &calls].concat();
    matrix("shut", &calls, |_| {}, |home, _| lock_holds(home));
}

#[test]
fn a_lock_that_is_being_opened_is_shut_or_open() {
    for verb in ["open", "release"] {
        let prepare =
            |home: &Path| drop(locks(home).shut(&record(), &crate::lock_race::Real::new(), WAIT).unwrap());
        matrix(verb, &["create", "unlink", "fsync"], prepare, |home, deadly| {
            assert_eq!(is_shut(home), deadly <= 3, "killed at {deadly}");
            lock_holds(home);
        });
    }
}

/// The process and this one mean the same places.
#[test]
fn a_process_that_is_not_killed_does_what_it_was_started_for() {
    let home = tempfile::tempdir().unwrap();
    run("append", 0, home.path()).unwrap();
    run("shut", 0, home.path()).unwrap();
    let report = trail_in(home.path()).verify().unwrap();
    assert_eq!((notes(&report.lines), report.writer, report.context), (vec!["killed"], writer(), context()));
    assert!(is_shut(home.path()));
}
