//! What comes back is what was backed up, byte for byte, and the vault is not in it.

use crate::harness::{Host, Ran, small, tree, walk};
use si_backup_tests::{EventLog, StateSpec};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// What every backup takes, of a context as the generator writes it.
fn protected(context: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let taken = |path: &String| {
        let at_top = !path.contains('/');
        let is_token = path == "alerts/telegram.token";
        at_top
            || ["addons/", "alerts/", "events/", "webhooks/"].iter().any(|dir| path.starts_with(dir))
                && !is_token
    };
    context
        .iter()
        .filter(|(path, _)| taken(path))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect()
}

fn extract(host: &Host, name: &str, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let into = host.path(name);
    let args = ["extract", "LATEST", "--state", "--into", into.to_str().unwrap()];
    host.json(args.iter().chain(more)).expect(0);
    tree(&into)
}

#[test]
fn everything_protected_comes_back_byte_for_byte() {
    let host = Host::ready();
    let live = protected(&tree(&host.context()));
    assert!(live.len() >= 12, "{:?}", live.keys());
    host.back_up();
    let back = extract(&host, "back", &[]);
    assert_eq!(back.keys().collect::<Vec<_>>(), live.keys().collect::<Vec<_>>());
    assert_eq!(back, live);
    assert!(!host.path("back/vault").exists());
    // As private as si makes them.
    walk(&host.path("back"), &mut |path| {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    });
    assert_eq!(fs::metadata(host.path("back")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn an_empty_directory_is_filled() {
    let (host, _) = Host::backed_up();
    fs::create_dir(host.path("back")).unwrap();
    assert!(extract(&host, "back", &[]).contains_key("targets.json"));
    // Also by a link, which stays one.
    fs::create_dir(host.path("real")).unwrap();
    std::os::unix::fs::symlink("real", host.path("link")).unwrap();
    assert!(extract(&host, "link", &[]).contains_key("targets.json"));
    assert!(host.path("link").is_symlink() && host.path("real/targets.json").is_file());
}

#[test]
fn the_working_directory_is_not_replaced_below_its_shell() {
    let (host, id) = Host::backed_up();
    let here = host.path("here");
    fs::create_dir(&here).unwrap();
    let link = host.path("link");
    std::os::unix::fs::symlink(&here, &link).unwrap();
    let before = fs::metadata(&here).unwrap().ino();
    for into in [".", "./", "../here", here.to_str().unwrap(), link.to_str().unwrap()] {
        let mut extract = host.command(["extract", &id, "--into", into, "--json"]);
        let ran = Ran::of(extract.current_dir(&here).output().unwrap()).expect(2);
        let said = ran.error("target-in-use");
        assert!(said.contains("working directory") && said.contains("/restored"), "{said}");
    }
    assert_eq!(fs::metadata(&here).unwrap().ino(), before);
    assert_eq!(fs::read_dir(&here).unwrap().count(), 0);
    let beside: Vec<_> = fs::read_dir(host.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().contains("partial")), "{beside:?}");
    // As the hint says.
    let mut extract = host.command(["extract", &id, "--into", "restored", "--json"]);
    Ran::of(extract.current_dir(&here).output().unwrap()).expect(0);
    assert_eq!(fs::metadata(&here).unwrap().ino(), before);
    assert!(here.join("restored/targets.json").is_file());
}

#[test]
fn one_file_alone() {
    let (host, _) = Host::backed_up();
    let live = tree(&host.context());
    for file in ["targets.json", "webhooks/mappings.json", "addons/shop/walg.compose.yaml"] {
        let back = extract(&host, &file.replace('/', "-"), &["--file", file]);
        assert_eq!(back, BTreeMap::from([(file.to_owned(), live[file].clone())]));
    }
}

#[test]
fn releases_and_cache_when_asked_for() {
    let host = Host::ready();
    let live = tree(&host.context());
    host.json(["run", "--with", "releases,cache"]).expect(0);
    let back = extract(&host, "back", &[]);
    let is_metadata = |path: &str| {
        ["/manifest.json", "/compose.yaml", "/compose.addon.walg.yaml"]
            .iter()
            .any(|name| path.ends_with(name))
    };
    let expected: BTreeMap<_, _> = live
        .iter()
        .filter(|(path, _)| path.starts_with("cache/") || path.starts_with("releases/") && is_metadata(path))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .chain(protected(&live).into_iter().filter(|(path, _)| path != "events/audit.jsonl"))
        .collect();
    assert!(expected.keys().any(|path| path.starts_with("cache/")));
    assert!(expected.keys().filter(|path| path.starts_with("releases/")).count() > 6);
    let mut back = back;
    back.remove("events/audit.jsonl");
    assert_eq!(back.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert_eq!(back, expected);
}

#[test]
fn a_log_that_grows_meanwhile_comes_back_up_to_a_whole_line() {
    let host = Host::with(&StateSpec { events_bytes: 4 << 20, ..small() });
    let log = host.context().join(EventLog::Deployments.path());
    let before = fs::read(&log).unwrap();
    let mut lines = small().lines("default", EventLog::Deployments);
    let mut run = host.start(["run", "--json"]);
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    while run.is_running() {
        // In two halves, as a log may be met.
        let line = lines.take_lines(1);
        let (first, second) = line.split_at(line.len() / 2);
        file.write_all(first).unwrap();
        file.write_all(second).unwrap();
    }
    run.wait().expect(0);
    let after = fs::read(&log).unwrap();
    let back = extract(&host, "back", &[]).remove(EventLog::Deployments.path()).unwrap();
    assert!(back.len() >= before.len() && after.starts_with(&back) && back.ends_with(b"\n"));
    assert!(after.len() > before.len());
}

#[test]
fn two_snapshots_keep_what_each_was_made_of() {
    let (host, first) = Host::backed_up();
    let targets = host.context().join("targets.json");
    let was = fs::read(&targets).unwrap();
    fs::write(&targets, "{\"targets\": []}\n").unwrap();
    let second = host.back_up();
    for (id, expected) in [(first, was.as_slice()), (second, b"{\"targets\": []}\n")] {
        let into = host.path(&id);
        host.json(["extract", &id, "--into", into.to_str().unwrap()]).expect(0);
        assert_eq!(fs::read(into.join("targets.json")).unwrap(), expected);
    }
}

#[test]
fn an_extraction_that_failed_is_told_as_failed() {
    let (host, _) = Host::backed_up();
    fs::create_dir(host.path("full")).unwrap();
    fs::write(host.path("full/mine"), "mine").unwrap();
    host.json(["extract", "LATEST", "--into", "full"]).expect(2).error("target-not-empty");
    host.json(["extract", "LATEST", "--into", "empty"]).expect(0);
    let trail = host.json(["audit", "list"]).expect(0).data();
    let told: Vec<_> =
        trail.iter().filter(|row| row["action"] == "extract").map(|row| row["outcome"].clone()).collect();
    assert_eq!(told, ["announced", "failed", "announced", "done"]);
}
