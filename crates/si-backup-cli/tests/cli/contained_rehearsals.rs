//! Restores that are tried in a container: a real server's backup, an image with its programs, a Docker engine of the test's own.

use crate::docker::Docker;
use crate::postgres::{Database, programs};
use crate::server_image;
use serde_json::Value;
use std::fs;

const IMAGE: &str = "si-backup-server:test";

/// What was signed of a verification.
fn signed(database: &Database, key: &str) -> Value {
    let envelope: Value =
        serde_json::from_slice(&fs::read(database.host.store().join(key)).unwrap()).unwrap();
    let payload = envelope["payload"].as_str().unwrap();
    serde_json::from_slice(&decoded(payload)).unwrap()
}

/// The bytes of a text in base64.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = DIGITS.iter().position(|known| *known == digit).unwrap();
        (bits, count) = ((bits << 6 | u32::try_from(value).unwrap()) & 0xffff, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}

#[test]
fn a_backup_is_rehearsed_in_the_image_that_the_settings_name() {
    let Some(mut database) = Database::in_a_directory() else { return };
    let Some(docker) = Docker::start("si-backup-empty:1", "services: {}\n") else { return };
    server_image::make(&docker, IMAGE, &programs().unwrap());
    database.host.setenv("DOCKER_HOST", docker.host());
    database.host.setenv("PATH", std::env::var_os("PATH").unwrap());
    database.json(&["run", "--app", "shop"]).expect(0);
    database.sql("insert into orders select generate_series(1001, 1500)");
    database.json(&["run", "--app", "shop"]).expect(0);
    database.archive_what_there_is();

    // Without an image there is nothing to try it in; and one that is not here is not fetched.
    let verify = ["verify", "--app", "shop", "--level", "restore"];
    database.host.edit_settings("host = \"here\", kind = \"local\"", "host = \"here\", kind = \"container\"");
    let refused = database.json(&verify).expect(2);
    assert!(refused.error("settings-incomplete").contains("rehearsal.image"), "{}", refused.stdout);
    assert!(refused.envelope().to_string().contains("supabase/postgres:"), "{}", refused.stdout);
    let container = "kind = \"container\", image = ";
    database.host.edit_settings("kind = \"container\"", &format!("{container}\"nobody/has:this\""));
    let refused = database.json(&verify).expect(2);
    assert!(refused.error("no-image").contains("nobody/has:this"), "{}", refused.stdout);
    assert!(refused.envelope().to_string().contains("docker pull"), "{}", refused.stdout);

    database.host.edit_settings("nobody/has:this", IMAGE);
    let row = database.json(&verify).expect(0).row();
    assert_eq!((&row["level"], &row["outcome"]), (&"restore".into(), &"passed".into()), "{row:#}");
    let checks = row["checks"].as_array().unwrap();
    for name in
        ["fingerprint", "wal", "recovery", "reached", "orders", "amcheck", "stopped", "data-checksums"]
    {
        let check = checks.iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("{name}: {row:#}"));
        assert_eq!(check["ok"], true, "{check:#}");
        assert!(!check["detail"].as_str().unwrap().contains("not-available"), "{check:#}");
    }
    let statement = signed(&database, row["evidence"].as_str().unwrap());
    let id = docker.docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE]).unwrap();
    let text = statement.to_string();
    assert!(text.contains(IMAGE) && text.contains(id.trim()), "{statement:#}");
    assert_eq!(docker.docker(&["ps", "--all", "--quiet"]).unwrap(), "");
    assert_eq!(fs::read_dir(database.ground("scratch/scratch")).unwrap().count(), 0);

    // A kind that is none is refused when the settings are read.
    database.host.edit_settings("kind = \"container\"", "kind = \"podman\"");
    let refused = database.json(&verify).expect(2);
    assert!(refused.stdout.contains("podman"), "{}", refused.stdout);
}
