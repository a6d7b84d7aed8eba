//! A database unpacked into a directory that somebody starts: what it then has in it, and what is never unpacked.

use crate::harness::tree;
use crate::postgres::Database;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// With what is encrypted in its bucket.
fn encrypted() -> Option<Database> {
    let database = Database::bare()?;
    let bucket = database.path("bucket");
    let env = format!(
        "WALG_FILE_PREFIX={}\nWALG_LIBSODIUM_KEY={KEY}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n",
        bucket.display()
    );
    database.begin("local-directory", &env);
    Some(database)
}

fn into(database: &Database, name: &str) -> (PathBuf, String) {
    let path = database.ground(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

/// What lies beside what was extracted.
fn beside(database: &Database) -> Vec<String> {
    let entries = fs::read_dir(database.ground("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn rows(count: u32) -> String {
    format!("insert into orders select generate_series(1, {count})")
}

#[test]
fn the_newest_data_comes_back_without_its_bucket() {
    let Some(database) = encrypted() else { return };
    // What would have the copy archive into the same bucket, follow another server, or run over the live files.
    let secret = "hunter2-hunter2";
    let conf = database.data().join("postgresql.conf");
    let live = format!("\ndata_directory = '{}'\n", database.data().display());
    fs::write(&conf, fs::read_to_string(&conf).unwrap() + &live).unwrap();
    database.set("primary_conninfo", &format!("host=db password={secret}"));
    database.json(&["run", "--app", "shop"]).expect(0);
    database.sql(&rows(500));
    let delta = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!(delta["kind"], "delta");
    database.sql(&rows(70));
    database.archive_what_there_is();

    let (path, to) = into(&database, "restored");
    let ran = database.json(&["extract", "LATEST", "--app", "shop", "--into", &to]).expect(0);
    let row = ran.row();
    assert_eq!((&row["id"], &row["into"]), (&delta["id"], &to.as_str().into()));
    assert_eq!(row["checksum"], delta["checksum"]);
    let server = &row["server"];
    assert_eq!((&server["until"], &server["timeline"]), (&"end".into(), &1.into()));
    assert_eq!(server["archiving"], false);
    let notes = server["notes"].to_string();
    for name in ["primary_conninfo", "archive_command", "data_directory"] {
        assert!(notes.contains(name), "{notes}");
    }
    assert!(!notes.contains("was recorded"), "{notes}");
    let said = format!("{}{}{}", ran.stdout, ran.stderr, database.run(&["audit", "list"]).expect(0).stdout);
    for secret in [secret, KEY] {
        assert!(!said.contains(secret), "{said}");
    }
    for (name, bytes) in tree(&path) {
        assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "the key is in {name}");
    }
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o700);
    assert_eq!(meta.uid(), fs::metadata(database.data()).unwrap().uid());
    assert_eq!(beside(&database), ["restored"]);

    fs::rename(database.path("bucket"), database.path("bucket-away")).unwrap();
    let before = tree(&database.path("bucket-away")).into_keys().collect::<Vec<_>>();
    let copy = database.start_extracted(&row);
    assert_eq!(copy.sql("select count(*) from orders"), "1571");
    assert_eq!(copy.sql("show archive_mode"), "off");
    assert_eq!(copy.sql("show data_directory"), to);
    assert_eq!(copy.sql("select pg_is_in_recovery()"), "f");
    let reached = copy.sql("select pg_walfile_name(pg_current_wal_lsn())");
    assert!(reached.starts_with("00000002"), "a timeline of its own: {reached}");
    copy.sql("create table mine as select 1; select pg_switch_wal()");
    drop(copy);
    assert_eq!(tree(&database.path("bucket-away")).into_keys().collect::<Vec<_>>(), before);
    fs::rename(database.path("bucket-away"), database.path("bucket")).unwrap();
    assert_eq!(database.sql("select count(*) from orders"), "1571", "the live one goes on");
}

#[test]
fn a_server_recovers_up_to_where_it_was_told_to() {
    let Some(database) = Database::in_a_directory() else { return };
    let id = database.json(&["run", "--app", "shop"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    // A clock that is set while this runs puts nothing before the end of the backup.
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    let finished = listed[0]["finished_at"].as_str().unwrap();
    while database.sql(&format!("select clock_timestamp() <= '{finished}'")) == "t" {
        sleep(Duration::from_millis(50));
    }
    database.sql(&rows(100));
    let lsn = database.sql("select pg_current_wal_insert_lsn()");
    let time = database
        .sql("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
    database.sql("select pg_create_restore_point('before')");
    database.sql(&rows(10));
    database.archive_what_there_is();
    // A newer backup, which lies behind what is asked for.
    database.json(&["run", "--app", "shop", "--full"]).expect(0);
    let cases = [
        (id.as_str(), None, "1000", "backup"),
        (&id, Some("end".to_owned()), "1111", "end"),
        (&id, Some("name:before".to_owned()), "1100", "name:before"),
        ("LATEST", Some(format!("lsn:{lsn}")), "1100", "lsn:"),
        ("LATEST", Some(time), "1100", "20"),
    ];
    for (index, (id_asked, until, count, said)) in cases.iter().enumerate() {
        let (_, to) = into(&database, &format!("restored-{index}"));
        let mut words = vec!["extract", id_asked, "--app", "shop", "--into", &to];
        words.extend(until.iter().flat_map(|until| ["--until", until.as_str()]));
        let row = database.json(&words).expect(0).row();
        assert_eq!(row["id"], id.as_str(), "{until:?}");
        assert!(row["server"]["until"].as_str().unwrap().starts_with(said), "{row:#}");
        let copy = database.start_extracted(&row);
        assert_eq!(copy.sql("select count(*) from orders"), *count, "{until:?}");
        assert_eq!(copy.sql("select pg_is_in_recovery()"), "f", "{until:?}");
    }
    let (_, to) = into(&database, "nowhere");
    let ran = database.json(&["extract", &id, "--app", "shop", "--into", &to, "--until", "lsn:FF/0"]);
    ran.expect(12).error("target-out-of-reach");
    for until in ["tomorrow", "lsn:", "lsn:1", "name:", "2026-11-23T14:05:00"] {
        database.json(&["extract", &id, "--app", "shop", "--into", &to, "--until", until]).expect(2);
    }
    assert!(!Path::new(&to).exists());
    let text = database.run(&["extract", &id, "--app", "shop", "--into", &to]).expect(0).stdout;
    for said in [
        "its server recovers to the end of the backup on timeline 1",
        "start it: ",
        "pg_ctl --wait",
        "it archives nothing",
    ] {
        assert!(text.contains(said), "{text}");
    }
    let trail = database.json(&["audit", "list"]).expect(0).data();
    for outcome in ["announced", "done", "failed"] {
        assert!(trail.iter().any(|row| row["action"] == "extract" && row["outcome"] == outcome), "{outcome}");
    }
}

#[test]
fn nothing_is_unpacked_over_what_is_there_or_of_what_is_not_sound() {
    let Some(database) = Database::in_a_directory() else { return };
    let id = database.json(&["run", "--app", "shop"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    let (path, to) = into(&database, "restored");
    let extract = || database.json(&["extract", &id, "--app", "shop", "--into", &to]);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("lost+found"), "").unwrap();
    extract().expect(2).error("target-not-empty");
    fs::remove_file(path.join("lost+found")).unwrap();
    database.json(&["extract", &id, "--app", "shop", "--into", &to, "--file", "PG_VERSION"]).expect(2);
    database.json(&["extract", &id, "--into", &to, "--until", "end"]).expect(2);
    if rustix::process::geteuid().is_root() {
        // Where its user could put another directory in the place of ours.
        let theirs = database.path("restored");
        let ran = database.json(&["extract", &id, "--app", "shop", "--into", theirs.to_str().unwrap()]);
        ran.expect(2).error("scratch-exposed");
    }
    // A link that leads out, and a file behind it.
    let parts = database.path(&format!("bucket/basebackups_005/{id}/tar_partitions"));
    let part = fs::read_dir(parts)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("part_"));
    let part = part.unwrap();
    let good = fs::read(&part).unwrap();
    let outside = database.ground("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, Permissions::from_mode(0o777)).unwrap();
    let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "base/out", &outside).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    header.set_mode(0o644);
    tar.append_data(&mut header, "base/out/written", &b"hi"[..]).unwrap();
    fs::write(&part, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    // By what was recorded; and where nothing was, by what is in it.
    let said = extract().expect(12).error("backup-unsound");
    assert!(said.contains("it was changed"), "{said}");
    fs::rename(database.host.store().join("evidence"), database.host.store().join("no-evidence")).unwrap();
    let said = extract().expect(12).error("backup-unsound");
    // Who has not the key writes nothing that is read; what is within is looked at in the tests of the library.
    assert!(said.contains("it was not encrypted with this key"), "{said}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_dir(&outside).unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    assert_eq!(beside(&database), ["restored"], "nothing stays");
    // Without evidence it comes back all the same, and that is said.
    fs::write(&part, good).unwrap();
    let row = extract().expect(0).row();
    assert!(row["server"]["notes"].to_string().contains("no fingerprint of"), "{row:#}");
    // WAL that the backup needs.
    let wal = database.path("bucket/wal_005").join(format!("{}.zst", &id[5..29]));
    fs::write(&wal, &fs::read(&wal).unwrap()[..50]).unwrap();
    let (_, other) = into(&database, "other");
    let ran = database.json(&["extract", &id, "--app", "shop", "--into", &other]).expect(12);
    assert!(ran.error("backup-unsound").contains(&id[5..29]), "{}", ran.stdout);
}

/// Whoever starts the copy would start it over the live files.
#[test]
fn a_configuration_that_names_the_live_files_is_refused() {
    let Some(database) = Database::in_a_directory() else { return };
    let (data, conf) = (database.data(), database.data().join("postgresql.conf"));
    fs::write(data.join("more.conf"), format!("data_directory = '{}'\n", data.display())).unwrap();
    fs::write(&conf, fs::read_to_string(&conf).unwrap() + "\ninclude 'more.conf'\n").unwrap();
    database.json(&["run", "--app", "shop"]).expect(0);
    let (path, to) = into(&database, "restored");
    let ran = database.json(&["extract", "LATEST", "--app", "shop", "--into", &to]).expect(1);
    let said = ran.error("program-failed");
    assert!(said.contains("run over") && said.contains(&*data.to_string_lossy()), "{said}");
    assert!(!path.exists());
}

/// What is included has its say where nothing is written behind it: it recovered to less than it was told, wrote into the log
/// of the live one, and took over its subscriptions.
#[test]
fn what_a_configuration_includes_has_no_say_in_how_it_recovers() {
    let Some(database) = Database::in_a_directory() else { return };
    let (data, conf) = (database.data(), database.data().join("postgresql.conf"));
    let logs = database.path("logs");
    let more = format!(
        "recovery_target = 'immediate'\nrecovery_target_action = 'shutdown'\nrecovery_min_apply_delay = '1h'\n\
         max_logical_replication_workers = 4\nlog_directory = '{}'\nprimary_conninfo = 'host=live'\n\
         external_pid_file = '{}'\n",
        logs.display(),
        database.path("pid").display()
    );
    database.json(&["run", "--app", "shop"]).expect(0);
    fs::write(data.join("more.conf"), more).unwrap();
    fs::write(&conf, fs::read_to_string(&conf).unwrap() + "\ninclude 'more.conf'\n").unwrap();
    let id =
        database.json(&["run", "--app", "shop", "--full"]).expect(0).row()["id"].as_str().unwrap().to_owned();
    database.sql(&rows(500));
    database.archive_what_there_is();
    let (_, to) = into(&database, "restored");
    let row =
        database.json(&["extract", &id, "--app", "shop", "--into", &to, "--until", "end"]).expect(0).row();
    let notes = row["server"]["notes"].to_string();
    for told in ["max_logical_replication_workers", "log_directory"] {
        assert!(notes.contains(told), "{told}: {notes}");
    }
    let copy = database.start_extracted(&row);
    assert_eq!(copy.sql("select count(*) from orders"), "1501");
    for (name, value) in [
        ("max_logical_replication_workers", "0"),
        ("recovery_min_apply_delay", "0"),
        ("log_directory", "log"),
        ("primary_conninfo", ""),
        ("external_pid_file", ""),
    ] {
        assert_eq!(copy.sql(&format!("show {name}")), value, "{name}");
    }
}

#[test]
fn what_a_killed_extraction_left_is_removed_by_the_next() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    let is_left = |name: &String| name.starts_with("si-scratch-");
    let is_at_work = || {
        beside(&database).iter().any(|name| is_left(name) && database.ground(name).join("mirror").exists())
    };
    let was_killed = (0..50).any(|attempt| {
        let (_, to) = into(&database, &format!("restored-{attempt}"));
        let mut child =
            database.si_backup(&["extract", "LATEST", "--app", "shop", "--into", &to]).spawn().unwrap();
        while child.try_wait().unwrap().is_none() && !is_at_work() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        beside(&database).iter().any(is_left) && !Path::new(&to).exists()
    });
    assert!(was_killed);
    let (_, to) = into(&database, "restored");
    let ran = database.json(&["extract", "LATEST", "--app", "shop", "--into", &to]).expect(0);
    assert!(!beside(&database).iter().any(is_left), "{:?}", beside(&database));
    let copy = database.start_extracted(&ran.row());
    assert_eq!(copy.sql("select count(*) from orders"), "1000");
}
