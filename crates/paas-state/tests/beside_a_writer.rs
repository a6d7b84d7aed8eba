//! Backups beside a process that rewrites every store and appends to every log two hundred times a second. A test binary
//! of its own, so that no other test keeps the machine from it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use paas_state::{Backup, Error, Patience, StatePath, Unwatched};
use serde_json::{Value, json};
use si_backup_tests::{EventLog, StateSpec};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::{ID, Place, full};

const PERIOD: Duration = Duration::from_millis(5);
const CONTEXT: &str = "SI_BACKUP_TEST_WRITER";
const JOURNAL: &str = "SI_BACKUP_TEST_WRITER_JOURNAL";

const STORES: [&str; 7] = [
    "config.json",
    "targets.json",
    "deployments.json",
    "addons.json",
    "bluegreen.json",
    "webhooks/mappings.json",
    "alerts/policy.json",
];

/// What the writing process does, until its input ends: truncates and writes each store in two halves, then appends a
/// line to each log. How long each generation took goes into a journal outside of the context.
#[test]
fn child_that_writes() {
    let (Some(context), Some(journal)) = (std::env::var_os(CONTEXT), std::env::var_os(JOURNAL)) else {
        return;
    };
    let context = PathBuf::from(context);
    let mut journal = BufWriter::new(File::create(journal).unwrap());
    let mut stores: Vec<(PathBuf, Value)> = STORES
        .iter()
        .map(|path| {
            (context.join(path), serde_json::from_slice(&fs::read(context.join(path)).unwrap()).unwrap())
        })
        .collect();
    let mut logs: Vec<File> = EventLog::ALL
        .iter()
        .map(|log| OpenOptions::new().append(true).open(context.join(log.path())).unwrap())
        .collect();
    thread::scope(|scope| {
        let orphaned = scope.spawn(|| io::stdin().read_to_end(&mut Vec::new()));
        let mut next = Instant::now();
        let mut generation = 0_u64;
        while !orphaned.is_finished() {
            generation += 1;
            let began = Instant::now();
            for (path, value) in &mut stores {
                value["generation"] = json!(generation);
                let text = format!("{value:#}\n");
                let (first, second) = text.as_bytes().split_at(text.len() / 2);
                let mut file = OpenOptions::new().write(true).truncate(true).open(path).unwrap();
                file.write_all(first).unwrap();
                file.write_all(second).unwrap();
            }
            let took = began.elapsed();
            for log in &mut logs {
                log.write_all(format!("{{\"generation\":{generation}}}\n").as_bytes()).unwrap();
            }
            writeln!(journal, "{generation} {}", took.as_micros()).unwrap();
            next = (next + PERIOD).max(Instant::now());
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        journal.flush().unwrap();
    });
}

/// The writing process; it ends with its input, so also when the test is killed.
struct Writer {
    child: Child,
    input: Option<ChildStdin>,
    journal: PathBuf,
}

impl Writer {
    fn start(context: &Path, journal: PathBuf) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes", "--nocapture"])
            .env(CONTEXT, context)
            .env(JOURNAL, &journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        Self { child, input, journal }
    }

    /// How long each generation took, from the first on.
    fn stop(mut self) -> Vec<Duration> {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
        let text = fs::read_to_string(&self.journal).unwrap();
        let micros = |line: &str| line.split_once(' ').unwrap().1.parse().unwrap();
        text.lines().map(|line| Duration::from_micros(micros(line))).collect()
    }
}

/// The generation of each store of a backup, all of them whole, and the last one in each log.
fn generations(place: &Place, backup: &Backup) -> (Vec<u64>, Vec<u64>) {
    let ending =
        |path: &StatePath| path.as_str().rsplit_once('.').map_or("", |(_, ending)| ending).to_owned();
    let wanted = |path: &StatePath| ["json", "jsonl"].contains(&ending(path).as_str());
    let (_, files) = place.bundle(&backup.record).read_files(&place.identities, &wanted, &Unwatched).unwrap();
    let (mut stores, mut logs) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        let text = String::from_utf8(bytes).unwrap();
        if ending(&path) == "json" {
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path} is torn: {e}"));
            stores.push(value["generation"].as_u64().unwrap_or(0));
        } else {
            assert!(text.is_empty() || text.ends_with('\n'), "{path} ends inside a line");
            let values = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a torn line"));
            let numbers: Vec<_> = values.filter_map(|value| value["generation"].as_u64()).collect();
            assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{path} has a gap");
            logs.push(numbers.len() as u64);
        }
    }
    assert_eq!((stores.len(), logs.len()), (STORES.len(), 3));
    (stores, logs)
}

#[test]
fn no_backup_is_torn_and_none_mixes_two_generations() {
    let place = Place::in_memory();
    let spec = StateSpec { events_bytes: 40_000, vault: false, never_taken: false, ..StateSpec::default() };
    spec.write(&place.state_root(), "default").unwrap();
    let writer = Writer::start(&place.context_path(), place.home.path().join("journal"));
    let count = if full() { 1_000 } else { 200 };
    let (mut backups, mut busy, mut torn) = (Vec::new(), 0, 0);
    let began = Instant::now();
    while backups.len() < count {
        let id = format!("{}{:04x}", &ID[..ID.len() - 4], backups.len());
        match place.back_up_as(&id, &[], &Patience::default(), &Unwatched) {
            Ok(backup) => backups.push(backup),
            Err(e) if e.code() == "state-busy" => busy += 1,
            // A store that held still for half a second while it was torn: told below from a stall of the machine.
            Err(Error::Blocked(findings)) if findings.iter().any(|f| f.code == "malformed-json") => torn += 1,
            Err(e) => panic!("{e:?}"),
        }
        assert!(busy + torn <= count / 10, "busy {busy} times, torn {torn} times");
    }
    let took = began.elapsed();
    let durations = writer.stop();
    let long = durations.iter().filter(|took| **took > Duration::from_millis(300)).count();
    assert!(torn <= long, "{torn} times a store was torn, and the writer stalled {long} times");

    let (mut seen, mut stalls) = (Vec::new(), Vec::new());
    for backup in &backups {
        let (stores, logs) = generations(&place, backup);
        let (first, last) = (*stores.iter().min().unwrap(), *stores.iter().max().unwrap());
        if first != last {
            // A writer that stands still for longer than the pause looks as if it had finished.
            let slowest =
                (first..=last).filter_map(|n| durations.get(usize::try_from(n).ok()?.checked_sub(1)?)).max();
            let slowest = *slowest.unwrap();
            assert!(
                slowest > Patience::default().shortest_pause,
                "{stores:?} mixes generations ({slowest:?})"
            );
            stalls.push((first, last, slowest));
            continue;
        }
        // The writer appends to a log once it has written the stores: what a log tells is at most that much behind.
        assert!(
            logs.iter().all(|log| log + 1 >= first),
            "the logs {logs:?} are older than the stores {first}"
        );
        seen.push(first);
    }
    seen.sort_unstable();
    seen.dedup();
    let rate = durations.len() as u128 * 1000 / took.as_millis();
    println!(
        "{count} backups in {took:.1?} beside {} generations ({rate} a second), {} of them seen; busy {busy}, torn {torn}; \
         mixed in stalls of the machine: {stalls:?}",
        durations.len(),
        seen.len(),
    );
    assert!(stalls.len() <= count / 50, "{stalls:?}");
    assert!(seen.len() > count / 4, "the backups are of different generations, or nothing is shown");
}
