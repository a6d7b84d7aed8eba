//! A server that is recovered by hand, as the README says: its `restore_command` reads the app's own bucket.

use crate::harness::wait_for;
use crate::postgres::{Database, s3_env};
use si_backup_tests::servers::{BucketKind, Fault, Proxy, VersityGw};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Starts a server and waits until it has recovered, or has ended; whether it has recovered.
fn recovers(database: &Database, data: &Path) -> bool {
    let log = database.path("log-by-hand");
    let mut command = database.command("pg_ctl");
    command.args(["--wait", "--timeout=60", "--log"]).arg(&log).args(["start", "-D"]).arg(data);
    // That it was started says nothing of how its recovery goes on.
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let has_recovered = || ask(database, "select pg_is_in_recovery()") == "f";
    wait_for("the end of the recovery, or of the server", || {
        !data.join("postmaster.pid").exists() || has_recovered()
    });
    has_recovered()
}

fn ask(database: &Database, text: &str) -> String {
    let mut command = database.command("psql");
    command.args(["-X", "-A", "-t", "-U", "postgres", "-p", "5433", "-h"]).arg(database.path(""));
    String::from_utf8(command.args(["-c", text]).output().unwrap().stdout).unwrap().trim().to_owned()
}

fn control(database: &Database, data: &Path) -> String {
    let output = database.command("pg_controldata").arg(data).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A store that says no, or is gone, while WAL is replayed: the recovery ends, and nothing is promoted with what there was.
#[test]
fn a_store_that_fails_during_the_replay_ends_it() {
    let Some(server) = VersityGw::shared() else { return };
    let Some(database) = Database::bare() else { return };
    server.admin().make_bucket("by-hand", BucketKind::Plain);
    let (proxy, keys) = (Proxy::before(server.address()), server.keys());
    database.begin("supabase-self-hosted", &s3_env("by-hand", &proxy.endpoint(), keys));
    database.json(&["run", "--app", "shop"]).expect(0);
    for _ in 0..4 {
        database.sql("insert into orders select generate_series(1, 1000)");
        database.archive_what_there_is();
    }
    let rows = database.sql("select count(*) from orders");

    let data = database.path("cluster/by-hand");
    let archive = fs::read_to_string(database.path("archive")).unwrap();
    let exports = &archive[..archive.find("exec ").unwrap()];
    let program = database.path("si-backup");
    let fetch =
        format!("{exports}exec {} engine -- backup-fetch {} LATEST", program.display(), data.display());
    let mut command = Command::new("sh");
    command.args(["-c", &fetch]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    if let Some((uid, gid)) = database.ids() {
        command.uid(uid).gid(gid);
    }
    assert!(command.output().unwrap().status.success());
    let env_file = database.path("of-the-server.env");
    fs::copy(database.path("shop.env"), &env_file).unwrap();
    fs::set_permissions(&env_file, Permissions::from_mode(0o600)).unwrap();
    database.give(&env_file);
    let conf = data.join("postgresql.conf");
    let settings = format!(
        "\narchive_mode = off\nhot_standby = off\nport = 5433\nrestore_command = 'SI_BACKUP_WAL_ENV_FILE={} {} wal-get %f %p'\n",
        env_file.display(),
        program.display()
    );
    fs::write(&conf, fs::read_to_string(&conf).unwrap() + &settings).unwrap();
    fs::write(data.join("recovery.signal"), "").unwrap();
    database.give(&data.join("recovery.signal"));

    for fault in [Fault::Answer { status: 403, code: "AccessDenied", retry_after: None }, Fault::Reset] {
        let mut segments = 0;
        proxy.asked();
        proxy.plan(move |asked| {
            if !asked.path.contains("wal_005/0000") || !asked.reads_object() {
                return Fault::None;
            }
            segments += 1;
            if segments > 2 { fault } else { Fault::None }
        });
        assert!(!recovers(&database, &data), "{fault:?}: it took what there was for the end");
        let was_hit = proxy.has_asked(|asked| asked.fault != Fault::None);
        proxy.clear();
        assert!(was_hit, "{fault:?}");
        let told = control(&database, &data);
        assert!(told.contains("in archive recovery"), "{fault:?}: {told}");
        let line = told.lines().find(|line| line.starts_with("Latest checkpoint's TimeLineID:")).unwrap();
        assert!(line.trim_end().ends_with(" 1"), "{fault:?}: {line}");
        assert!(data.join("recovery.signal").exists(), "{fault:?}");
    }
    // Where the store is back, so is everything.
    assert!(recovers(&database, &data), "{}", fs::read_to_string(database.path("log-by-hand")).unwrap());
    let found = ask(&database, "select count(*) from orders");
    database.command("pg_ctl").args(["--mode=immediate", "stop", "-D"]).arg(&data).output().unwrap();
    assert_eq!(found, rows);
}
