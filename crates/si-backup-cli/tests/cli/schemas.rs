//! The schemas in docs/schemas are those of the types, and every command prints what its schema says.

use crate::harness::{Host, shape};
use clap::CommandFactory;
use serde_json::{Value, json};
use si_backup_cli::args::Cli;
use si_backup_cli::view::schemas;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas")
}

/// After a change of a row: `INSTA_UPDATE=always cargo test -p si-backup-cli --test cli schemas`.
#[test]
fn the_published_schemas_are_those_of_the_types() {
    let update = std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always");
    let mut known = BTreeSet::from(["README.md".to_owned()]);
    for schema in schemas() {
        let path = published().join(schema.file_name());
        let text = format!("{:#}\n", schema.schema);
        if update {
            fs::write(&path, &text).unwrap();
        }
        let is = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            is == text,
            "{} is not the schema of the types (any more); where that is meant, run \
             INSTA_UPDATE=always cargo test -p si-backup-cli --test cli schemas",
            path.display()
        );
        known.insert(schema.file_name());
    }
    let there =
        fs::read_dir(published()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), known, "a file for each command, and no other");
}

/// The commands that do something, in the words of the envelope.
fn leaves(of: &clap::Command, words: &str, into: &mut BTreeSet<String>) {
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        let words = format!("{words} {}", command.get_name());
        leaves(command, &words, into);
        if !command.is_subcommand_required_set() {
            into.insert(words);
        }
    }
}

#[test]
fn every_command_has_a_schema() {
    let mut commands = BTreeSet::from(["backup".to_owned()]);
    leaves(&Cli::command(), "backup", &mut commands);
    let told: BTreeSet<_> = schemas().iter().map(|schema| schema.command.to_owned()).collect();
    assert_eq!(told, commands);
}

/// A restore with everything that can follow it.
fn hear_restores(host: &Host, hear: &mut dyn FnMut(i32, &[&str]) -> Value) {
    hear(0, &["restore", "--from", "LATEST", "--dry-run"]);
    hear(2, &["restore", "--from", "LATEST"]);
    hear(0, &["restore", "--from", "LATEST", "--force"]);
    for args in [
        &["guard", "status"][..],
        &["guard", "check", "--app", "shop"],
        &["guard", "recheck"],
        &["guard", "release", "--reason", "why"],
        &["app", "status"],
        &["restore", "undo", "--force"],
        &["restore", "confirm"],
    ] {
        hear(0, args);
    }
    hear(2, &["restore", "undo", "--force"]);
    hear(2, &["restore", "resume"]);
    let shut = format!(
        "{{\"version\":1,\"subject\":\"state\",\"since\":\"2026-11-23T12:00:00Z\",\"by\":\"ada\",\"host\":\"h\",\"why\":\"restore\",\"request\":\"sha256:{}\"}}",
        "0".repeat(64)
    );
    fs::write(host.context().join(".si-backup/lock-state.json"), shut).unwrap();
    hear(11, &["guard", "check"]);
    hear(0, &["restore", "resume"]);
}

#[test]
fn every_command_prints_what_its_schema_says() {
    // That it does is looked at by the harness, whatever is run; here everything is run.
    let host = Host::ready();
    let own = fs::read_to_string(host.config()).unwrap();
    let donor = fs::read_to_string(Host::ready().config()).unwrap();
    let recipient = |text: &str| text.split('"').find(|text| text.starts_with("age1")).unwrap().to_owned();
    let own = recipient(&own);
    host.edit_settings(&format!("\"{own}\""), &format!("\"{own}\", \"{}\"", recipient(&donor)));
    let mut heard = BTreeSet::new();
    let mut hear = |code: i32, args: &[&str]| {
        let envelope = host.json(args).expect(code).envelope();
        let word = |name: &str| envelope[name].as_str().unwrap().to_owned();
        heard.insert((word("command"), word("mode"), code == 0));
        envelope
    };
    let url = host.store_url();
    hear(2, &["init", "--store", &url]);
    hear(0, &["init", "--store", &url, "--config", "other.toml", "--context", "other"]);
    hear(0, &["run", "--dry-run"]);
    hear(10, &["status"]);
    hear(12, &["show", "LATEST"]);
    let old = host.inside("2026-01-01T00:00:00Z", ["run", "--json"]).expect(0).row()["id"].clone();
    let row = &hear(0, &["run", "--state", "--with", "releases,cache"])["data"][0];
    let id = row["id"].as_str().unwrap();
    hear(0, &["pin", id, "--reason", "why", "--until", "2099-01-01T00:00:00Z"]);
    for args in [
        &["kit"][..],
        &["contract"],
        &["contract", "--check"],
        &["status"],
        &["list"],
        &["show", id],
        &["diff", old.as_str().unwrap()],
        &["verify", "--all"],
        &["extract", id, "--into", "back"],
        &["unpin", id],
        &["unpin", id],
        &["retention", "plan"],
        &["retention", "plan", "--explain", id],
        &["retention", "forecast", "--days", "9"],
    ] {
        hear(0, args);
    }
    let shrink = ["retention", "apply", "--keep-last", "1", "--recovery-window", "none"];
    hear(2, &shrink);
    hear(0, &[&shrink[..], &["--yes"]].concat());
    hear_restores(&host, &mut hear);
    for args in [&["audit", "list"][..], &["audit", "verify"], &["events", "list"], &["doctor"]] {
        hear(0, args);
    }
    for (code, args) in [
        (2, &["run"][..]),
        (2, &["run", "--dry-run"]),
        (2, &["kit"]),
        (2, &["contract", "--check"]),
        (2, &["list"]),
        (2, &["diff", "LATEST"]),
        (2, &["verify"]),
        (2, &["extract", "LATEST", "--into", "back"]),
        (2, &["restore", "--from", "LATEST", "--force"]),
        (2, &["restore", "undo"]),
        (2, &["restore", "confirm"]),
        (2, &["guard", "status"]),
        (2, &["guard", "recheck"]),
        (2, &["guard", "release", "--reason", "why"]),
        (2, &["app", "status"]),
        (2, &["pin", "LATEST", "--reason", "why"]),
        (2, &["unpin", id]),
        (2, &["retention", "plan"]),
        (2, &["retention", "apply", "--yes"]),
        (2, &["retention", "forecast"]),
        (2, &["audit", "list"]),
        (2, &["audit", "verify"]),
        (2, &["events", "list"]),
        (10, &["doctor"]),
    ] {
        hear(code, &[args, &["--context", "nope"]].concat());
    }
    hear(10, &["policy"]);
    hear(10, &["policy", "--now", "2026-01-01T00:00:00Z"]);
    hear(2, &["policy", "--context", "nope"]);
    hear(2, &["no", "such", "command"]);
    fs::write(host.context().join("targets.json"), "{").unwrap();
    hear(10, &["run"]);
    hear(10, &["run", "--dry-run"]);
    fs::write(host.trail(), "{}\n").unwrap();
    hear(10, &["audit", "verify"]);
    for command in schemas().into_iter().map(|schema| schema.command) {
        let was = |mode: &str, ok| heard.contains(&(command.to_owned(), mode.to_owned(), ok));
        let has_failed = was("live", false) || was("dry-run", false);
        let has_succeeded = was("live", true) || was("dry-run", true);
        // No host meets every clause of the policy as long as nothing is rehearsed and copied offsite.
        let never_succeeds = ["backup", "backup policy"].contains(&command);
        assert!(has_failed && (has_succeeded || never_succeeds), "'{command}' was not heard");
        if ["backup run", "backup retention plan"].contains(&command) {
            assert!(was("dry-run", true) && was("dry-run", false), "no dry run of '{command}' was heard");
        }
    }
}

#[test]
fn what_the_schema_does_not_say_is_noticed() {
    let (host, _) = Host::backed_up();
    let listed = host.json(["list"]).expect(0).envelope();
    let complaints = |change: &dyn Fn(&mut Value)| {
        let mut envelope = listed.clone();
        change(&mut envelope);
        shape::complaints(&envelope)
    };
    assert_eq!(complaints(&|_| ()), [""; 0]);
    let remove = |value: &mut Value, name: &str| value.as_object_mut().unwrap().remove(name);
    let changes: [&dyn Fn(&mut Value); 9] = [
        &|e| e["data"][0]["colour"] = "red".into(),
        &|e| e["data"][0]["verified"]["colour"] = "red".into(),
        &|e| e["colour"] = "red".into(),
        &|e| drop(remove(&mut e["data"][0], "checksum")),
        &|e| e["data"][0]["bytes"] = "12".into(),
        &|e| e["data"][0]["started_at"] = "yesterday".into(),
        &|e| e["data"][0]["verified"]["level"] = "thorough".into(),
        &|e| e["error"] = json!({ "code": "x", "message": "x", "hint": "x" }),
        &|e| e["ok"] = false.into(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert!(!complaints(change).is_empty(), "change {at} was not noticed");
    }
}
