//! What somebody who can write to the store or the home may do, and how it shows.

use crate::harness::{Host, Ran, small};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The only row of `list` about a snapshot.
fn listed(host: &Host, id: &str) -> Value {
    let rows = host.json(["list"]).expect(0).data();
    rows.into_iter().find(|row| row["id"] == id).unwrap()
}

/// The codes of what `show` found and does not count.
fn ignored(host: &Host, id: &str) -> Vec<String> {
    // What it says of the files besides is another matter.
    let row = host.json(["show", id]).row();
    row["ignored_evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["code"].as_str().unwrap().to_owned())
        .collect()
}

fn evidence_of(host: &Host, id: &str) -> Vec<PathBuf> {
    let dir = host.store().join("evidence/default/state").join(id);
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn extract(host: &Host, id: &str) -> Ran {
    let into = host.path("tampered");
    let ran = host.json(["extract", id, "--into", into.to_str().unwrap()]);
    assert!(ran.code == Some(0) || !into.exists(), "nothing is left of what is refused");
    ran
}

#[test]
fn a_flipped_byte() {
    let (host, id) = Host::backed_up();
    let bundle = host.bundle(&id);
    let whole = fs::read(&bundle).unwrap();
    for at in [0, 300, whole.len() / 2, whole.len() - 1] {
        flip(&bundle, at);
        for level in ["checksum", "content"] {
            let ran = host.json(["verify", &id, "--level", level]).expect(12);
            ran.error("verification-failed");
            let row = ran.row();
            assert_eq!(row["outcome"], "failed");
            let key = row["evidence"].as_str().unwrap();
            assert!(key.contains("-failed-") && host.store().join(key).is_file(), "{key}");
        }
        let row = listed(&host, &id);
        // That the object is there with its size is all that is still proved.
        assert_eq!(
            (&row["verified"]["level"], &row["failed"]["level"]),
            (&"stored".into(), &"checksum".into())
        );
        host.json(["status"]).expect(10).error("not-proved");
        for command in ["list", "show"] {
            let text = host
                .run([command, "LATEST"].iter().take(if command == "list" { 1 } else { 2 }))
                .expect(if command == "list" { 0 } else { 12 })
                .stdout;
            assert!(text.contains("failed"), "{text}");
        }
        assert!(!host.run(["kit"]).expect(0).stdout.contains(&id), "it is on no recovery sheet");
        extract(&host, &id).expect(12);
        let doctor = host.json(["doctor"]).expect(10).data();
        assert!(doctor.iter().any(|check| check["code"] == "verification-failed"), "{doctor:#?}");
        fs::write(&bundle, &whole).unwrap();
    }
    // It was the store's fault, and has been put right: a newer verification says so.
    host.json(["verify", &id]).expect(0);
    let row = listed(&host, &id);
    assert_eq!((&row["verified"]["level"], &row["failed"]), (&"content".into(), &Value::Null));
    host.json(["status"]).expect(0);
    let doctor = host.json(["doctor"]).data();
    assert!(!doctor.iter().any(|check| check["code"] == "verification-failed"), "{doctor:#?}");
}

#[test]
fn a_bundle_that_was_cut_or_removed() {
    let (host, id) = Host::backed_up();
    let older = id.clone();
    let id = host.back_up();
    let bundle = host.bundle(&id);
    let whole = fs::read(&bundle).unwrap();
    fs::write(&bundle, &whole[..whole.len() - 10]).unwrap();
    let row = listed(&host, &id);
    assert_eq!((&row["restorable"], &row["problems"][0]["code"]), (&false.into(), &"bundle-size".into()));
    host.json(["verify", &id]).expect(12).error("verification-failed");
    extract(&host, &id).expect(12);
    fs::remove_file(&bundle).unwrap();
    let row = listed(&host, &id);
    assert_eq!((&row["restorable"], &row["problems"][0]["code"]), (&false.into(), &"bundle-missing".into()));
    host.json(["verify", &id, "--level", "stored"]).expect(12).error("verification-failed");
    extract(&host, &id).expect(12);
    host.json(["diff", &id]).expect(12);
    host.json(["show", &id]).expect(12).error("verification-failed");
    // The newest that can be restored is the one before.
    assert_eq!(host.json(["show", "LATEST"]).row()["id"], older.as_str());
    let all = host.json(["verify", "--all"]).expect(12);
    let outcomes: Vec<_> = all.data().iter().map(|row| row["outcome"].as_str().unwrap().to_owned()).collect();
    assert_eq!(outcomes, ["passed", "failed"], "one that fails does not keep the others from being proved");
    let doctor = host.json(["doctor"]).expect(10).data();
    assert!(doctor.iter().any(|check| check["code"] == "snapshot-not-restorable"), "{doctor:#?}");
}

#[test]
fn without_its_record_it_is_no_snapshot() {
    let (host, id) = Host::backed_up();
    fs::remove_file(host.object(&id, "snapshot.json")).unwrap();
    assert!(host.ids().is_empty());
    let text = host.run(["list"]).expect(0).stdout;
    assert!(text.contains("1 object belongs to no snapshot") && text.contains(&id), "{text}");
    host.json(["show", &id]).expect(2).error("no-such-snapshot");
    host.json(["verify"]).expect(12).error("no-restorable-snapshot");
    host.json(["status"]).expect(10);
    let doctor = host.json(["doctor"]).expect(10).data();
    assert!(doctor.iter().any(|check| check["code"] == "stray-object"), "{doctor:#?}");
    assert_ne!(host.back_up(), id);
}

#[test]
fn the_record_of_another_snapshot() {
    let (host, first) = Host::backed_up();
    fs::write(host.context().join("targets.json"), "{\"targets\": []}\n").unwrap();
    let second = host.back_up();
    fs::copy(host.object(&first, "snapshot.json"), host.object(&second, "snapshot.json")).unwrap();
    let row = listed(&host, &second);
    assert_eq!(
        (&row["restorable"], &row["problems"][0]["code"]),
        (&false.into(), &"record-malformed".into())
    );
    assert_eq!((&row["verified"], &row["checksum"]), (&Value::Null, &Value::Null));
    host.json(["verify", &second]).expect(12).error("verification-failed");
    extract(&host, &second).expect(12).error("malformed");
    assert_eq!(host.json(["show", "LATEST"]).row()["id"], first.as_str());
    // Both objects of the other one are no better: the id inside is another.
    fs::copy(host.bundle(&first), host.bundle(&second)).unwrap();
    extract(&host, &second).expect(12);
    // And with a record that agrees with the bundle in everything: the manifest inside does not.
    let record = fs::read_to_string(host.object(&first, "snapshot.json")).unwrap().replace(&first, &second);
    fs::write(host.object(&second, "snapshot.json"), record).unwrap();
    assert_eq!(listed(&host, &second)["restorable"], true);
    assert_eq!(listed(&host, &second)["verified"], Value::Null, "its evidence is about other bytes");
    assert!(ignored(&host, &second).contains(&"other-checksum".to_owned()));
    host.json(["verify", &second]).expect(12).error("verification-failed");
    extract(&host, &second).expect(12).error("bundle-refused");
}

#[test]
fn a_record_that_is_no_record() {
    let (host, id) = Host::backed_up();
    for text in ["", "{}", "[]", "no json", "{\"format\": \"something-else\", \"version\": 1}"] {
        fs::write(host.object(&id, "snapshot.json"), text).unwrap();
        let row = listed(&host, &id);
        assert_eq!(
            (&row["restorable"], &row["problems"][0]["code"]),
            (&false.into(), &"record-malformed".into())
        );
        host.json(["verify", &id]).expect(12).error("verification-failed");
        extract(&host, &id).expect(12);
        host.json(["status"]).expect(10);
        host.json(["pin", &id, "--reason", "to look at it"]).expect(0);
    }
}

#[test]
fn a_newer_format_is_refused_by_its_name() {
    let (host, id) = Host::backed_up();
    let path = host.object(&id, "snapshot.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["version"] = 99.into();
    record["from_the_future"] = true.into();
    fs::write(&path, record.to_string()).unwrap();
    let row = listed(&host, &id);
    assert_eq!((&row["restorable"], &row["problems"][0]["code"]), (&false.into(), &"record-newer".into()));
    let said = extract(&host, &id).expect(12).error("newer-format");
    assert!(said.contains("99") && said.contains("newer version"), "{said}");
    let said = host.json(["verify", &id]).expect(12).error("verification-failed");
    assert!(said.contains("99"), "{said}");
}

/// Another home that shares the origin of a host, and is not believed by it.
fn stranger_at(host: &Host) -> Host {
    let stranger = Host::with_state(&small());
    let origin = stranger.home().join("origin");
    fs::create_dir_all(&origin).unwrap();
    fs::copy(host.home().join("origin/default"), origin.join("default")).unwrap();
    stranger.json(["init", "--store", &host.store_url()]).expect(0);
    fs::copy(host.home().join("identity.txt"), stranger.home().join("identity.txt")).unwrap();
    stranger
}

#[test]
fn evidence_of_an_unknown_writer_counts_for_nothing() {
    let (host, id) = Host::backed_up();
    for path in evidence_of(&host, &id) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(listed(&host, &id)["verified"], Value::Null);
    let stranger = stranger_at(&host);
    stranger.json(["verify", &id]).expect(0);
    assert_eq!(listed(&stranger, &id)["verified"]["level"], "content", "it believes itself");
    assert_eq!(listed(&host, &id)["verified"], Value::Null);
    assert_eq!(ignored(&host, &id), ["unknown-writer"]);
    let text = host.run(["show", &id]).expect(0).stdout;
    assert!(text.contains("no trusted writer"), "{text}");
    host.json(["status"]).expect(10);
    // Named by the settings it counts.
    let key = stranger.json(["doctor"]).data();
    let key = key.iter().find(|check| check["name"] == "keys").unwrap()["detail"].as_str().unwrap();
    let key = key.split(' ').find(|word| word.starts_with("ed25519:")).unwrap().to_owned();
    host.edit_settings("production = false", &format!("trusted_writers = [\"{key}\"]"));
    assert_eq!(listed(&host, &id)["verified"]["level"], "content");
    assert!(ignored(&host, &id).is_empty());
}

#[test]
fn a_trusted_writer_that_is_no_key() {
    let host = Host::ready();
    host.edit_settings("production = false", "trusted_writers = [\"ed25519:nonsense\"]");
    host.json(["list"]).expect(2).error("invalid-public-key");
}

#[test]
fn evidence_that_was_made_up_or_altered_counts_for_nothing() {
    let (host, id) = Host::backed_up();
    let [genuine] = &evidence_of(&host, &id)[..] else { panic!() };
    let text = fs::read_to_string(genuine).unwrap();
    let envelope: Value = serde_json::from_str(&text).unwrap();
    // Another payload under the same signature.
    let mut altered = envelope.clone();
    let payload = altered["payload"].as_str().unwrap().to_owned();
    let swapped =
        payload.replacen(&payload[40..44], if &payload[40..44] == "AAAA" { "BBBB" } else { "AAAA" }, 1);
    altered["payload"] = swapped.into();
    fs::write(genuine, altered.to_string()).unwrap();
    assert_eq!(ignored(&host, &id), ["bad-signature"]);
    // No signature at all; no envelope; a failure that is passed off as a pass by its name.
    let mut unsigned = envelope;
    unsigned["signatures"] = Value::Array(Vec::new());
    for (forged, why) in [(unsigned.to_string(), "unknown-writer"), ("{}".to_owned(), "not-an-envelope")] {
        fs::write(genuine, forged).unwrap();
        assert_eq!(ignored(&host, &id), [why]);
        assert_eq!(listed(&host, &id)["verified"], Value::Null);
    }
    fs::write(genuine, text).unwrap();
    assert_eq!(listed(&host, &id)["verified"]["level"], "content");
}

#[test]
fn evidence_copied_under_another_snapshot_counts_for_nothing() {
    let (host, first) = Host::backed_up();
    let second = host.back_up();
    for path in evidence_of(&host, &second) {
        fs::remove_file(path).unwrap();
    }
    let [genuine] = &evidence_of(&host, &first)[..] else { panic!() };
    let copy = host.store().join("evidence/default/state").join(&second).join(genuine.file_name().unwrap());
    fs::copy(genuine, copy).unwrap();
    assert_eq!(listed(&host, &second)["verified"], Value::Null);
    assert_eq!(ignored(&host, &second), ["misplaced"]);
    assert_eq!(listed(&host, &first)["verified"]["level"], "content");
}

/// The finding of `audit verify` with a code; it fails with 10.
#[track_caller]
fn audit_finds(host: &Host, code: &str) -> Value {
    let checks = host.json(["audit", "verify"]).expect(10).data();
    let found = checks.iter().find(|check| check["code"] == code && check["ok"] == false);
    found.unwrap_or_else(|| panic!("no {code} in {checks:#?}")).clone()
}

#[test]
fn a_trail_that_was_edited_or_cut() {
    let (host, id) = Host::backed_up();
    host.json(["pin", &id, "--reason", "x"]).expect(0);
    let trail = fs::read_to_string(host.trail()).unwrap();
    let lines: Vec<_> = trail.split_inclusive('\n').collect();
    assert!(lines.len() >= 4);
    let write = |lines: &[&str]| fs::write(host.trail(), lines.concat()).unwrap();

    let edited = lines[1].replacen("announced", "forgotten", 1);
    write(&[lines[0], &edited, lines[2], lines[3]]);
    assert_eq!(audit_finds(&host, "trail-changed")["sequence"], 2);
    write(&[lines[0], lines[2], lines[3]]);
    assert_eq!(audit_finds(&host, "trail-missing")["sequence"], 2);
    write(&[lines[0], lines[2], lines[1], lines[3]]);
    audit_finds(&host, "trail-reordered");
    write(&lines[..3]);
    assert_eq!(audit_finds(&host, "trail-truncated")["sequence"], 4);
    fs::remove_file(host.trail()).unwrap();
    audit_finds(&host, "trail-removed");

    // The list still tells what the copies know, and where to look.
    let listed = host.run(["audit", "list"]).expect(0);
    assert!(listed.stderr.contains("audit verify"), "{}", listed.stderr);
    let doctor = host.json(["doctor"]).expect(10).data();
    assert!(doctor.iter().any(|check| check["name"] == "trail" && check["ok"] == false), "{doctor:#?}");

    fs::write(host.trail(), &trail).unwrap();
    host.json(["audit", "verify"]).expect(0);
}

#[test]
fn a_cut_trail_is_not_mended_by_going_on() {
    let (host, _) = Host::backed_up();
    let trail = fs::read_to_string(host.trail()).unwrap();
    let lines: Vec<_> = trail.split_inclusive('\n').collect();
    fs::write(host.trail(), lines[..lines.len() - 1].concat()).unwrap();
    // A backup is made all the same: a trail that somebody cut must not keep anybody from being safe.
    let ran = host.json(["run"]).expect(0);
    assert!(ran.envelope()["warnings"].to_string().contains("trail"), "{}", ran.stdout);
    assert_eq!(host.ids().len(), 2);
    host.json(["audit", "verify"]).expect(10);
}

#[test]
fn a_copy_of_the_trail_that_was_altered() {
    let (host, _) = Host::backed_up();
    let writer = fs::read_dir(host.store().join("audit/default")).unwrap().next().unwrap().unwrap().path();
    let copy = writer.join("000000000002.json");
    let whole = fs::read(&copy).unwrap();
    fs::write(&copy, String::from_utf8(whole.clone()).unwrap().replace("announced", "forgotten")).unwrap();
    host.json(["audit", "verify"]).expect(10);
    fs::remove_file(&copy).unwrap();
    audit_finds(&host, "trail-copy-missing");
    fs::write(&copy, whole).unwrap();
    host.json(["audit", "verify"]).expect(0);
}

#[test]
fn the_end_of_a_trail_that_a_crash_tore_is_set_aside() {
    let (host, _) = Host::backed_up();
    let mut trail = fs::read(host.trail()).unwrap();
    trail.extend_from_slice(b"{\"digest\":\"sha256:12");
    fs::write(host.trail(), trail).unwrap();
    host.json(["audit", "verify"]).expect(0);
    let ran = host.json(["run"]).expect(0);
    assert!(ran.envelope()["warnings"].to_string().contains("torn"), "{}", ran.stdout);
    let checks = host.json(["audit", "verify"]).expect(0).data();
    assert!(checks.iter().all(|check| check["ok"] == true), "{checks:#?}");
}

#[test]
fn what_does_not_belong_in_a_store_is_named() {
    let (host, id) = Host::backed_up();
    let stray = host.store().join("state/default/readme.txt");
    fs::write(&stray, "hello").unwrap();
    let text = host.run(["list"]).expect(0).stdout;
    assert!(text.contains("readme.txt") && text.contains(&id), "{text}");
    fs::remove_file(stray).unwrap();
    let record = host.object(&id, "snapshot.json");
    let moved = host.path("moved.json");
    fs::rename(&record, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &record).unwrap();
    let said = host.json(["list"]).expect(1).error("foreign-file");
    assert!(said.contains("symbolic link"), "{said}");
}

#[test]
fn what_is_not_whole_is_not_called_proved() {
    let (host, id) = Host::backed_up();
    for damage in [None, Some(100)] {
        let bundle = fs::read(host.bundle(&id)).unwrap();
        match damage {
            None => fs::remove_file(host.bundle(&id)).unwrap(),
            Some(left) => fs::write(host.bundle(&id), &bundle[..left]).unwrap(),
        }
        let row = host.json(["list"]).expect(0).row();
        assert_eq!((&row["restorable"], &row["verified"]), (&false.into(), &Value::Null), "{row:#}");
        let text = host.run(["list"]).expect(0).stdout;
        assert!(text.contains("not restorable") && !text.contains("content"), "{text}");
        let text = host.run(["show", &id]).expect(12).stdout;
        assert!(text.contains("proved      no") && text.contains("kept        "), "{text}");
        fs::write(host.bundle(&id), bundle).unwrap();
    }
    // The evidence was about these bytes, and counts again.
    assert_eq!(host.json(["list"]).expect(0).row()["verified"]["level"], "content");
}
