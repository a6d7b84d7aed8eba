//! The contract: what an app must have, and an app's real files held against it.

use crate::harness::{Host, NOON, Ran};
use insta::assert_snapshot;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A value that nobody may ever see, in its parts.
fn secret() -> String {
    ["qz", "Never", "Shown", "77"].concat()
}

/// The text of an env file that fulfils everything.
fn sound(app: &str) -> String {
    let key = "0123456789abcdef".repeat(4);
    format!(
        "# {app}\nWALG_S3_PREFIX=s3://backups/{app}\nWALG_AWS_ACCESS_KEY_ID={secret}id\n\
         WALG_AWS_SECRET_ACCESS_KEY='{secret}'\nWALG_AWS_ENDPOINT=https://s3.eu-central-1.amazonaws.com\n\
         WALG_LIBSODIUM_KEY={key}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\nWALG_DELTA_MAX_STEPS=24\n\
         WALG_DELTA_ORIGIN=LATEST_FULL\nWALG_PREVENT_WAL_OVERWRITE=true\nWALG_COMPRESSION_METHOD=zstd\n",
        secret = secret(),
    )
}

/// A host with settings for these apps, each with a local runner and an env file of its own.
fn with_apps(apps: &[&str]) -> Host {
    let host = Host::bare();
    fs::create_dir_all(host.home()).unwrap();
    let mut settings = "[contexts.default]\nproduction = true\n".to_owned();
    for app in apps {
        let path = env_file(&host, app);
        write(&path, &sound(app));
        let _ = write!(
            settings,
            "[contexts.default.apps.{app}]\nenv_file = \"{}\"\nrunner = {{ kind = \"local\", pgdata = \"/var/lib/pg\" }}\n",
            path.display()
        );
    }
    fs::write(host.config(), settings).unwrap();
    host
}

fn env_file(host: &Host, app: &str) -> PathBuf {
    host.path(&format!("{app}.env"))
}

fn write(path: &PathBuf, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// The codes of what was found, without what could not be judged.
fn codes(ran: &Ran) -> Vec<String> {
    let rows = ran.data();
    let codes = rows.iter().map(|row| row["code"].as_str().unwrap().to_owned());
    codes.filter(|code| code != "not-judged").collect()
}

#[test]
fn the_profile_is_printed_as_si_prints_it() {
    // Nothing need be set up for that.
    let ran = Host::bare().json(["contract"]).expect(0);
    assert_eq!(ran.envelope()["command"], "backup contract");
    let row = ran.row();
    assert_eq!(row["profile"], "supabase-self-hosted");
    assert_eq!(row["recommended_addon_packs"], serde_json::json!(["supabase-walg", "databasus"]));
    assert_eq!(row["default_run_service"], "supabase-walg-backup");
    assert_eq!(row["default_restore_service"], "supabase-walg-restore");
    let required =
        ["WALG_S3_PREFIX", "WALG_AWS_ACCESS_KEY_ID", "WALG_AWS_SECRET_ACCESS_KEY", "WALG_AWS_ENDPOINT"];
    assert_eq!(row["required_env"], serde_json::json!(required));
    assert!(row["description"].as_str().unwrap().len() > 20);
    assert_snapshot!(Host::bare().inside(NOON, ["contract"]).expect(0).stdout);
}

#[test]
fn an_app_has_the_profile_of_its_settings() {
    let host = with_apps(&["shop"]);
    host.edit_settings("env_file", "profile = \"local-directory\"\nenv_file");
    let row = host.json(["contract", "--app", "shop"]).expect(0).row();
    assert_eq!((row["profile"].as_str(), row["app"].as_str()), (Some("local-directory"), Some("shop")));
    assert_eq!(row["default_run_service"], "");
    let said = host.json(["contract", "--app", "blog"]).expect(2).error("settings-no-app");
    assert!(said.contains("they know shop"), "{said}");
    host.json(["contract", "--check", "--app", "blog"]).expect(2).error("settings-no-app");
}

#[test]
fn a_sound_app_is_not_accused() {
    let host = with_apps(&["shop", "blog"]);
    let ran = host.json(["contract", "--check"]).expect(0);
    assert!(codes(&ran).is_empty(), "{:#?}", ran.data());
    let summary = &ran.envelope()["summary"];
    assert_eq!(
        (&summary["apps"], &summary["errors"], &summary["warnings"]),
        (&2.into(), &0.into(), &0.into())
    );
    // What was not looked at is said, and is no finding against it.
    let rows = ran.data();
    assert!(rows.iter().all(|row| row["severity"] == "info" && row["clause"] == "app-contract"), "{rows:#?}");
    assert!(
        rows.iter().any(|row| row["detail"].as_str().unwrap().contains("server was not asked")),
        "{rows:#?}"
    );
    assert_snapshot!(
        host.redact(&host.inside(NOON, ["contract", "--check", "--app", "shop"]).expect(0).stdout)
    );
}

#[test]
fn everything_wrong_is_told_at_once_and_no_value_with_it() {
    let host = with_apps(&["shop", "blog"]);
    let secret = secret();
    let text = format!(
        "export WALG_S3_PREFIX=s3://backups # {secret}\nAWS_ENDPOINT=http://{secret}:9000\nWALG_AWS_ENDPOINT=https://s3.test\n\
         WALG_AWS_ACCESS_KEY_ID=\"{secret}$HOME\"\nWALG_AWS_SECRET_ACCESS_KEY=changeme\nWALG_PGP_KEY={secret}\n{secret}\n"
    );
    write(&env_file(&host, "shop"), &text);
    fs::set_permissions(env_file(&host, "shop"), Permissions::from_mode(0o644)).unwrap();
    let ran = host.json(["contract", "--check", "--app", "shop"]).expect(10);
    ran.error("contract-findings");
    let found = codes(&ran);
    for code in [
        "env-file-exposed",
        "env-dollar",
        "env-inherited",
        "env-placeholder",
        "env-prefix-bare-bucket",
        "env-endpoint-plaintext",
        "env-not-encrypted",
        "env-shadowed",
        "env-engine-refuses",
        "env-deltas-off",
        "env-delta-origin",
        "env-wal-overwrite",
        "env-compression",
    ] {
        assert!(found.iter().any(|found| found == code), "{code} is not among {found:?}");
    }
    let rows = ran.data();
    let dollar = rows.iter().find(|row| row["code"] == "env-dollar").unwrap();
    let place = format!("{}:4#WALG_AWS_ACCESS_KEY_ID", env_file(&host, "shop").display());
    assert_eq!((dollar["place"].as_str(), dollar["app"].as_str()), (Some(&*place), Some("shop")));
    let people = host.inside(NOON, ["contract", "--check", "--app", "shop"]).expect(10);
    for said in [&ran.stdout, &ran.stderr, &people.stdout, &people.stderr] {
        assert!(!said.contains(&secret), "{said}");
    }
    assert_snapshot!(host.redact(&format!("{}--- stderr\n{}", people.stdout, people.stderr)));
}

#[test]
fn an_env_file_is_for_its_owner_alone_and_outside_of_git() {
    let host = with_apps(&["shop"]);
    let path = env_file(&host, "shop");
    for (mode, code) in [(0o600, 0), (0o400, 0), (0o640, 10), (0o604, 10), (0o620, 10)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        host.json(["contract", "--check"]).expect(code);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    for by_file in [false, true] {
        let git = host.path(".git");
        if by_file {
            fs::write(&git, "gitdir: /x").unwrap();
        } else {
            fs::create_dir(&git).unwrap();
        }
        let ran = host.json(["contract", "--check"]).expect(10);
        assert_eq!(codes(&ran), ["env-file-in-git"]);
        assert_eq!(ran.data()[0]["clause"], "outside-git");
        if by_file { fs::remove_file(&git).unwrap() } else { fs::remove_dir(&git).unwrap() }
    }
}

#[test]
fn what_is_no_env_file_is_told_and_never_waited_for() {
    let host = with_apps(&["shop"]);
    let path = env_file(&host, "shop");
    let remove = || fs::remove_file(&path).unwrap();
    remove();
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["env-file-missing"]);
    fs::create_dir(&path).unwrap();
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["env-file-unreadable"]);
    fs::remove_dir(&path).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["env-file-unreadable"]);
    remove();
    for bytes in [&b"A=\"b\n"[..], b"\xff\xfe", b"A=\0", &vec![b'a'; 10 << 20]] {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["env-file-malformed"]);
    }
    let ran = host.run_unprivileged(["contract", "--check", "--json"]).expect(10);
    assert_eq!(codes(&ran), ["env-file-malformed"], "its owner can read it");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let ran = host.run_unprivileged(["contract", "--check", "--json"]).expect(10);
    assert_eq!(codes(&ran), ["env-file-unreadable"]);
}

#[test]
fn two_apps_in_one_place_are_told_from_both_sides() {
    let host = with_apps(&["shop", "blog"]);
    write(&env_file(&host, "blog"), &sound("shop"));
    for app in ["shop", "blog"] {
        let ran = host.json(["contract", "--check", "--app", app]).expect(10);
        assert_eq!(codes(&ran), ["env-prefix-shared"]);
    }
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)).len(), 2);
    // An app of another context is another app.
    let other = fs::read_to_string(host.config())
        .unwrap()
        .replace("contexts.default.apps.blog", "contexts.two.apps.blog");
    fs::write(host.config(), format!("{other}[contexts.two]\n")).unwrap();
    let ran = host.json(["contract", "--check"]).expect(10);
    assert_eq!(codes(&ran), ["env-prefix-shared"]);
    assert!(ran.data()[0]["detail"].as_str().unwrap().contains("two/blog"), "{:#?}", ran.data());
    // One whose file says nothing may store anywhere.
    fs::remove_file(env_file(&host, "blog")).unwrap();
    let ran = host.json(["contract", "--check"]).expect(0);
    assert!(
        ran.data().iter().any(|row| row["detail"].as_str().unwrap().contains("two/blog")),
        "{:#?}",
        ran.data()
    );
}

#[test]
fn a_local_directory_is_refused_in_production() {
    let host = with_apps(&["shop"]);
    host.edit_settings("env_file", "profile = \"local-directory\"\nenv_file");
    let text =
        sound("shop").replace("WALG_S3_PREFIX=s3://backups/shop", "WALG_FILE_PREFIX=/srv/backups/shop");
    write(&env_file(&host, "shop"), &text);
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["profile-not-for-production"]);
    host.edit_settings("production = true", "production = false");
    assert!(codes(&host.json(["contract", "--check"]).expect(0)).is_empty());
}

#[test]
fn a_key_in_a_file_is_looked_at_where_it_is_on_this_host() {
    let host = with_apps(&["shop"]);
    let key_file = host.path("libsodium.key");
    let text = sound("shop");
    let line = text.lines().find(|line| line.starts_with("WALG_LIBSODIUM_KEY=")).unwrap();
    let key = line.split_once('=').unwrap().1;
    write(
        &env_file(&host, "shop"),
        &text.replace(line, &format!("WALG_LIBSODIUM_KEY_PATH={}", key_file.display())),
    );
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["env-libsodium-key-file"]);
    write(&key_file, &format!("{key}\n"));
    assert!(codes(&host.json(["contract", "--check"]).expect(0)).is_empty());
    fs::set_permissions(&key_file, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["env-libsodium-key-file"]);
    write(&key_file, &key[2..]);
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["env-libsodium-key"]);
    host.edit_settings(
        "kind = \"local\", pgdata = \"/var/lib/pg\"",
        "kind = \"ssh\", target = \"prod-1\", remote_dir = \"/srv\"",
    );
    host.edit_settings("env_file", "engine = \"embedded\"\nenv_file");
    let ran = host.json(["contract", "--check"]).expect(0);
    assert!(
        ran.data().iter().any(|row| row["clause"] == "encrypted-at-rest"),
        "not judged: {:#?}",
        ran.data()
    );
}

#[test]
fn no_app_is_no_finding_and_is_said() {
    let host = with_apps(&[]);
    let ran = host.json(["contract", "--check"]).expect(0);
    assert_eq!(ran.envelope()["summary"]["apps"], 0);
    let said = host.run(["contract", "--check"]).expect(0).stdout;
    assert_eq!(said, "no app is configured in the context 'default'\n");
    Host::bare().json(["contract", "--check"]).expect(2).error("settings-missing");
}
