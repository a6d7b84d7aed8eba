//! Restores that are tried: what keeps them from it, what they are given, and what is signed of them.

use crate::databases::engine_that;
use crate::harness::{tree, wait_for};
use crate::postgres::{Database, s3_env};
use si_backup_tests::servers::{BucketKind, Fault, Proxy, VersityGw};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Stdio;

/// The objects of the bucket below a directory of it, in order.
fn objects(database: &Database, below: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(database.path(below)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn damaged_wal_is_evidence_that_a_restore_fails() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    let sound = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    assert_eq!(sound.row()["outcome"], "passed");
    // Behind the end of the backup, whose own WAL is as good as before.
    database.archive_what_there_is();
    let newest = objects(&database, "bucket/wal_005")
        .into_iter()
        .rfind(|path| path.file_name().unwrap().to_str().unwrap().trim_end_matches(".zst").len() == 24);
    let newest = newest.unwrap();
    fs::write(&newest, &fs::read(&newest).unwrap()[..100]).unwrap();
    database.json(&["verify", "--app", "shop", "--level", "content"]).expect(0);
    let ran = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(12);
    let row = ran.row();
    let wal = row["checks"].as_array().unwrap().iter().find(|check| check["name"] == "wal").unwrap();
    let name = newest.file_stem().unwrap().to_str().unwrap();
    assert!(wal["ok"] == false && wal["detail"].as_str().unwrap().contains(name), "{row:#}");
    assert!(wal["detail"].as_str().unwrap().contains("can be reached"), "{row:#}");
    assert!(!row["checks"].as_array().unwrap().iter().any(|check| check["name"] == "unpacked"), "{row:#}");
    // It is signed, and in the trail.
    assert!(row["evidence"].as_str().unwrap().contains("restore-failed"), "{row:#}");
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert_eq!(listed[0]["failed"]["level"], "restore");
    let trail = database.json(&["audit", "list"]).expect(0).data();
    assert!(trail.iter().any(|row| row["action"] == "verify" && row["outcome"] == "failed"), "{trail:#?}");
}

#[test]
fn changed_bytes_are_not_unpacked() {
    let Some(database) = Database::in_a_directory() else { return };
    let id = database.json(&["run", "--app", "shop"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    let parts = format!("bucket/basebackups_005/{id}/tar_partitions");
    let part = objects(&database, &parts).pop().unwrap();
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, [&*bytes, &[0]].concat()).unwrap();
    let row = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(12).row();
    let names: Vec<_> = row["checks"].as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert_eq!(names, ["fingerprint"], "{row:#}");
    assert_eq!(row["level"], "checksum");
    // A delta of it is not unpacked either, and that is told of both.
    fs::write(&part, &bytes).unwrap();
    database.json(&["run", "--app", "shop", "--full"]).expect(0);
    let delta = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!(delta["kind"], "delta");
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    let parts = format!("bucket/basebackups_005/{}/tar_partitions", listed[1]["id"].as_str().unwrap());
    let part = objects(&database, &parts).pop().unwrap();
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, [&*bytes, &[0]].concat()).unwrap();
    database.json(&["verify", "LATEST", "--app", "shop", "--level", "restore"]).expect(12);
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    let failed: Vec<_> = listed.iter().map(|row| &row["failed"]["level"]).collect();
    assert_eq!(failed, ["checksum"; 3], "{listed:#?}");
}

#[test]
fn two_verifications_of_one_app_do_not_share_a_mirror() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    let lock = File::open(database.ground("scratch/mirror/default/shop/lock")).unwrap();
    lock.lock().unwrap();
    let refused = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(11);
    let said = refused.error("verification-under-way");
    assert!(said.contains("another verification of app 'shop' is under way"), "{said}");
    assert_eq!(database.json(&["list", "--app", "shop"]).expect(0).data()[0]["verified"]["level"], "restore");
    lock.unlock().unwrap();
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
}

/// The file of a key is for whoever runs this alone: what unpacks is given the key itself. Of a key that this program knows
/// nothing of, no failure is signed.
#[test]
fn a_key_is_handed_over_or_the_restore_is_not_tried() {
    let Some(database) = Database::bare() else { return };
    let key = database.path("key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    database.give(&key);
    database.begin(
        "local-directory",
        &format!(
            "WALG_FILE_PREFIX={}\nWALG_LIBSODIUM_KEY_PATH={}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n",
            database.path("bucket").display(),
            key.display()
        ),
    );
    database.json(&["run", "--app", "shop"]).expect(0);
    let own = database.path("own-key");
    fs::copy(&key, &own).unwrap();
    let env = fs::read_to_string(database.path("shop.env")).unwrap();
    let of_root = env.replace(&*key.to_string_lossy(), &own.to_string_lossy());
    fs::write(database.path("shop.env"), &of_root).unwrap();
    let ran = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    assert_eq!(ran.row()["outcome"], "passed");

    database.replace_engine("exit 1");
    database.host.edit_settings("engine = \"walrus\"", "engine = \"wal-g\"");
    for other in ["WALG_PGP_KEY_PATH=/k", "WALG_GPG_KEY_ID=1", "WALG_CSE_KMS_ID=k", "YC_CSE_KMS_KEY_ID=k"] {
        fs::write(database.path("shop.env"), format!("{of_root}{other}\n")).unwrap();
        let ran = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(1);
        ran.error("not-readable");
    }
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert!(listed[0]["failed"].is_null(), "{:#}", listed[0]);
}

#[test]
fn a_rehearsal_is_made_where_the_settings_say() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    database.host.edit_settings("production = false", "production = true");
    let refused = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(2);
    let said = refused.error("usage");
    assert!(said.contains("runs in production on this host") && said.contains("'here'"), "{said}");
    let host = refused.envelope().to_string();
    assert!(host.contains("run it on 'here'"), "{host}");
    database.json(&["verify", "--app", "shop", "--level", "checksum"]).expect(0);
    // What is no SQL is not dropped without a word.
    database.host.edit_settings("production = true", "production = false");
    database.host.edit_settings(
        "checks = [",
        "checks = [{ name = \"port\", tcp = \"127.0.0.1:5432\", when = \"rehearsal\" }, ",
    );
    let ran = database.run(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    assert!(ran.stderr.contains("the check 'port' is no SQL"), "{}", ran.stderr);
}

/// Statistics are kept by the server itself, so the copy has them too.
#[test]
fn tables_that_lost_their_rows_since_the_last_rehearsal_are_told() {
    let Some(database) = Database::in_a_directory() else { return };
    database.sql("create table kept as select generate_series(1, 500) as id");
    database.sql("create table dropped as select generate_series(1, 500) as id");
    database.sql("vacuum analyze");
    database.json(&["run", "--app", "shop"]).expect(0);
    let first = database.run(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    assert!(!first.stderr.contains("since the rehearsal of"), "{}", first.stderr);
    database.sql("drop table dropped");
    database.sql("delete from kept where id > 10");
    database.sql("vacuum analyze kept");
    database.archive_what_there_is();
    let second = database.run(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    for told in ["postgres.public.dropped is gone", "postgres.public.kept has about 10 rows and had 500"] {
        assert!(second.stderr.contains(told), "{told}: {}", second.stderr);
    }
}

/// With it a server keeps its WAL on a disk of its own.
#[test]
fn a_wal_directory_that_is_a_link_comes_back() {
    let Some(database) = Database::bare() else { return };
    let (wal, elsewhere) = (database.data().join("pg_wal"), database.path("cluster/wal"));
    fs::rename(&wal, &elsewhere).unwrap();
    symlink(&elsewhere, &wal).unwrap();
    database.begin("local-directory", &format!("WALG_FILE_PREFIX={}\n", database.path("bucket").display()));
    database.json(&["run", "--app", "shop"]).expect(0);
    let row = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0).row();
    assert_eq!(row["outcome"], "passed", "{row:#}");
    let to = database.ground("restored");
    let row = database
        .json(&["extract", "LATEST", "--app", "shop", "--into", to.to_str().unwrap()])
        .expect(0)
        .row();
    assert!(fs::symlink_metadata(to.join("pg_wal")).unwrap().is_dir());
    let copy = database.start_extracted(&row);
    assert_eq!(copy.sql("select count(*) from orders"), "1000");
}

/// Unpacked they would lie over the live ones.
#[test]
fn tablespaces_are_refused_and_nothing_is_signed_of_them() {
    let Some(database) = Database::in_a_directory() else { return };
    let space = database.path("space");
    fs::create_dir(&space).unwrap();
    database.give(&space);
    database.sql(&format!("create tablespace fast location '{}'", space.display()));
    database.sql("create table quick tablespace fast as select generate_series(1, 10) as id; checkpoint");
    database.json(&["run", "--app", "shop"]).expect(0);
    database.json(&["verify", "--app", "shop"]).expect(0);
    let to = database.ground("restored");
    for words in [
        &["verify", "--app", "shop", "--level", "restore"][..],
        &["extract", "LATEST", "--app", "shop", "--into", to.to_str().unwrap()],
    ] {
        let said = database.json(words).expect(12).error("tablespaces");
        assert!(said.contains(&*space.to_string_lossy()) && said.contains("remapped"), "{said}");
    }
    assert!(!to.exists());
    assert!(database.json(&["list", "--app", "shop"]).expect(0).data()[0]["failed"].is_null());
    database.sql("insert into quick values (11)");
    assert_eq!(database.sql("select count(*) from quick"), "11", "the live one goes on");
}

/// Its full knows nothing of it: the server would link to where the live one lies, and replay into that.
#[test]
fn a_tablespace_that_is_made_behind_the_backup_is_not_replayed() {
    let Some(database) = Database::in_a_directory() else { return };
    let id = database.json(&["run", "--app", "shop"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    database.sql("insert into orders values (0)");
    let before = database.sql("select pg_current_wal_insert_lsn()");
    let space = database.path("space");
    fs::create_dir(&space).unwrap();
    database.give(&space);
    database.sql(&format!("create tablespace fast location '{}'", space.display()));
    database.sql("create table quick tablespace fast as select generate_series(1, 1000) as id");
    database.archive_what_there_is();
    database.sql("insert into quick select generate_series(1, 234); checkpoint");
    let of_live = tree(&space);
    assert!(!of_live.is_empty());
    let (to, until) = (database.ground("restored"), |name: &str| database.ground(name));
    let oid = database.sql("select oid from pg_tablespace where spcname = 'fast'");
    for words in [
        &["verify", &id, "--app", "shop", "--level", "restore"][..],
        &["extract", &id, "--app", "shop", "--into", to.to_str().unwrap(), "--until", "end"],
    ] {
        let said = database.json(words).expect(12).error("tablespaces");
        for told in [&*space.to_string_lossy(), &oid, "0/", "--until"] {
            assert!(said.contains(told), "{told}: {said}");
        }
    }
    assert!(!to.exists());
    assert_eq!(tree(&space), of_live, "nobody wrote into the live one");
    assert_eq!(fs::read_dir(database.data().join("pg_tblspc")).unwrap().count(), 1);
    assert!(database.json(&["list", "--app", "shop"]).expect(0).data()[0]["failed"].is_null());
    let trail = database.json(&["audit", "list"]).expect(0).data();
    assert!(!trail.iter().any(|row| row["level"] == "restore"), "{trail:#?}");

    // Up to before it there is nothing to be refused.
    for (name, place, count) in
        [("at-lsn", format!("lsn:{before}"), "1001"), ("at-backup", "backup".into(), "1000")]
    {
        let to = until(name);
        let words = ["extract", &id, "--app", "shop", "--into", to.to_str().unwrap(), "--until", &place];
        let row = database.json(&words).expect(0).row();
        assert!(row["server"]["notes"].to_string().contains("pg_tblspc"), "{row:#}");
        let copy = database.start_extracted(&row);
        assert_eq!(copy.sql("select count(*) from orders"), count, "{place}");
    }

    // And a server that comes to such a record all the same stops there.
    let to = until("all-the-same");
    let words = ["extract", &id, "--app", "shop", "--into", to.to_str().unwrap(), "--until", "backup"];
    database.json(&words).expect(0);
    for entry in fs::read_dir(database.data().join("pg_wal")).unwrap() {
        let (from, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if name.len() == 24 {
            let there = to.join("pg_wal").join(name);
            fs::copy(from, &there).unwrap();
            database.give(&there);
        }
    }
    let auto = to.join("postgresql.auto.conf");
    let settings = fs::read_to_string(&auto).unwrap();
    fs::write(&auto, settings + "recovery_target = ''\nlisten_addresses = ''\nport = 5434\n").unwrap();
    let log = database.path("log-of-copy");
    let control = |verb: &[&str]| {
        let mut command = database.command("pg_ctl");
        command.args(verb).arg("-D").arg(&to).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
    };
    // It may be seen to take connections before it comes to the record.
    control(&["start", "--wait", "--timeout=60", "--log", log.to_str().unwrap()]);
    let said = || fs::read_to_string(&log).unwrap();
    wait_for("the copy to end by itself", || said().contains("database system is shut down"));
    let said = said();
    assert!(said.contains("could not create symbolic link \"pg_tblspc/"), "{said}");
    assert_eq!(tree(&space), of_live);
    assert_eq!(database.sql("select count(*) from quick"), "1234", "the live one goes on");
}

/// A refusal in the middle of it is no failure of the backup, and never ends in a server that promotes with what there is.
#[test]
fn a_store_that_fails_meanwhile_says_nothing_of_the_backup() {
    let Some(server) = VersityGw::shared() else { return };
    let Some(database) = Database::bare() else { return };
    server.admin().make_bucket("failing", BucketKind::Plain);
    let (proxy, keys) = (Proxy::before(server.address()), server.keys());
    database.begin("supabase-self-hosted", &s3_env("failing", &proxy.endpoint(), keys));
    database.json(&["run", "--app", "shop"]).expect(0);
    database.archive_what_there_is();
    let verify = || database.json(&["verify", "--app", "shop", "--level", "restore"]);
    let denied = Fault::Answer { status: 403, code: "AccessDenied", retry_after: None };
    for part in ["tar_partitions", "_backup_stop_sentinel.json", "wal_005/"] {
        // What came already is not asked for again.
        let _ = fs::remove_dir_all(database.ground("scratch/mirror"));
        proxy.asked();
        proxy.plan(
            move |asked| {
                if asked.reads_object() && asked.path.contains(part) { denied } else { Fault::None }
            },
        );
        let ran = verify();
        let was_hit = proxy.has_asked(|asked| asked.fault != Fault::None);
        proxy.clear();
        assert!(was_hit, "{part}");
        assert!(![Some(0), Some(12)].contains(&ran.code), "{part}: {}{}", ran.stdout, ran.stderr);
        let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
        assert!(listed[0]["failed"].is_null(), "{part}: {:#}", listed[0]);
    }
    assert_eq!(verify().expect(0).row()["outcome"], "passed");
}

/// A delta that left a block out: by itself the older one is sound, and its checksum is right.
#[test]
fn a_stale_block_of_a_delta_is_found() {
    let Some(database) = Database::in_a_directory() else { return };
    database.sql("create table parts (id int primary key)");
    database.sql("insert into parts select generate_series(1, 1000)");
    database.sql("checkpoint");
    database.json(&["run", "--app", "shop"]).expect(0);
    let index = database.sql("select pg_relation_filepath('parts_pkey')");
    let before = database.path("before");
    fs::copy(database.data().join(&index), &before).unwrap();
    fs::set_permissions(&before, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    // It goes into the first leaf, which is block 1.
    database.sql("insert into parts values (0)");
    assert_eq!(database.json(&["run", "--app", "shop"]).expect(0).row()["kind"], "delta");
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
    let stale = format!(
        "[ \"$1\" != backup-fetch ] || dd if={} of=\"$2/{index}\" bs=8192 skip=1 seek=1 count=1 conv=notrunc 2>&1",
        before.display()
    );
    engine_that(&database, "", &stale);
    let row = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(12).row();
    let check = |name: &str| {
        let checks = row["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap().clone()
    };
    let amcheck = check("amcheck");
    assert_eq!(amcheck["ok"], false, "{row:#}");
    assert!(amcheck["detail"].as_str().unwrap().contains("parts"), "{amcheck:#}");
    assert_eq!(check("data-checksums")["ok"], true, "{row:#}");
}
