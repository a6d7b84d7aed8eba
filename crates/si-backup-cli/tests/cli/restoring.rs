//! A state into its live place: refused, restored, undone, killed, and after the loss of its host.

use crate::harness::{Host, Ran};
use backup_contract::Checksum;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What restores are carried out in: not of the state.
pub(crate) const OWN: &str = ".si-backup";

/// Everything of a context but what this software keeps there, with modes.
pub(crate) fn state_of(context: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![context.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with(OWN) {
                    dirs.push(path);
                }
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                let bytes = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(context).unwrap().to_owned(), (mode, bytes));
            }
        }
    }
    found
}

/// The same without the logs, to which restores append.
pub(crate) fn without_logs(context: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = state_of(context);
    found.retain(|path, _| path.extension().is_none_or(|ending| ending != "jsonl"));
    found
}

/// Damages a state in every way that a restore has to mend.
pub(crate) fn damage(host: &Host) {
    let context = host.context();
    fs::write(context.join("targets.json"), "{\"targets\": [").unwrap();
    fs::remove_file(context.join("config.json")).unwrap();
    fs::write(context.join("bluegreen.json"), "{\"apps\": {}}").unwrap();
}

pub(crate) fn restore(host: &Host, args: &[&str]) -> Ran {
    let args = [&["restore", "--state", "--json"], args].concat();
    let ran = host.run(args);
    ran.envelope();
    ran
}

fn actions(host: &Host) -> Vec<String> {
    let rows = host.json(["audit", "list"]).expect(0).data();
    rows.iter()
        .map(|row| format!("{} {}", row["action"].as_str().unwrap(), row["outcome"].as_str().unwrap()))
        .collect()
}

pub(crate) fn reasons(ran: &Ran) -> Vec<String> {
    let row = ran.row();
    let reasons = row["refusal"]["reasons"].as_array().unwrap_or_else(|| panic!("{row:#}"));
    reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
}

/// Takes the evidence of a snapshot away.
fn unprove(host: &Host, id: &str) {
    fs::remove_dir_all(host.store().join("evidence/default/state").join(id)).unwrap();
}

pub(crate) fn is_shut(host: &Host) -> bool {
    let row = host.json(["guard", "status"]).expect(0).data()[0].clone();
    row["shut"].as_bool().unwrap()
}

#[test]
fn a_damaged_state_is_brought_back_and_nothing_else_is_touched() {
    let (host, id) = Host::backed_up();
    let context = host.context();
    fs::write(context.join("notes.txt"), "mine").unwrap();
    fs::set_permissions(context.join("notes.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = without_logs(&context);
    damage(&host);
    let line = "{\"timestamp\":\"2026-11-24T09:00:00Z\",\"context\":\"default\",\"source\":\"si\",\"command\":\"later\",\"status\":\"ok\",\"mode\":\"live\",\"severity\":\"info\",\"fields\":{}}\n";
    let log = context.join("events/deployments.jsonl");
    let logged = fs::read_to_string(&log).unwrap() + line;
    fs::write(&log, &logged).unwrap();

    let damaged = state_of(&context);
    let shown = restore(&host, &["--from", "LATEST"]).expect(2);
    assert_eq!(shown.envelope()["error"]["code"], "force-required");
    let planned = restore(&host, &["--from", "LATEST", "--dry-run"]).expect(0).row();
    let steps = planned["plan"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["step"] == "add config.json"), "{planned:#}");
    assert_eq!(state_of(&context), damaged, "who only looks changes nothing");

    let row = restore(&host, &["--from", "LATEST", "--force"]).expect(0).row();
    assert_eq!(
        (row["id"].as_str(), row["outcome"].as_str()),
        (Some(id.as_str()), Some("restored")),
        "{row:#}"
    );
    assert!(row["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true), "{row:#}");
    assert_eq!(without_logs(&context), before);
    assert_eq!(fs::read_to_string(&log).unwrap(), logged, "what was logged since the backup stays, once");
    assert!(!is_shut(&host));
    let did = actions(&host);
    let expected = [
        "restore announced",
        "lock-shut announced",
        "lock-shut done",
        "restore done",
        "lock-opened announced",
        "lock-opened done",
    ];
    assert_eq!(did[did.len() - 6..], expected, "{did:?}");
    let events = host.json(["events", "list"]).expect(0).data();
    let commands: Vec<_> = events.iter().map(|event| event["command"].as_str().unwrap()).collect();
    assert_eq!(commands[commands.len() - 2..], ["backup restore", "backup restore verify"]);
    host.json(["audit", "verify"]).expect(0);
    // The clauses of the policy about restores are met by it.
    let clauses = host.json(["policy"]).data();
    for name in ["restore-gate", "restore-log", "mutation-block", "vault-reconcile"] {
        let clause = clauses.iter().find(|row| row["clause"] == name).unwrap();
        let expected = if name == "mutation-block" { "not-applicable" } else { "met" };
        assert_eq!(clause["status"], expected, "{clause:#}");
    }
    // A second one only once this one is confirmed, which drops what was kept.
    assert_eq!(reasons(&restore(&host, &["--from", "LATEST", "--force"]).expect(11)), ["restore-pending"]);
    host.json(["restore", "confirm"]).expect(0);
    assert!(!context.join(OWN).join("restore/state/kept").exists());
    restore(&host, &["--from", "LATEST", "--force"]).expect(0);
}

#[test]
fn an_unproved_newer_one_is_refused_and_the_last_verified_is_named() {
    let (host, proved) = Host::backed_up();
    fs::write(host.context().join("targets.json"), "{\"targets\": [], \"newer\": true}").unwrap();
    let newer = host.back_up();
    unprove(&host, &newer);
    let before = state_of(&host.context());
    let refused = restore(&host, &["--from", "LATEST", "--force"]).expect(13);
    assert_eq!(reasons(&refused), ["not-verified"]);
    let last = refused.row()["refusal"]["last_verified"].clone();
    assert_eq!(last["id"], proved.as_str());
    assert_eq!(last["command"], format!("si-backup restore --state --from {proved} --force"));
    assert_eq!(state_of(&host.context()), before);
    assert!(actions(&host).last().unwrap().ends_with("restore refused"));
    let row = restore(&host, &["--from", "LATEST", "--or-last-verified", "--force"]).expect(0).row();
    assert_eq!((row["id"].as_str(), row["passed_over"][0]["id"].as_str()), (Some(&*proved), Some(&*newer)));
    assert!(!fs::read_to_string(host.context().join("targets.json")).unwrap().contains("newer"));
    host.json(["restore", "confirm"]).expect(0);
    // What is proved now is let through; a level below what there is is no way around that.
    let low = ["--from", newer.as_str(), "--accept-level", "stored", "--reason", "hurry", "--force"];
    assert!(reasons(&restore(&host, &low).expect(13)).contains(&"accepted-too-low".to_owned()));
    host.json(["verify", &newer]).expect(0);
    restore(&host, &["--from", &newer, "--force"]).expect(0);
    assert!(fs::read_to_string(host.context().join("targets.json")).unwrap().contains("newer"));
}

#[test]
fn bytes_that_changed_after_their_verification_are_not_restored() {
    let (host, id) = Host::backed_up();
    damage(&host);
    let before = state_of(&host.context());
    let bundle = host.bundle(&id);
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&bundle).unwrap();
    fs::write(&bundle, &bytes).unwrap();
    let failed = restore(&host, &["--from", "LATEST", "--force"]).expect(12);
    assert_eq!(failed.envelope()["error"]["code"], "object-corrupt");
    assert_eq!(state_of(&host.context()), before);
    assert!(!is_shut(&host), "nothing was changed");
    assert_eq!(actions(&host).last().unwrap(), "restore failed");
    // With a record that fits the other bytes, it is another snapshot, which nobody has proved.
    let record = host.object(&id, "snapshot.json");
    let mut told: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    told["checksum"] = Checksum::from_sha256(Sha256::digest(&bytes).into()).to_string().into();
    fs::remove_file(&record).unwrap();
    fs::write(&record, serde_json::to_vec(&told).unwrap()).unwrap();
    let refused = reasons(&restore(&host, &["--from", "LATEST", "--force"]).expect(13));
    assert_eq!(refused, ["not-verified", "other-bytes-verified"]);
    assert_eq!(state_of(&host.context()), before);
}

#[test]
fn the_lock_stays_shut_until_the_checks_pass() {
    let (host, id) = Host::backed_up();
    let flag = host.path("flag");
    host.check_that_there_is(&flag);
    damage(&host);
    let failed = restore(&host, &["--from", "LATEST", "--force"]).expect(12);
    assert_eq!(failed.envelope()["error"]["code"], "checks-failed");
    let row = failed.row();
    let wrong: Vec<_> =
        row["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false).collect();
    assert_eq!((wrong.len(), wrong[0]["name"].as_str()), (1, Some("shop smoke")), "{row:#}");
    assert!(is_shut(&host));
    // Everything that depends on it.
    let refused = host.json(["guard", "check", "--app", "shop"]).expect(11);
    assert_eq!(refused.envelope()["error"]["code"], "mutation-locked");
    host.json(["retention", "apply", "--yes"]).expect(11);
    host.json(["restore", "confirm"]).expect(13);
    let suspect = host.back_up();
    let listed = |host: &Host| {
        let rows = host.json(["list"]).expect(0).data();
        rows.iter().find(|row| row["id"] == suspect.as_str()).unwrap()["suspect"].as_bool().unwrap()
    };
    assert!(listed(&host));
    host.json(["guard", "recheck"]).expect(12);
    assert!(is_shut(&host));
    fs::write(&flag, "").unwrap();
    let opened = host.json(["guard", "recheck"]).expect(0).row();
    assert_eq!(opened["shut"], false, "{opened:#}");
    host.json(["guard", "check", "--app", "shop"]).expect(0);
    let shown = restore(&host, &["--from", "LATEST", "--dry-run"]);
    assert_eq!(reasons(&shown.expect(11)), ["restore-pending"]);
    host.json(["restore", "confirm"]).expect(0);
    assert_eq!(restore(&host, &["--from", "LATEST", "--dry-run"]).expect(0).row()["id"], id.as_str());
    // Verified after the lock has opened it is like any other.
    host.json(["verify", &suspect]).expect(0);
    assert!(!listed(&host));
    assert_eq!(restore(&host, &["--from", "LATEST", "--dry-run"]).expect(0).row()["id"], suspect.as_str());
}

#[test]
fn an_operator_opens_the_lock_with_a_reason() {
    let (host, _) = Host::backed_up();
    damage(&host);
    // The restored settings of another context are a contamination.
    fs::write(host.context().join("config.json"), "{\"name\": \"other\"}").unwrap();
    let doctor = host.json(["doctor"]).expect(10);
    assert!(doctor.stdout.contains("foreign-context-file"), "{}", doctor.stdout);
    host.json(["guard", "release", "--reason", " "]).expect(2);
    host.json(["guard", "release", "--reason", "ticket 812"]).expect(0);
    fs::create_dir_all(host.context().join(OWN)).unwrap();
    fs::write(host.context().join(OWN).join("lock-state.json"), "torn").unwrap();
    host.json(["guard", "check"]).expect(11);
    host.json(["guard", "recheck"]).expect(11);
    assert!(host.json(["doctor"]).expect(10).stdout.contains("mutation-lock-unreadable"));
    host.json(["guard", "release", "--reason", "ticket 812"]).expect(0);
    host.json(["guard", "check"]).expect(0);
    let last = host.json(["audit", "list"]).expect(0).data().pop().unwrap();
    assert_eq!(last["action"], "lock-released", "{last:#}");
}

#[test]
fn secrets_of_the_vault_that_changed_keep_the_lock_shut() {
    let host = Host::ready();
    let vault = host.context().join("vault/secrets.env");
    fs::create_dir_all(vault.parent().unwrap()).unwrap();
    fs::write(&vault, "SHOP_DB_PASSWORD=hunter2-seeded-old\n").unwrap();
    fs::write(
        host.context().join("addons.json"),
        "{\"apps\": {\"shop\": [{\"vars\": {\"p\": \"${SHOP_DB_PASSWORD}\"}}]}}",
    )
    .unwrap();
    host.back_up();
    fs::write(&vault, "SHOP_DB_PASSWORD=hunter2-seeded-new\n").unwrap();
    let failed = restore(&host, &["--from", "LATEST", "--force"]).expect(12);
    let row = failed.row();
    let vault_check =
        row["checks"].as_array().unwrap().iter().find(|check| check["name"] == "vault").unwrap().clone();
    assert!(
        vault_check["detail"].as_str().unwrap().contains("reconcile by vault workflow"),
        "{vault_check:#}"
    );
    assert!(is_shut(&host));
    assert_eq!(
        fs::read_to_string(&vault).unwrap(),
        "SHOP_DB_PASSWORD=hunter2-seeded-new\n",
        "nothing is written there"
    );
    fs::write(&vault, "SHOP_DB_PASSWORD=hunter2-seeded-old\n").unwrap();
    host.json(["guard", "recheck"]).expect(0);
    let sheet = host.run(["kit"]).expect(0).stdout;
    for (path, bytes) in host.files() {
        let is_vault = path == vault;
        let text = String::from_utf8_lossy(&bytes);
        assert!(is_vault || !text.contains("hunter2-seeded"), "{}", path.display());
    }
    assert!(!(sheet + &failed.stdout + &failed.stderr).contains("hunter2-seeded"));
}

#[test]
fn an_undone_restore_leaves_what_was_there_and_the_events_since() {
    let (host, _) = Host::backed_up();
    damage(&host);
    let before = without_logs(&host.context());
    let log = host.context().join("events/deployments.jsonl");
    let logged = fs::read_to_string(&log).unwrap();
    restore(&host, &["--from", "LATEST", "--force"]).expect(0);
    let line = "{\"timestamp\":\"2026-11-25T09:00:00Z\",\"command\":\"since\"}\n";
    fs::write(&log, fs::read_to_string(&log).unwrap() + line).unwrap();
    host.json(["restore", "undo"]).expect(2);
    fs::write(host.context().join("targets.json"), "{\"written\": \"since\"}").unwrap();
    let refused = host.json(["restore", "undo", "--force"]).expect(13);
    assert!(refused.stdout.contains("targets.json"), "{}", refused.stdout);
    host.json(["restore", "undo", "--force", "--discard-writes"]).expect(0);
    assert_eq!(without_logs(&host.context()), before);
    let logged = logged + line;
    assert_eq!(fs::read_to_string(&log).unwrap(), logged);
    assert!(!is_shut(&host));
    let did = actions(&host);
    let expected = [
        "restore-undo announced",
        "lock-shut done",
        "restore-undo done",
        "lock-released announced",
        "lock-released done",
    ];
    assert_eq!(did[did.len() - 5..], expected, "{did:?}");
    // What was given up is kept until that is confirmed, whatever is done meanwhile.
    let given_up = host.context().join(OWN).join("restore/state/kept/targets.json");
    // The state is damaged again, so this stores nothing.
    host.json(["run", "--state"]).expect(10);
    assert_eq!(fs::read(given_up).unwrap(), b"{\"written\": \"since\"}");
    assert_eq!(fs::read_to_string(&log).unwrap(), logged, "no line of the restored state came back");
    assert_eq!(reasons(&restore(&host, &["--from", "LATEST", "--force"]).expect(11)), ["restore-pending"]);
    host.json(["restore", "confirm"]).expect(0);
    restore(&host, &["--from", "LATEST", "--force"]).expect(0);
}

pub(crate) fn bring_vault(from: &Host, to: &Host) {
    let vault = to.context().join("vault/secrets.env");
    fs::create_dir_all(vault.parent().unwrap()).unwrap();
    fs::set_permissions(vault.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(from.context().join("vault/secrets.env"), vault).unwrap();
}

/// A new machine that has nothing but a store and an identity file.
pub(crate) fn lost(host: &Host) -> (Host, PathBuf) {
    let new = Host::bare();
    let identity = new.path("usb-identity.txt");
    fs::copy(host.home().join("identity.txt"), &identity).unwrap();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
    (new, identity)
}

#[test]
fn a_lost_host_comes_back_from_the_store_and_one_file() {
    let (host, id) = Host::backed_up();
    let before = without_logs(&host.context());
    let (new, identity) = lost(&host);
    let identity = identity.to_str().unwrap();
    let url = host.store_url();
    let recover = ["init", "--recover", "--store", &url, "--identity", identity];
    new.json(recover).expect(0);
    assert_eq!(fs::read(new.config()).unwrap(), fs::read(host.config()).unwrap());
    let shown = restore(&new, &["--from", "LATEST", "--dry-run"]).expect(0).row();
    assert_eq!(shown["id"], id.as_str());
    assert!(!new.state_root().exists(), "who only looks leaves nothing");
    let row = restore(&new, &["--from", "LATEST", "--force"]).expect(12).row();
    assert_eq!(row["id"], id.as_str(), "{row:#}");
    // The vault comes back from where it is kept; until then nothing may be deployed.
    assert!(is_shut(&new));
    bring_vault(&host, &new);
    new.json(["guard", "recheck"]).expect(0);
    let mut expected = before;
    // Of the optional trees nothing was taken, nor of what no backup takes.
    expected.retain(|path, _| new.context().join(path).exists());
    assert!(expected.len() > 5);
    assert_eq!(without_logs(&new.context()), expected);
    let chains = new.json(["audit", "verify"]).expect(0).envelope()["checks"].as_array().unwrap().len();
    assert_eq!(chains, 2, "the old chain, and the new one");
    new.json(["run", "--state"]).expect(0);
    new.json(recover).expect(2);
}

#[test]
fn on_a_rebuilt_host_nobody_is_believed_but_for_the_sheet() {
    let (host, id) = Host::backed_up();
    let (new, identity) = lost(&host);
    let text = fs::read_to_string(&identity).unwrap();
    let without = text.lines().filter(|line| !line.contains("ed25519")).map(|line| format!("{line}\n"));
    fs::write(&identity, without.collect::<String>()).unwrap();
    let url = host.store_url();
    let recover = ["init", "--recover", "--store", &url, "--identity", identity.to_str().unwrap()];
    let told = new.run(recover).expect(0);
    assert!(told.stderr.contains("--trust"), "{}", told.stderr);
    // Settings that nobody has signed could be anybody's: they are shown, and not used.
    let from_store = fs::read_to_string(new.home().join("config.toml.from-store")).unwrap();
    assert!(from_store.starts_with("# signed ") && from_store.contains("[contexts.default"), "{from_store}");
    assert!(!fs::read_to_string(new.config()).unwrap().contains("# signed"));
    let refused = restore(&new, &["--from", "LATEST", "--force"]).expect(13);
    assert_eq!(reasons(&refused), ["not-verified", "unknown-writer"]);
    let sheet = host.run(["kit"]).expect(0).stdout;
    let checksum = sheet.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
    let other = format!("sha256:{}", "0".repeat(64));
    let wrong = restore(&new, &["--from", &id, "--checksum", &other, "--force"]).expect(13);
    assert!(reasons(&wrong).contains(&"other-checksum".to_owned()));
    restore(&new, &["--from", &id, "--checksum", checksum, "--force"]).expect(12);
    bring_vault(&host, &new);
    new.json(["guard", "recheck"]).expect(0);
    // Or with the key on the sheet.
    let (other, identity) = lost(&host);
    fs::write(
        &identity,
        text.lines().filter(|line| !line.contains("ed25519")).fold(String::new(), |t, l| t + l + "\n"),
    )
    .unwrap();
    let key = sheet.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
    let recover =
        ["init", "--recover", "--store", &url, "--identity", identity.to_str().unwrap(), "--trust", key];
    other.json(recover).expect(0);
    restore(&other, &["--from", "LATEST", "--dry-run"]).expect(0);
}

#[test]
fn settings_that_a_bucket_writer_has_made_up_are_passed_over() {
    let host = Host::ready();
    host.back_up();
    let copies = host.store().join("settings/default");
    let own = fs::read_dir(&copies).unwrap().next().unwrap().unwrap().path();
    // A later copy of their own, and the true one under a later name.
    let recipient = fs::read_to_string(host.config()).unwrap();
    let recipient = recipient.split('"').find(|text| text.starts_with("age1")).unwrap();
    let forged =
        paas_state::Recipients::parse([recipient]).unwrap().seal_bytes(b"[contexts.default]\n").unwrap();
    fs::write(copies.join("20990101T000000Z.toml.age"), forged).unwrap();
    fs::copy(&own, copies.join("20990102T000000Z.toml.age")).unwrap();
    // And what nobody can read or open, newer than anything.
    fs::write(copies.join("99991231T000000Z.toml.age"), vec![0; 2 << 20]).unwrap();
    let soon = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).format("%Y%m%dT%H%M%SZ");
    fs::write(copies.join(format!("{soon}.toml.age")), vec![0; 2 << 20]).unwrap();
    let (new, identity) = lost(&host);
    let url = host.store_url();
    let told =
        new.run(["init", "--recover", "--store", &url, "--identity", identity.to_str().unwrap()]).expect(0);
    let name = own.file_name().unwrap().to_str().unwrap();
    assert!(told.stdout.contains(&format!("from settings/default/{name}")), "{}", told.stdout);
    assert_eq!(fs::read(new.config()).unwrap(), fs::read(host.config()).unwrap());
}

#[test]
fn what_is_resumed_is_behind_a_shut_lock_whoever_opened_it() {
    let (mut host, _) = Host::backed_up();
    damage(&host);
    // Killed between two of its steps, wherever those are.
    let is_half_way = (100..400).step_by(7).any(|point| {
        host.setenv("SI_BACKUP_FAIL_POINT", point.to_string());
        let killed = host.run(["restore", "--from", "LATEST", "--force"]);
        host.unsetenv("SI_BACKUP_FAIL_POINT");
        assert_eq!(killed.code, None);
        let is_half_way = host.json(["doctor"]).stdout.contains("restore-pending");
        if !is_half_way {
            let _ = host.run(["restore", "resume"]);
        }
        is_half_way
    });
    assert!(is_half_way);
    host.json(["guard", "release", "--reason", "why"]).expect(11);
    host.json(["restore", "confirm"]).expect(11);
    fs::remove_file(host.context().join(OWN).join("lock-state.json")).unwrap();
    host.json(["restore", "resume"]).expect(0);
    let did = actions(&host);
    let shut = did.iter().rposition(|act| act == "lock-shut done").unwrap();
    assert!(shut > did.iter().rposition(|act| act == "restore-resume announced").unwrap(), "{did:?}");
    // There is nothing more to resume, and to say so changes nothing.
    host.json(["restore", "resume"]).expect(0);
    assert_eq!(actions(&host), did);
    assert!(
        host.json(["policy"])
            .data()
            .iter()
            .all(|row| { !row["clause"].as_str().unwrap().starts_with("restore") || row["status"] == "met" })
    );
}

#[test]
fn the_sheet_alone_brings_a_lost_host_back() {
    let (host, id) = Host::backed_up();
    let sheet = host.run(["kit"]).expect(0).stdout;
    let before = fs::read(host.context().join("deployments.json")).unwrap();
    let (new, identity) = lost(&host);
    let section = sheet.split("5. COMING BACK WITH SI-BACKUP").nth(1).unwrap().split("\n6.").next().unwrap();
    let commands: Vec<_> =
        section.lines().map(str::trim).filter(|line| line.starts_with("si-backup ")).collect();
    assert_eq!(commands.len(), 2, "{section}");
    let line = commands[0].replace("IDENTITY", identity.to_str().unwrap());
    new.shell(&line, new.root()).expect(0);
    // The vault is not there yet.
    new.shell(commands[1], new.root()).expect(12);
    assert_eq!(fs::read(new.context().join("deployments.json")).unwrap(), before);
    let checksum = sheet.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
    let restored = new.json(["audit", "list"]).expect(0).data();
    let announced = restored.iter().find(|row| row["action"] == "restore").unwrap();
    assert_eq!((announced["id"].as_str(), sheet.contains(&id)), (Some(id.as_str()), true));
    assert!(sheet.contains(checksum) && !sheet.contains("AGE-SECRET-KEY"));
}

/// As the sheet says it, with what it names and nothing else: no program of ours, and no other of the system's.
#[test]
fn the_sheet_alone_brings_the_files_back_with_stock_tools() {
    let tools = ["sh", "sha256sum", "age", "zstd", "tar", "mkdir", "cp", "ls", "tail"];
    let place_of = |tool: &str| {
        ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(tool)).find(|path| path.exists())
    };
    if let Some(missing) = tools.iter().find(|tool| place_of(tool).is_none()) {
        assert!(std::env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(), "{missing} is missing: scripts/setup");
        return crate::skipped(&format!("{missing} is missing: scripts/setup"));
    }
    let (host, id) = Host::backed_up();
    let sheet = host.run(["kit"]).expect(0).stdout;
    let (new, identity) = lost(&host);
    let bin = new.path("bin");
    fs::create_dir(&bin).unwrap();
    for tool in tools {
        std::os::unix::fs::symlink(place_of(tool).unwrap(), bin.join(tool)).unwrap();
    }
    let section =
        sheet.split("6. COMING BACK WITH STOCK TOOLS").nth(1).unwrap().split("\n7.").next().unwrap();
    let commands: Vec<_> = section.lines().filter_map(|line| line.trim().strip_prefix("$ ")).collect();
    assert!(commands.len() > 5 && section.matches("____").count() > 0, "{section}");
    // The one blank is the place of the identity file.
    let blank = commands[0].split('\'').nth(1).unwrap();
    assert!(blank.chars().all(|it| it == '_') && !commands[1..].concat().contains(blank), "{section}");
    let script = commands.join("\n").replace(blank, identity.to_str().unwrap());
    let run = |script: &str, dir: &str| {
        fs::create_dir(new.path(dir)).unwrap();
        let mut command = std::process::Command::new(bin.join("sh"));
        command.args(["-uc", script]).current_dir(new.path(dir));
        Ran::of(command.env_clear().env("PATH", &bin).env("HOME", new.path("home")).output().unwrap())
    };
    // Other bytes are noticed before anything comes of them, also by a shell that goes on after an error.
    let bundle = host.bundle(&id);
    let bytes = fs::read(&bundle).unwrap();
    fs::write(&bundle, [&bytes[..], b"x"].concat()).unwrap();
    run(&script, "noticed");
    assert!(!new.state_root().exists() && !new.path("noticed/restored").exists());
    fs::write(&bundle, &bytes).unwrap();

    run(&script, "here").expect(0);
    let (mut before, back) = (state_of(&host.context()), state_of(&new.context()));
    // Of the optional trees nothing was taken, nor of what no backup takes.
    before.retain(|path, _| back.contains_key(path));
    // The run has told of itself in there, after it had read it.
    let log = Path::new("events/audit.jsonl");
    let (since, then) = (before.remove(log).unwrap(), back[log].clone());
    assert!(since.0 == then.0 && since.1.starts_with(&then.1));
    before.insert(log.to_owned(), then);
    assert_eq!(back, before);
    let manifest: Value =
        serde_json::from_slice(&fs::read(new.path("here/restored/manifest.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert!(files.len() >= 10 && files.len() == back.len(), "{files:?}");
    for file in files {
        assert!(back.contains_key(Path::new(file["path"].as_str().unwrap())), "{file}");
    }
    let private = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((private(&new.context()), private(&new.context().join("events"))), (0o700, 0o700));
    let settings = fs::read_to_string(new.path("here/restored/config.toml")).unwrap();
    assert!(settings.ends_with(&fs::read_to_string(host.config()).unwrap()), "{settings}");
}

#[test]
fn a_restore_is_undone_without_its_store() {
    let (host, _) = Host::backed_up();
    damage(&host);
    let before = without_logs(&host.context());
    restore(&host, &["--from", "LATEST", "--force"]).expect(0);
    fs::rename(host.store(), host.path("elsewhere")).unwrap();
    let undone = host.json(["restore", "undo", "--force"]).expect(0);
    assert!(undone.envelope()["warnings"].to_string().contains("done without"), "{}", undone.stdout);
    assert_eq!(without_logs(&host.context()), before);
    fs::rename(host.path("elsewhere"), host.store()).unwrap();
    host.json(["audit", "list"]).expect(0);
}
