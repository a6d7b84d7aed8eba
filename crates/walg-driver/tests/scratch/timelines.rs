//! A cluster with checksums, made here, that was promoted once: what lies on either timeline comes back.

use crate::engine::Walrus;
use crate::stage::{Boot, Stage, check, failed, user};
use backup_contract::SnapshotId;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walg_driver::Result;
use walg_driver::engine::Unpack;
use walg_driver::process::{Command, Leftovers, Limits, Variables, Watch, run};
use walg_driver::scratch::{AppCheck, Point, Programs, Target};
use walg_driver::wal::Timeline;

/// A live cluster that archives into a bucket.
struct Live {
    programs: PathBuf,
    home: PathBuf,
    bucket: PathBuf,
}

impl Live {
    fn run(&self, program: &str, args: &[&str], input: &str) -> String {
        let program =
            if program.contains('/') { PathBuf::from(program) } else { self.programs.join(program) };
        let mut command = Command::new(&program)
            .args(args.iter().copied())
            .input(input)
            // The server goes on when `pg_ctl` has ended.
            .leftovers(Leftovers::Leave)
            .environment(
                Variables::new()
                    .plain("PATH", "/usr/bin:/bin")
                    .plain("PGHOST", &self.home)
                    .plain("PGUSER", "postgres")
                    .plain("PGDATABASE", "postgres")
                    .plain("WALG_FILE_PREFIX", &self.bucket),
            );
        if let Some(user) = user() {
            command = command.user(user);
        }
        let limits = Limits::default().total(Duration::from_mins(1));
        let ended = run(&command, &limits, &Watch::none(), &Boot::new()).unwrap();
        assert!(
            ended.status.is_zero(),
            "{}: {} {}",
            program.display(),
            ended.stdout.text(),
            ended.stderr.text()
        );
        ended.stdout.text()
    }

    fn sql(&self, sql: &str) -> String {
        self.run("psql", &["-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"], sql)
    }

    fn ctl(&self, verb: &str) {
        let (data, log) = (self.home.join("data"), self.home.join("log"));
        let how = if verb == "stop" { ["-m", "fast"] } else { ["-l", log.to_str().unwrap()] };
        self.run("pg_ctl", &[verb, "-w", "-s", "-D", data.to_str().unwrap(), how[0], how[1]], "");
    }
}

impl Drop for Live {
    /// A test that failed leaves no server behind.
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.home.join("data/postmaster.pid")).unwrap_or_default();
        let pid = pid.lines().next().and_then(|pid| Pid::from_raw(pid.trim().parse().ok()?));
        let _ = pid.map(|pid| kill_process(pid, Signal::QUIT));
    }
}

/// A bucket with a full on timeline 1, ten rows more behind it there, and ten more on timeline 2.
fn promoted(stage: &Stage) -> Live {
    let live = Live {
        programs: Programs::find(15, &Programs::usual_places(15)).unwrap().dir().to_owned(),
        home: stage.home.path().join("live"),
        bucket: stage.bucket.path().to_owned(),
    };
    let wal = live.bucket.join("wal_005");
    for dir in [&live.home, &live.bucket, &wal] {
        fs::create_dir_all(dir).unwrap();
        fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
    }
    let engine = stage.home.path().join("wal-get");
    let data = live.home.join("data");
    live.run("initdb", &["-k", "-U", "postgres", "-A", "trust", "-N", "-D", data.to_str().unwrap()], "");
    let settings = format!(
        "listen_addresses = ''\nunix_socket_directories = '{}'\narchive_mode = on\nmax_connections = 37\nfsync = off\n\
         archive_command = 'cp %p {wal}/%f.tmp && mv {wal}/%f.tmp {wal}/%f'\nrestore_command = 'cp {wal}/%f %p'\n",
        live.home.display(),
        wal = wal.display()
    );
    let conf = data.join("postgresql.conf");
    fs::write(&conf, fs::read_to_string(&conf).unwrap() + &settings).unwrap();
    live.ctl("start");
    live.sql("CREATE TABLE orders AS SELECT generate_series(1, 10) AS id; CREATE TABLE ballast AS SELECT repeat('x', 500) AS t FROM generate_series(1, 1000); CHECKPOINT;");
    live.run(
        engine.to_str().unwrap(),
        &["engine", "--", "backup-push", data.to_str().unwrap(), "--full", "--fast"],
        "",
    );
    live.sql("INSERT INTO orders SELECT generate_series(11, 20); SELECT pg_switch_wal();");
    live.sql("INSERT INTO orders SELECT generate_series(21, 30); SELECT pg_switch_wal(); CHECKPOINT;");
    // It comes back from its archive, as after an accident, and goes on from there on a timeline of its own.
    live.ctl("stop");
    fs::write(data.join("recovery.signal"), "").unwrap();
    live.ctl("start");
    while live.sql("SELECT pg_is_in_recovery()").trim() == "t" {}
    live.sql("INSERT INTO orders SELECT generate_series(31, 40); SELECT pg_switch_wal();");
    live.sql("CHECKPOINT; SELECT pg_switch_wal();");
    live.ctl("stop");
    live
}

/// Unpacks, and turns a bit of a file.
struct Rotten(String);
impl Unpack for Rotten {
    fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()> {
        Walrus { fixture: "" }.unpack(mirror, id, into)?;
        let path = into.join(&self.0);
        let mut bytes = fs::read(&path).unwrap();
        bytes[3 * 8192 + 5000] ^= 1;
        fs::write(&path, bytes).unwrap();
        Ok(())
    }
}

fn rows(stage: Stage, count: u32) -> Stage {
    let sql = format!("SELECT count(*) = {count} AND max(id) = {count} FROM orders");
    let check = AppCheck { name: "orders".into(), database: "postgres".into(), sql };
    Stage { app_checks: vec![check], ..stage }
}

pub(crate) fn both() {
    let stage = Stage::new("", 0, Target::new(Point::End));
    let live = promoted(&stage);
    let bucket = stage.catalogue();
    let reach: Vec<_> = bucket.backups[0].reach.iter().map(|reach| reach.timeline.0).collect();
    assert_eq!(reach, [1, 2], "{:?}", bucket.backups[0].problems);
    let mut stage = rows(stage, 40);
    let report = stage.verify(&Walrus { fixture: "" }).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert_eq!(report.timeline, Some(Timeline(3)));
    assert!(check(&report, "data-checksums").ok);

    // The branch that was left, by its number: a server that is told nothing follows the newest, which lies in the mirror.
    stage = rows(stage, 30);
    stage.target = Target { point: Point::End, timeline: Some(Timeline(1)) };
    let report = stage.verify(&Walrus { fixture: "" }).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    // And where it begins.
    stage = rows(stage, 10);
    stage.target = Target::new(Point::Backup);
    let report = stage.verify(&Walrus { fixture: "" }).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);

    // The same in a directory that is started without the archive: also the timeline that it begins is nobody else's.
    for (timeline, count) in [(None, 40), (Some(Timeline(1)), 30)] {
        stage.target = Target { point: Point::End, timeline };
        let into = stage.home.path().join("extracted");
        let extracted = stage.extract(&Walrus { fixture: "" }, &into).unwrap();
        assert_eq!(extracted.timeline, timeline.unwrap_or(Timeline(2)));
        let (data, aside) = (live.home.join("data"), live.home.join("aside"));
        fs::rename(&data, &aside).unwrap();
        fs::rename(&into, &data).unwrap();
        let wal = live.bucket.join("wal_005");
        let (before, hidden) = (fs::read_dir(&wal).unwrap().count(), live.bucket.join("hidden"));
        fs::rename(&wal, &hidden).unwrap();
        live.ctl("start");
        while live.sql("SELECT pg_is_in_recovery()").trim() == "t" {}
        assert_eq!(live.sql("SELECT count(*) FROM orders").trim(), count.to_string());
        let segment = live.sql("CREATE TABLE mine(); SELECT pg_walfile_name(pg_switch_wal())");
        assert!(segment.starts_with("00000003"), "{segment}");
        live.ctl("stop");
        fs::rename(&hidden, &wal).unwrap();
        assert_eq!(fs::read_dir(&wal).unwrap().count(), before, "it archives");
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&aside, &data).unwrap();
    }
    stage.target = Target::new(Point::Backup);

    // A block that no question reads.
    live.ctl("start");
    let ballast = live.sql("SELECT pg_relation_filepath('ballast')").trim().to_owned();
    live.ctl("stop");
    let report = stage.verify(&Rotten(ballast)).unwrap();
    assert_eq!(failed(&report), ["data-checksums"], "{:#?}", report.checks);
}
