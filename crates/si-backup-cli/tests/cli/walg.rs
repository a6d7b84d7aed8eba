//! The reference engine, `wal-g`, as the engine of an app: what it pushes, what it leaves when it is killed, and what the two
//! engines make of each other's backups. It cannot be had from where the set-up script gets its parts: these tests are made
//! where `WALG_BIN` or `PATH` has it.

use crate::harness::{Ran, full, skipped, wait_for, walk};
use crate::postgres::{Database, KEY, s3_env};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use si_backup_tests::servers::{BucketKind, VersityGw, wal_g};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};

/// [`KEY`] in another spelling.
const KEY_IN_BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn program() -> Option<PathBuf> {
    let found = wal_g();
    if found.is_none() {
        skipped("there is no wal-g: neither WALG_BIN nor PATH has it");
    }
    found
}

/// A server whose backups and WAL `wal-g` stores in a directory, with more in the env file.
fn with(more: &str) -> Option<Database> {
    let program = program()?;
    let database = Database::bare()?;
    let env = format!("WALG_FILE_PREFIX={}\n{more}", database.path("bucket").display());
    database.begin("local-directory", &env);
    database.take_wal_g(&program);
    Some(database)
}

fn backed_up(database: &Database, more: &[&str]) -> Value {
    let row = database.json(&[&["run", "--app", "shop"], more].concat()).expect(0).row();
    assert_eq!(row["restorable"], true, "{row:#}");
    row
}

fn verified(database: &Database, level: &str) {
    let row = database.json(&["verify", "--app", "shop", "--level", level]).expect(0).row();
    assert_eq!((&row["level"], &row["outcome"]), (&level.into(), &"passed".into()), "{row:#}");
}

/// The rows of a table in what is extracted from the newest backup.
fn extracted(database: &Database, name: &str) -> String {
    let into = database.ground(name);
    let into = into.to_str().unwrap();
    let row = database.json(&["extract", "LATEST", "--app", "shop", "--into", into]).expect(0).row();
    database.start_extracted(&row).sql("select count(*) from orders")
}

/// Everything that there is to do with a database, wherever its bucket is.
fn the_whole_way(database: &Database) {
    let began = chrono::Utc::now();
    let full = backed_up(database, &[]);
    assert_eq!((&full["kind"], &full["verified"]["level"]), (&"full".into(), &"checksum".into()));
    let deltas = [500, 70].map(|rows| {
        database.sql(&format!("insert into orders select generate_series(1, {rows})"));
        backed_up(database, &[])
    });
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!(listed.len(), 3);
    for (row, delta) in listed[1..].iter().zip(&deltas) {
        assert_eq!((&row["id"], &row["kind"]), (&delta["id"], &"delta".into()));
        assert_eq!(
            (&row["parent"], &row["lineage"]),
            (&full["id"], &full["id"]),
            "the full, not the delta before"
        );
        assert!(row["bytes"].as_u64().unwrap() * 2 < full["bytes"].as_u64().unwrap(), "{row:#}");
    }
    for row in &listed {
        let time = |name: &str| row[name].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        let (started, finished) = (time("started_at"), time("finished_at"));
        assert!(began < started && started < finished && finished < chrono::Utc::now(), "{row:#}");
    }
    for level in ["stored", "checksum", "content", "restore"] {
        verified(database, level);
    }
    database.sql("insert into orders values (0)");
    database.archive_what_there_is();
    assert_eq!(extracted(database, "restored"), "1572");
    let said = database.json(&["doctor"]).data();
    let row = said.iter().find(|row| row["detail"].to_string().contains("wal-g ")).unwrap();
    assert!(row["detail"].to_string().contains("a segment of WAL arrived"), "{row:#}");
}

#[test]
fn a_database_in_a_directory() {
    let Some(database) = with("") else { return };
    the_whole_way(&database);
}

#[test]
fn a_database_in_s3() {
    let (Some(program), Some(server)) = (program(), VersityGw::shared()) else { return };
    let Some(database) = Database::bare() else { return };
    server.admin().make_bucket("by-wal-g", BucketKind::Plain);
    database.begin(
        "supabase-self-hosted",
        &format!(
            "{}WALG_PREVENT_WAL_OVERWRITE=true\nWALG_LIBSODIUM_KEY={KEY_IN_BASE64}\nWALG_LIBSODIUM_KEY_TRANSFORM=base64\n",
            s3_env("by-wal-g", &server.endpoint(), server.keys())
        ),
    );
    database.take_wal_g(&program);
    the_whole_way(&database);
}

/// Each engine goes on with what the other one began, and brings back what both have made.
#[test]
fn a_chain_of_two_engines() {
    let Some(database) = with("WALG_DELTA_MAX_STEPS=24\n") else { return };
    let engines = [("wal-g", database.path("wal-g")), ("embedded", database.path("si-backup"))];
    let take = |index: usize| database.name_engine(engines[index].0, &engines[index].1);
    for first in if full() { vec![0, 1] } else { vec![0] } {
        take(first);
        let base = backed_up(&database, &["--full"]);
        take(1 - first);
        database.sql("insert into orders select generate_series(1, 300)");
        let delta = backed_up(&database, &[]);
        assert_eq!(delta["kind"], "delta", "{delta:#}");
        // A delta of a delta is made by hand alone.
        database.sql("delete from orders where id % 7 = 0; insert into orders select generate_series(1, 50); checkpoint");
        take(first);
        let output = by_hand(&database, engines[first].0, delta["id"].as_str().unwrap());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        database.archive_what_there_is();
        let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
        let last = listed.last().unwrap();
        assert_eq!((&last["parent"], &last["lineage"]), (&delta["id"], &base["id"]), "{listed:#?}");
        let rows = database.sql("select count(*) from orders");
        for (name, program) in &engines {
            database.name_engine(name, program);
            verified(&database, "restore");
            assert_eq!(extracted(&database, &format!("by-{name}-{first}")), rows, "{name}");
        }
    }
}

/// Has an engine push a delta of a delta, as somebody who does it without this program.
fn by_hand(database: &Database, engine: &str, parent: &str) -> Output {
    let mut command = match engine {
        "embedded" => {
            let mut command = database.command(database.path("si-backup").to_str().unwrap());
            command.args(["engine", "--"]);
            command
        }
        _ => database.command(database.path("wal-g").to_str().unwrap()),
    };
    let env = fs::read_to_string(database.path("shop.env")).unwrap();
    command.envs(env.lines().filter_map(|line| line.split_once('=')));
    command.env("WALG_DELTA_FROM_NAME", parent).arg("backup-push").arg(database.data()).output().unwrap()
}

/// A push so slow that it can be killed.
fn slow() -> Option<Database> {
    with("WALG_NETWORK_RATE_LIMIT=300000\nWALG_DISK_RATE_LIMIT=2000000\n")
}

/// Where something of a push that has no sentinel lies.
fn has_begun(bucket: &Path) -> bool {
    let mut begun = false;
    walk(bucket, &mut |path| begun |= path.to_string_lossy().contains("/tar_partitions/"));
    begun
}

fn pushing(database: &Database) -> (Child, Pid) {
    let child = database.si_backup(&["--json", "run", "--app", "shop"]).spawn().unwrap();
    wait_for("the push to begin", || has_begun(&database.path("bucket")));
    let engine = database.path("wal-g");
    let is_push = |entry: &fs::DirEntry| {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let words = read("cmdline");
        words.starts_with(engine.to_str().unwrap().as_bytes())
            && words.windows(11).any(|word| word == b"backup-push")
    };
    let found = fs::read_dir("/proc").unwrap().filter_map(Result::ok).find(is_push).unwrap();
    let pid = found.file_name().to_str().unwrap().parse().unwrap();
    (child, Pid::from_raw(pid).unwrap())
}

/// The server is in backup mode for nobody, the leftover is told, and the next run goes on.
fn goes_on(database: &Database) {
    let sessions = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
    wait_for("the end of the engine's session", || database.sql(sessions) == "0");
    let text = database.run(&["list", "--app", "shop"]).expect(0).stdout;
    assert!(text.contains("unfinished: base_"), "{text}");
    let env = fs::read_to_string(database.path("shop.env")).unwrap();
    let quick: Vec<_> = env.lines().filter(|line| !line.contains("_RATE_LIMIT")).collect();
    fs::write(database.path("shop.env"), quick.join("\n") + "\n").unwrap();
    let made = database.json(&["--lock-wait", "1m", "run", "--app", "shop"]).expect(0).row();
    assert_eq!((&made["kind"], &made["restorable"]), (&"full".into(), &true.into()));
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!(listed.len(), 1, "{listed:#?}");
    verified(database, "content");
}

#[test]
fn a_killed_engine_leaves_nothing_that_claims_to_be_a_backup() {
    let signals: &[Signal] = if full() { &[Signal::KILL, Signal::TERM] } else { &[Signal::KILL] };
    for signal in signals {
        let Some(database) = slow() else { return };
        let (child, engine) = pushing(&database);
        kill_process(engine, *signal).unwrap();
        let said = Ran::of(child.wait_with_output().unwrap()).expect(14).error("engine-failed");
        assert!(said.contains("no new backup is in the bucket"), "{said}");
        goes_on(&database);
    }
}

#[test]
fn an_interrupted_run_stops_the_backup_in_the_server() {
    let Some(database) = slow() else { return };
    let (child, engine) = pushing(&database);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    Ran::of(child.wait_with_output().unwrap()).expect(143).error("interrupted");
    assert!(!Path::new(&format!("/proc/{}", engine.as_raw_nonzero())).exists());
    goes_on(&database);
}

#[test]
fn a_killed_run_leaves_nothing_that_claims_to_be_a_backup() {
    let Some(database) = slow() else { return };
    let (mut child, _) = pushing(&database);
    child.kill().unwrap();
    child.wait().unwrap();
    goes_on(&database);
}

/// The server's name for its directory is a link; `wal-g` records where that leads.
#[test]
fn a_data_directory_behind_a_link() {
    let Some(database) = with("") else { return };
    database.stop();
    let away = database.path("elsewhere");
    fs::rename(database.data(), &away).unwrap();
    std::os::unix::fs::symlink(&away, database.data()).unwrap();
    database.start();
    for engine in ["wal-g", "embedded"] {
        database.name_engine(engine, &database.path("wal-g"));
        backed_up(&database, &["--full"]);
    }
    // Another directory is still another.
    let strange = format!(
        "#!/bin/sh\n\"{}\" \"$@\" || exit $?\ncase $1 in backup-push) sed -i 's/\"DataDir\":\"[^\"]*/&-too/' \
         \"$WALG_FILE_PREFIX\"/basebackups_005/*_sentinel.json;; esac\n",
        database.path("wal-g").display()
    );
    database.replace_engine(&strange);
    database.name_engine("wal-g", &database.path("fake-engine"));
    let said = database.json(&["run", "--app", "shop", "--full"]).expect(14).error("backup-not-as-ordered");
    assert!(said.contains("-too, and not from"), "{said}");
}

/// What lies in the home of whoever runs it, or is named in its environment, is not what the env file says.
#[test]
fn no_other_settings_than_those_of_the_env_file_are_read() {
    let Some(database) = with("") else { return };
    let other = database.path("other.json");
    fs::write(&other, "{\"WALG_S3_PREFIX\": \"s3://elsewhere/x\", \"WALG_PGP_KEY_PATH\": \"/no/such/key\"}")
        .unwrap();
    let env = fs::read_to_string(database.path("shop.env")).unwrap();
    fs::write(database.path("shop.env"), format!("{env}WALG_CONFIG_PATH={}\n", other.display())).unwrap();
    backed_up(&database, &[]);
    verified(&database, "restore");
}

/// A key that was changed: nothing is said against what was made with the other one, and no delta hangs on what it cannot open.
#[test]
fn a_wrong_key() {
    let Some(database) = with("") else { return };
    let made = backed_up(&database, &[]);
    verified(&database, "restore");
    database.change_key(KEY, &KEY.replace('0', "f"));
    for level in ["content", "restore"] {
        database.json(&["verify", "--app", "shop", "--level", level]).expect(1).error("key-does-not-open");
    }
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!((&listed[0]["id"], &listed[0]["failed"]), (&made["id"], &Value::Null));
    let full = backed_up(&database, &[]);
    assert_eq!(full["kind"], "full", "{full:#}");
    verified(&database, "restore");
    assert_eq!(backed_up(&database, &[])["kind"], "delta");
}

/// Every way in which it compresses is read back, and comes back.
#[test]
fn every_compression() {
    let methods: &[&str] = if full() { &["zstd", "lz4", "lzma", "none"] } else { &["none"] };
    let Some(database) = with("") else { return };
    let mut before = "zstd";
    for method in methods {
        let line = |method: &str| format!("WALG_COMPRESSION_METHOD={method}\n");
        database.edit_env(&line(before), &line(method));
        before = method;
        backed_up(&database, &["--full"]);
        verified(&database, "restore");
    }
}

/// From 3.0.0 to 3.0.4 it does not look at the file of a key, and stores in the clear.
#[test]
fn a_version_that_would_store_in_the_clear_is_not_run() {
    let Some(database) = Database::bare() else { return };
    let key = database.path("key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    database.give(&key);
    let bucket = database.path("bucket");
    database.begin(
        "local-directory",
        &format!(
            "WALG_FILE_PREFIX={}\nWALG_LIBSODIUM_KEY_PATH={}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n",
            bucket.display(),
            key.display()
        ),
    );
    let pushed = database.path("cluster/pushed");
    let says = |version: &str| {
        database.replace_engine(&format!(
            "case $1 in --version) echo 'wal-g version v{version}';; *) touch {};; esac",
            pushed.display()
        ));
        database.name_engine("wal-g", &database.path("fake-engine"));
    };
    says("3.0.4");
    let ran = database.json(&["run", "--app", "shop"]).expect(10);
    ran.error("contract-findings");
    let found = ran.row()["findings"].as_array().unwrap().clone();
    let finding = found.iter().find(|finding| finding["code"] == "engine-ignores-key-path").unwrap();
    assert_eq!(finding["severity"], "error", "{finding:#}");
    assert!(!pushed.exists());
    let told = |code: &str| database.json(&["doctor"]).data().iter().any(|row| row["code"] == code);
    assert!(told("engine-ignores-key-path") && told("engine-directory-not-whole"));
    says("3.0.9");
    database.json(&["run", "--app", "shop"]).expect(14).error("engine-failed");
    assert!(pushed.exists() && !told("engine-ignores-key-path"));
    // One that does not tell its version may be any.
    says("devel");
    database.json(&["run", "--app", "shop"]).expect(14).error("engine-version-unknown");
    database.edit_env(
        &format!("WALG_LIBSODIUM_KEY_PATH={}", key.display()),
        &format!("WALG_LIBSODIUM_KEY={KEY}"),
    );
    database.json(&["run", "--app", "shop"]).expect(14).error("engine-failed");
}
