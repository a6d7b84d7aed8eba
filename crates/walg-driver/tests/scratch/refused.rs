use crate::extracted::to;
use crate::stage::{AT_THE_END, IN_THE_FIRST, Stage, Tars, Then, check, failed};
use crate::support::files;
use backup_contract::{Outcome, SnapshotId};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};
use walg_driver::engine::Unpack;
use walg_driver::process::{Status, Variables};
use walg_driver::scratch::{Point, RestoreCommand, Step, Target};
use walg_driver::wal::{Lsn, Timeline};
use walg_driver::{Error, Result};

/// What a verification is refused for: the code, and that nothing was written.
fn refused(stage: &Stage) -> (&'static str, String) {
    let error = stage.verify(&Tars("plain")).unwrap_err();
    assert!(!stage.mirror().exists(), "{error}: it fetched");
    assert!(error.hint().is_some(), "{error}");
    (error.code(), error.to_string())
}

pub(crate) fn before_the_first_byte() {
    let end = || Target::new(Point::End);
    let stage = Stage::new("wal-hole", 0, end());
    let (code, why) = refused(&stage);
    assert_eq!(code, "target-out-of-reach");
    for said in ["0/6000000", "000000010000000000000006", "6 segments"] {
        assert!(why.contains(said), "{why}");
    }
    let mut stage = Stage::new("plain", 0, end());
    stage.server_dirs = vec!["/nowhere".into(), stage.home.path().to_owned()];
    let (code, why) = refused(&stage);
    assert_eq!(code, "no-server");
    assert!(why.contains("15") && why.contains("/nowhere"), "{why}");
    // Another major version is none.
    let other = stage.home.path().join("bin");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("postgres"), "#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(other.join("postgres"), mode).unwrap();
    stage.server_dirs = vec![other];
    let (code, why) = refused(&stage);
    assert_eq!(code, "no-server");
    assert!(why.contains("14.9"), "{why}");

    let mut stage = Stage::new("plain", 0, end());
    stage.free = Some(1 << 20);
    assert_eq!(refused(&stage).0, "no-space");

    // In a backup further up the chain, too.
    let stage = Stage::new("plain", 2, end());
    let path =
        stage.bucket.path().join("basebackups_005/base_000000010000000000000002_backup_stop_sentinel.json");
    let mut sentinel: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    sentinel["Spec"] =
        json!({"base_prefix": "/d", "tablespaces": ["16385"], "16385": {"loc": "/fast", "link": "x"}});
    fs::write(&path, sentinel.to_string()).unwrap();
    let (code, why) = refused(&stage);
    assert_eq!(code, "tablespaces");
    assert!(why.contains("/fast") && why.contains("base_000000010000000000000002"), "{why}");
}

pub(crate) fn targets() {
    let stage = Stage::new("plain", 1, Target::new(Point::End));
    let bucket = stage.catalogue();
    let (backup, size) = (&bucket.backups[1], bucket.archive.segment_size());
    let finish = backup.span().unwrap().1;
    let finished = backup.sentinel.as_ref().unwrap().finished_at.unwrap();
    let archived = backup.reach[0].archived.unwrap();
    let code = |target: Target| target.within(backup, size).err().map(|error| error.code());
    let out = Some("target-out-of-reach");
    for (point, expected) in [
        (Point::End, None),
        (Point::Backup, None),
        (Point::Name("before the migration".into()), None),
        (Point::Lsn(finish), None),
        (Point::Lsn(Lsn(finish.0 - 1)), out),
        (Point::Lsn(backup.reach[0].end), None),
        (Point::Lsn(Lsn(backup.reach[0].end.0 + 1)), out),
        (Point::Time(finished), None),
        (Point::Time(finished - TimeDelta::seconds(1)), out),
        (Point::Time(archived), None),
        (Point::Time(archived + TimeDelta::seconds(1)), out),
    ] {
        assert_eq!(code(Target::new(point.clone())), expected, "{point}");
    }
    let on = |timeline| Target { point: Point::Backup, timeline: Some(Timeline(timeline)) };
    assert_eq!((code(on(1)), code(on(2))), (None, out));
    // The way to before a hole is free.
    let hole = Stage::new("wal-hole", 0, Target::new(Point::End)).catalogue();
    let first = &hole.backups[0];
    assert!(Target::new(Point::Backup).within(first, size).is_ok());
    let unable = Target::new(Point::Backup).within(&hole.backups[1], size).unwrap_err();
    assert_eq!(unable.code(), "not-restorable");
}

pub(crate) fn time_behind_the_last_commit() {
    let time: DateTime<Utc> = "2026-11-23T23:00:00Z".parse().unwrap();
    let stage = Stage::new("plain", 0, Target::new(Point::Time(time)));
    let mut names = Vec::new();
    files(stage.bucket.path(), "wal_005", &mut names);
    for name in names {
        let file = File::options().write(true).open(stage.bucket.path().join(name)).unwrap();
        file.set_modified((time + TimeDelta::seconds(60)).into()).unwrap();
    }
    let error = stage.verify(&Tars("plain")).unwrap_err();
    assert_eq!(error.code(), "target-out-of-reach", "{error}");
    assert!(error.to_string().contains("2026-11-23T21:21:51.697132Z"), "{error}");
    // At the very end of it, or later: the server looks for one that ended behind the time.
    let point = |micros: i64| Target::new(Point::Time(DateTime::from_timestamp_micros(micros).unwrap()));
    let newest = 1_795_468_911_697_132;
    let stage = Stage::new("plain", 0, point(newest));
    assert_eq!(stage.extract(&Tars("plain"), &to(&stage)).unwrap_err().code(), "target-out-of-reach");
    let stage = Stage::new("plain", 0, point(newest - 1));
    stage.extract(&Tars("plain"), &to(&stage)).unwrap();
    // One that is on the way, and does not come.
    let mut stage = Stage::new("plain", 0, point(newest - 1));
    stage.last = "000000010000000000000005".into();
    let error = stage.verify(&Tars("plain")).unwrap_err();
    assert_eq!(error.code(), "target-not-reached", "{error}");
    assert!(error.to_string().contains("FATAL"), "{error}");
}

fn shell(script: &str) -> RestoreCommand {
    let args = ["-c", script, "sh"].map(Into::into).to_vec();
    RestoreCommand { program: "/bin/sh".into(), args, environment: Variables::new() }
}

pub(crate) fn unknown_is_not_the_end() {
    for script in ["exit 126", "exit 255", "kill -TERM $$"] {
        let mut stage = Stage::new("plain", 0, Target::new(Point::End));
        stage.restore_command = Some(shell(script));
        let error = stage.verify(&Tars("plain")).unwrap_err();
        assert_eq!(error.code(), "wal-unavailable", "{script}: {error}");
    }
    // In the middle of the way, when it is consistent already.
    let mut stage = Stage::new("plain", 0, Target::new(Point::End));
    stage.last = "!000000010000000000000006".into();
    let error = stage.verify(&Tars("plain")).unwrap_err();
    assert_eq!(error.code(), "wal-unavailable", "{error}");
    assert!(error.to_string().contains("FATAL"), "{error}");
}

pub(crate) fn what_says_nothing_of_the_backup() {
    let code = |stage: &Stage| stage.verify(&Tars("plain")).unwrap_err().code();
    let stage = || Stage::new("plain", 0, Target::new(Point::End));
    assert_eq!(code(&Stage { superuser: "nobody's", ..stage() }), "no-such-role");
    let sleeping = Some(shell("sleep 600"));
    let slow = Stage { restore_command: sleeping.clone(), recovery: Duration::from_secs(2), ..stage() };
    let began = Instant::now();
    assert_eq!(code(&slow), "too-slow");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    for step in [Step::Reading, Step::Unpacking, Step::Recovering, Step::Asking] {
        let restore_command = if step == Step::Recovering { sleeping.clone() } else { None };
        assert_eq!(
            code(&Stage { interrupted: Some(step), restore_command, ..stage() }),
            "interrupted",
            "{step:?}"
        );
    }
    let named = |name: &str| Stage::new("plain", 0, Target::new(Point::Name(name.into())));
    assert_eq!(code(&named("no such point")), "target-out-of-reach");
    assert_eq!(code(&named("two\nlines")), "bad-setting");
    let conf = Then(|data: &Path| fs::write(data.join("base/1/PG_VERSION"), "14").unwrap());
    assert!(!stage().verify(&conf).unwrap().outcome().eq(&Outcome::Passed), "a damaged database is found");
}

/// A restore command that says 'absent' where something is: the server promotes happily, with old rows.
pub(crate) fn ended_early() {
    let mut stage = Stage::new("plain", 0, Target::new(Point::End)).expecting(AT_THE_END, true);
    stage.last = "000000010000000000000005".into();
    let report = stage.verify(&Tars("plain")).unwrap();
    assert!(failed(&report).contains(&"reached"), "{:#?}", report.checks);
    assert!(check(&report, "recovery").ok && !check(&report, "after-last-backup").ok);
    // Nothing at all: it never becomes consistent, which is a failure of its own.
    let mut stage = Stage::new("plain", 0, Target::new(Point::End)).expecting(IN_THE_FIRST, false);
    stage.last = "0".into();
    let report = stage.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), ["recovery"], "{:#?}", report.checks);
    assert!(report.recovery_seconds.is_none() && report.log.unwrap().contains("FATAL"));
}

/// An engine that lacks a library.
struct NoLibrary;

impl Unpack for NoLibrary {
    fn unpack(&self, _: &Path, _: &SnapshotId, _: &Path) -> Result<()> {
        let said = "wal-g: error while loading shared libraries: libsodium.so.23".into();
        Err(Error::Stopped { program: "wal-g".into(), status: Status::Exited(127), said })
    }
}

pub(crate) fn no_engine() {
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    let into = stage.home.path().join("restored");
    for error in [stage.verify(&NoLibrary).unwrap_err(), stage.extract(&NoLibrary, &into).unwrap_err()] {
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
    }
}

/// A disk that others fill while a backup is tried.
struct FullDisk;

impl Unpack for FullDisk {
    fn unpack(&self, _: &Path, _: &SnapshotId, _: &Path) -> Result<()> {
        let said = "ERROR base/5/1259: No space left on device (os error 28)".into();
        Err(Error::Stopped { program: "walrus".into(), status: Status::Exited(1), said })
    }
}

pub(crate) fn full_disk() {
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    assert_eq!(stage.verify(&FullDisk).unwrap_err().code(), "no-space");
}
