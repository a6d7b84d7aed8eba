//! Level `content`: sound buckets pass, and damage that no listing shows is found.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

mod support;

use backup_contract::{Checksum, SnapshotId};
use backup_store::{Clock, DirStore};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use support::{files, fixture};
use walg_driver::bucket::{Bucket, Root};
use walg_driver::verify::{Content, ContentCheck, Fingerprint};
use walg_driver::{Cipher, Error, Result, SodiumKey};

#[derive(Debug)]
struct NoTime;

impl Clock for NoTime {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) {}
}

fn sodium() -> Cipher {
    Cipher::Sodium(SodiumKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap())))
}

fn check(dir: &Path, cipher: &Cipher, index: usize) -> Result<Content> {
    let (store, root) = (DirStore::open(dir).unwrap(), Root::default());
    let bucket = Bucket::read(&store, &root, cipher).unwrap();
    let read = |_| ControlFlow::Continue(());
    ContentCheck {
        store: &store,
        root: &root,
        cipher,
        bucket: &bucket,
        clock: &NoTime,
        threads: 2,
        read: &read,
    }
    .run(&bucket.backups[index])
}

/// The checks that failed, with what they say.
fn failed(content: &Content) -> Vec<(String, String)> {
    let failed = content.checks.iter().filter(|check| !check.ok);
    failed.map(|check| (check.name.clone(), check.detail.clone())).collect()
}

/// Each fingerprint of a chain, computed from the bucket alone.
fn fingerprints(store: &DirStore, cipher: &Cipher, index: usize) -> Vec<(SnapshotId, Checksum)> {
    let bucket = Bucket::read(store, &Root::default(), cipher).unwrap();
    let mut found: Vec<(SnapshotId, Checksum)> = Vec::new();
    for id in bucket.backups[index].chain.iter().rev() {
        let parent = found.last().map(|(_, checksum)| *checksum);
        let link = bucket.backup(id).unwrap();
        let go_on = |_| ControlFlow::Continue(());
        let computed = Fingerprint::compute(store, &Root::default(), link, parent.as_ref(), 1, &go_on);
        found.push((id.clone(), computed.unwrap().checksum));
    }
    found
}

#[test]
fn what_wal_g_wrote_passes_with_its_whole_chain() {
    for (name, cipher) in [("plain", Cipher::None), ("sodium", sodium())] {
        let dir = fixture(name);
        for index in 0..3 {
            let content = check(dir.path(), &cipher, index).unwrap();
            assert_eq!(failed(&content), [], "{name} {index}");
            assert_eq!(content.checks.len(), 4 + index, "catalogue, tars of each link, control file, WAL");
            assert_eq!(content.segments.len(), 1, "each began and ended within one");
            let store = DirStore::open(dir.path()).unwrap();
            assert_eq!(content.fingerprints, fingerprints(&store, &cipher, index), "of what was decoded");
        }
    }
    let hole = fixture("wal-hole");
    let of = |index: usize| failed(&check(hole.path(), &Cipher::None, index).unwrap());
    assert_eq!((of(0).len(), of(2).len()), (0, 0));
    let names: Vec<_> = of(1).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["catalogue", "wal"]);
}

#[test]
fn a_wrong_key_fails_and_a_cipher_of_the_engines_own_is_no_failure() {
    let dir = fixture("sodium");
    let other = Cipher::Sodium(SodiumKey::new([9; 32]));
    let names: Vec<_> =
        failed(&check(dir.path(), &other, 0).unwrap()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["tars", "pg-control", "wal"]);
    let error = check(dir.path(), &Cipher::Unknown, 0).unwrap_err();
    assert!(matches!(error, Error::NotReadable(_)));
}

/// One flipped bit in the middle, a cut, and something behind the end, of each object that a backup needs.
#[test]
fn damage_within_any_needed_object_is_found() {
    for (name, cipher) in [("plain", Cipher::None), ("sodium", sodium())] {
        let dir = fixture(name);
        let mut names = Vec::new();
        files(dir.path(), "basebackups_005", &mut names);
        let full = read_first(dir.path(), &cipher);
        names.retain(|path| path.to_str().unwrap().contains(&format!("{full}/tar_partitions")));
        names.push(format!("wal_005/{}.zst", &full["base_".len()..]).into());
        assert_eq!(names.len(), 4);
        for path in names {
            let file = dir.path().join(&path);
            let whole = fs::read(&file).unwrap();
            let mut flipped = whole.clone();
            flipped[whole.len() / 2] ^= 1;
            let cut = whole[..whole.len() - 1].to_vec();
            let longer = [&whole[..], b"x"].concat();
            for (what, bytes) in [("flipped", flipped), ("cut", cut), ("longer", longer)] {
                fs::write(&file, bytes).unwrap();
                let content = check(dir.path(), &cipher, 0).unwrap();
                assert!(!failed(&content).is_empty(), "{name}: {} {what}", path.display());
                // Also of an object whose decoding broke off in the middle.
                let store = DirStore::open(dir.path()).unwrap();
                assert_eq!(
                    content.fingerprints,
                    fingerprints(&store, &cipher, 0),
                    "{} {what}",
                    path.display()
                );
            }
            fs::write(&file, whole).unwrap();
        }
        assert_eq!(failed(&check(dir.path(), &cipher, 0).unwrap()), []);
    }
}

fn read_first(dir: &Path, cipher: &Cipher) -> String {
    let bucket = Bucket::read(&DirStore::open(dir).unwrap(), &Root::default(), cipher).unwrap();
    bucket.backups[0].id.to_string()
}

/// Objects that are sound in themselves, in the wrong place.
#[test]
fn sound_objects_of_another_backup_or_cluster_are_found() {
    let (dir, other) = (fixture("plain"), fixture("wal-hole"));
    let base = "basebackups_005/base_000000010000000000000002/tar_partitions";
    let delta = "basebackups_005/base_000000010000000000000004_D_000000010000000000000002/tar_partitions";
    let swap = |from: &Path, to: &str, check_name: &str| {
        let file = dir.path().join(to);
        let whole = fs::read(&file).unwrap();
        fs::copy(from, &file).unwrap();
        let found = failed(&check(dir.path(), &Cipher::None, 0).unwrap());
        fs::write(&file, whole).unwrap();
        assert!(found.iter().any(|(name, _)| name == check_name), "{to}: {found:?}");
    };
    swap(&dir.path().join(delta).join("part_001.tar.zst"), &format!("{base}/part_001.tar.zst"), "tars");
    swap(
        &other.path().join(base).join("pg_control.tar.zst"),
        &format!("{base}/pg_control.tar.zst"),
        "pg-control",
    );
    for segment in ["wal_005/000000010000000000000003.zst", "wal_005/000000010000000000000004.zst"] {
        swap(&dir.path().join(segment), "wal_005/000000010000000000000002.zst", "wal");
    }
    swap(
        &other.path().join("wal_005/000000010000000000000002.zst"),
        "wal_005/000000010000000000000002.zst",
        "wal",
    );
}

#[test]
fn it_can_be_stopped() {
    let dir = fixture("plain");
    let (store, root) = (DirStore::open(dir.path()).unwrap(), Root::default());
    let bucket = Bucket::read(&store, &root, &Cipher::None).unwrap();
    let read = |_| ControlFlow::Break(());
    let check = ContentCheck {
        store: &store,
        root: &root,
        cipher: &Cipher::None,
        bucket: &bucket,
        clock: &NoTime,
        threads: 2,
        read: &read,
    };
    assert_eq!(check.run(&bucket.backups[0]).unwrap_err().code(), "interrupted");
}
