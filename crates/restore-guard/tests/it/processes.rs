//! Many processes and one trail; and processes that die in the middle of it.

use crate::support::{at, context, writer};
use crate::trail::trail_in;
use restore_guard::{ActOutcome, Action, Trail, TrailEvent};
use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the processes that this test starts: how many entries, which process, how long an entry, where.
const CHILD: &str = "RESTORE_GUARD_TEST_APPENDER";

/// The test binary itself, as an appender.
fn appender(trail: &Trail, count: u32, process: u32, length: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::appender_process", "--nocapture", "--quiet"])
        .env(CHILD, format!("{count} {process} {length} {}", trail.path().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test by itself: appends when it was started for that, and says what was acknowledged.
#[test]
fn appender_process() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let mut words = what.splitn(4, ' ');
    let mut number = || words.next().unwrap().parse::<u32>().unwrap();
    let (count, process, length) = (number(), number(), number());
    let trail = Trail::new(words.next().unwrap(), context(), writer());
    for n in 0..count {
        let event = TrailEvent::new("ada", Action::Verify, ActOutcome::Done)
            .detail("process", process)
            .detail("n", n)
            .detail("filling", "x".repeat(length as usize));
        let line = trail.append(&event, at(i64::from(n))).unwrap().line;
        println!("ack {} {}", line.entry.sequence, line.digest);
    }
}

/// What a process said that it had appended, by sequence.
fn acknowledged(child: Child) -> BTreeMap<u64, String> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole
        .lines()
        .filter_map(|line| {
            let (sequence, digest) = line.strip_prefix("ack ")?.split_once(' ')?;
            Some((sequence.parse().unwrap(), digest.to_owned()))
        })
        .collect()
}

#[test]
fn fifty_processes_lose_and_interleave_nothing() {
    let per_process: u32 =
        if std::env::var("SI_BACKUP_FULL").is_ok_and(|full| full == "1") { 1_000 } else { 40 };
    let home = tempfile::tempdir().unwrap();
    let trail = trail_in(home.path());
    let begun = Instant::now();
    let children: Vec<_> = (0..50).map(|process| appender(&trail, per_process, process, 60)).collect();
    let readers: Vec<_> =
        children.into_iter().map(|child| std::thread::spawn(move || acknowledged(child))).collect();
    let mut acks = BTreeMap::new();
    for reader in readers {
        for (sequence, digest) in reader.join().unwrap() {
            assert_eq!(acks.insert(sequence, digest), None, "no number is given twice");
        }
    }
    let total = 50 * u64::from(per_process);
    eprintln!("{total} entries by 50 processes in {:?}", begun.elapsed());
    let report = trail.verify().unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.last, report.lines.len() as u64, acks.len() as u64), (total, total, total));
    // Each process finds its own entries, all of them, in its own order.
    let mut of_process: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for line in &report.lines {
        assert_eq!(acks[&line.entry.sequence], line.digest.to_string());
        let number = |name: &str| line.entry.detail[name].as_u64().unwrap();
        of_process.entry(number("process")).or_default().push(number("n"));
    }
    assert_eq!(of_process.len(), 50);
    for numbers in of_process.values() {
        assert!(numbers.iter().copied().eq(0..u64::from(per_process)));
    }
}

#[test]
fn a_killed_appender_costs_nothing_that_was_acknowledged() {
    let rounds = if std::env::var("SI_BACKUP_FULL").is_ok_and(|full| full == "1") { 300 } else { 40 };
    let home = tempfile::tempdir().unwrap();
    let trail = trail_in(home.path());
    let (mut acks, mut torn) = (BTreeMap::new(), 0);
    for round in 0..rounds {
        // Long entries, so that a kill falls into the middle of a write now and then.
        let mut children: Vec<_> =
            (0..3).map(|process| appender(&trail, 100_000, process, 700_000)).collect();
        let mut random = [0; 1];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
        std::thread::sleep(Duration::from_millis(10 + u64::from(random[0]) / 4));
        // The pipes are drained only afterwards; they hold far more than is said in this time.
        for child in &mut children {
            child.kill().unwrap();
        }
        acks.extend(children.into_iter().flat_map(acknowledged));

        let appended = trail
            .append(&TrailEvent::new("ada", Action::Run, ActOutcome::Done).detail("round", round), at(0))
            .unwrap();
        torn += u32::from(appended.set_aside.is_some());
        if round % 10 == 9 {
            let report = trail.verify().unwrap();
            assert!(report.is_sound(), "{:?}", report.findings);
            let digests: BTreeMap<_, _> =
                report.lines.iter().map(|line| (line.entry.sequence, line.digest.to_string())).collect();
            for (sequence, digest) in &acks {
                assert_eq!(digests.get(sequence), Some(digest), "entry {sequence} was acknowledged");
            }
            // A fresh file, so that reading it all does not become the test.
            std::fs::remove_file(trail.path()).unwrap();
            acks.clear();
        }
    }
    eprintln!("{rounds} rounds of kills tore {torn} entries");
}

/// The order of the system calls, as `strace` sees it: nothing is acknowledged before it is on disk.
#[test]
fn an_entry_is_synced_before_it_is_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let (trail, log) = (trail_in(home.path()), home.path().join("strace"));
    let traced = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=flock,write,fsync,fdatasync", "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "processes::appender_process", "--nocapture", "--quiet"])
        .env(CHILD, format!("2 0 10 {}", trail.path().display()))
        .output();
    if !traced.is_ok_and(|traced| traced.status.success()) {
        eprintln!("skipped: no strace here, or it may not trace");
        return;
    }
    let (file, directory) = (format!("<{}>", trail.path().display()), format!("<{}>", home.path().display()));
    let calls: Vec<&str> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .filter_map(|line| match line {
            _ if line.contains(&file) && line.contains("flock(") && line.contains("LOCK_EX") => Some("lock"),
            _ if line.contains(&file) && line.contains("write(") => Some("write"),
            _ if line.contains(&file) && line.contains("sync(") => Some("sync"),
            _ if line.contains(&directory) && line.contains("sync(") => Some("sync directory"),
            _ if line.contains("\"ack ") => Some("ack"),
            _ => None,
        })
        .collect();
    let first = ["lock", "write", "sync", "sync directory", "ack"];
    assert_eq!(calls, [&first[..], &["lock", "write", "sync", "ack"]].concat());
}
