//! Laws of the inventory over random trees, of what comes back, and of what is written and read again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use backup_contract::{Checksum, ContextName};
use chrono::{DateTime, Utc};
use paas_state::{
    AllowedSecret, Class, FileEntry, Inventory, LeftOut, MANIFEST_FORMAT, MANIFEST_VERSION, Manifest,
    OptionalTree, PROTECTED, RECORD_FORMAT, RECORD_VERSION, Record, Shape, StatePath, Unwatched,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use support::{Place, id, tree};

/// Names of files and directories that rules are about, and some that none is about.
const NAMES: [&str; 40] = [
    "config.json",
    "addons.json",
    "targets.json",
    "policy.json",
    "mappings.json",
    "audit.jsonl",
    "alerts.jsonl",
    "addons",
    "alerts",
    "events",
    "webhooks",
    "releases",
    "cache",
    "vault",
    ".si-backup",
    "secrets.env",
    ".env",
    ".env.production",
    "PROD.ENV",
    "compose.yaml",
    "compose.addon.walg.yaml",
    "walg.compose.yaml",
    "manifest.json",
    "release.toml",
    "volumes",
    "Volumes",
    "db",
    "dumps",
    "secrets",
    ".git",
    "users.sql.gz",
    "server.key",
    "id_ed25519",
    "telegram.token",
    "shop",
    "r1",
    "notes.txt",
    "größe",
    "x",
    ".hidden",
];

/// A tree of files: paths of one to four of those names.
fn trees() -> impl Strategy<Value = BTreeSet<String>> {
    let name = prop::sample::select(&NAMES[..]);
    let path = prop::collection::vec(name, 1..5).prop_map(|parts| parts.join("/"));
    let protected = prop::sample::select(&PROTECTED[..]).prop_map(str::to_owned);
    let compose = (0..3_u8).prop_map(|n| format!("releases/r{n}/compose.yaml"));
    prop::collection::vec(prop_oneof![4 => path, 1 => protected, 1 => compose], 0..24)
        .prop_map(|paths| paths.into_iter().collect())
}

fn asked() -> impl Strategy<Value = Vec<OptionalTree>> {
    prop::sample::subsequence(OptionalTree::ALL.to_vec(), 0..=2)
}

/// Writes what can be written: a name cannot be a file and a directory.
fn place_with(paths: &BTreeSet<String>) -> (Place, BTreeMap<String, Vec<u8>>) {
    let place = Place::in_memory();
    let mut written: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for path in paths {
        let is_above = |other: &String| other.starts_with(&format!("{path}/"));
        let is_below = |other: &String| path.starts_with(&format!("{other}/"));
        if written.keys().any(|other| is_above(other) || is_below(other)) {
            continue;
        }
        let bytes = format!("{{\"path\":\"{path}\"}}\n").into_bytes();
        place.write(path, &bytes);
        written.insert(path.clone(), bytes);
    }
    (place, written)
}

/// What must not be in a backup, told by other means than the rules of the inventory.
fn is_secret_or_data(path: &str) -> bool {
    let lower = path.to_lowercase();
    let parts: Vec<_> = lower.split('/').collect();
    let (name, dirs) = parts.split_last().unwrap();
    let never = ["vault", "secrets", "volumes", "db", "dumps", ".git"];
    // An app may be called whatever it likes.
    let dirs = if dirs.first() == Some(&"addons") { &dirs[..0] } else { dirs };
    path.starts_with(".si-backup/")
        || dirs.iter().any(|dir| never.contains(dir))
        || name.contains(".env")
        || [".key", ".token", ".sql.gz"].iter().any(|ending| name.ends_with(ending))
        || *name == "id_ed25519"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Each file is told of once, as itself or as part of one directory that is left out; and so with one class.
    #[test]
    fn each_file_has_exactly_one_class(paths in trees(), with in asked()) {
        let (place, written) = place_with(&paths);
        let inventory = Inventory::take(&place.context(), &with).unwrap();
        for path in written.keys() {
            let told: Vec<_> = inventory
                .entries
                .iter()
                .filter(|entry| entry.path == *path || entry.path.ends_with('/') && path.starts_with(&entry.path))
                .collect();
            prop_assert_eq!(told.len(), 1, "{} is told of as {:?}", path, told);
            let entry = told[0];
            prop_assert!(!entry.reason.is_empty());
            if entry.class.is_taken() {
                prop_assert!(!is_secret_or_data(path), "{} is taken", path);
                prop_assert_eq!(entry.bytes, written[path].len() as u64);
            }
            prop_assert_eq!(PROTECTED.contains(&path.as_str()), entry.class == Class::Protected && !path.starts_with("addons/"));
            if entry.class == Class::Optional {
                prop_assert!(with.iter().any(|tree| path.starts_with(&format!("{tree}/"))), "{} was not asked for", path);
            }
        }
        for entry in &inventory.entries {
            let is_there = if entry.path.ends_with('/') {
                written.keys().any(|path| path.starts_with(&entry.path))
            } else {
                written.contains_key(&entry.path)
            };
            prop_assert!(is_there, "{} is not there", entry.path);
        }
        let absent: Vec<_> = PROTECTED.into_iter().filter(|path| !written.contains_key(*path)).collect();
        prop_assert_eq!(inventory.absent(), absent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What the inventory says is taken is what is in the manifest, and what comes back, byte for byte.
    #[test]
    fn what_is_taken_comes_back(paths in trees(), with in asked()) {
        let (place, written) = place_with(&paths);
        let inventory = Inventory::take(&place.context(), &with).unwrap();
        let taken: BTreeMap<_, _> = inventory
            .entries
            .iter()
            .filter(|entry| entry.class.is_taken())
            .map(|entry| (entry.path.clone(), written[&entry.path].clone()))
            .collect();
        let backup = place.back_up(&with).unwrap();
        let target = place.home.path().join("out");
        let bundle = place.bundle(&backup.record);
        bundle.stage(&place.identities, &target, None, &Unwatched).unwrap().publish().unwrap();
        let mut back = BTreeMap::new();
        for (path, content) in tree(&target) {
            if let Some(bytes) = content {
                back.insert(path.to_str().unwrap().to_owned(), bytes);
            }
        }
        prop_assert_eq!(back, taken);
        let left_out = inventory.entries.iter().filter(|entry| !entry.class.is_taken()).count();
        prop_assert_eq!(backup.manifest.left_out.len(), left_out);
        let all = bundle.verify(&place.identities, &Unwatched).unwrap().into_manifest();
        prop_assert_eq!(&all, &backup.manifest);
        // Each file alone, while everything is proved.
        if let Some(file) = all.files.first() {
            let one = place.home.path().join("one");
            let staged = bundle.stage(&place.identities, &one, Some(file.path.clone()), &Unwatched).unwrap();
            staged.publish().unwrap();
            prop_assert_eq!(tree(&one).into_values().flatten().count(), 1);
        }
    }
}

fn state_paths() -> impl Strategy<Value = StatePath> {
    "[^/\\\\\\x00-\\x1f\\x7f-\\x9f]{1,20}(/[^/\\\\\\x00-\\x1f\\x7f-\\x9f]{1,20}){0,3}"
        .prop_filter_map("a part leads elsewhere", |text| StatePath::new(text).ok())
}

fn times() -> impl Strategy<Value = DateTime<Utc>> {
    (-10_000_000_000_i64..100_000_000_000, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
}

fn classes() -> impl Strategy<Value = Class> {
    use Class::{Excluded, NotAsked, Optional, Own, Protected, Unexpected};
    prop::sample::select(vec![Protected, Optional, NotAsked, Own, Excluded, Unexpected])
}

fn file_entries() -> impl Strategy<Value = FileEntry> {
    let shapes = prop::sample::select(vec![Shape::Json, Shape::Log, Shape::Other]);
    let counts = (any::<u64>(), any::<u32>(), any::<Option<u64>>(), any::<u64>());
    (state_paths(), classes(), shapes, times(), "[0-9a-f]{64}", counts).prop_map(
        |(path, class, shape, mtime, sha256, (size, mode, lines, malformed_lines))| FileEntry {
            path,
            class,
            shape,
            size,
            mode,
            mtime,
            sha256,
            lines,
            malformed_lines,
        },
    )
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let left_out = ("\\PC{0,20}", classes(), "\\PC{0,20}").prop_map(|(path, class, reason)| LeftOut {
        path,
        class,
        reason,
    });
    let allowed = [".*", ".*", ".*", ".*"].prop_map(|[path, kind, digest, reason]| AllowedSecret {
        path,
        kind,
        digest,
        reason,
    });
    (
        times(),
        ".*",
        asked(),
        prop::collection::vec(file_entries(), 0..5),
        prop::collection::vec(state_paths(), 0..5),
        prop::collection::vec(left_out, 0..5),
        prop::collection::vec(allowed, 0..3),
    )
        .prop_map(|(read_at, tool, with, files, absent, left_out, allowed)| Manifest {
            format: MANIFEST_FORMAT.into(),
            version: MANIFEST_VERSION,
            id: id(),
            context: ContextName::new("default").unwrap(),
            read_at,
            tool,
            with,
            files,
            absent,
            left_out,
            allowed,
            vault: None,
        })
}

proptest! {
    #[test]
    fn a_manifest_reads_as_it_was_written(manifest in manifests()) {
        let text = manifest.to_json().unwrap();
        prop_assert_eq!(&Manifest::parse(&text).unwrap(), &manifest);
        // What a newer minor revision adds is passed over.
        let mut value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        value["added"] = serde_json::json!({"by": "a newer version"});
        prop_assert_eq!(Manifest::parse(value.to_string().as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn a_record_reads_as_it_was_written(
        (times, bytes, recipients, suspect) in ((times(), times()), any::<u64>(), any::<usize>(), any::<bool>()),
        (origin, host, tool) in (any::<Option<String>>(), ".*", ".*"),
        digest: [u8; 32],
    ) {
        let record = Record {
            format: RECORD_FORMAT.into(),
            version: RECORD_VERSION,
            id: id(),
            context: ContextName::new("default").unwrap(),
            origin,
            checksum: Checksum::from_sha256(digest),
            bytes,
            started_at: times.0,
            finished_at: times.1,
            host,
            tool,
            recipients,
            suspect,
        };
        prop_assert_eq!(Record::parse(&record.to_json().unwrap()).unwrap(), record);
    }

    /// Whatever text is taken for a path stays below its directory, as text and as bytes, and reads back as it is.
    #[test]
    fn a_path_stays_where_it_belongs(text in r"([a-c./\\~ \x00-\x20\u{7f}-\u{a0}é]{0,3}(\.\.)?){0,6}|.{0,30}") {
        let json = serde_json::Value::from(text.clone());
        prop_assert_eq!(serde_json::from_value::<StatePath>(json).is_ok(), StatePath::new(text.clone()).is_ok());
        let Ok(path) = StatePath::new(text.clone()) else { return Ok(()) };
        prop_assert_eq!(path.as_str(), &text);
        let components: Vec<_> = Path::new(&text).components().collect();
        prop_assert!(components.iter().all(|part| matches!(part, Component::Normal(_))));
        let (dirs, name) = path.split();
        let parts: Vec<_> = dirs.chain([name]).collect();
        prop_assert_eq!(&parts.join("/"), &text);
        prop_assert_eq!(parts.len(), components.len());
        prop_assert!(Path::new("/base").join(&path).starts_with("/base"));
    }
}
