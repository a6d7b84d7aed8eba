//! The runbook, followed to the letter: each section on a host to which just that has happened.

use crate::harness::{Host, small};
use crate::readme::{follow, repository, steps_of};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A host whose store is where the documents say.
fn host() -> Host {
    let host = Host::with_state(&small());
    fs::create_dir_all(host.path("srv")).unwrap();
    fs::create_dir_all(host.path("media/usb")).unwrap();
    let vault = host.context().join("vault");
    fs::create_dir_all(&vault).unwrap();
    fs::set_permissions(vault, fs::Permissions::from_mode(0o700)).unwrap();
    let url = format!("file://{}", host.path("srv").display());
    host.run(["init", "--store", &url]).expect(0);
    host
}

fn damage(host: &Host) {
    fs::write(host.context().join("targets.json"), "{").unwrap();
}

fn play(host: &Host, heading: &str) {
    let blocks = steps_of("docs/operations.md", &format!("## {heading}"));
    assert!(!blocks.is_empty(), "{heading}");
    for step in blocks.iter().flatten() {
        follow(host, step, host.root());
    }
}

#[test]
fn every_section_is_played() {
    let text = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let played = [
        "A host is lost",
        "A wrong deploy, or a damaged state",
        "The newest snapshot is refused",
        "A bad restore",
        "A check fails",
        "The vault does not match",
        "A key is lost",
    ];
    assert_eq!(headings, played);
}

/// A state that names a secret of its vault.
fn with_a_secret(host: &Host) -> PathBuf {
    let vault = host.context().join("vault/secrets.env");
    fs::write(&vault, "SHOP_DB_PASSWORD=old\n").unwrap();
    fs::set_permissions(&vault, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(
        host.context().join("addons.json"),
        "{\"apps\": {\"shop\": [{\"vars\": {\"p\": \"${SHOP_DB_PASSWORD}\"}}]}}",
    )
    .unwrap();
    vault
}

#[test]
fn a_host_is_lost() {
    let host = host();
    with_a_secret(&host);
    host.run(["run", "--state"]).expect(0);
    let identity = host.path("media/usb/identity.txt");
    fs::copy(host.home().join("identity.txt"), &identity).unwrap();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(host.context().join("vault"), host.path("media/vault")).unwrap();
    let before = fs::read(host.context().join("deployments.json")).unwrap();
    fs::remove_dir_all(host.path("home")).unwrap();
    fs::create_dir(host.path("home")).unwrap();
    play(&host, "A host is lost");
    assert_eq!(fs::read(host.context().join("deployments.json")).unwrap(), before);
}

#[test]
fn a_wrong_deploy() {
    let host = host();
    host.run(["run", "--state"]).expect(0);
    let before = fs::read(host.context().join("targets.json")).unwrap();
    fs::write(host.context().join("targets.json"), "{\"targets\": []}").unwrap();
    play(&host, "A wrong deploy, or a damaged state");
    assert_eq!(fs::read(host.context().join("targets.json")).unwrap(), before);
}

#[test]
fn an_unproved_newest_snapshot() {
    let host = host();
    host.run(["run", "--state"]).expect(0);
    fs::remove_dir_all(host.path("srv/evidence")).unwrap();
    damage(&host);
    play(&host, "The newest snapshot is refused");
}

#[test]
fn a_bad_restore() {
    let host = host();
    host.run(["run", "--state"]).expect(0);
    damage(&host);
    host.run(["restore", "--from", "LATEST", "--force"]).expect(0);
    play(&host, "A bad restore");
    assert_eq!(fs::read(host.context().join("targets.json")).unwrap(), b"{");
}

#[test]
fn a_failed_check() {
    let host = host();
    host.run(["run", "--state"]).expect(0);
    damage(&host);
    host.check_that_there_is(&host.path("mended"));
    play(&host, "A check fails");
}

#[test]
fn a_vault_that_does_not_match() {
    let host = host();
    let vault = with_a_secret(&host);
    host.run(["run", "--state"]).expect(0);
    fs::copy(&vault, host.path("media/old-secrets.env")).unwrap();
    fs::write(&vault, "SHOP_DB_PASSWORD=new\n").unwrap();
    play(&host, "The vault does not match");
}

#[test]
fn a_lost_key() {
    let host = host();
    host.run(["run", "--state"]).expect(0);
    play(&host, "A key is lost");
}
