//! This test program once more, in a process of its own: for races, for its memory, for what it would log.

use crate::support::{Bucket, RealClock, config, key};
use backup_store::{Holder, Lease, LeaseRequest, Observation, Prefix, PutOptions, S3Store, Store};
use si_backup_tests::servers::AccessKeys;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) const RACERS: usize = 50;

/// What a process is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Write a key with one request.
    Key,
    /// Write a key in parts.
    BigKey,
    /// Take a lease.
    Lease,
    /// List everything and say how much memory that took.
    List,
    /// Do a little of everything with everything logged.
    Log,
}

const JOBS: [Job; 5] = [Job::Key, Job::BigKey, Job::Lease, Job::List, Job::Log];

/// Not arguments: those can be seen by everybody.
const VARIABLES: [&str; 7] = [
    "S3_TEST_JOB",
    "S3_TEST_NAME",
    "S3_TEST_HOME",
    "S3_TEST_ENDPOINT",
    "S3_TEST_BUCKET",
    "S3_TEST_ID",
    "S3_TEST_SECRET",
];

pub(crate) fn command(bucket: &Bucket, job: Job, name: &str, home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::child", "--ignored", "--nocapture", "--test-threads=1"]);
    let keys = bucket.server.keys();
    let (job, endpoint) = (format!("{job:?}"), bucket.server.endpoint());
    let values = [&*job, name, home.to_str().unwrap(), &endpoint, &bucket.name, &keys.id, &keys.secret];
    command.envs(VARIABLES.into_iter().zip(values)).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// The lines that a process says, less those of the test harness.
pub(crate) fn said(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split_once("says ")).map(|(_, said)| said.to_owned()).collect()
}

#[expect(clippy::print_stdout, reason = "how a process tells the test")]
fn say(text: &str) {
    println!("says {text}");
}

/// Starts the racers at once, and returns what they said.
pub(crate) fn race(bucket: &Bucket, job: Job, name: &str) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let start = File::create(home.path().join("start")).unwrap();
    start.lock().unwrap();
    let racers: Vec<_> =
        (0..RACERS).map(|_| command(bucket, job, name, home.path()).spawn().unwrap()).collect();
    let mut running = Vec::new();
    for mut racer in racers {
        let mut reader = BufReader::new(racer.stdout.take().unwrap());
        let mut line = String::new();
        while !line.trim_end().ends_with("says ready") {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "a racer ended before it was ready");
        }
        running.push((racer, reader));
    }
    start.unlock().unwrap();
    let mut all = Vec::new();
    for (mut racer, mut reader) in running {
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(racer.wait().unwrap().success(), "{rest}");
        all.extend(said(&rest));
    }
    assert_eq!(all.len(), RACERS, "everybody says how it ended");
    all
}

/// Starts with all others: when the parent lets go of the file.
fn wait_for_start(home: &str) {
    say("ready");
    File::open(Path::new(home).join("start")).unwrap().lock_shared().unwrap();
}

fn outcome<T>(result: backup_store::Result<T>) -> String {
    result.map_or_else(|error| error.code().to_owned(), |_| "won".to_owned())
}

#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let values: Vec<String> = VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).collect();
    let [job, name, home, endpoint, bucket, id, secret] = &values[..] else { return };
    let job = JOBS.into_iter().find(|known| format!("{known:?}") == *job).unwrap();
    let keys = AccessKeys { id: id.clone(), secret: secret.clone() };
    let mut settings = config(endpoint, &keys, bucket, "");
    // Fifty of them share two cores and a server.
    settings.limits.threads = 1;
    if job == Job::Log {
        return crate::secrets::log_everything(settings);
    }
    let store = S3Store::connect(settings).unwrap();
    match job {
        Job::Key | Job::BigKey => {
            let size = if job == Job::Key { 100_000 } else { 6 << 20 };
            let mut upload = store.create(&key(name), &PutOptions::default()).unwrap();
            upload.write_all(&vec![7; size]).unwrap();
            upload.write_all(std::process::id().to_string().as_bytes()).unwrap();
            wait_for_start(home);
            say(&outcome(upload.finish()));
        }
        Job::Lease => {
            let clock = RealClock::new();
            let id = std::process::id().to_string();
            let request = LeaseRequest {
                name: name.clone(),
                holder: Holder { id: id.clone(), description: id },
                ttl: Duration::from_hours(1),
                wait: Duration::ZERO,
            };
            wait_for_start(home);
            let lease = Lease::acquire(&store, &clock, &request, &mut Observation::new());
            say(&outcome(lease));
        }
        Job::List => {
            store.list(&Prefix::new("none").unwrap(), None).unwrap().for_each(drop);
            let before = high_water_mark();
            let count = store.list(&Prefix::all(), None).unwrap().map(Result::unwrap).count();
            say(&format!("{count} {before} {}", high_water_mark()));
        }
        Job::Log => {}
    }
}

/// The most memory that this process has had, in kB.
fn high_water_mark() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}
