//! What only other processes can show: races between 50 of them, a writer that is killed, a full disk, a read-only file
//! system, a directory that belongs to somebody else.
//!
//! Each process is this test program, run again for [`child`] alone; what it is to do is in its environment.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, in its helpers too")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "how a process tells the test, and a test what it skips"
)]

use backup_store::{
    Clock, DirStore, Error, Holder, Key, Lease, LeaseRequest, Lock, LockMode, Observation, Prefix,
    PutOptions, Result, Store as _, durable, put_bytes, read_bytes,
};
use chrono::{DateTime, Utc};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "BACKUP_STORE_TEST_ROLE";
const HOME: &str = "BACKUP_STORE_TEST_HOME";
const RACERS: usize = 50;

/// Long before and long after every time in these tests.
const LONG_AGO: DateTime<Utc> = DateTime::UNIX_EPOCH;
const FAR: DateTime<Utc> = DateTime::from_timestamp(32_000_000_000, 0).unwrap();

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// This program once more, to do one thing in `home`.
fn command(role: &str, home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(HOME, home).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The lines that it says, less those of the test harness.
fn said(child: Child) -> Vec<String> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split_once("says ").map(|(_, said)| said.to_owned())).collect()
}

fn say(text: &str) {
    println!("says {text}");
}

#[derive(Debug)]
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let (Some(role), Some(home)) = (std::env::var_os(ROLE), std::env::var_os(HOME)) else { return };
    let home = Path::new(&home);
    match role.to_str().unwrap() {
        "race for a key" => {
            let store = DirStore::open(home.join("store")).unwrap();
            let mut upload = store.create(&key("a/b/c"), &PutOptions::default()).unwrap();
            upload.write_all(&vec![7; 100_000]).unwrap();
            let pid = std::process::id().to_string();
            upload.write_all(pid.as_bytes()).unwrap();
            wait_for_start(home);
            say(&outcome(upload.finish().map(|_| ())));
        }
        "race for a lease" => {
            let store = DirStore::open(home.join("store")).unwrap();
            let clock = SystemClock(Instant::now());
            let id = std::process::id().to_string();
            let request = LeaseRequest {
                name: "tick".into(),
                holder: Holder { id: id.clone(), description: id },
                ttl: Duration::from_hours(1),
                wait: Duration::ZERO,
            };
            wait_for_start(home);
            let lease = Lease::acquire(&store, &clock, &request, &mut Observation::new());
            say(&outcome(lease.map(drop)));
        }
        "race of locks and deletions" => {
            let store = DirStore::open(home.join("store")).unwrap();
            let lock = Lock { mode: LockMode::Compliance, until: FAR };
            let locks = std::process::id().is_multiple_of(2);
            wait_for_start(home);
            let done = if locks {
                outcome(store.lock(&key("a/b"), None, lock))
            } else {
                format!("{:?}", store.delete(&key("a/b"), None, LONG_AGO).unwrap())
            };
            say(&done);
        }
        "write and stop" => {
            let store = DirStore::open(home.join("store")).unwrap();
            let mut upload = store.create(&key("a/b"), &PutOptions::default()).unwrap();
            upload.write_all(&vec![7; 300_000]).unwrap();
            say("half-way");
            let _ = std::io::stdin().read(&mut [0]);
            outcome(upload.finish().map(|_| ()));
        }
        "write a megabyte" => say(&put_megabyte(&home.join("store"))),
        "everything that writes" => try_everything(&home.join("store")),
        "list" => {
            let store = DirStore::open(home.join("store")).unwrap();
            let before = high_water_mark();
            let listing = store.list(&Prefix::all(), None).unwrap();
            match listing.map(|meta| meta.map(|_| 1)).sum::<Result<u64>>() {
                Ok(count) => say(&format!("{count} {}", high_water_mark() - before)),
                Err(error) => say(error.code()),
            }
        }
        "read" => {
            let store = DirStore::open(home.join("store"));
            say(&outcome(store.and_then(|store| read_bytes(&store, &key("old"), None, 100)).map(drop)));
        }
        other => panic!("no role {other}"),
    }
}

/// The most memory that this process has had, in kB.
fn high_water_mark() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

fn outcome(result: Result<()>) -> String {
    result.map_or_else(|error| error.code().to_owned(), |()| "won".to_owned())
}

/// Starts with all others: when the parent lets go of the file.
fn wait_for_start(home: &Path) {
    say("ready");
    File::open(home.join("start")).unwrap().lock_shared().unwrap();
}

fn put_megabyte(store: &Path) -> String {
    let store = DirStore::open(store).unwrap();
    let mut upload = store.create(&key("a/b"), &PutOptions::default()).unwrap();
    let written = (0..64).try_for_each(|_| upload.write_all(&[7; 16 * 1024]));
    // Whoever ignores the error still publishes nothing.
    let finished = upload.finish().map(|_| ()).unwrap_err();
    match written {
        Ok(()) => finished.code().to_owned(),
        Err(error) => {
            let error = Error::from_io(error, "write", "");
            assert_eq!(error.code(), finished.code());
            assert!(error.to_string().contains(".si-store/tmp"), "{error}");
            error.code().to_owned()
        }
    }
}

/// One line for each operation: its name, and how it ended.
fn try_everything(path: &Path) {
    let store = DirStore::open(path).unwrap();
    let lock = Lock { mode: LockMode::Governance, until: FAR };
    say(&format!("put {}", outcome(put_bytes(&store, &key("new"), b"x", &PutOptions::default()).map(drop))));
    say(&format!("delete {}", outcome(store.delete(&key("old"), None, FAR).map(drop))));
    say(&format!("lock {}", outcome(store.lock(&key("old"), None, lock))));
    say(&format!("replace {}", outcome(durable::replace(&path.join("old"), b"x", 0o600))));
    say(&format!("new {}", outcome(durable::write_new(&path.join("new"), b"x", 0o600))));
    let read = read_bytes(&store, &key("old"), None, 10).unwrap();
    say(&format!("read {}", String::from_utf8(read).unwrap()));
}

/// Starts the racers at once, and returns what they said.
fn race(role: &str, home: &Path) -> Vec<String> {
    let start = File::create(home.join("start")).unwrap();
    start.lock().unwrap();
    let mut racers: Vec<_> = (0..RACERS).map(|_| command(role, home).spawn().unwrap()).collect();
    let mut readers = Vec::new();
    for racer in &mut racers {
        let mut reader = BufReader::new(racer.stdout.take().unwrap());
        wait_for(&mut reader, "ready");
        readers.push(reader);
    }
    start.unlock().unwrap();
    let mut said = Vec::new();
    for (mut racer, mut reader) in racers.into_iter().zip(readers) {
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(racer.wait().unwrap().success(), "{rest}");
        said.extend(rest.lines().filter_map(|line| line.strip_prefix("says ")).map(str::to_owned));
    }
    assert_eq!(said.len(), RACERS, "everybody says how it ended");
    said
}

fn wait_for(reader: &mut impl BufRead, word: &str) {
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 0 {
        if line.trim_end().ends_with(&format!("says {word}")) {
            return;
        }
        line.clear();
    }
    panic!("it ended without saying {word}");
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("store")).unwrap();
    home
}

fn count(said: &[String], word: &str) -> usize {
    said.iter().filter(|said| *said == word).count()
}

#[test]
fn of_50_processes_one_writes_a_key() {
    let home = home();
    let said = race("race for a key", home.path());
    assert_eq!((count(&said, "won"), count(&said, "object-exists")), (1, RACERS - 1), "{said:?}");
    let store = DirStore::open(home.path().join("store")).unwrap();
    assert!(store.head(&key("a/b/c"), None).unwrap().size > 100_000);
    assert_eq!(store.list(&Prefix::all(), None).unwrap().count(), 1);
    assert_eq!(fs::read_dir(home.path().join("store/.si-store/tmp")).unwrap().count(), 0);
}

#[test]
fn of_50_processes_one_gets_a_lease() {
    let home = home();
    let said = race("race for a lease", home.path());
    assert_eq!((count(&said, "won"), count(&said, "lease-held")), (1, RACERS - 1), "{said:?}");
}

#[test]
fn of_a_lock_and_a_deletion_one_is_first() {
    let home = home();
    let path = home.path().join("store");
    let store = DirStore::open(&path).unwrap();
    put_bytes(&store, &key("a/b"), b"x", &PutOptions::default()).unwrap();
    let said = race("race of locks and deletions", home.path());
    let (locked, deleted) = (count(&said, "won"), count(&said, "Deleted"));
    // Either all locks held and nobody deleted, or one deleted before anybody locked.
    match store.lock_of(&key("a/b"), None) {
        Ok(lock) => assert!(lock.is_some() && locked > 0 && deleted == 0, "{said:?}"),
        Err(error) => {
            assert!(error.code() == "object-not-found" && locked == 0 && deleted == 1, "{said:?}");
            assert!(!path.join(".si-store/locks/a").exists());
        }
    }
}

#[test]
fn a_killed_writer_leaves_nothing_visible_and_is_swept() {
    let home = home();
    let store = DirStore::open(home.path().join("store")).unwrap();
    let mut writer = command("write and stop", home.path()).spawn().unwrap();
    wait_for(&mut BufReader::new(writer.stdout.as_mut().unwrap()), "half-way");
    assert_eq!(store.list(&Prefix::all(), None).unwrap().count(), 0);
    assert_eq!(store.leftovers().unwrap(), [], "a living writer's file is none");
    assert_eq!(store.sweep(FAR).unwrap(), [], "however old it is");

    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(store.list(&Prefix::all(), None).unwrap().count(), 0);
    assert_eq!(store.head(&key("a/b"), None).unwrap_err().code(), "object-not-found");
    let left = store.leftovers().unwrap();
    assert_eq!(left.iter().map(|left| left.bytes).collect::<Vec<_>>(), [300_000]);
    assert_eq!(store.sweep(left[0].modified).unwrap(), [], "it is not older than that");
    assert_eq!(store.sweep(FAR).unwrap(), left);
    assert_eq!(store.leftovers().unwrap(), []);
    put_bytes(&store, &key("a/b"), b"the key is free", &PutOptions::default()).unwrap();
}

/// A fiftieth of a million keys, in a fiftieth of 200 MB.
#[test]
fn a_listing_takes_little_memory() {
    const COUNT: usize = 20_000;
    let home = home();
    let many = home.path().join("store/evidence/default/shop");
    fs::create_dir_all(&many).unwrap();
    for number in 0..COUNT {
        File::create(many.join(format!("20261123T{number:09}Z-content-passed-1a2b3c4d.json"))).unwrap();
    }
    let said = said(command("list", home.path()).spawn().unwrap());
    let (count, kilobytes) = said[0].split_once(' ').unwrap();
    assert_eq!(count, COUNT.to_string());
    assert!(kilobytes.parse::<u64>().unwrap() < 4_000, "{kilobytes} kB");
}

/// Says why a test has proved nothing here.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Runs a role in a mount namespace of its own, after `mount` has made the store there; nothing if the system forbids it.
fn in_own_mounts(mount: &str, role: &str, home: &Path) -> Option<Vec<String>> {
    let inner = command(role, home);
    let mut shell = Command::new("unshare");
    shell.args(["--user", "--map-root-user", "--mount", "sh", "-ec"]);
    if rustix::process::geteuid().is_root() {
        shell = Command::new("unshare");
        shell.args(["--mount", "sh", "-ec"]);
    }
    shell.arg(format!("cd \"$1\"; {mount}; echo 'says mounted'; shift; exec \"$@\"")).arg("sh").arg(home);
    shell.arg(inner.get_program()).args(inner.get_args());
    shell.envs(inner.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    let Ok(child) = shell.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn() else {
        skip("there is no unshare");
        return None;
    };
    let mut said = said(child);
    if said.first().is_none_or(|first| first != "mounted") {
        skip("this system does not let tests mount a file system");
        return None;
    }
    said.remove(0);
    Some(said)
}

#[test]
fn a_full_disk_is_one_clear_error() {
    let home = home();
    let mount = "mount -t tmpfs -o size=512k none store";
    if let Some(said) = in_own_mounts(mount, "write a megabyte", home.path()) {
        assert_eq!(said, ["disk-full"]);
    }
}

#[test]
fn a_file_size_limit_is_one_clear_error() {
    let home = home();
    let inner = command("write a megabyte", home.path());
    // The signal that goes with the limit is ignored; what is left is the error.
    let mut shell = Command::new("sh");
    shell.args(["-ec", "ulimit -f 512; trap '' XFSZ; exec \"$@\"", "sh"]).arg(inner.get_program());
    shell.args(inner.get_args());
    shell.envs(inner.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    assert_eq!(said(shell.stdout(Stdio::piped()).spawn().unwrap()), ["disk-full"]);
    let store = DirStore::open(home.path().join("store")).unwrap();
    assert_eq!(store.list(&Prefix::all(), None).unwrap().count(), 0);
    assert_eq!(store.leftovers().unwrap(), [], "what could not be written is gone");
}

#[test]
fn a_read_only_file_system_is_read_and_not_written() {
    let home = home();
    let mount = "mount -t tmpfs none store; printf old > store/old; mount -o remount,ro none store";
    if let Some(said) = in_own_mounts(mount, "everything that writes", home.path()) {
        let expected = [
            "put read-only",
            "delete read-only",
            "lock read-only",
            "replace read-only",
            "new read-only",
            "read old",
        ];
        assert_eq!(said, expected);
    }
}

#[test]
fn what_belongs_to_somebody_else_is_named() {
    let home = home();
    let store = home.path().join("store");
    fs::write(store.join("old"), b"old").unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let as_other = |role: &str, store_mode| {
        fs::set_permissions(&store, fs::Permissions::from_mode(store_mode)).unwrap();
        let mut command = command(role, home.path());
        if rustix::process::geteuid().is_root() {
            // Nobody. For root no permission is missing.
            command.uid(65_534).gid(65_534);
        }
        command.spawn().map(said)
    };
    let Ok(said) = as_other("everything that writes", 0o555) else {
        return skip("another user cannot run this program");
    };
    let expected = [
        "put permission-denied",
        "delete permission-denied",
        "lock permission-denied",
        "replace permission-denied",
        "new permission-denied",
        "read old",
    ];
    assert_eq!(said, expected);
    // A directory that cannot be read may hide objects; only the one of every ext4 file system is known to be empty.
    for (name, listed) in [("lost+found", "1 "), ("others", "permission-denied")] {
        fs::create_dir(store.join(name)).unwrap();
        fs::set_permissions(store.join(name), fs::Permissions::from_mode(0o000)).unwrap();
        let said = as_other("list", 0o555).unwrap();
        assert!(said[0].starts_with(listed), "{name}: {said:?}");
    }
    assert_eq!(as_other("read", 0o000).unwrap(), ["permission-denied"]);
    fs::set_permissions(store.join("old"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(as_other("read", 0o755).unwrap(), ["permission-denied"]);
}
