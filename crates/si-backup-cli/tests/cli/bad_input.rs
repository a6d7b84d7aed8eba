//! Bad input: each gives one clear error with a hint, and nothing is lost.

use crate::harness::{Host, NOON, TinyDisk, small};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

fn chmod(path: impl AsRef<std::path::Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What a failed `run` must not have done: nothing is in the store that somebody could take for a snapshot, and nothing
/// is on its way; the next run works.
#[track_caller]
fn nothing_is_lost(host: &Host, snapshots: &[String]) {
    assert_eq!(host.ids(), snapshots);
    assert!(host.uploads().is_empty(), "{:?}", host.uploads());
    host.json(["audit", "verify"]).expect(0);
    host.json(["run", "--state"]).expect(0);
}

#[test]
fn without_settings_the_way_to_them_is_named() {
    let host = Host::with_state(&small());
    for args in [
        &["run"][..],
        &["list"],
        &["verify"],
        &["status"],
        &["kit"],
        &["diff", "LATEST"],
        &["audit", "verify"],
    ] {
        let said = host.json(args).expect(2).error("settings-missing");
        assert!(said.contains("si-backup init"), "{said}");
    }
}

#[test]
fn no_context_at_all() {
    let host = Host::ready();
    fs::remove_dir_all(host.state_root()).unwrap();
    for args in [&["run"][..], &["run", "--dry-run"], &["events", "list"]] {
        let said = host.json(args).expect(2).error("no-such-context");
        assert!(said.contains("--state-root"), "{said}");
    }
}

#[test]
fn no_such_context_lists_those_that_there_are() {
    let host = Host::ready();
    small().write(&host.state_root(), "staging").unwrap();
    fs::write(host.state_root().join("current_context"), "default\n").unwrap();
    host.edit_settings("[contexts.default]", "[contexts.prod]");
    host.edit_settings("[contexts.default.store]", "[contexts.prod.store]");
    let said = host.json(["run", "--context", "prod"]).expect(2).error("no-such-context");
    assert!(said.contains("prod") && said.contains("default, staging"), "{said}");
    // Known to si, and not to the settings.
    let said = host.json(["run", "--context", "staging"]).expect(2).error("settings-no-context");
    assert!(said.contains("staging") && said.contains("prod"), "{said}");
}

#[test]
fn a_selected_context_that_cannot_be_read_is_not_taken_for_the_default_one() {
    let host = Host::ready();
    let selected = host.state_root().join("current_context");
    fs::write(&selected, "../elsewhere\n").unwrap();
    host.json(["run"]).expect(2).error("invalid-name");
    fs::write(&selected, "default\n").unwrap();
    chmod(&selected, 0);
    let ran = host.run_unprivileged(["run", "--json"]);
    let said = ran.expect(1).error("permission-denied");
    assert!(said.contains("current_context"), "{said}");
}

#[test]
fn a_protected_file_that_cannot_be_read() {
    let host = Host::ready();
    chmod(host.context().join("targets.json"), 0);
    let said = host.run_unprivileged(["run", "--json"]).expect(1).error("permission-denied");
    assert!(said.contains("targets.json"), "{said}");
    chmod(host.context().join("targets.json"), 0o600);
    assert_eq!(host.run_unprivileged(["list", "--json"]).expect(0).data().len(), 0);
    host.run_unprivileged(["run", "--json"]).expect(0);
}

#[test]
fn settings_that_cannot_be_read() {
    let host = Host::ready();
    chmod(host.config(), 0);
    let said = host.run_unprivileged(["list", "--json"]).expect(2).error("settings-unreadable");
    assert!(said.contains("config.toml") && said.contains("run as the user"), "{said}");
    // Readable, and no text.
    let host = Host::ready();
    fs::write(host.config(), b"[contexts.default]\n# caf\xe9\n").unwrap();
    let said = host.json(["list"]).expect(2).error("settings-unreadable");
    assert!(said.contains("UTF-8") && !said.contains("run as the user"), "{said}");
}

#[test]
fn a_setting_that_is_not_toml_is_named_by_line_and_column() {
    let host = Host::ready();
    host.edit_settings("production = false", "production = maybe");
    let said = host.json(["list"]).expect(2).error("settings-invalid");
    assert!(said.contains("config.toml:4:14: "), "{said}");
    let text = host.run(["list"]).expect(2);
    assert!(text.stderr.starts_with("error: ") && text.stderr.contains("  -> "), "{}", text.stderr);
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    for (key, nearest) in
        [("recipient = []", "recipients"), ("time_zone = \"UTC\"", "timezone"), ("stores = 1", "store")]
    {
        let host = Host::ready();
        host.edit_settings("production = false", key);
        let said = host.json(["list"]).expect(2).error("settings-invalid");
        assert!(said.contains(&format!("did you mean '{nearest}'")), "{said}");
        assert!(said.contains("config.toml:4:1: "), "{said}");
    }
    let host = Host::ready();
    host.edit_settings("url =", "ulr =");
    let said = host.json(["list"]).expect(2).error("settings-invalid");
    assert!(said.contains("'url'"), "{said}");
}

#[test]
fn nothing_is_sealed_to_nobody() {
    let host = Host::ready();
    let text = fs::read_to_string(host.config()).unwrap();
    let line = text.lines().find(|line| line.starts_with("recipients")).unwrap();
    host.edit_settings(line, "recipients = []");
    let said = host.json(["run"]).expect(2).error("settings-incomplete");
    assert!(said.contains("recipients"), "{said}");
    host.edit_settings("recipients = []", "recipients = [\"age1nonsense\"]");
    let said = host.json(["run"]).expect(2).error("invalid-recipient");
    assert!(said.contains("age1nonsense"), "{said}");
    host.edit_settings("recipients = [\"age1nonsense\"]", line);
    nothing_is_lost(&host, &[]);
}

#[test]
fn an_identity_that_others_can_read_is_refused_before_anything_is_stored() {
    let host = Host::ready();
    let identity = host.home().join("identity.txt");
    chmod(&identity, 0o644);
    for args in [&["run"][..], &["verify"], &["diff", "LATEST"], &["extract", "LATEST", "--into", "x"]] {
        let said = host.json(args).expect(2).error("identity-exposed");
        assert!(said.contains("chmod 600"), "{said}");
    }
    chmod(&identity, 0o600);
    nothing_is_lost(&host, &[]);
}

#[test]
fn a_signing_key_that_is_not_there_or_not_fit_is_refused_before_anything_is_stored() {
    let host = Host::ready();
    let key = host.home().join("signing.key");
    let whole = fs::read(&key).unwrap();
    chmod(&key, 0o640);
    host.json(["run"]).expect(2).error("key-exposed");
    chmod(&key, 0o600);
    fs::write(&key, "no key").unwrap();
    host.json(["run"]).expect(2).error("invalid-signing-key");
    fs::remove_file(&key).unwrap();
    let said = host.json(["run"]).expect(2).error("signing-key-missing");
    assert!(said.contains("signing.key"), "{said}");
    fs::write(&key, whole).unwrap();
    chmod(&key, 0o600);
    nothing_is_lost(&host, &[]);
}

#[test]
fn a_store_that_is_not_there_is_never_made() {
    let (host, id) = Host::backed_up();
    let away = host.path("away");
    fs::rename(host.store(), &away).unwrap();
    let into = host.path("x");
    for args in [
        &["run"][..],
        &["list"],
        &["status"],
        &["verify"],
        &["show", "LATEST"],
        &["diff", "LATEST"],
        &["extract", "LATEST", "--into", into.to_str().unwrap()],
        &["pin", "LATEST", "--reason", "x"],
        &["unpin", &id],
        &["audit", "list"],
        &["audit", "verify"],
        &["kit"],
    ] {
        let said = host.json(args).expect(2).error("store-missing");
        assert!(said.contains("mount"), "{said}");
    }
    assert_eq!(
        host.json(["doctor"]).expect(10).data().iter().filter(|c| c["code"] == "store-missing").count(),
        1
    );
    let fresh = Host::with_state(&small());
    fs::remove_dir(fresh.store()).unwrap();
    fresh.json(["init", "--store", &fresh.store_url()]).expect(2).error("store-missing");
    assert!(!fresh.store().exists() && !host.store().exists() && !into.exists());
    fs::rename(&away, host.store()).unwrap();
    nothing_is_lost(&host, &[id]);
}

#[test]
fn a_mount_point_without_its_disk_is_not_taken_for_the_store() {
    let (host, id) = Host::backed_up();
    let away = host.path("away");
    fs::rename(host.store(), &away).unwrap();
    fs::create_dir(host.store()).unwrap();
    for args in [
        &["run"][..],
        &["list"],
        &["status"],
        &["verify"],
        &["verify", "--all"],
        &["show", "LATEST"],
        &["diff", "LATEST"],
        &["extract", "LATEST", "--into", "x"],
        &["pin", &id, "--reason", "x"],
        &["unpin", &id],
        &["audit", "list"],
        &["audit", "verify"],
        &["kit"],
        &["kit", "--out", "sheet.txt"],
        &["retention", "plan"],
        &["retention", "apply"],
        &["retention", "apply", "--yes"],
        &["retention", "forecast"],
    ] {
        let said = host.json(args).expect(2).error("store-missing");
        assert!(said.contains("mount") && said.contains("sealed-default.json"), "{args:?}: {said}");
    }
    let doctor = host.json(["doctor"]).expect(10).data();
    assert!(doctor.iter().any(|check| check["code"] == "store-missing"), "{doctor:#?}");
    assert!(!host.path("sheet.txt").exists(), "no sheet that says that nothing is proved");
    assert_eq!(fs::read_dir(host.store()).unwrap().count(), 0, "nothing is written below the mount point");
    // With the disk back everything is there.
    fs::remove_dir(host.store()).unwrap();
    fs::rename(&away, host.store()).unwrap();
    nothing_is_lost(&host, &[id]);
    // Nor does it take more than one thing of it to know the store by.
    let ids = host.ids();
    fs::remove_dir_all(host.store().join("settings")).unwrap();
    assert_eq!(host.ids(), ids);
    fs::remove_dir_all(host.store().join("origin")).unwrap();
    assert_eq!(host.ids(), ids, "what is there can be read, whatever else was removed");
    // A store that was emptied on purpose is begun anew when that is said.
    fs::remove_dir_all(host.store()).unwrap();
    fs::create_dir(host.store()).unwrap();
    host.json(["run"]).expect(2);
    fs::remove_file(host.home().join("sealed-default.json")).unwrap();
    host.json(["run"]).expect(0);
    // And so is another one.
    host.edit_settings("/store\"", "/another\"");
    fs::create_dir(host.path("another")).unwrap();
    host.json(["run"]).expect(0);
}

#[test]
fn a_store_url_of_another_kind() {
    for url in ["ftp://host/x", "relative/directory", "https://user:hunter2@example.com/"] {
        let host = Host::with_state(&small());
        let said = host.json(["init", "--store", url]).expect(2).error("store-url-invalid");
        assert!(said.contains("file:///"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// Nothing that may be a credential is taken from settings or arguments, and none of it is told again.
#[test]
fn credentials_where_they_do_not_belong() {
    let secret = ["hunt", "er2"].concat();
    let host = Host::with_state(&small());
    for url in [format!("s3://key:{secret}@bucket/x"), format!("s3://bucket/x?secret={secret}")] {
        let said = host.json(["init", "--store", &url]).expect(2).error("store-settings-invalid");
        assert!(!said.contains(&secret), "{said}");
    }
    let endpoint = format!("https://key:{secret}@s3.example.org");
    let tried = host.json(["init", "--store", "s3://bucket/x", "--endpoint", &endpoint]).expect(2);
    let said = tried.error("store-settings-invalid");
    assert!(!said.contains(&secret), "{said}");

    let (host, _) = Host::backed_up();
    let settings = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), format!("{settings}secret_access_key = \"{secret}\"\n")).unwrap();
    let said = host.json(["list"]).expect(2).error("settings-invalid");
    assert!(said.contains("credentials_file") && !said.contains(&secret), "{said}");
}

#[test]
fn a_bucket_that_must_not_or_cannot_be_reached() {
    let host = Host::with_state(&small());
    let init = |more: &[&str]| {
        let words = ["init", "--store", "s3://bucket/x"].iter().chain(more);
        host.json(words.copied().collect::<Vec<_>>()).expect(2)
    };
    let said = init(&["--endpoint", "http://s3.example.org"]).error("plain-http-refused");
    assert!(said.contains("allow_plain_http"), "{said}");
    init(&["--endpoint", "s3.example.org"]).error("store-settings-invalid");
    let file = host.path("credentials");
    fs::write(&file, "[default]\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    init(&["--credentials-file", file.to_str().unwrap()]).error("credentials-exposed");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    init(&["--credentials-file", file.to_str().unwrap()]).error("credentials-invalid");
    init(&["--ca-file", file.to_str().unwrap()]).error("ca-invalid");
    assert!(!host.config().exists(), "no settings are left of it");

    // A setting that means nothing for a directory is not passed over.
    let (host, _) = Host::backed_up();
    let settings = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), format!("{settings}region = \"eu\"\n")).unwrap();
    let said = host.json(["list"]).expect(2).error("store-url-invalid");
    assert!(said.contains("region"), "{said}");
}

#[test]
fn a_full_store() {
    let host = Host::with_state(&small());
    let Some(_disk) = TinyDisk::mount(&host.store(), "96k") else { return };
    host.json(["init", "--store", &host.store_url()]).expect(0);
    let id = host.back_up();
    let before = host.json(["list"]).expect(0).data();
    // Bytes that no compression makes fewer.
    fs::create_dir_all(host.context().join("cache")).unwrap();
    si_backup_tests::StateSpec { cache_bytes: 300_000, ..small() }
        .write(&host.state_root(), "default")
        .unwrap();
    let ran = host.json(["run", "--with", "cache"]).expect(1);
    let said = ran.error("disk-full");
    assert!(said.contains("free space"), "{said}");
    assert!(host.uploads().is_empty(), "{:?}", host.uploads());
    assert_eq!(host.json(["list"]).expect(0).data(), before);
    let into = host.path("back");
    host.json(["extract", &id, "--into", into.to_str().unwrap()]).expect(0);
    host.json(["audit", "verify"]).expect(0);
    host.json(["run"]).expect(0);
}

#[test]
fn a_full_disk_under_an_extraction() {
    let (host, id) = Host::backed_up();
    let at = host.path("disk");
    let Some(_disk) = TinyDisk::mount(&at, "8k") else { return };
    let said =
        host.json(["extract", &id, "--into", at.join("back").to_str().unwrap()]).expect(1).error("disk-full");
    assert!(said.contains("free space"), "{said}");
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "nothing half-unpacked is left");
    // The disk itself cannot be replaced by a directory.
    let said = host.json(["extract", &id, "--into", at.to_str().unwrap()]).expect(2).error("target-in-use");
    assert!(said.contains("mount point") && said.contains("disk/restored"), "{said}");
}

#[test]
fn a_full_disk_under_the_home() {
    let host = Host::with_state(&small());
    let Some(_disk) = TinyDisk::mount(&host.home(), "64k") else { return };
    host.json(["init", "--store", &host.store_url()]).expect(0);
    let filler = host.home().join("filler");
    // Until there is no room.
    let _ = fs::write(&filler, vec![0; 65_536]);
    host.json(["run"]).expect(1).error("disk-full");
    assert!(host.ids().is_empty(), "what cannot be announced is not done");
    fs::remove_file(filler).unwrap();
    nothing_is_lost(&host, &[]);
}

#[test]
fn a_limit_on_the_size_of_files() {
    let host = Host::with(&si_backup_tests::StateSpec { cache_bytes: 400_000, ..small() });
    // dash counts in blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" run --with cache --json";
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_si-backup")]).env_clear();
    let output = limited.env("HOME", host.path("home")).current_dir(host.root()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let envelope: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(envelope["error"]["code"], "disk-full", "{envelope:#}");
    nothing_is_lost(&host, &[]);
}

#[test]
fn a_context_of_the_same_name_on_a_second_host_is_refused() {
    let (host, id) = Host::backed_up();
    let other = Host::with_state(&small());
    let said = other.json(["init", "--store", &host.store_url()]).expect(2).error("foreign-origin");
    assert!(said.contains("default"), "{said}");
    assert!(!other.config().exists(), "no settings for a store that is another's");
    assert!(!other.home().join("origin/default").exists(), "nor an origin, which would be taken for its own");
    // Settings that were written by hand come no further.
    other.json(["init", "--store", &other.store_url()]).expect(0);
    other.edit_settings(&other.store_url(), &host.store_url());
    for args in [&["run"][..], &["pin", &id, "--reason", "x"], &["unpin", &id]] {
        other.json(args).expect(2).error("foreign-origin");
    }
    // Proving is for anybody; but this host was not told to believe the other.
    other.json(["verify", &id, "--level", "checksum"]).expect(0);
    nothing_is_lost(&host, &[id]);
}

#[test]
fn extraction_goes_into_nothing_that_is_there() {
    let (host, id) = Host::backed_up();
    let into = host.path("full");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("mine"), "mine").unwrap();
    let file = host.path("file");
    fs::write(&file, "mine").unwrap();
    for target in [&into, &file] {
        let args = ["extract", &id, "--into", target.to_str().unwrap()];
        host.json(args).expect(2).error("target-not-empty");
    }
    assert_eq!(fs::read_to_string(into.join("mine")).unwrap(), "mine");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
    // Into the live context: it is not empty, and stays what it is.
    host.json(["extract", &id, "--into", host.context().to_str().unwrap()])
        .expect(2)
        .error("target-not-empty");
    // Below a directory that is not there.
    let nowhere = host.path("no/such/directory");
    host.json(["extract", &id, "--into", nowhere.to_str().unwrap()]).expect(1);
    assert!(!host.path("no").exists());
}

#[test]
fn ids_that_name_nothing_or_too_much() {
    let host = Host::ready();
    let said = host.json(["show", "LATEST"]).expect(12).error("no-restorable-snapshot");
    assert!(said.contains("si-backup run"), "{said}");
    for args in [
        &["verify"][..],
        &["diff", "LATEST"],
        &["extract", "LATEST", "--into", "x"],
        &["pin", "LATEST", "--reason", "x"],
    ] {
        host.json(args).expect(12).error("no-restorable-snapshot");
    }
    host.inside(NOON, ["run"]).expect(0);
    host.inside(NOON, ["run"]).expect(0);
    let ids = host.ids();
    let prefix = "state-20261123T120000Z-";
    let said = host.json(["show", prefix]).expect(2).error("ambiguous-id");
    assert!(ids.iter().all(|id| said.contains(id.as_str())), "{said}");
    for unknown in ["state-20200101", "", "state/", "../..", "latest", "app:shop/base_1"] {
        let said = host.json(["show", unknown]).expect(2).error("no-such-snapshot");
        assert!(said.contains("si-backup list"), "{said}");
    }
    let said = host
        .json(["extract", "LATEST", "--into", "x", "--file", "no-such.json"])
        .expect(2)
        .error("no-such-file");
    assert!(said.contains("si-backup show"), "{said}");
    for path in ["../config.json", "/etc/passwd", ""] {
        host.json(["extract", "LATEST", "--into", "x", "--file", path]).expect(2).error("invalid-path");
    }
    assert!(!host.path("x").exists());
}

#[test]
fn a_pin_needs_a_reason_and_a_time_to_come() {
    let (host, id) = Host::backed_up();
    let said = host.json(["pin", &id]).expect(2).error("usage");
    assert!(said.contains("--reason"), "the message names what is missing: {said}");
    host.json(["pin", &id, "--reason", " "]).expect(2).error("usage");
    host.json(["pin", &id, "--reason", "x", "--until", "2001-01-01T00:00:00Z"]).expect(2).error("usage");
    let said = host.json(["pin", &id, "--reason", "x", "--until", "tomorrow"]).expect(2).error("usage");
    assert!(said.contains("2027-03-01T00:00:00Z"), "{said}");
    assert_eq!(host.json(["list"]).row()["pinned"], false);
}

#[test]
fn an_identity_that_is_not_a_recipients() {
    let (host, id) = Host::backed_up();
    let other = Host::ready();
    fs::copy(other.home().join("identity.txt"), host.home().join("identity.txt")).unwrap();
    let into = host.path("x");
    for args in
        [&["verify"][..], &["diff", "LATEST"], &["extract", "LATEST", "--into", into.to_str().unwrap()]]
    {
        host.json(args).expect(12).error("wrong-identity");
    }
    assert!(!into.exists());
    // It says nothing about the snapshot, so there is no evidence of a failure.
    assert_eq!(host.json(["list"]).row()["verified"]["level"], "content");
    let doctor = host.json(["doctor"]).expect(10).data();
    assert!(doctor.iter().any(|check| check["code"] == "identity-not-a-recipient"), "{doctor:#?}");
    host.json(["show", &id]).expect(0);
}

#[test]
fn without_the_identity_a_run_proves_every_byte() {
    let host = Host::ready();
    fs::remove_file(host.home().join("identity.txt")).unwrap();
    let row = host.json(["run"]).expect(0).row();
    assert_eq!(row["verified"]["level"], "checksum");
    for args in [&["verify"][..], &["diff", "LATEST"], &["extract", "LATEST", "--into", "x"]] {
        let said = host.json(args).expect(2).error("no-identity");
        assert!(said.contains(host.home().join("identity.txt").to_str().unwrap()), "{said}");
        // Only what can be typed there is recommended.
        assert_eq!(said.contains("--level"), args[0] == "verify", "{said}");
    }
    host.json(["verify", "--level", "checksum"]).expect(0);
    let doctor = host.json(["doctor"]).expect(10).data();
    let told = doctor.iter().find(|check| check["code"] == "identity-not-here").unwrap();
    assert_eq!((&told["ok"], &told["severity"]), (&true.into(), &"info".into()), "a host may be without it");
    let status = host.json(["status"]).expect(10).error("not-proved");
    assert!(status.contains("content"), "{status}");
}

#[test]
fn arguments_that_are_no_text() {
    let (host, id) = Host::backed_up();
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let operator = [OsStr::new("list"), OsStr::new("--operator"), odd];
    host.json(operator).expect(2).error("usage");
    // A path may be one, and the row still tells of it.
    let into = host.root().join(odd);
    let row =
        host.json([OsStr::new("extract"), id.as_ref(), "--into".as_ref(), into.as_os_str()]).expect(0).row();
    assert!(row["into"].as_str().unwrap().contains('\u{fffd}'), "{row:#}");
    assert!(into.join("targets.json").is_file());
}

#[test]
fn a_missing_home_is_said_and_not_guessed() {
    let mut host = Host::ready();
    host.unsetenv("HOME");
    let said = host.json(["list"]).expect(2).error("usage");
    assert!(said.contains("HOME"), "{said}");
    assert!(!host.path(".si").exists(), "nothing is made in the working directory");
    // With both directories named nobody needs it.
    host.setenv("SI_BACKUP_HOME", host.home());
    host.setenv("SI_PAAS_STATE_ROOT", host.state_root());
    host.json(["run"]).expect(0);
    host.json(["list"]).expect(0);
}

#[test]
fn words_that_make_no_command() {
    let host = Host::ready();
    for (args, about) in [
        (&["--json"][..], "subcommand"),
        (&["audit", "--json"], "subcommand"),
        (&["--json", "audit"], "subcommand"),
        (&["nonsense", "--json"], "nonsense"),
        (&["list", "--nonsense", "--json"], "--nonsense"),
        (&["verify", "--level", "perfect", "--json"], "perfect"),
        (&["verify", "LATEST", "--all", "--json"], "--all"),
        (&["run", "--with", "vault", "--json"], "vault"),
        (&["list", "--context", "../x", "--json"], "../x"),
        (&["list", "--lock-wait", "soon", "--json"], "soon"),
        (&["extract", "LATEST", "--json"], "--into"),
        (&["show", "--json"], "<ID>"),
    ] {
        let ran = host.run(args).expect(2);
        let said = ran.error("usage");
        assert!(said.contains(about), "{args:?}: {said}");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn a_reader_who_has_seen_enough() {
    let (host, _) = Host::backed_up();
    for args in [&["audit", "list"][..], &["events", "list", "--limit", "1000", "--json"], &["--help"]] {
        let mut child = host.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Gone before the first byte is written.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {said}");
        assert_eq!(said, "", "{args:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let (host, _) = Host::backed_up();
    for args in [&["list"][..], &["list", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = host.command(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"), "{output:?}");
    }
}
