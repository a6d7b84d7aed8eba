//! What changes a backup's fingerprint, and what must not.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

mod support;

use backup_contract::Checksum;
use backup_store::{DirStore, Prefix};
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{files, fixture};
use walg_driver::bucket::{Bucket, Root};
use walg_driver::verify::Fingerprint;
use walg_driver::{Cipher, Error, Result};

fn compute(dir: &Path, root: &Root, index: usize, parent: Option<&Checksum>) -> Result<Fingerprint> {
    let store = DirStore::open(dir).unwrap();
    let bucket = Bucket::read(&store, root, &Cipher::None).unwrap();
    Fingerprint::compute(&store, root, &bucket.backups[index], parent, 3, &|_| ControlFlow::Continue(()))
}

fn of_full(dir: &Path) -> Checksum {
    compute(dir, &Root::default(), 0, None).unwrap().checksum
}

#[test]
fn every_byte_counts_but_those_that_may_be_written_again() {
    let dir = fixture("plain");
    let whole = of_full(dir.path());
    let mut names = Vec::new();
    files(dir.path(), "", &mut names);
    for name in names {
        let text = name.to_str().unwrap();
        if text.ends_with("sentinel.json") {
            continue;
        }
        let path = dir.path().join(&name);
        let bytes = fs::read(&path).unwrap();
        let mut altered = bytes.clone();
        altered[bytes.len() / 2] ^= 0x20;
        fs::write(&path, &altered).unwrap();
        let mine = text.contains("base_000000010000000000000002/") && !text.ends_with("/metadata.json");
        let found = compute(dir.path(), &Root::default(), 0, None).map(|found| found.checksum);
        assert_eq!(found.ok() != Some(whole), mine, "{text}");
        fs::write(&path, &bytes).unwrap();
    }
    assert_eq!(of_full(dir.path()), whole);
}

#[test]
fn a_sentinel_may_be_spelt_anew_and_marked_but_say_nothing_else() {
    let dir = fixture("plain");
    let whole = of_full(dir.path());
    let path = dir.path().join("basebackups_005/base_000000010000000000000002_backup_stop_sentinel.json");
    let said: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let with = |name: &str, value: Value| {
        let mut other = said.clone();
        other[name] = value;
        fs::write(&path, serde_json::to_string_pretty(&other).unwrap()).unwrap();
        of_full(dir.path())
    };
    assert_eq!(with("IsPermanent", true.into()), whole);
    assert_eq!(with("UserData", "kept for the audit".into()), whole);
    // The same moment in another spelling.
    assert_eq!(with("StartTime", "2026-11-23T22:21:48.034438+01:00".into()), whole);
    for (name, value) in [
        ("FinishLSN", Value::from(33_554_689)),
        ("SystemIdentifier", 1.into()),
        ("PgVersion", 160_000.into()),
        ("StartTime", "2026-11-23T21:21:48.034439Z".into()),
        ("FinishTime", "2026-11-23T21:21:49Z".into()),
        ("FilesMetadataDisabled", true.into()),
        ("Spec", serde_json::json!({"tablespaces": ["16385"], "16385": {"loc": "/fast"}})),
    ] {
        assert_ne!(with(name, value), whole, "{name}");
    }
}

#[test]
fn a_copy_below_another_prefix_is_the_same_backup() {
    let (dir, other) = (fixture("plain"), tempfile::tempdir().unwrap());
    fs::create_dir_all(other.path().join("copies/of")).unwrap();
    fs::rename(dir.path().join("basebackups_005"), other.path().join("copies/of/basebackups_005")).unwrap();
    fs::rename(dir.path().join("wal_005"), other.path().join("copies/of/wal_005")).unwrap();
    let root = Root::new(Prefix::new("copies/of").unwrap());
    let copy = compute(other.path(), &root, 0, None).unwrap();
    assert_eq!(copy.checksum, of_full(fixture("plain").path()));
    assert_eq!(copy.objects.len(), 4);
}

#[test]
fn a_delta_is_recognised_together_with_its_parent() {
    let dir = fixture("plain");
    let delta = |parent: Option<Checksum>| compute(dir.path(), &Root::default(), 1, parent.as_ref());
    let full = of_full(dir.path());
    let right = delta(Some(full)).unwrap();
    let other = delta(Some(Checksum::from_sha256([7; 32]))).unwrap();
    assert_ne!(right.checksum, other.checksum);
    assert_eq!(right.bytes(), 150_832 + 286 + 39_758 + 295);
    assert!(matches!(delta(None), Err(Error::NoParentFingerprint(_))));
    assert!(matches!(compute(dir.path(), &Root::default(), 0, Some(&full)), Err(Error::NotADelta(_))));
}

#[test]
fn what_is_read_is_told_and_can_be_stopped() {
    let dir = fixture("plain");
    let store = DirStore::open(dir.path()).unwrap();
    let bucket = Bucket::read(&store, &Root::default(), &Cipher::None).unwrap();
    let told = AtomicU64::new(0);
    let compute = |threads, stop: u64| {
        told.store(0, Ordering::Relaxed);
        Fingerprint::compute(&store, &Root::default(), &bucket.backups[0], None, threads, &|bytes| {
            let so_far = told.fetch_add(bytes, Ordering::Relaxed);
            if so_far >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let one = compute(1, u64::MAX).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), one.bytes());
    assert_eq!(compute(64, u64::MAX).unwrap(), one);
    assert_eq!(compute(1, 1).unwrap_err().code(), "interrupted");
}

/// The form of the text that is hashed is fixed: evidence would lose its backups if it changed.
#[test]
fn the_fingerprint_of_a_known_backup_does_not_change() {
    let dir = fixture("plain");
    assert_eq!(
        of_full(dir.path()).to_string(),
        "sha256:88d16711358c123412c34e9b46807f07a44d3c3a9513730c4e9a7bde2f98922e"
    );
}
