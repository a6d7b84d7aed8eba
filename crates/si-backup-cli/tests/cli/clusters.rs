//! Clusters that are not like every other: with segments of another size, promoted a moment ago, in the bucket of an older one.

use crate::harness::Ran;
use crate::postgres::Database;
use std::fs;

fn directory(database: &Database) -> String {
    format!("WALG_FILE_PREFIX={}\n", database.path("bucket").display())
}

/// Engines name backups and WAL by the size that they are told of.
#[test]
fn a_cluster_with_small_segments_goes_the_whole_way() {
    let Some(database) = Database::bare() else { return };
    database.make_cluster_anew(&["--wal-segsize=1"]);
    database.begin("local-directory", &directory(&database));
    let refused = database.json(&["run", "--app", "shop"]).expect(10);
    let said = refused.error("server-findings");
    assert!(said.contains("segments of WAL of 1 MiB") && said.contains("WALG_PG_WAL_SIZE=1"), "{said}");
    assert!(!database.path("bucket/basebackups_005").exists(), "nothing was pushed");
    // What was archived under names that mean something else is of no use.
    database.add_setting("WALG_PG_WAL_SIZE=1");
    let full = database.json(&["run", "--app", "shop"]).expect(0).row();
    database.sql("insert into orders select generate_series(1001, 100000)");
    let delta = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!((&full["kind"], &delta["kind"]), (&"full".into(), &"delta".into()), "{delta:#}");
    database.archive_what_there_is();
    for row in database.json(&["verify", "--app", "shop", "--all", "--level", "restore"]).expect(0).data() {
        assert_eq!((&row["level"], &row["outcome"]), (&"restore".into(), &"passed".into()), "{row:#}");
    }
    let into = database.ground("back");
    let row = database
        .json(&["extract", "LATEST", "--app", "shop", "--into", into.to_str().unwrap()])
        .expect(0)
        .row();
    let copy = database.start_extracted(&row);
    assert_eq!(copy.sql("select count(*) from orders"), "100001");
}

/// The control file has the timeline of the last checkpoint, and the one after a promotion takes minutes.
#[test]
fn a_server_that_was_promoted_a_moment_ago_is_backed_up_on_its_new_timeline() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    // Enough for a checkpoint that takes its time.
    database.sql("insert into orders select generate_series(1001, 300000)");
    database.promote();
    let of_checkpoint = || database.sql("select timeline_id from pg_control_checkpoint()");
    assert_eq!(of_checkpoint(), "1", "there was a checkpoint already: this shows nothing");
    let row = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!((&row["kind"], &row["restorable"]), (&"full".into(), &true.into()), "{row:#}");
    assert!(row["id"].as_str().unwrap().starts_with("base_00000002"), "{row:#}");
    database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0);
}

/// The names of WAL do not say of which cluster it is.
#[test]
fn wal_that_an_older_cluster_left_is_not_taken_for_a_servers_own() {
    let Some(database) = Database::in_a_directory() else { return };
    for _ in 0..8 {
        database.archive_what_there_is();
    }
    database.replace_cluster();
    // Its contract does not know what this does: it keeps nothing.
    database.set("archive_command", "cp %p /dev/null");
    let ran = database.json(&["run", "--app", "shop", "--timeout", "30s"]).expect(12);
    let said = ran.error("verification-failed");
    assert!(said.contains("00000001000000000000000"), "{said}");
    assert_eq!(ran.row()["restorable"], false, "{:#}", ran.row());
    let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
    assert!(listed[0]["verified"].is_null(), "{listed:#?}");
}

/// A segment of that very name has to arrive: a later one of a clone says nothing of this server.
#[test]
fn an_archive_that_takes_nothing_is_found_whatever_lies_in_it() {
    let Some(database) = Database::in_a_directory() else { return };
    database.json(&["run", "--app", "shop"]).expect(0);
    let told = |ran: &Ran| {
        let rows = ran.data();
        rows.iter()
            .filter(|row| row["name"] == "app shop")
            .map(|row| row["code"].to_string() + &row["detail"].to_string())
            .collect::<String>()
    };
    let sound = told(&database.json(&["doctor"]));
    assert!(sound.contains("a segment of WAL arrived within"), "{sound}");
    let archive = database.path("bucket/wal_005");
    let any = fs::read_dir(&archive).unwrap().next().unwrap().unwrap().path();
    let ending = any.extension().map_or_else(String::new, |ending| format!(".{}", ending.display()));
    fs::copy(&any, archive.join(format!("0000000900000000000000FF{ending}"))).unwrap();
    database.set("archive_command", "cp %p /dev/null");
    let dead = told(&database.json(&["doctor"]));
    assert!(dead.contains("wal-does-not-arrive") && !dead.contains("arrived within"), "{dead}");
}
