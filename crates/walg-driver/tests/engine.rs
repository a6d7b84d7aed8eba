//! The linked-in engine beside a real PostgreSQL: what it makes is looked at in the bucket, what it leaves in the directory.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its server fails")]

mod clock;
mod postgres;

use backup_contract::engine::{EngineKind, EngineVersion};
use backup_contract::{SnapshotId, SnapshotKind};
use backup_store::DirStore;
use clock::RealClock;
use postgres::Postgres;
use serde_json::{Map, Value};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use walg_driver::Cipher;
use walg_driver::bucket::{Backup, Bucket, Root};
use walg_driver::engine::{Ability, Call, Engine, Push, Unpack, Unpacker};
use walg_driver::process::{Command, Ended, Limits, Status, Variables, Watch, run};
use walg_driver::runner::{Control, LocalRunner, Runner};

const KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

fn engine(program: &Path) -> Engine {
    Engine::new(EngineKind::Embedded, program)
}

fn control(clock: &RealClock) -> Control<'_> {
    let limits = Limits::default().total(Duration::from_mins(3)).stall(Duration::from_mins(1));
    Control { limits, watch: Watch::none(), clock }
}

fn backups(bucket: &Path) -> Vec<Backup> {
    let key = walg_driver::SodiumKey::new(std::array::from_fn(|at| {
        u8::from_str_radix(&KEY[2 * at..2 * at + 2], 16).unwrap()
    }));
    Bucket::read(&DirStore::open(bucket).unwrap(), &Root::default(), &Cipher::Sodium(key)).unwrap().backups
}

/// The backups once the server has archived what they need, or the last that was seen of them. The engine does not wait for
/// that itself: it tells the server not to.
fn archived(bucket: &Path) -> Vec<Backup> {
    for _ in 0..200 {
        if backups(bucket).iter().all(Backup::restorable) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    backups(bucket)
}

fn settings(server: &Postgres) -> Variables {
    server
        .connection()
        .plain("WALG_FILE_PREFIX", server.bucket())
        .plain("WALG_COMPRESSION_METHOD", "zstd")
        .plain("WALG_LIBSODIUM_KEY_TRANSFORM", "hex")
        .secret("WALG_LIBSODIUM_KEY", KEY)
        // What a file may say, and what is decided by the one who pushes.
        .plain("WALG_DELTA_MAX_STEPS", "24")
        .plain("WALG_DELTA_ORIGIN", "LATEST")
}

/// The engine as the server's `archive_command` starts it.
fn archive_command(server: &Postgres) -> String {
    format!(
        "WALG_FILE_PREFIX={} WALG_COMPRESSION_METHOD=zstd WALG_LIBSODIUM_KEY={KEY} WALG_LIBSODIUM_KEY_TRANSFORM=hex {} engine -- wal-push %p",
        server.bucket().display(),
        server.program().display()
    )
}

struct Beside<'a> {
    server: &'a Postgres,
    runner: LocalRunner,
    clock: RealClock,
}

impl<'a> Beside<'a> {
    fn new(server: &'a Postgres) -> Self {
        let runner = server.as_its_user(LocalRunner::new(server.data(), settings(server)));
        Self { server, runner, clock: RealClock::new() }
    }

    fn sql(&self, sql: &str) -> String {
        self.runner.sql(sql, &control(&self.clock)).unwrap().trim().to_owned()
    }

    fn push(&self, push: Push) {
        let job = engine(self.server.program()).job(&Call::Push(push));
        let ended = self.runner.run(&job, &control(&self.clock)).unwrap();
        assert_eq!(ended.status, Status::Exited(0), "{}", ended.stderr.text());
    }

    fn unpack(&self, id: &SnapshotId, into: &Path) -> Ended {
        let unpacker =
            Unpacker::new(engine(self.server.program()), control(&self.clock)).keys(&settings(self.server));
        let unpacker = match self.server.user() {
            Some(user) => unpacker.run_as(user),
            None => unpacker,
        };
        unpacker.run(&self.server.bucket(), id, into).unwrap()
    }
}

#[test]
fn fulls_and_deltas_are_made_as_they_are_asked_for_and_can_be_restored() {
    let Some(server) = Postgres::start(archive_command) else { return };
    let beside = Beside::new(&server);
    beside.sql("create table t as select generate_series(1, 50000) as n; checkpoint;");
    let data = Map::from_iter([("si".to_owned(), Value::from("full"))]);
    beside.push(Push::full(server.data()).user_data(data));
    let full = archived(&server.bucket()).remove(0);
    assert_eq!((full.kind(), full.restorable()), (SnapshotKind::Full, true), "{:?}", full.problems);
    let identifier = beside.sql("select system_identifier from pg_control_system()");
    let sentinel = full.sentinel.as_ref().unwrap();
    assert_eq!(sentinel.system_identifier.unwrap().to_string(), identifier);
    assert_eq!(sentinel.user_data.as_ref().unwrap()["si"], "full");

    // Both deltas hang on the full, whatever the env file says of the newest.
    for rows in [100, 200] {
        beside.sql(&format!("insert into t select generate_series(1, {rows})"));
        beside.push(Push::delta_of(server.data(), &full).unwrap());
    }
    let all = archived(&server.bucket());
    assert_eq!(all.len(), 3);
    for delta in all.iter().filter(|backup| backup.id != full.id) {
        assert!(delta.restorable(), "{:?}", delta.problems);
        assert_eq!(delta.chain, [delta.id.clone(), full.id.clone()]);
        assert_eq!(Push::delta_of("/data", delta).unwrap_err().code(), "not-a-full");
    }
    // A full is a full, also where the file has deltas on.
    beside.push(Push::full(server.data()));
    assert_eq!(
        backups(&server.bucket()).iter().filter(|backup| backup.kind() == SnapshotKind::Full).count(),
        2
    );

    // Out of the directory alone, with the key alone.
    let newest = all.iter().rfind(|backup| backup.kind() == SnapshotKind::Delta).unwrap();
    let into = server.dir().join("restored");
    assert_eq!(beside.unpack(&newest.id, &into).status, Status::Exited(0));
    assert!(into.join("global/pg_control").exists() && into.join("PG_VERSION").exists());
    assert!(into.join("base").read_dir().unwrap().count() > 1);
}

#[test]
fn what_an_engine_says_of_its_work_is_not_believed() {
    let Some(server) = Postgres::start(|_| "true".to_owned()) else { return };
    let beside = Beside::new(&server);
    // All was well for the engine; but the archive has nothing, and without WAL the backup is none.
    beside.push(Push::full(server.data()));
    let pushed = backups(&server.bucket()).remove(0);
    assert!(!pushed.restorable());
    assert_eq!(Push::delta_of(server.data(), &pushed).unwrap_err().code(), "not-a-full");

    // An engine that ends with 0 having done nothing is told so, and nothing more.
    let lazy = server.script("lazy", "exit 0");
    let unpacker = Unpacker::new(Engine::new(EngineKind::WalG, lazy), control(&beside.clock));
    let into = server.dir().join("nothing");
    unpacker.unpack(&server.bucket(), &pushed.id, &into).unwrap();
    assert!(!into.exists());
    // A wrong name is an error.
    let absent: SnapshotId = "base_0000000100000000000000FF".parse().unwrap();
    let unpacker = Unpacker::new(engine(server.program()), control(&beside.clock)).keys(&settings(&server));
    assert_eq!(unpacker.unpack(&server.bucket(), &absent, &into).unwrap_err().code(), "program-stopped");
    assert_eq!(unpacker.unpack(Path::new("bucket"), &absent, &into).unwrap_err().code(), "path-not-absolute");
}

#[test]
fn an_engine_that_hangs_or_talks_is_held_to_its_limits() {
    let Some(server) = Postgres::start(|_| "true".to_owned()) else { return };
    let beside = Beside::new(&server);
    let limits = Limits {
        grace: Duration::from_millis(500),
        stall: Some(Duration::from_secs(1)),
        ..Limits::default()
    };
    let control = Control { limits, ..control(&beside.clock) };
    let pid = server.dir().join("pid");
    let hangs = format!(
        "trap '' TERM; echo $$ >{}; echo \"key is $WALG_LIBSODIUM_KEY\"; while :; do sleep 0.1; done",
        pid.display()
    );
    let job = Engine::new(EngineKind::WalG, server.script("hangs", &hangs))
        .job(&Call::Push(Push::full(server.data())));
    let ended = beside.runner.run(&job, &control).unwrap();
    assert_eq!(ended.status, Status::Stalled(Duration::from_secs(1)));
    assert_eq!(ended.stdout.text(), "key is <redacted>\n");
    let pid = fs::read_to_string(pid).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[test]
fn sql_goes_to_the_server_and_comes_back_as_rows() {
    let Some(server) = Postgres::start(|_| "true".to_owned()) else { return };
    let beside = Beside::new(&server);
    assert_eq!(beside.sql("select 1, 'a b'; select current_database()"), "1|a b\npostgres");
    let control = control(&beside.clock);
    let error = beside.runner.sql("select 1; select no_such(); select 2", &control).unwrap_err();
    assert_eq!(error.code(), "sql-refused", "{error}");
    assert!(error.to_string().contains("no_such"));
    // The text goes by standard input: a backslash command would be one all the same, and a quote is nothing special.
    assert_eq!(beside.sql("select $$it's -X \"$HOME\" `id`$$"), "it's -X \"$HOME\" `id`");
    let elsewhere = server.connection().plain("PGHOST", "/no/such/place");
    let elsewhere = server.as_its_user(LocalRunner::new(server.data(), elsewhere));
    assert_eq!(elsewhere.sql("select 1", &control).unwrap_err().code(), "server-not-reached");
}

#[test]
fn the_engine_tells_its_version_and_starts_itself_again() {
    let clock = RealClock::new();
    let engine = engine(Path::new(env!("CARGO_BIN_EXE_walg-driver-engine")));
    let version = engine.version(&LocalRunner::new("/", Variables::new()), &control(&clock)).unwrap();
    assert_eq!(version, EngineVersion::new(0, 4, 1));
    assert!(engine.capabilities(version).can(Ability::StreamNewServers));

    // 'wal-fetch' has a child of its own fetch what comes next: the same program, without the word.
    let dir = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wal-g-3.0.9/plain");
    let environment = Variables::new().plain("PATH", "/usr/bin:/bin").plain("WALG_FILE_PREFIX", &data);
    fs::create_dir(dir.path().join("pg_wal")).unwrap();
    let segment = dir.path().join("pg_wal/RECOVERYXLOG");
    let command = Command::new(env!("CARGO_BIN_EXE_walg-driver-engine"))
        .args(["engine", "--", "wal-fetch", "000000010000000000000002"])
        .arg(&segment)
        .environment(environment)
        .leftovers(walg_driver::process::Leftovers::Leave);
    let ended = run(&command, &Limits::default(), &Watch::none(), &clock).unwrap();
    assert_eq!(ended.status, Status::Exited(0), "{}", ended.stderr.text());
    assert_eq!(fs::metadata(&segment).unwrap().len(), 16 << 20);
    let next = dir.path().join("pg_wal/.wal-g/prefetch/000000010000000000000003");
    for _ in 0..400 {
        if next.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("nothing was fetched ahead: {}", ended.stderr.text());
}

#[test]
fn a_child_that_is_no_engine_is_told_so() {
    let command = Command::new(env!("CARGO_BIN_EXE_walg-driver-engine")).args(["engine"]);
    let ended = run(&command, &Limits::default(), &Watch::none(), &RealClock::new()).unwrap();
    assert_eq!(ended.status, Status::Exited(2));
    let command = Command::new(env!("CARGO_BIN_EXE_walg-driver-engine")).args(["engine", "--", "no-such"]);
    let ended = run(&command, &Limits::default(), &Watch::none(), &RealClock::new()).unwrap();
    assert!(ended.status == Status::Exited(2) && ended.stderr.text().contains("no-such"));
}

/// A push whose caller was killed must not go on alone, beside a lease that runs out.
#[test]
fn an_engine_ends_with_whoever_started_it() {
    let (bucket, server) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    // A server that takes the connection and says nothing: without a caller it would be waited for.
    let mut caller = std::process::Command::new("sh")
        .args(["-c", "SI_BACKUP_PARENT=$$ \"$0\" engine -- backup-push /tmp; exit 1"])
        .arg(env!("CARGO_BIN_EXE_walg-driver-engine"))
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.local_addr().unwrap().port().to_string())
        .env("PGUSER", "nobody")
        .env("WALG_FILE_PREFIX", bucket.path())
        .spawn()
        .unwrap();
    let (mut connection, _) = server.accept().unwrap();
    caller.kill().unwrap();
    caller.wait().unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let ended = std::io::copy(&mut connection, &mut std::io::sink());
    assert!(ended.is_ok(), "the engine went on alone: {ended:?}");
}
