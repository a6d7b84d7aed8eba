//! Fifty processes that change something, and one that shuts the lock again and again.

use backup_contract::{CheckResult, Subject};
use backup_store::Clock;
use restore_guard::{Error, MutationLock, PassedChecks, ShutRecord};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Set in the processes that this test starts: which of them it is, and where.
const CHILD: &str = "RESTORE_GUARD_TEST_MUTATOR";

/// Far longer than anything here takes, however busy the machine is.
const WAIT: Duration = Duration::from_mins(2);

const PROCESSES: usize = 50;

/// The time as it is.
#[derive(Debug)]
pub(crate) struct Real(Instant);

impl Real {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Real {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

fn log_in(home: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(home.join("log")).unwrap()
}

/// A line in one write: those of others go before it or after it.
fn say(mut log: &File, line: &str) {
    log.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Not a test by itself: changes something whenever it may, until it is told to end.
#[test]
fn mutator_process() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let (process, home) = what.split_once(' ').unwrap();
    let home = Path::new(home);
    let (lock, clock, log) = (MutationLock::new(home.join(".si-backup")), Real::new(), log_in(home));
    let subject: Subject = if process.ends_with('1') { "app:shop".parse().unwrap() } else { Subject::State };
    while !home.join("end").exists() {
        match lock.enter(&subject, &clock, WAIT) {
            Ok(pass) => {
                say(&log, &format!("begin {process}"));
                if matches!(process, "0" | "1") {
                    // Takes longer than shutting, which is not to be done before the end of it.
                    std::thread::sleep(Duration::from_millis(15));
                }
                say(&log, &format!("end {process}"));
                drop(pass);
            }
            Err(Error::MutationLocked(_)) => say(&log, "refused"),
            Err(error) => panic!("{error}"),
        }
        // Changes are rare beside what they take: where there is always one there is no moment to shut in.
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Mutators(Vec<Child>);

impl Drop for Mutators {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until the log has `more` lines of a kind behind the first `from` bytes.
fn await_lines(home: &Path, from: usize, kind: &str, more: usize) {
    let deadline = Instant::now() + WAIT;
    loop {
        let text = std::fs::read_to_string(home.join("log")).unwrap();
        if text[from..].lines().filter(|line| line.starts_with(kind)).count() >= more {
            return;
        }
        assert!(Instant::now() < deadline, "there are {more} more lines '{kind}'");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn nothing_is_changed_while_the_lock_is_shut() {
    let rounds = if std::env::var("SI_BACKUP_FULL").is_ok_and(|full| full == "1") { 200 } else { 8 };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (lock, clock, log) = (MutationLock::new(home.join(".si-backup")), Real::new(), log_in(home));
    let mutators = (0..PROCESSES).map(|process| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lock_race::mutator_process", "--quiet"])
            .env(CHILD, format!("{process} {}", home.display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    });
    let mut mutators = Mutators(mutators.collect());
    let passed = PassedChecks::of(&[CheckResult {
        name: "x".into(),
        ok: true,
        detail: String::new(),
        duration_ms: 0,
    }])
    .unwrap();
    let length = || usize::try_from(std::fs::metadata(home.join("log")).unwrap().len()).unwrap();
    for round in 0..rounds {
        // Changes are going on all around.
        await_lines(home, length(), "begin", PROCESSES);
        let request = format!("sha256:{round:064x}").parse().unwrap();
        let record = ShutRecord::new(
            Subject::State,
            chrono::DateTime::UNIX_EPOCH,
            "ada",
            "host-1",
            "restore",
            request,
        );
        drop(lock.shut(&record, &clock, WAIT).unwrap());
        let from = length();
        say(&log, "shut");
        // And are refused now.
        await_lines(home, from, "refused", 5);
        say(&log, "opened");
        if round % 2 == 0 {
            assert_eq!(
                lock.open(&Subject::State, record.request, &passed, &clock, WAIT).unwrap(),
                Some(record)
            );
        } else {
            let seen = lock.standing(&Subject::State).unwrap();
            assert!(seen.is_shut());
            lock.release(&Subject::State, &seen, &clock, WAIT).unwrap();
        }
    }
    std::fs::write(home.join("end"), "").unwrap();
    for child in &mut mutators.0 {
        assert!(child.wait().unwrap().success());
    }

    let text = std::fs::read_to_string(home.join("log")).unwrap();
    let (mut is_shut, mut shuts, mut changes) = (false, 0, 0);
    for (number, line) in text.lines().enumerate() {
        match line {
            "shut" => {
                shuts += 1;
                is_shut = true;
            }
            "opened" => is_shut = false,
            "refused" => {}
            change => {
                assert!(!is_shut, "line {number}: {change} while it is shut");
                changes += 1;
            }
        }
    }
    assert_eq!(shuts, rounds);
    // Whole ones: who was inside came to the end.
    assert_eq!(text.matches("begin").count(), text.matches("end ").count());
    eprintln!(
        "{changes} lines by {PROCESSES} processes around {rounds} times shut, in {:?}",
        clock.monotonic()
    );
}
