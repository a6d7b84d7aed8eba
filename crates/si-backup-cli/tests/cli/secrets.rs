//! What is secret is never shown, never stored in the open, and never stored at all where it is no business of a backup.

use crate::harness::{Host, Ran, tree};
use si_backup_tests::seeded_secrets;
use std::fs;
use std::path::PathBuf;

/// Values that nobody may ever see: the vault's, the alert channel's token, both private keys.
fn secrets_of(host: &Host) -> Vec<String> {
    let mut secrets: Vec<_> =
        seeded_secrets(1).map(|(_, value)| value).filter(|value| !value.contains('\n')).collect();
    secrets.push(fs::read_to_string(host.context().join("alerts/telegram.token")).unwrap().trim().to_owned());
    for key in ["identity.txt", "signing.key"] {
        let text = fs::read_to_string(host.home().join(key)).unwrap();
        let lines = text.lines().filter(|line| line.len() > 40 && !line.starts_with(['#', '-']));
        secrets.extend(lines.map(str::to_owned));
    }
    assert!(secrets.len() > 100 && secrets.iter().all(|secret| secret.len() >= 16));
    secrets
}

/// Files in which secrets are at home.
fn may_hold_secrets(host: &Host, path: &PathBuf) -> bool {
    let never_taken = [host.context().join("vault"), host.context().join("alerts/telegram.token")];
    let keys = [host.home().join("identity.txt"), host.home().join("signing.key")];
    let releases = host.context().join("releases");
    keys.contains(path) || path.starts_with(releases) || never_taken.iter().any(|own| path.starts_with(own))
}

#[track_caller]
fn holds_none(what: &str, bytes: &[u8], secrets: &[String]) {
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{what} holds {}...", &secret[..6]);
    }
}

#[test]
fn no_secret_is_in_anything_that_is_written() {
    let host = Host::ready();
    host.check_that_there_is(&host.path("nowhere"));
    let secrets = secrets_of(&host);
    let mut said = Vec::new();
    let mut run = |args: &[&str]| {
        let Ran { stdout, stderr, .. } = host.run(args);
        said.push((format!("what {args:?} printed"), stdout + &stderr));
    };
    let into = host.path("back");
    let restored: &[&str] = &["restore", "--from", "LATEST", "--force"];
    for args in [
        &["run", "--dry-run", "--with", "releases,cache"][..],
        &["run", "--with", "releases,cache", "-v"],
        &["list"],
        &["show", "LATEST"],
        &["diff", "LATEST"],
        &["verify"],
        &["pin", "LATEST", "--reason", "x"],
        &["unpin", "LATEST"],
        &["extract", "LATEST", "--into", into.to_str().unwrap()],
        &["extract", "LATEST", "--into", into.to_str().unwrap()],
        &["status"],
        &["doctor"],
        &["kit"],
        &["app", "status"],
        &["restore", "--from", "LATEST"],
        &["restore", "--from", "LATEST", "--dry-run"],
        // Of which a check fails.
        restored,
        &["guard", "status"],
        &["guard", "check"],
        &["guard", "recheck"],
        &["guard", "release", "--reason", "x"],
        &["restore", "resume"],
        &["restore", "undo"],
        &["restore", "undo", "--force"],
        &["restore", "confirm"],
        // What is kept of one is searched too.
        restored,
        &["init", "--recover", "--store", "file:///nowhere", "--identity", "nowhere"],
        &["audit", "list"],
        &["audit", "verify"],
        &["events", "list"],
    ] {
        run(args);
        run(&[args, &["--json"]].concat());
    }
    assert!(host.context().join(".si-backup/restore/state/plan.json").exists());
    for word in ["\nrestored state/", "put back what was replaced", "released, for the reason", "SHUT  state"]
    {
        assert!(said.iter().any(|(_, text)| text.contains(word)), "{word}");
    }
    for (what, text) in &said {
        holds_none(what, text.as_bytes(), &secrets);
    }
    assert!(said.iter().any(|(_, text)| text.contains("proved at level 'content'")));
    let mut searched = 0;
    for (path, bytes) in host.files() {
        if !may_hold_secrets(&host, &path) {
            holds_none(&path.display().to_string(), &bytes, &secrets);
            searched += 1;
        }
    }
    assert!(searched > 40, "{searched} files were searched");
    // The search would have found them: they are where they belong.
    let vault = fs::read_to_string(host.context().join("vault/secrets.env")).unwrap();
    assert!(secrets.iter().filter(|secret| vault.contains(secret.as_str())).count() > 100);
    // And what was unpacked, which was searched with everything else, is not nothing.
    assert!(tree(&into).len() > 12);
}

#[test]
fn the_keys_are_private_files() {
    use std::os::unix::fs::PermissionsExt;
    let (host, _) = Host::backed_up();
    for name in ["identity.txt", "signing.key", "config.toml", "trail/default.jsonl"] {
        let mode = fs::metadata(host.home().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    for name in ["", "trail", "locks", "origin"] {
        let mode = fs::metadata(host.home().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{name}");
    }
}

#[test]
fn a_secret_in_a_protected_file_blocks_the_backup_and_is_not_repeated() {
    let host = Host::ready();
    let mut tried = 0;
    for (kind, secret) in seeded_secrets(77).filter(|(_, value)| !value.contains('\n')).step_by(7) {
        let file = host.context().join("webhooks/mappings.json");
        let document = serde_json::json!({ "mappings": [{ "provider": "x", "note": secret }] });
        fs::write(&file, document.to_string()).unwrap();
        let ran = host.json(["run"]).expect(10);
        ran.error("state-findings");
        let row = ran.row();
        let finding = &row["findings"].as_array().unwrap()[0];
        assert_eq!(finding["code"], "plaintext-secret", "{kind}: {finding:#}");
        let place = finding["place"].as_str().unwrap();
        assert!(
            place.contains("webhooks/mappings.json") && place.contains("/mappings/0/note"),
            "{kind}: {place}"
        );
        let text = host.run(["run", "--dry-run"]).expect(10);
        assert!(text.stdout.contains("would be refused") || text.stderr.contains("would be refused"));
        for said in [&ran.stdout, &ran.stderr, &text.stdout, &text.stderr] {
            holds_none(kind, said.as_bytes(), std::slice::from_ref(&secret));
        }
        for (path, bytes) in host.files().into_iter().filter(|(path, _)| *path != file) {
            holds_none(&path.display().to_string(), &bytes, std::slice::from_ref(&secret));
        }
        tried += 1;
    }
    assert!(tried > 10, "{tried} kinds were tried");
    assert!(host.ids().is_empty() && host.uploads().is_empty());
}

#[test]
fn a_reviewed_exception_lets_one_value_through() {
    let host = Host::ready();
    let (kind, secret) = seeded_secrets(5).find(|(kind, _)| *kind == "github-token").unwrap();
    let file = host.context().join("webhooks/mappings.json");
    let with = |value: &str| serde_json::json!({ "mappings": [{ "note": value }] }).to_string();
    fs::write(&file, with(&secret)).unwrap();
    let row = host.json(["run"]).expect(10).row();
    // The hint is what goes into the list.
    let hint = row["findings"][0]["hint"].as_str().unwrap().to_owned();
    let value = |name: &str| {
        hint.split(&format!("{name} = \"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let allow = host.home().join("allow.toml");
    let entry = |reason: &str| {
        format!(
            "[[allow]]\nfile = \"{}\"\nkind = \"{kind}\"\ndigest = \"{}\"\nreason = \"{reason}\"\n",
            value("file"),
            value("digest")
        )
    };
    host.edit_settings("production = false", &format!("allow_secrets = \"{}\"", allow.display()));
    let said = host.json(["run"]).expect(1).error("not-found");
    assert!(said.contains("allow.toml"), "{said}");
    fs::write(&allow, entry("")).unwrap();
    host.json(["run"]).expect(2).error("allow-list-invalid");
    fs::write(&allow, entry("revoked a year ago")).unwrap();
    host.json(["run"]).expect(0);
    let manifest = &host.json(["show", "LATEST"]).expect(0).row()["manifest"];
    assert_eq!(manifest["allowed"][0]["reason"], "revoked a year ago", "{manifest:#}");
    // Another value in the same place is another secret.
    let (_, other) = seeded_secrets(6).find(|(kind, _)| *kind == "github-token").unwrap();
    fs::write(&file, with(&other)).unwrap();
    host.json(["run"]).expect(10).error("state-findings");
}

#[test]
fn the_settings_in_the_store_are_sealed_and_open_with_the_identity() {
    let (host, _) = Host::backed_up();
    let sealed = tree(&host.store().join("settings/default"));
    assert_eq!(sealed.len(), 1, "{:?}", sealed.keys());
    let (name, bytes) = sealed.into_iter().next().unwrap();
    let identities = paas_state::Identities::read(&host.home().join("identity.txt")).unwrap();
    let is_the_settings = |sealed: &[u8]| {
        let opened = identities.open_bytes(sealed, "settings").unwrap();
        // Behind the line with the signature.
        let end = opened.iter().position(|byte| *byte == b'\n').unwrap();
        assert!(opened.starts_with(b"# signed "));
        assert_eq!(opened[end + 1..], fs::read(host.config()).unwrap());
    };
    is_the_settings(&bytes);
    // The same settings are not copied again; others are.
    host.back_up();
    assert_eq!(tree(&host.store().join("settings/default")).len(), 1);
    host.edit_settings("production = false", "production = true");
    host.back_up();
    let sealed = tree(&host.store().join("settings/default"));
    assert_eq!(sealed.len(), 2);
    let newest = sealed.keys().max().unwrap();
    assert!(*newest > name, "the newest copy has the newest name");
    is_the_settings(&sealed[newest]);
}
