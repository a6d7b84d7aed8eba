//! Over a server with TLS, with credentials in a file; over one that knows no conditional writes, with credentials in the
//! environment.

use crate::harness::{Host, small};
use si_backup_tests::servers::{AccessKeys, BucketKind, FsServer, IfNoneMatch, REGION, VersityGw};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn credentials_file(host: &Host, keys: &AccessKeys) -> PathBuf {
    let path = host.path("credentials");
    let text =
        format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", keys.id, keys.secret);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// The row of `doctor` about the store.
fn doctor_of_store(host: &Host) -> serde_json::Value {
    let rows = host.json(["doctor"]).envelope()["checks"].as_array().unwrap().clone();
    rows.into_iter().find(|row| row["name"] == "store").unwrap()
}

#[test]
fn every_state_command_over_tls_with_versions_and_locks() {
    let Some(server) = VersityGw::start_with_tls() else { return };
    let admin = server.admin();
    admin.make_bucket("backups", BucketKind::Locked);
    let host = Host::with_state(&small());
    let ca = host.path("ca.pem");
    fs::write(&ca, server.ca_pem().unwrap()).unwrap();
    let credentials = credentials_file(&host, server.keys());
    let endpoint = server.endpoint();
    let words = [
        ["init", "--store", "s3://backups/si", "--endpoint"].as_slice(),
        &[endpoint.as_str(), "--region", REGION, "--ca-file", "ca.pem"],
        &["--credentials-file", credentials.to_str().unwrap()],
    ];
    host.json(words.concat()).expect(0);
    let id = host.back_up();
    assert_eq!(host.ids(), std::slice::from_ref(&id));
    host.json(["verify", "--all", "--level", "content"]).expect(0);
    for command in
        [["show", &id].as_slice(), &["diff", &id, "live"], &["status"], &["audit", "verify"], &["kit"]]
    {
        host.json(command).expect(0);
    }
    let into = host.path("back");
    host.json(["extract", &id, "--into", into.to_str().unwrap()]).expect(0);
    let name = "deployments.json";
    assert_eq!(fs::read(into.join(name)).unwrap(), fs::read(host.context().join(name)).unwrap());

    let said = doctor_of_store(&host)["detail"].to_string();
    for part in ["s3://backups/si", "versions yes", "locks kept by server", "write-once kept by store"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("transport plain"), "{said}");

    // What retention drops is gone for good: no version, no marker.
    host.json(["pin", &id, "--reason", "a look"]).expect(0);
    host.json(["unpin", &id]).expect(0);
    let newer = host.back_up();
    let apply = ["retention", "apply", "--keep-last", "1", "--recovery-window", "none", "--yes"];
    host.json(apply).expect(0);
    assert_eq!(host.ids(), [newer]);
    let rows = admin.versions("backups", &format!("si/state/default/{id}/"));
    assert!(rows.is_empty(), "{rows:?}");
    assert!(admin.versions("backups", "").iter().all(|row| !row.is_marker && row.key.starts_with("si/")));
    assert!(admin.uploads("backups").is_empty());

    for (path, bytes) in host.files() {
        let holds =
            bytes.windows(server.keys().secret.len()).any(|part| part == server.keys().secret.as_bytes());
        assert!(!holds || path == credentials, "{} holds the secret key", path.display());
    }
}

#[test]
fn a_bucket_without_conditional_writes_is_told_of() {
    let server = FsServer::start(IfNoneMatch::Ignored);
    server.admin().make_bucket("backups", BucketKind::Plain);
    let mut host = Host::with_state(&small());
    let endpoint = server.endpoint();
    let init = ["init", "--store", "s3://backups/si", "--endpoint", &endpoint, "--region", REGION];
    // Nobody has said who asks.
    host.setenv("AWS_EC2_METADATA_DISABLED", "true");
    let said = host.json(init).expect(2).error("store-credentials");
    assert!(said.contains("credentials_file"), "{said}");
    assert!(!host.config().exists());
    host.setenv("AWS_ACCESS_KEY_ID", &server.keys().id);
    host.setenv("AWS_SECRET_ACCESS_KEY", &server.keys().secret);
    host.json(init).expect(0);
    let id = host.back_up();
    host.json(["verify", &id, "--level", "content"]).expect(0);
    assert_eq!(doctor_of_store(&host)["code"], "store-without-conditional-writes");
    // Another bucket than the one that there is.
    host.edit_settings("s3://backups/", "s3://nowhere/");
    host.json(["list"]).expect(2).error("bucket-missing");
}
