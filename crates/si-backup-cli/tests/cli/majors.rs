//! Every major version of PostgreSQL that this program knows: backed up, proved by a restore, extracted and started.

use crate::harness::full;
use crate::postgres::Database;

/// The oldest and the newest differ most from the one that the other tests use.
#[test]
fn every_major_version_comes_back() {
    let majors: &[u32] = if full() { &[12, 13, 14, 16, 17, 18] } else { &[12, 18] };
    std::thread::scope(|scope| {
        for major in majors {
            scope.spawn(|| comes_back(*major));
        }
    });
}

fn comes_back(major: u32) {
    let Some(database) = Database::of_major(major) else { return };
    database.sql("create table words as select md5(i::text) as word from generate_series(1, 5000) i");
    database.sql("create index on words (word)");
    let full = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!((&full["kind"], &full["restorable"]), (&"full".into(), &true.into()), "{major}");
    database
        .sql("insert into orders select generate_series(1001, 1500); update words set word = word || 'x'");
    let delta = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!(delta["kind"], "delta", "{major}: {delta:#}");
    database.archive_what_there_is();

    database.json(&["verify", "--app", "shop", "--level", "content"]).expect(0);
    let row = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(0).row();
    assert_eq!((&row["id"], &row["outcome"]), (&delta["id"], &"passed".into()), "{major}: {row:#}");
    let reached = row["checks"].as_array().unwrap().iter().find(|check| check["name"] == "reached").unwrap();
    assert_eq!(reached["ok"], true, "{major}");
    assert!(row["data_loss_seconds"].as_u64().is_some(), "{major}: {row:#}");

    let to = database.ground("restored");
    let to = to.to_str().unwrap();
    let row = database.json(&["extract", "LATEST", "--app", "shop", "--into", to]).expect(0).row();
    let copy = database.start_extracted(&row);
    assert_eq!(copy.sql("select count(*) from orders"), "1501", "{major}");
    assert_eq!(copy.sql("select count(*) from words where word like '%x'"), "5000", "{major}");
    assert!(copy.sql("show server_version").starts_with(&major.to_string()));
}
