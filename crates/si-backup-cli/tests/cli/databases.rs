//! Databases backed up, proved by a restore, and refused where they must be: a real server, the engine that is linked in.

use crate::harness::{Ran, wait_for};
use crate::postgres::{Database, KEY, s3_env};
use rustix::process::{Pid, Signal, kill_process};
use si_backup_tests::Random;
use si_backup_tests::servers::{BucketKind, VersityGw};
use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::Duration;

/// The whole way, with a bucket wherever it is; what `amcheck` said.
fn from_backup_to_proof(database: &Database) -> String {
    let full = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!((&full["kind"], &full["restorable"]), (&"full".into(), &true.into()));
    assert_eq!(full["verified"]["level"], "checksum");
    let due = full["due"].as_array().unwrap();
    assert!(
        due.iter().any(|due| due["task"] == "rehearse") && due.iter().any(|due| due["task"] == "delta"),
        "{due:?}"
    );
    database.sql("insert into orders select generate_series(1001, 1500)");
    let delta = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!(delta["kind"], "delta", "{delta:#}");
    database.sql("insert into orders values (0)");
    database.sql("select pg_switch_wal()");

    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1]["parent"], full["id"]);
    assert!(listed.iter().all(|row| row["restorable"] == true && row["verified"]["level"] == "checksum"));

    database.json(&["verify", "--app", "shop"]).expect(0);
    let ran = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    let row = ran.row();
    assert_eq!(
        (&row["id"], &row["level"], &row["outcome"]),
        (&delta["id"], &"restore".into(), &"passed".into())
    );
    let checks = row["checks"].as_array().unwrap();
    for name in
        ["fingerprint", "unpacked", "recovery", "reached", "databases", "orders", "amcheck", "data-checksums"]
    {
        assert!(checks.iter().any(|check| check["name"] == name && check["ok"] == true), "{name}: {row:#}");
    }
    assert!(row["recovery_seconds"].as_u64().is_some() && row["data_loss_seconds"].as_u64().is_some());
    let left: Vec<_> = std::fs::read_dir(database.ground("scratch/scratch")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    let status = database.run(&["status", "--app", "shop"]).expect(0).stdout;
    assert!(status.starts_with("if this host were lost now: shop loses "), "{status}");
    assert!(status.contains(", is back in about "), "{status}");
    // The server goes on as if nothing had been.
    assert_eq!(
        database.sql("select count(*) from orders, pg_is_in_recovery() where not pg_is_in_recovery"),
        "1501"
    );
    let amcheck = checks.iter().find(|check| check["name"] == "amcheck").unwrap();
    amcheck["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_database_in_a_directory() {
    let Some(database) = Database::in_a_directory() else { return };
    // As if it came from where text is sorted by another library: an index of that would be out of order here.
    database.sql(
        "update pg_collation set collversion = '1.0' where collname in ('und-x-icu', 'de-x-icu'); \
         create table words (word text collate \"und-x-icu\" primary key, plain text collate \"C\" unique)",
    );
    let said = from_backup_to_proof(&database);
    let left_out =
        "not looked at: postgres.public.words_pkey: text is sorted otherwise here (\"und-x-icu\" 1.0, here ";
    assert!(said.contains(left_out), "{said}");
    // By hand a full, whatever there is.
    let full = database.json(&["run", "--app", "shop", "--full"]).expect(0).row();
    assert_eq!(full["kind"], "full");
    let text = database.run(&["run", "--app", "shop", "--dry-run"]).expect(0).stdout;
    assert!(text.contains("would make a delta of app:shop"), "{text}");
    // What is known to go wrong in the engine is told, and is no reason to complain.
    let checks = database.json(&["doctor"]).envelope()["checks"].as_array().unwrap().clone();
    let app = checks.iter().find(|row| row["name"] == "app shop" && row["ok"] == true).unwrap();
    assert!(app["detail"].as_str().unwrap().contains("engine embedded 0.4.1 with "), "{app}");
    let notes = database.json(&["contract", "--check", "--app", "shop"]).data();
    let note = notes.iter().find(|row| row["code"] == "engine-fetch-hides-errors").unwrap();
    assert_eq!(note["severity"], "info");
    let trail = database.json(&["audit", "list"]).expect(0).data();
    assert!(trail.iter().filter(|row| row["subject"] == "app:shop" && row["action"] == "run").count() >= 6);
}

#[test]
fn a_database_in_s3() {
    let Some(server) = VersityGw::shared() else { return };
    let Some(database) = Database::bare() else { return };
    server.admin().make_bucket("databases", BucketKind::Plain);
    let keys = server.keys();
    database.begin("supabase-self-hosted", &s3_env("databases", &server.endpoint(), keys));
    assert_eq!(from_backup_to_proof(&database), "every table and B-tree of every database is sound");
}

#[test]
fn a_check_that_fails_is_no_proof_of_a_restore() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    database.json(&["verify", "--app", "shop"]).expect(0);
    // What was once rehearsed is worth nothing once it fails.
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    database.sql("delete from orders");
    database.sql("select pg_switch_wal()");
    // Once the deletion has arrived.
    let failed = (0..50).find_map(|_| {
        let ran = database.json(&["verify", "--app", "shop", "--level", "restore"]);
        if ran.code == Some(12) {
            return Some(ran.row());
        }
        sleep(Duration::from_millis(200));
        None
    });
    let failed = failed.unwrap();
    assert_eq!((&failed["level"], &failed["outcome"]), (&"restore".into(), &"failed".into()));
    assert!(failed["recovery_seconds"].is_null());
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!(listed[0]["verified"]["level"], "content", "its bytes are as good as before");
    assert_eq!(listed[0]["failed"]["level"], "restore");
    database.json(&["status", "--app", "shop"]).expect(10).error("not-proved");
    let status = database.run(&["status", "--app", "shop"]).expect(10).stdout;
    assert!(
        status.contains("nobody has rehearsed") && status.contains("; a verification failed on"),
        "{status}"
    );
}

/// How long it takes to be back is what the newest rehearsal took that still stands; and what the archive has not got yet
/// is lost with the host, however new the objects are that it has.
#[test]
fn a_status_promises_no_more_than_there_is() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    let status = database.run(&["status", "--app", "shop"]).expect(0).stdout;
    assert!(
        status.contains(", is back in about ") && status.contains("server      PostgreSQL 15"),
        "{status}"
    );
    let age = || database.json(&["status", "--app", "shop"]).row()["age_seconds"].as_i64().unwrap();
    database.set("archive_command", "/bin/false");
    database.sql("select pg_switch_wal()");
    database.sql("insert into orders values (0)");
    database.sql("select pg_switch_wal()");
    // As if the first of them had waited for hours.
    let waiting = database.oldest_waiting_segment();
    std::fs::File::options()
        .write(true)
        .open(&waiting)
        .unwrap()
        .set_modified(std::time::SystemTime::now() - Duration::from_hours(5))
        .unwrap();
    assert!(age() >= 5 * 3_600, "{}", age());
    let status = database.run(&["status", "--app", "shop"]).stdout;
    assert!(status.starts_with("if this host were lost now: shop loses 5 h"), "{status}");
    assert!(status.contains("to be archived, the oldest for 5 h"), "{status}");
    database.stop();
    let status = database.run(&["status", "--app", "shop"]).stdout;
    assert!(status.starts_with("if this host were lost now: shop loses at least "), "{status}");
    assert!(status.contains("server      not asked: "), "{status}");
}

#[test]
fn another_server_is_refused_before_anything_is_written() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    database.replace_cluster();
    let ran = database.json(&["run", "--app", "shop"]).expect(10);
    let said = ran.error("server-findings");
    assert!(said.contains("no backup at the app's prefix is of it"), "{said}");
    assert_eq!(database.json(&["list", "--app", "shop"]).expect(0).data().len(), 1);
}

#[test]
fn a_backup_whose_wal_does_not_arrive_is_not_called_restorable() {
    let Some(database) = Database::in_a_directory() else { return };
    // Its contract does not know what this does: it keeps nothing.
    database.set("archive_command", "cp %p /dev/null");
    let ran = database.json(&["run", "--app", "shop", "--timeout", "8s"]).expect(12);
    let said = ran.error("verification-failed");
    assert!(said.contains("the archive lacks"), "{said}");
    assert_eq!(ran.row()["restorable"], false);
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!((listed.len(), &listed[0]["restorable"]), (1, &false.into()));
    database.json(&["verify", "--app", "shop"]).expect(12).error("no-restorable-snapshot");
}

#[test]
fn an_engine_is_not_believed() {
    let Some(database) = Database::in_a_directory() else { return };
    database.replace_engine("exit 0");
    let said = database.json(&["run", "--app", "shop"]).expect(14).error("engine-failed");
    assert!(said.contains("no new backup is in the bucket"), "{said}");
    // What it prints is told, and no secret of its environment with it.
    let env = std::fs::read_to_string(database.path("shop.env")).unwrap();
    let secret = "hunter2-hunter2";
    std::fs::write(database.path("shop.env"), format!("{env}PGPASSWORD={secret}\n")).unwrap();
    let fake = database.path("fake-engine");
    std::fs::write(&fake, "#!/bin/sh\necho \"the password is $PGPASSWORD\" >&2\nexit 1\n").unwrap();
    let ran = database.json(&["run", "--app", "shop"]).expect(14);
    let said = ran.error("engine-failed");
    assert!(said.contains("the password is <redacted>"), "{said}");
    let trail = database.run(&["audit", "list"]).expect(0).stdout;
    assert!(!format!("{}{}{trail}", ran.stdout, ran.stderr).contains(secret));
}

#[test]
fn a_server_that_is_down_is_said_to_be() {
    let Some(database) = Database::in_a_directory() else { return };
    database.stop();
    database.json(&["run", "--app", "shop"]).expect(1).error("server-not-reached");
    assert!(database.json(&["list", "--app", "shop"]).expect(0).data().is_empty());
}

/// Killed at moments of a push: nothing claims to be a backup that is none, and the next run goes on.
#[test]
fn a_killed_run_leaves_nothing_that_claims_to_be_a_backup() {
    let Some(database) = Database::in_a_directory() else { return };
    // So that there is a while to be killed in.
    database.edit_env("PGUSER=", "WALG_DISK_RATE_LIMIT=33554432\nPGUSER=");
    let base_backups = database.path("bucket/basebackups_005");
    let stored = || std::fs::read_dir(&base_backups).map_or(0, Iterator::count);
    let seed = u64::from(std::process::id());
    let (mut random, mut halves) = (Random::new(seed), 0);
    for _ in 0..20 {
        let before = stored();
        let mut child = database.si_backup(&["run", "--app", "shop", "--full"]).spawn().unwrap();
        // Half of them while it pushes.
        if random.below(2) == 0 {
            wait_for("a push that has begun", || stored() > before);
        }
        sleep(Duration::from_millis(random.below(700)));
        child.kill().unwrap();
        child.wait().unwrap();
        let sentinels = |names: std::fs::ReadDir| {
            names
                .filter(|name| {
                    name.as_ref().unwrap().file_name().display().to_string().ends_with("sentinel.json")
                })
                .count()
        };
        let whole = std::fs::read_dir(&base_backups).map_or(0, sentinels);
        halves += usize::from(stored() > 2 * whole);
    }
    assert!(halves > 0, "none was killed while it pushed; seed {seed}");
    // The lease of a killed run is taken over by the same home; an engine that went on alone comes to its end.
    let ran =
        database.json(&["--lock-wait", "3m", "run", "--app", "shop", "--full", "--timeout", "2m"]).expect(0);
    assert_eq!(ran.row()["restorable"], true);
    let is_idle = (0..100).any(|_| {
        let busy = database.sql("select count(*) from pg_stat_activity where query ilike '%pg_backup_start%' and pid <> pg_backend_pid()");
        if busy != "0" {
            sleep(Duration::from_millis(100));
        }
        busy == "0"
    });
    assert!(is_idle, "the server is in backup mode for nobody");
    for row in database.json(&["list", "--app", "shop"]).expect(0).data() {
        assert!(
            row["restorable"] == true || row["problems"][0]["code"] == "wal-missing",
            "seed {seed}: {row:#}"
        );
    }
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
}

/// `PostgreSQL` takes 1 to 125 for the end of the archive.
#[test]
fn a_restore_command_never_ends_in_a_code_that_would_promote() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    let get = |env: &[(&str, &str)], args: &[&str]| {
        let mut command = database.si_backup(&[&["wal-get"], args].concat());
        command
            .env("SI_BACKUP_WAL_KEY", KEY)
            .envs(env.iter().copied())
            .output()
            .unwrap()
            .status
            .code()
            .unwrap()
    };
    let bucket = database.path("bucket");
    let (prefix, to) = (("SI_BACKUP_WAL_PREFIX", bucket.to_str().unwrap()), database.path("got"));
    let (size, to) = (("SI_BACKUP_WAL_SEGMENT_BYTES", "16777216"), to.to_str().unwrap());
    let there = "000000010000000000000001";
    assert_eq!(get(&[prefix, size], &[there, to]), 0);
    assert_eq!(get(&[prefix, size], &["0000000100000000000000FF", to]), 1, "proved by a listing");
    let nowhere = ("SI_BACKUP_WAL_PREFIX", "/no/such/directory");
    let system = ("SI_BACKUP_WAL_SYSTEM", "7");
    for (env, args) in [
        (&[][..], &[there, to][..]),
        (&[prefix, size], &[]),
        (&[prefix, size], &[there]),
        (&[prefix, size], &[there, to, "more"]),
        (&[prefix, size], &["--help", "x"]),
        (&[prefix, size], &["no-name", to]),
        (&[nowhere, size], &[there, to]),
        (&[prefix, ("SI_BACKUP_WAL_SEGMENT_BYTES", "17")], &[there, to]),
        (&[prefix, size, system], &[there, to]),
        (&[prefix, size, ("SI_BACKUP_WAL_KEY", "zz")], &[there, to]),
        (&[prefix, size], &[there, "/no/such/directory/file"]),
    ] {
        assert_eq!(get(env, args), 126, "{env:?} {args:?}");
    }
    // Options before the word, of which it takes none.
    for before in [&["--json"][..], &["-q"], &["--home", "/x"]] {
        let args = [before, &["wal-get", there, to]].concat();
        assert_eq!(database.si_backup(&args).output().unwrap().status.code(), Some(126), "{before:?}");
    }
    // From the bucket itself, as the app's env file has it, and with what comes next.
    let (env_file, ahead) = (database.path("shop.env"), database.path("ahead"));
    std::fs::create_dir(&ahead).unwrap();
    let store = ("SI_BACKUP_WAL_ENV_FILE", env_file.to_str().unwrap());
    let reads_ahead = ("SI_BACKUP_WAL_AHEAD", ahead.to_str().unwrap());
    assert_eq!(get(&[store, ("SI_BACKUP_WAL_KEY", "not asked")], &[there, to]), 0);
    assert_eq!(get(&[store, reads_ahead], &[there, to]), 0);
    assert_eq!(std::fs::read_dir(&ahead).unwrap().count(), 0, "nobody has said of which cluster it is");
    let system = database.sql("select system_identifier from pg_control_system()");
    let reads_ahead_of = [store, reads_ahead, ("SI_BACKUP_WAL_SYSTEM", system.as_str())];
    assert_eq!(get(&reads_ahead_of, &[there, to]), 0);
    let place = std::fs::read_dir(&ahead).unwrap().next().unwrap().unwrap().path();
    assert!(place.join("000000010000000000000002").exists());
    assert_eq!(get(&reads_ahead_of, &["000000010000000000000002", to]), 0);
    assert!(!place.join("000000010000000000000002").exists());
    assert_eq!(get(&[store, reads_ahead], &["000000010000000000000002", to]), 0);
    assert_eq!(get(&[store, reads_ahead], &["0000000100000000000000FF", to]), 1);
    assert_eq!(get(&[("SI_BACKUP_WAL_ENV_FILE", "/no/such/file")], &[there, to]), 126);
    std::fs::set_permissions(&env_file, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(get(&[store], &[there, to]), 126, "others can read the keys");
}

/// `PGHOST` may lead to a primary elsewhere while its standby is here: one cluster, one path, two directories.
#[test]
fn the_directory_of_another_server_is_not_read_for_it() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    let socket = database.put_standby_in_place();
    let ran = database.json(&["run", "--app", "shop"]).expect(10);
    let said = ran.error("other-data-directory");
    assert!(said.contains("standby"), "{said}");
    let place = |dir: &std::path::Path| format!("PGHOST={}\n", dir.display());
    database.edit_env(&place(database.path("cluster").parent().unwrap()), &place(&socket));
    database.json(&["run", "--app", "shop"]).expect(10).error("server-is-standby");
    // One in which nobody works.
    database.stop();
    database.edit_env(&place(&socket), &place(database.path("cluster").parent().unwrap()));
    let said = database.json(&["run", "--app", "shop"]).expect(10).error("other-data-directory");
    assert!(said.contains("no server is seen to work in it"), "{said}");
    assert_eq!(database.json(&["list", "--app", "shop"]).expect(0).data().len(), 1);
}

/// The engine that is linked in, as a program of another name that may do more or less than it is told.
pub(crate) fn engine_that(database: &Database, before: &str, after: &str) {
    let engine = database.path("si-backup");
    database.replace_engine(&format!("{before}\n{} engine -- \"$@\" || exit $?\n{after}", engine.display()));
}

#[test]
fn of_two_that_push_at_once_each_has_its_own() {
    let Some(database) = Database::in_a_directory() else { return };
    // Somebody else's backup comes after ours, and is the newest.
    let engine = database.path("si-backup");
    let theirs = format!("{} engine -- backup-push {} --full", engine.display(), database.data().display());
    engine_that(&database, "", &theirs);
    let ours = database.json(&["run", "--app", "shop"]).expect(0).row();
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!((listed.len(), &listed[0]["id"]), (2, &ours["id"]));
    assert!(listed[1]["verified"].is_null(), "nothing is claimed of the other one");
}

#[test]
fn a_backup_that_cannot_be_told_for_ours_is_not_claimed() {
    let Some(database) = Database::in_a_directory() else { return };
    // An engine that keeps no user data: the backup may be anybody's.
    let engine = database.path("si-backup");
    let strip = format!("exec {} engine -- \"$1\" \"$2\" --full", engine.display());
    engine_that(&database, &strip, "");
    let said = database.json(&["run", "--app", "shop", "--full"]).expect(14).error("backup-not-as-ordered");
    assert!(said.contains("none has the mark of this run"), "{said}");
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert!(listed.len() == 1 && listed[0]["verified"].is_null(), "{listed:#?}");
}

#[test]
fn a_backup_of_another_cluster_is_not_claimed() {
    let Some(database) = Database::in_a_directory() else { return };
    // As when an engine goes on to another server than the one that was looked at.
    let edit = "sed -i 's/\"SystemIdentifier\":[0-9]*/\"SystemIdentifier\":7/' \
                \"$WALG_FILE_PREFIX\"/basebackups_005/*_sentinel.json";
    engine_that(&database, "", edit);
    let said = database.json(&["run", "--app", "shop"]).expect(14).error("backup-not-as-ordered");
    assert!(said.contains("is of the cluster 7"), "{said}");
}

#[test]
fn an_interrupted_push_is_said_to_be_one() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let Some(database) = Database::in_a_directory() else { return };
        let began = database.path("cluster/began");
        engine_that(&database, &format!("touch {}; exec sleep 600", began.display()), "");
        let child = database.si_backup(&["--json", "run", "--app", "shop"]).spawn().unwrap();
        wait_for("the engine to begin", || began.exists());
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap()).expect(code);
        ran.error("interrupted");
        let told = database.json(&["audit", "list"]).expect(0).data();
        let last = told.last().unwrap();
        assert_eq!((&last["action"], &last["outcome"]), (&"run".into(), &"interrupted".into()));
    }
}

#[test]
fn a_run_that_lost_its_lease_says_so() {
    let Some(database) = Database::in_a_directory() else { return };
    let began = database.path("cluster/began");
    engine_that(&database, &format!("touch {}; exec sleep 600", began.display()), "");
    let child = database.si_backup(&["--json", "run", "--app", "shop"]).spawn().unwrap();
    wait_for("the engine to begin", || began.exists());
    // Another host takes this one for dead.
    let leases = database.host.path("store/leases/run-app-default-shop");
    let newest = std::fs::read_dir(&leases).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&newest).unwrap()).unwrap();
    let generation: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    record["holder"] = "another".into();
    record["session"] = "another".into();
    let name = newest.file_stem().unwrap().to_str().unwrap();
    let next = format!("{:0width$}.json", generation + 1, width = name.len());
    std::fs::write(leases.join(next), record.to_string()).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap()).expect(11);
    ran.error("lease-lost");
}

#[test]
fn what_the_contract_calls_wrong_is_not_pushed() {
    let Some(database) = Database::in_a_directory() else { return };
    database.edit_env(&format!("WALG_LIBSODIUM_KEY={KEY}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n"), "");
    let ran = database.json(&["run", "--app", "shop"]).expect(10);
    let said = ran.error("contract-findings");
    assert!(said.contains("stored in the clear"), "{said}");
    let checked = database.json(&["contract", "--check", "--app", "shop"]).expect(10).data();
    let errors = |rows: &[serde_json::Value]| -> Vec<_> {
        rows.iter().filter(|row| row["severity"] == "error").map(|row| row["code"].clone()).collect()
    };
    let found = ran.row()["findings"].as_array().unwrap().clone();
    assert_eq!(errors(&found), errors(&checked));
    assert_eq!(errors(&found), ["env-not-encrypted"]);
    // What is only weak is told, and pushed all the same.
    assert!(found.iter().any(|row| row["severity"] == "warning"), "{found:#?}");
    assert!(!database.path("bucket/basebackups_005").exists());
    database.json(&["run", "--app", "shop", "--dry-run"]).expect(10).error("contract-findings");
}

/// No engine opens a chain with two keys.
#[test]
fn a_key_that_was_changed_begins_a_new_chain() {
    let Some(database) = Database::in_a_directory() else { return };
    let first = database.json(&["run", "--app", "shop"]).expect(0).row();
    database.change_key(KEY, &KEY.replace('0', "f"));
    let text = database.run(&["run", "--app", "shop", "--dry-run"]).expect(0).stdout;
    assert!(
        text.contains("would make a full of app:shop: the newest full was made with another key"),
        "{text}"
    );
    let second = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!(second["kind"], "full");
    let delta = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!(delta["kind"], "delta");
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!((&listed[0]["id"], &listed[2]["parent"]), (&first["id"], &second["id"]));
}

#[test]
fn a_time_limit_is_that_of_the_whole_run() {
    let Some(database) = Database::in_a_directory() else { return };
    // The backup is there, and the time is over before it is read back.
    engine_that(&database, "", "exec sleep 600");
    let ran = database.json(&["run", "--app", "shop", "--timeout", "6s"]).expect(14);
    ran.error("timed-out");
    assert!(ran.row()["verified"].is_null() && ran.row()["evidence"].is_null());
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert!(listed.len() == 1 && listed[0]["verified"].is_null(), "{listed:#?}");
}

#[test]
fn the_contract_is_held_against_the_server_that_runs() {
    let Some(database) = Database::in_a_directory() else { return };
    let check = || database.json(&["contract", "--check", "--app", "shop"]);
    let codes = |ran: &Ran| ran.data().iter().map(|row| row["code"].clone()).collect::<Vec<_>>();
    assert!(!codes(&check()).iter().any(|code| code.as_str().unwrap().starts_with("live-")));
    database.set("archive_timeout", "3600");
    let reloaded = || database.sql("show archive_timeout") == "1h";
    wait_for("the server to read its settings", reloaded);
    assert!(codes(&check().expect(10)).contains(&"live-archive-timeout".into()));
    database.stop();
    let ran = check();
    assert!(!codes(&ran).contains(&"live-archive-timeout".into()));
    assert!(ran.data().iter().any(|row| row["detail"].as_str().unwrap().contains("server was not asked")));
}
