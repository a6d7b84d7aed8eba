//! In the worst hour three common programs open a bundle: `age -d | zstd -d | tar x` gives exactly what was backed up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use age::secrecy::ExposeSecret;
use backup_store::durable;
use paas_state::{Identities, Manifest, OptionalTree, Patience, Recipients, Unwatched, bundle_key};
use si_backup_tests::StateSpec;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{ID, Place, RealClock, id, sealing, tree};

/// The programs that are not there. Where tests decide about a release, there has to be none.
fn missing_programs() -> Vec<&'static str> {
    let missing: Vec<_> = ["age", "zstd", "tar"]
        .into_iter()
        .filter(|program| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err())
        .collect();
    assert!(missing.is_empty() || std::env::var_os("CI").is_none(), "not installed: {missing:?}");
    missing
}

/// `age -d -i <identity> <bundle> | zstd -d | tar x -C <target>`
fn open(identity: &Path, bundle: &Path, target: &Path) {
    let mut age = Command::new("age")
        .arg("-d")
        .arg("-i")
        .args([identity, bundle])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut zstd = Command::new("zstd")
        .args(["-d", "-q"])
        .stdin(age.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let args = [OsStr::new("x"), OsStr::new("-C"), target.as_os_str()];
    let tar = Command::new("tar").args(args).stdin(zstd.stdout.take().unwrap()).status().unwrap();
    assert!(age.wait().unwrap().success() && zstd.wait().unwrap().success() && tar.success());
}

fn write_identity(place: &Place, identities: &Identities, name: &str) -> PathBuf {
    let path = place.home.path().join(name);
    durable::write_new(&path, identities.to_file_text().expose_secret().as_bytes(), 0o600).unwrap();
    path
}

#[test]
fn three_common_programs_open_a_bundle() {
    let missing = missing_programs();
    if !missing.is_empty() {
        println!("skipped: not installed: {missing:?}");
        return;
    }
    let place = Place::new();
    StateSpec::default().write(&place.state_root(), "default").unwrap();
    let part = "long-".repeat(24);
    place.write(&format!("cache/{part}/{part}/{part}.bin"), "a name of more than a hundred bytes");
    place.write(&format!("cache/{}", "x".repeat(100 - "context/cache/".len())), "of exactly a hundred");
    place.write(&format!("cache/{}", "y".repeat(101 - "context/cache/".len())), "of one more");
    place.write("cache/größe – ☃.bin", "not ASCII");
    place.write("cache/ -rf '$HOME' *;", "what shells trip over");
    place.write("cache/empty", "");
    place.write("events/audit.jsonl", "{\"a\":1}\n{\"torn\":\n{\"b\":2}\n{\"unfinished");

    // Two recipients: either of them opens it.
    let second = Identities::generate();
    let all = [place.identities.recipients(), second.recipients()].concat();
    let context = place.context();
    let reading = paas_state::Reading {
        context: &context,
        with: &OptionalTree::ALL,
        allow: &paas_state::AllowList::default(),
        patience: &Patience::default(),
        clock: &RealClock::new(),
        watch: &Unwatched,
    };
    let backup = reading.back_up(&place.store, &sealing(&Recipients::parse(all).unwrap(), &id())).unwrap();
    assert_eq!(backup.record.recipients, 2);
    let bundle = place.home.path().join("store").join(bundle_key(context.name(), &id()).unwrap().as_str());
    assert!(backup.manifest.files.len() > 20);

    for (name, identities) in [("first", &place.identities), ("second", &second)] {
        let target = place.home.path().join(format!("opened-by-{name}"));
        fs::create_dir(&target).unwrap();
        open(&write_identity(&place, identities, name), &bundle, &target);
        let mut opened = tree(&target);
        let text = opened.remove(Path::new("manifest.json")).unwrap().unwrap();
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest, backup.manifest);
        assert_eq!(text, backup.manifest.to_json().unwrap());
        opened.retain(|_, content| content.is_some());

        let expected: BTreeMap<_, _> = manifest
            .files
            .iter()
            .map(|file| {
                let mut bytes = fs::read(place.context_path().join(&file.path)).unwrap();
                bytes.truncate(usize::try_from(file.size).unwrap());
                (Path::new("context").join(&file.path), Some(bytes))
            })
            .collect();
        assert!(opened == expected, "{:?}", opened.keys().collect::<Vec<_>>());
        let mode = fs::metadata(target.join("context/config.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let audit = backup.manifest.file("events/audit.jsonl").unwrap();
    assert_eq!((audit.lines, audit.malformed_lines), (Some(3), 1), "of {ID}");
}
