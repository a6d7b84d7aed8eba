use crate::stage::{AT_THE_END, Stage, Tars, Then, check, failed};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use walg_driver::scratch::{AppCheck, Point, Target};

/// What is done to a copy.
type Damage = fn(&Path);

pub(crate) fn what_an_engine_left() {
    let damages: [(&str, Damage); 7] = [
        ("there is no PG_VERSION", |data| fs::remove_file(data.join("PG_VERSION")).unwrap()),
        ("PG_VERSION says", |data| fs::write(data.join("PG_VERSION"), "14\n").unwrap()),
        ("there is no global/pg_control", |data| fs::remove_file(data.join("global/pg_control")).unwrap()),
        ("there is no backup_label", |data| fs::remove_file(data.join("backup_label")).unwrap()),
        ("files are missing", |data| fs::remove_dir_all(data.join("base/5")).unwrap()),
        ("leads out of the copy", |data| symlink("/etc", data.join("base/elsewhere")).unwrap()),
        ("tablespace_map", |data| fs::write(data.join("tablespace_map"), "16385 /fast\n").unwrap()),
    ];
    for (said, damage) in damages {
        let stage = Stage::new("plain", 0, Target::new(Point::End));
        let report = stage.verify(&Then(damage)).unwrap();
        assert_eq!(failed(&report), ["unpacked"], "{said}");
        assert_eq!(report.checks.len(), 4, "{said}: it was started");
        let detail = &check(&report, "unpacked").detail;
        assert!(detail.contains(said), "{detail}");
    }
    let control = |data: &Path| {
        let path = data.join("global/pg_control");
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    // Of what a link leads to nothing is told: it is read as who we are.
    let private = stage.home.path().join("private");
    fs::write(&private, "hunter2").unwrap();
    let report = stage
        .verify(&Then(move |data: &Path| {
            fs::remove_file(data.join("PG_VERSION")).unwrap();
            symlink(&private, data.join("PG_VERSION")).unwrap();
        }))
        .unwrap();
    let detail = &check(&report, "unpacked").detail;
    assert!(detail.contains("PG_VERSION leads out") && !detail.contains("hunter2"), "{detail}");
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    let report = stage.verify(&Then(control)).unwrap();
    assert!(check(&report, "unpacked").detail.contains("checksum of global/pg_control"));
}

pub(crate) fn app_checks() {
    let mut stage = Stage::new("plain", 0, Target::new(Point::End));
    let touched = stage.place().join("../touched");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
    fs::set_permissions(stage.home.path(), mode).unwrap();
    let touch = format!("touch {}", touched.display());
    let questions = [
        ("yes", "SELECT true".to_owned(), true),
        ("quoted", "SELECT 'it''s \\ :x' = E'it\\'s \\\\ :x'\n -- and\n".to_owned(), true),
        ("no", "SELECT false".to_owned(), false),
        ("null", "SELECT NULL::bool".to_owned(), false),
        ("two-rows", "VALUES (true), (true)".to_owned(), false),
        ("no-row", "SELECT true WHERE false".to_owned(), false),
        ("no-sql", "SELEKT".to_owned(), false),
        ("no-table", "SELECT count(*) > 0 FROM no_such_table".to_owned(), false),
        ("bang", format!("\\! {touch}"), false),
        ("bang-behind", format!("SELECT true\n\\! {touch}\n"), false),
        ("bang-in-text", format!("SELECT '\n\\! {touch}\n' <> ''"), true),
        ("out-of-quotes", format!("'\n\\! {touch}\n"), false),
        ("gexec", format!("SELECT true \\g |{touch}"), false),
    ];
    for (name, sql, _) in &questions {
        let check = AppCheck { name: (*name).into(), database: "postgres".into(), sql: sql.clone() };
        stage.app_checks.push(check);
    }
    // What the server says of it quotes a row.
    let rows = "SELECT max(item)::int = 1 FROM (SELECT 'card 4711'::text AS item FROM orders) t".to_owned();
    let noisy = "DO $$ BEGIN RAISE NOTICE 'card 4711'; RAISE 'card 4711'; END $$".to_owned();
    for (name, sql) in [("rows", rows), ("noisy", noisy)] {
        stage.app_checks.push(AppCheck { name: name.into(), database: "postgres".into(), sql });
    }
    let elsewhere =
        AppCheck { name: "elsewhere".into(), database: "no such' db\\".into(), sql: "SELECT true".into() };
    stage.app_checks.push(elsewhere);
    let report = stage.verify(&Tars("plain")).unwrap();
    for (name, sql, ok) in &questions {
        let found = check(&report, name);
        assert_eq!(found.ok, *ok, "{name}: {sql}: {}", found.detail);
    }
    assert_eq!(check(&report, "rows").detail, "the server refused it: ERROR 22P02");
    assert_eq!(check(&report, "noisy").detail, "the server refused it: ERROR P0001");
    let elsewhere = check(&report, "elsewhere");
    assert!(!elsewhere.ok && elsewhere.detail.contains("does not exist"), "{elsewhere:?}");
    assert!(!touched.exists(), "a program was started");
}

/// A copy whose own settings would archive into production, run a command, follow another server, and keep it from starting.
pub(crate) fn settings_of_the_source() {
    let stage = Stage::new("plain", 0, Target::new(Point::End)).expecting(AT_THE_END, true);
    let touched = stage.home.path().join("touched");
    let theirs = format!(
        "archive_mode = 'on'\narchive_command = 'touch {0}'\nrecovery_end_command = 'touch {0}'\n\
         primary_conninfo = 'host=db'\nlisten_addresses = '*'\nport = 1\nshared_preload_libraries = 'nothing'\n\
         recovery_target = 'immediate'\nrestore_command = 'false'\nmax_connections = 1\n",
        touched.display()
    );
    let report = stage
        .verify(&Then(move |data: &Path| {
            for name in ["postgresql.auto.conf", "postgresql.conf"] {
                fs::write(data.join(name), &theirs).unwrap();
            }
            fs::write(data.join("standby.signal"), "").unwrap();
            fs::write(data.join("postmaster.pid"), "1\n").unwrap();
            let _ = fs::remove_dir_all(data.join("pg_wal"));
            fs::create_dir_all(data.join("pg_replslot/old")).unwrap();
            fs::write(data.join("pg_replslot/old/state"), "rubbish").unwrap();
        }))
        .unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert!(!touched.exists());
    assert!(report.notes.iter().any(|note| note.contains("standby.signal")), "{:?}", report.notes);
}
