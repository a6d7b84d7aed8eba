//! What an engine that unpacks is told: where the backup lies, what opens it, and of no other storage.

mod clock;

use backup_contract::engine::EngineKind;
use clock::RealClock;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use walg_driver::engine::{Engine, Unpack as _, Unpacker};
use walg_driver::process::{Limits, Status, Variables, Watch};
use walg_driver::runner::Control;

#[test]
fn the_bucket_is_out_of_reach() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("wal-g");
    fs::write(&program, "#!/bin/sh\necho \"$@\"\nenv | grep -v '^_\\|^PWD=' | sort\n").unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let settings = Variables::new()
        .plain("WALG_S3_PREFIX", "s3://b/shop")
        .plain("WALG_FILE_PREFIX", "/elsewhere")
        .secret("AWS_SECRET_ACCESS_KEY", "abcdefgh")
        .secret("PGPASSWORD", "ijklmnop")
        .secret("WALG_LIBSODIUM_KEY", "0123456789")
        .plain("WALG_LIBSODIUM_KEY_TRANSFORM", "hex");
    let clock = RealClock::new();
    let control = Control { limits: Limits::default(), watch: Watch::none(), clock: &clock };
    let unpacker = Unpacker::new(Engine::new(EngineKind::WalG, program), control).keys(&settings);
    let id = "base_000000010000000000000002".parse().unwrap();
    let ended = unpacker.run("/mirror".as_ref(), &id, "/into".as_ref()).unwrap();
    assert_eq!(ended.status, Status::Exited(0));
    assert_eq!(
        ended.stdout.text().replace(&std::process::id().to_string(), "PID"),
        "backup-fetch /into base_000000010000000000000002 --config /dev/null\nLC_ALL=C.UTF-8\nNO_COLOR=1\n\
         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSI_BACKUP_PARENT=PID\n\
         WALG_DOWNLOAD_FILE_RETRIES=0\nWALG_FILE_PREFIX=/mirror\n\
         WALG_LIBSODIUM_KEY=<redacted>\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n"
    );
}

/// Whoever stops it is told of that, and of no failure.
#[test]
fn an_interrupted_engine_has_said_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("wal-g");
    fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let clock = RealClock::new();
    let watch = Watch::none().interrupted(&|| true);
    let unpacker = Unpacker::new(
        Engine::new(EngineKind::WalG, program),
        Control { limits: Limits::default(), watch, clock: &clock },
    );
    let id = "base_000000010000000000000002".parse().unwrap();
    let error = unpacker.unpack("/mirror".as_ref(), &id, "/into".as_ref()).unwrap_err();
    assert_eq!(error.code(), "interrupted", "{error}");
}

/// It says nothing while it unpacks: what it writes tells that it is at work, also into files that do not grow.
#[test]
fn an_engine_that_writes_nothing_any_more_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (program, into) = (dir.path().join("wal-g"), dir.path().join("into"));
    fs::create_dir_all(into.join("base/1")).unwrap();
    let clock = RealClock::new();
    let limits =
        Limits { grace: Duration::from_millis(100), ..Limits::default().stall(Duration::from_secs(2)) };
    let run = |script: &str| {
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let control = Control { limits, watch: Watch::none(), clock: &clock };
        let unpacker = Unpacker::new(Engine::new(EngineKind::WalG, program.clone()), control);
        let id = "base_000000010000000000000002".parse().unwrap();
        unpacker.run("/mirror".as_ref(), &id, &into).unwrap().status
    };
    let busy = "for i in 1 2 3 4 5 6 7 8; do printf x | dd of=\"$2/base/1/16384\" conv=notrunc 2>/dev/null; sleep 0.5; done";
    assert_eq!(run(busy), Status::Exited(0));
    assert_eq!(run("exec sleep 600"), Status::Stalled(Duration::from_secs(2)));
}
