//! The databases of apps: buckets that an engine wrote, understood and proved from their objects.

use crate::harness::{Host, Ran, tree};
use serde_json::Value;
use si_backup_tests::servers::{BucketKind, REGION, VersityGw};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../walg-driver/tests/data/wal-g-3.0.9").join(name)
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in tree(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A host with an app whose env file says this.
fn with_app(host: &Host, app: &str, profile: &str, env: &str) {
    let path = host.path(&format!("{app}.env"));
    fs::write(&path, env).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let mut settings = fs::read_to_string(host.config()).unwrap();
    let section = format!(
        "\n[contexts.default.apps.{app}]\nprofile = \"{profile}\"\nenv_file = \"{}\"\n\
         runner = {{ kind = \"local\", pgdata = \"/nowhere\" }}\n",
        path.display()
    );
    settings.push_str(&section);
    fs::write(host.config(), settings).unwrap();
}

/// A host with a bucket in a directory, a copy of a fixture.
fn with_bucket(name: &str) -> (Host, PathBuf) {
    let host = Host::ready();
    let bucket = host.path("bucket");
    copy(&fixture(name), &bucket);
    let key = if name == "sodium" {
        format!("WALG_LIBSODIUM_KEY={KEY}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n")
    } else {
        String::new()
    };
    with_app(&host, "shop", "local-directory", &format!("WALG_FILE_PREFIX={}\n{key}", bucket.display()));
    (host, bucket)
}

fn field<'a>(rows: &'a [Value], name: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[name]).collect()
}

#[test]
fn a_bucket_is_listed_proved_and_shown() {
    let (host, bucket) = with_bucket("sodium");
    let before = tree(&bucket);
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    assert_eq!(field(&listed, "kind"), ["full", "delta", "delta"]);
    assert_eq!(field(&listed, "restorable"), [true, true, true]);
    assert!(listed.iter().all(|row| row["checksum"].is_null() && row["verified"].is_null()));
    assert!(listed.iter().all(|row| row["lineage"] == listed[0]["id"]));
    // Nothing is proved: that is a finding.
    host.json(["status", "--app", "shop"]).expect(10).error("not-proved");

    // The newest alone: its parents are read too, since nobody has recorded by what they are recognised.
    let proved = host.json(["verify", "--app", "shop"]).expect(0).row();
    assert_eq!((&proved["id"], &proved["level"]), (&listed[2]["id"], &"content".into()));
    let checks = proved["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["ok"] == true) && checks.len() >= 6, "{checks:#?}");
    let all = host.json(["verify", "--app", "shop", "--all"]).expect(0).data();
    assert_eq!(field(&all, "outcome"), ["passed"; 3]);
    assert_eq!(all[2]["checksum"], proved["checksum"], "the same bytes, the same fingerprint");
    let again = host.json(["list", "--app", "shop"]).expect(0).data();
    assert_eq!(field(&again, "checksum"), field(&all, "checksum"));

    let shown = host.run(["show", "LATEST", "--app", "shop"]).expect(0).stdout;
    for told in ["7711480003676298147", "PostgreSQL 15", "on timeline", "proved      content"] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let status = host.run(["status", "--app", "shop"]).expect(0).stdout;
    assert!(status.starts_with("if this host were lost now: shop loses "), "{status}");
    assert_eq!(tree(&bucket), before, "nothing was written into the bucket");
    let trail = host.json(["audit", "list"]).expect(0);
    let proofs =
        trail.data().iter().filter(|row| row["action"] == "verify" && row["subject"] == "app:shop").count();
    assert_eq!(proofs, 4);
    let trail = trail.stdout;
    assert!(!format!("{shown}{status}{trail}").contains(KEY));
}

#[test]
fn what_is_missing_and_what_lies_beyond_a_hole_is_told() {
    let (host, _) = with_bucket("wal-hole");
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    assert_eq!(field(&listed, "restorable"), [true, false, true]);
    assert_eq!(listed[1]["problems"][0]["code"], "wal-missing");
    let text = host.run(["list", "--app", "shop"]).expect(0).stdout;
    assert!(text.contains("hole: 1 WAL segment is missing: 000000010000000000000006"), "{text}");
    let shown = host.run(["show", "base_000000010000000000000002", "--app", "shop"]).expect(0).stdout;
    assert!(shown.contains("where a segment is missing"), "{shown}");
    let ran = host.json(["verify", "--app", "shop", "--all"]).expect(12);
    assert_eq!(field(&ran.data(), "outcome"), ["passed", "failed", "passed"]);
    // Of what was never read there is no fingerprint, and so nothing that evidence could be about.
    assert!(ran.data()[1]["evidence"].is_null());
}

#[test]
fn a_server_that_does_not_answer_hides_nothing_of_what_is_wrong_with_its_bucket() {
    let (host, _) = with_bucket("wal-hole");
    let rows = host.json(["doctor"]).expect(10).data();
    let codes: Vec<_> = rows.iter().filter(|row| row["name"] == "app shop").map(|row| &row["code"]).collect();
    assert_eq!(codes, ["backup-not-restorable", "server-not-reached"], "{rows:#?}");
}

/// Before the night in which a rehearsal is due.
#[test]
fn what_would_keep_a_rehearsal_from_being_made_is_told_by_doctor() {
    let (host, bucket) = with_bucket("plain");
    let dir = host.path("scratch");
    let here = std::process::Command::new("uname").arg("-n").output().unwrap().stdout;
    let here = String::from_utf8(here).unwrap();
    let codes = |kept: &str| {
        let rows = host.json(["doctor"]).expect(10).data();
        let found = rows.iter().filter(|row| row["name"] == "app shop").map(|row| row["code"].to_string());
        found.filter(|code| code.contains(kept)).count()
    };
    assert_eq!((codes("no-space"), codes("no-server")), (0, 0));
    let rehearsal = format!(
        "\nrehearsal = {{ host = \"{}\", kind = \"local\", dir = \"{}\", bin_dir = \"/nowhere\" }}\nprofile = \"local-directory\"",
        here.trim(),
        dir.display()
    );
    host.edit_settings("\nprofile = \"local-directory\"", &rehearsal);
    assert_eq!((codes("no-space"), codes("no-server")), (0, 1));
    let sentinel =
        "basebackups_005/base_000000010000000000000006_D_000000010000000000000004_backup_stop_sentinel.json";
    let text = fs::read_to_string(bucket.join(sentinel)).unwrap();
    let mut told: Value = serde_json::from_str(&text).unwrap();
    told["UncompressedSize"] = Value::from(1_u64 << 60);
    fs::write(bucket.join(sentinel), told.to_string()).unwrap();
    assert_eq!((codes("no-space"), codes("no-server")), (1, 1));
}

/// Whoever can write to the bucket can change a backup, and not what was recorded of it.
#[test]
fn a_changed_object_is_found_by_its_fingerprint_and_speaks_against_the_backup() {
    let (host, bucket) = with_bucket("plain");
    host.json(["verify", "--app", "shop", "--all", "--level", "checksum"]).expect(0);
    let id = "base_000000010000000000000004_D_000000010000000000000002";
    // Two objects in each other's place, each of them whole: no codec minds.
    let list = bucket.join(format!("basebackups_005/{id}/files_metadata.json"));
    let mut bytes = fs::read(&list).unwrap();
    bytes.push(b' ');
    fs::write(&list, bytes).unwrap();
    let row = host.json(["verify", id, "--app", "shop"]).expect(12).row();
    assert_eq!((&row["level"], &row["outcome"]), (&"checksum".into(), &"failed".into()));
    assert!(row["evidence"].is_string());
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    assert_eq!(listed[1]["failed"]["level"], "checksum");
    assert_eq!(listed[1]["verified"]["level"], "stored");
}

/// A delta is not better than what it is a delta of, and who reads it to the end reads that too.
#[test]
fn what_speaks_against_a_full_speaks_against_its_deltas() {
    let (host, bucket) = with_bucket("plain");
    let proved = host.json(["verify", "--app", "shop", "--all"]).expect(0).data();
    assert_eq!(field(&proved, "outcome"), ["passed"; 3]);
    host.json(["status", "--app", "shop"]).expect(0);
    let list = bucket.join("basebackups_005/base_000000010000000000000002/files_metadata.json");
    let sound = fs::read(&list).unwrap();
    fs::write(&list, [&sound[..], b" "].concat()).unwrap();
    // At level `checksum` a delta is recognised by its own bytes and its parent's recorded fingerprint.
    host.json(["verify", "LATEST", "--app", "shop", "--level", "checksum"]).expect(0);
    let row = host.json(["verify", "LATEST", "--app", "shop"]).expect(12).row();
    assert_eq!((&row["level"], &row["outcome"]), (&"checksum".into(), &"failed".into()));
    let said = row["checks"][1]["detail"].as_str().unwrap();
    assert!(said.contains("the fingerprint of 'base_000000010000000000000002' is"), "{said}");
    // Nobody looked at the other delta, and at the full only for the sake of this one.
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    for row in &listed {
        assert_eq!(row["failed"]["level"], "checksum", "{row:#}");
        assert_eq!(row["verified"]["level"], "stored", "{row:#}");
    }
    host.json(["status", "--app", "shop"]).expect(10).error("not-proved");
    // The delta's own bytes do not mend it; those of the full do, once they are what they were.
    host.json(["verify", "LATEST", "--app", "shop", "--level", "checksum"]).expect(0);
    let of_newest = || host.json(["list", "--app", "shop"]).expect(0).data()[2].clone();
    assert_eq!(of_newest()["failed"]["level"], "checksum");
    fs::write(&list, sound).unwrap();
    host.json(["verify", "LATEST", "--app", "shop"]).expect(0);
    assert_eq!(of_newest()["verified"]["level"], "content");
    assert!(of_newest()["failed"].is_null());
}

/// An emptied bucket, and another cluster that gives its backups the names of the old one's.
#[test]
fn evidence_of_another_clusters_backup_says_nothing_about_this_one() {
    let (host, bucket) = with_bucket("plain");
    host.json(["verify", "--app", "shop", "--all"]).expect(0);
    fs::remove_dir_all(&bucket).unwrap();
    copy(&fixture("wal-hole"), &bucket);
    let id = "base_000000010000000000000002";
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    assert_eq!((&listed[0]["id"], &listed[0]["verified"]), (&id.into(), &Value::Null));
    let shown = host.json(["show", id, "--app", "shop"]).expect(0).row();
    assert_eq!(shown["evidence"], Value::Array(vec![]));
    let row = host.json(["verify", id, "--app", "shop"]).expect(0).row();
    assert_eq!(row["outcome"], "passed", "{row:#}");
}

#[test]
fn a_tar_that_is_cut_fails_at_the_level_where_that_can_be_seen() {
    let (host, bucket) = with_bucket("plain");
    let part = bucket.join("basebackups_005/base_000000010000000000000002/tar_partitions/part_001.tar.zst");
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    // Nobody has recorded it before: as bytes it is what it is.
    let id = "base_000000010000000000000002";
    host.json(["verify", id, "--app", "shop", "--level", "checksum"]).expect(0);
    for id in [id, "LATEST"] {
        let row = host.json(["verify", id, "--app", "shop"]).expect(12).row();
        assert_eq!((&row["level"], &row["outcome"]), (&"content".into(), &"failed".into()), "{id}");
    }
    assert_eq!(host.json(["list", "--app", "shop"]).expect(0).data()[0]["failed"]["level"], "content");
    fs::remove_file(&part).unwrap();
    let row = host.json(["verify", id, "--app", "shop"]).expect(12).row();
    assert_eq!(row["level"], "stored");
}

/// The first that is known of a backup is that it is broken.
#[test]
fn a_first_verification_that_fails_is_shown_and_in_the_trail() {
    let (host, bucket) = with_bucket("plain");
    let part = bucket.join("basebackups_005/base_000000010000000000000002/tar_partitions/part_001.tar.zst");
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    let row = host.json(["verify", "LATEST", "--app", "shop"]).expect(12).row();
    assert!(row["evidence"].is_string(), "{row:#}");
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    assert_eq!(listed[2]["failed"]["level"], "content", "{:#}", listed[2]);
    assert_eq!(listed[0]["failed"]["level"], "content", "the full was read for its sake: {:#}", listed[0]);
    assert_eq!(listed[1]["failed"], Value::Null, "nobody has looked at the other delta");
    let said = host.run(["status", "--app", "shop"]).expect(10).stdout;
    assert!(said.contains("proved      no: failed at level 'content'"), "{said}");
    // Also where nothing was read that could be recognised.
    fs::remove_file(&part).unwrap();
    let row =
        host.json(["verify", "base_000000010000000000000004_D_000000010000000000000002", "--app", "shop"]);
    assert!(row.expect(12).row()["evidence"].is_null());
    let trail = host.json(["audit", "list"]).expect(0).data();
    let failed = trail.iter().filter(|row| row["action"] == "verify" && row["outcome"] == "failed");
    assert_eq!(failed.count(), 3, "the delta, its full, and the delta of which nothing was read");
    // Bytes that failed bind nobody: put right, they are proved like any others.
    fs::write(&part, bytes).unwrap();
    let rows = host.json(["verify", "--app", "shop", "--all"]).expect(0).data();
    assert_eq!(field(&rows, "outcome"), ["passed"; 3]);
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    assert!(listed.iter().all(|row| row["verified"]["level"] == "content" && row["failed"].is_null()));
}

/// A key that was changed, or a host with an old env file, is no fault of what was made with the other one.
#[test]
fn a_key_that_opens_nothing_condemns_nothing() {
    let (host, bucket) = with_bucket("sodium");
    host.json(["verify", "--app", "shop", "--all"]).expect(0);
    let env = host.path("shop.env");
    let with_key = fs::read_to_string(&env).unwrap();
    let without = with_key.lines().next().unwrap().to_owned() + "\n";
    for other in [with_key.replace(KEY, &KEY.replace('0', "f")), without] {
        fs::write(&env, other).unwrap();
        let said = host.json(["verify", "LATEST", "--app", "shop"]).expect(1).error("key-does-not-open");
        assert!(said.contains("it was made with another one"), "{said}");
        let listed = host.json(["list", "--app", "shop"]).expect(0).data();
        assert!(listed.iter().all(|row| row["verified"]["level"] == "content" && row["failed"].is_null()));
    }
    // What was altered as well is told by its bytes, whatever the key.
    for (name, bytes) in tree(&bucket) {
        if name.contains("_D_") && name.contains("tar_partitions") {
            fs::write(bucket.join(name), [&bytes[..], b"x"].concat()).unwrap();
        }
    }
    let row = host.json(["verify", "LATEST", "--app", "shop"]).expect(12).row();
    assert_eq!((&row["level"], &row["outcome"]), (&"checksum".into(), &"failed".into()));
}

#[test]
fn an_env_file_that_cannot_be_used_is_refused_with_what_to_do() {
    let (host, _) = with_bucket("plain");
    let env = host.path("shop.env");
    let refused = |text: Option<&str>, mode, code: &str| {
        if let Some(text) = text {
            fs::write(&env, text).unwrap();
        }
        fs::set_permissions(&env, Permissions::from_mode(mode)).unwrap();
        host.json(["list", "--app", "shop"]).expect(2).error(code);
    };
    refused(None, 0o644, "env-file-exposed");
    refused(Some("WALG_FILE_PREFIX=relative\n"), 0o600, "env-unusable");
    refused(
        Some("WALG_FILE_PREFIX=/x\nWALG_LIBSODIUM_KEY=aa\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n"),
        0o600,
        "env-unusable",
    );
    refused(Some("WALG_FILE_PREFIX=/no/such/directory\n"), 0o600, "store-missing");
    fs::remove_file(&env).unwrap();
    host.json(["list", "--app", "shop"]).expect(2).error("env-file-missing");
    host.json(["list", "--app", "other"]).expect(2).error("settings-no-app");
}

/// The same bucket behind S3, opened with the engine's own settings.
#[test]
fn a_bucket_in_s3_says_the_same() {
    let Some(server) = VersityGw::shared() else { return };
    let (there, _) = with_bucket("wal-hole");
    let host = Host::ready();
    let (admin, name) = (server.admin(), "walg-apps");
    admin.make_bucket(name, BucketKind::Plain);
    for (key, bytes) in tree(&fixture("wal-hole")) {
        admin.put(name, &format!("shop/{key}"), &bytes);
    }
    let keys = server.keys();
    with_app(
        &host,
        "shop",
        "supabase-self-hosted",
        &format!(
            "WALG_S3_PREFIX=s3://{name}/shop\nAWS_ENDPOINT={}\nAWS_REGION={REGION}\nAWS_S3_FORCE_PATH_STYLE=true\n\
             WALG_AWS_ACCESS_KEY_ID={}\nWALG_AWS_SECRET_ACCESS_KEY={}\n",
            server.endpoint(),
            keys.id,
            keys.secret
        ),
    );
    let shape = |ran: Ran| -> Vec<Value> {
        assert!(!ran.stdout.contains(&keys.secret) && !ran.stderr.contains(&keys.secret));
        let known = ["id", "kind", "bytes", "checksum", "restorable", "problems", "outcome", "level"];
        let of = |row: &Value| known.iter().map(|name| row[*name].clone()).collect();
        ran.data().iter().map(of).collect()
    };
    let same = |args: &[&str], code| {
        let args = ["--json"].iter().chain(args);
        assert_eq!(shape(host.run(args.clone()).expect(code)), shape(there.run(args).expect(code)));
    };
    same(&["list", "--app", "shop"], 0);
    same(&["verify", "--app", "shop", "--all", "--level", "content"], 12);
    same(&["list", "--app", "shop"], 0);
}

/// The names of WAL do not say of which cluster they are.
#[test]
fn a_bucket_of_two_clusters_is_told() {
    let (host, bucket) = with_bucket("plain");
    let from = fixture("wal-hole");
    let other = "base_000000010000000000000009_D_000000010000000000000006";
    let base = "basebackups_005";
    copy(&from.join(base).join(other), &bucket.join(base).join(other));
    let sentinel = format!("{base}/{other}_backup_stop_sentinel.json");
    fs::copy(from.join(&sentinel), bucket.join(&sentinel)).unwrap();
    let rows = host.json(["doctor"]).expect(10).data();
    let found = rows.iter().find(|row| row["code"] == "bucket-several-clusters");
    assert_eq!(found.unwrap()["severity"], "error", "{rows:#?}");
    // Its own are what they were.
    let listed = host.json(["list", "--app", "shop"]).expect(0).data();
    let own = listed.iter().filter(|row| row["id"] != other);
    assert!(own.clone().count() == 3 && own.clone().all(|row| row["restorable"] == true), "{listed:#?}");
}
