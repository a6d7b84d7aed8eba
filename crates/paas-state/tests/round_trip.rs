//! What is backed up comes back byte for byte, with nothing that must not be in a backup.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use backup_contract::{ContextName, SnapshotId};
use backup_store::{Clock, DirStore};
use chrono::DateTime;
use paas_state::{
    AllowList, Backup, Catalogue, ContextDir, Identities, OptionalTree, Patience, Reading, Recipients,
    Sealing, UnverifiedBundle, Unwatched,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[derive(Debug)]
struct RealClock(Instant);

impl Clock for RealClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

struct Place {
    home: TempDir,
    store: DirStore,
    identities: Identities,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = DirStore::create(home.path().join("store")).unwrap();
        Self { home, store, identities: Identities::generate() }
    }

    fn context_path(&self) -> PathBuf {
        self.home.path().join("paas/contexts/default")
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.context_path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn back_up(&self, id: &str, with: &[OptionalTree]) -> paas_state::Result<Backup> {
        let context = ContextDir::open(&self.home.path().join("paas"), ContextName::new("default").unwrap())?;
        let reading = Reading {
            context: &context,
            with,
            allow: &AllowList::default(),
            patience: &Patience::default(),
            clock: &RealClock(Instant::now()),
            watch: &Unwatched,
        };
        reading.back_up(
            &self.store,
            &Sealing {
                recipients: &Recipients::parse(self.identities.recipients()).unwrap(),
                id: &id.parse::<SnapshotId>().unwrap(),
                started_at: DateTime::UNIX_EPOCH,
                origin: None,
                host: "host",
                tool: "test",
                suspect: false,
                workers: 2,
            },
        )
    }

    fn bundle(&self, backup: &Backup) -> UnverifiedBundle<'_> {
        UnverifiedBundle::new(&self.store, backup.record.clone()).unwrap()
    }
}

const ID: &str = "state-20261123T201500Z-1a2b3c4d";

#[test]
fn a_context_comes_back_as_it_was() {
    let place = Place::new();
    let long_name = format!("cache/{}/{}.bin", "d".repeat(120), "n".repeat(128));
    let kept = [
        ("config.json", r#"{"name":"default"}"#.to_owned()),
        ("targets.json", "{\"targets\":[]}\n".to_owned()),
        ("events/audit.jsonl", "{\"a\":1}\nnot json\n{\"b\":2}\n".to_owned()),
        ("addons/shop/walg.compose.yaml", "services: {}\n".to_owned()),
        ("releases/r1/compose.yaml", "services: {}\n".to_owned()),
        (long_name.as_str(), "x".repeat(3_000_000)),
    ];
    for (path, text) in &kept {
        place.write(path, text);
    }
    place.write("events/alerts.jsonl", "{\"a\":1}\n{\"torn");
    place.write("vault/secrets.env", "PASSWORD=hunter2");
    place.write("releases/r1/.env", "PASSWORD=hunter2");
    place.write("notes.txt", "unexpected");

    let backup = place.back_up(ID, &OptionalTree::ALL).unwrap();
    let target = place.home.path().join("out");
    let staged = place.bundle(&backup).stage(&place.identities, &target, None, &Unwatched).unwrap();
    assert!(!target.exists(), "nothing is visible before it is published");
    assert_eq!(staged.publish().unwrap(), backup.manifest);

    for (path, text) in &kept {
        assert_eq!(fs::read_to_string(target.join(path)).unwrap(), *text, "{path}");
    }
    assert_eq!(
        fs::read_to_string(target.join("events/alerts.jsonl")).unwrap(),
        "{\"a\":1}\n",
        "whole lines only"
    );
    for path in ["vault", "releases/r1/.env", "notes.txt"] {
        assert!(!target.join(path).exists(), "{path}");
    }
    let audit = backup.manifest.file("events/audit.jsonl").unwrap();
    assert_eq!((audit.lines, audit.malformed_lines), (Some(3), 1));
    assert_eq!(backup.manifest.absent.len(), 6);
    let left_out: Vec<_> = backup.manifest.left_out.iter().map(|l| l.path.as_str()).collect();
    assert_eq!(left_out, ["notes.txt", "releases/r1/.env", "vault/"]);
    assert_eq!(hidden_siblings(place.home.path()), 0);
}

#[test]
fn the_catalogue_is_what_the_store_holds() {
    let place = Place::new();
    place.write("config.json", "{}");
    let context = ContextName::new("default").unwrap();
    let backup = place.back_up(ID, &[]).unwrap();
    let catalogue = Catalogue::read(&place.store, &context).unwrap();
    assert_eq!(catalogue.newest_restorable().unwrap().checksum, Some(backup.record.checksum));
    assert_eq!(catalogue.records[&backup.record.id], backup.record);

    let dir = place.home.path().join("store/state/default").join(ID);
    fs::remove_file(dir.join("snapshot.json")).unwrap();
    let catalogue = Catalogue::read(&place.store, &context).unwrap();
    assert!(catalogue.snapshots.is_empty(), "no record, no snapshot");
    assert_eq!(catalogue.strays.len(), 1);
}

#[test]
fn a_flipped_bit_is_told_from_a_wrong_key() {
    let place = Place::new();
    place.write("config.json", "{}");
    let backup = place.back_up(ID, &[]).unwrap();
    let other = Identities::generate();
    let error = place.bundle(&backup).verify(&other, &Unwatched).unwrap_err();
    assert_eq!(error.code(), "wrong-identity");

    let path = place.home.path().join("store/state/default").join(ID).join("bundle.tar.zst.age");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = place.bundle(&backup).verify(&place.identities, &Unwatched).unwrap_err();
    assert_eq!(error.code(), "object-corrupt");
    assert!(error.to_string().contains("expected sha256:"), "{error}");
}

#[test]
fn a_target_that_is_not_empty_is_refused() {
    let place = Place::new();
    place.write("config.json", "{}");
    let backup = place.back_up(ID, &[]).unwrap();
    let target = place.home.path().join("out");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("mine"), "precious").unwrap();
    let error = place.bundle(&backup).stage(&place.identities, &target, None, &Unwatched).unwrap_err();
    assert_eq!(error.code(), "target-not-empty");
    assert_eq!(fs::read_to_string(target.join("mine")).unwrap(), "precious");
    assert_eq!(hidden_siblings(place.home.path()), 0);
}

fn hidden_siblings(dir: &Path) -> usize {
    fs::read_dir(dir)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains(".partial"))
        .count()
}
