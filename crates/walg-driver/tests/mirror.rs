//! A backup fetched into a local prefix: all of it, once, and recognised by its bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

mod support;
#[path = "support/watched.rs"]
mod watched;

use backup_store::Prefix;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{files, fixture};
use walg_driver::bucket::{Bucket, Root};
use walg_driver::mirror::{Fetch, Mirror, MirrorPlan, MirrorWal};
use walg_driver::verify::Fingerprint;
use walg_driver::{Cipher, Error, Result};
use watched::{Fails, Watched};

fn plan(store: &Watched, index: usize, with_wal: bool) -> MirrorPlan {
    let root = Root::default();
    let bucket = Bucket::read(&store.store, &root, &Cipher::None).unwrap();
    let backup = &bucket.backups[index];
    let wal = if with_wal { MirrorWal::all(backup.reach.last().unwrap()) } else { MirrorWal::Leave };
    MirrorPlan::new(store, &root, &bucket, &backup.id, &wal).unwrap()
}

fn fetch(store: &Watched, plan: &MirrorPlan, into: &Path, most: u64) -> Result<Mirror> {
    let told = AtomicU64::new(0);
    plan.fetch(&Fetch {
        store,
        root: &Root::default(),
        into,
        threads: 3,
        free: &|_| Ok(plan.bytes()),
        read: &|bytes| match told.fetch_add(bytes, Ordering::Relaxed) + bytes {
            so_far if so_far > most => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        },
    })
}

fn names(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    files(dir, "", &mut names);
    let mut names: Vec<_> = names.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_mirror_holds_what_the_backup_needs_and_nothing_else() {
    let dir = fixture("plain");
    let store = Watched::new(dir.path(), Fails::Never);
    let into = tempfile::tempdir().unwrap();
    let whole = plan(&store, 1, true);
    let mirror = fetch(&store, &whole, into.path(), u64::MAX).unwrap();
    let expected: Vec<String> = names(dir.path())
        .into_iter()
        .filter(|name| {
            let of_the_third = name.contains("base_000000010000000000000006");
            let before_the_second = ["01.zst", "02.zst", "03.zst"].iter().any(|end| name.ends_with(end));
            !(of_the_third
                || name.starts_with("wal_005") && (before_the_second || name.ends_with(".backup.zst")))
        })
        .collect();
    assert_eq!(names(mirror.prefix()), expected);
    assert_eq!((mirror.fetched, mirror.present), (whole.bytes(), 0));
    for name in &expected {
        assert_eq!(fs::read(mirror.prefix().join(name)).unwrap(), fs::read(dir.path().join(name)).unwrap());
    }
    // The same as a verification reads from the store itself.
    let bucket = Bucket::read(&store.store, &Root::default(), &Cipher::None).unwrap();
    let mut parent = None;
    for (index, (id, fingerprint)) in mirror.fingerprints.iter().enumerate() {
        let backup = &bucket.backups[index];
        let go_on = |_| ControlFlow::Continue(());
        let root = Root::default();
        let read = Fingerprint::compute(&store.store, &root, backup, parent.as_ref(), 1, &go_on).unwrap();
        assert_eq!((id, fingerprint), (&backup.id, &read));
        parent = Some(read.checksum);
    }
    assert_eq!(mirror.fingerprints.len(), 2);

    let lean = tempfile::tempdir().unwrap();
    let without = fetch(&store, &plan(&store, 1, false), lean.path(), u64::MAX).unwrap();
    assert!(names(without.prefix()).iter().all(|name| name.starts_with("basebackups_005/")));
}

#[test]
fn a_fetch_that_was_broken_off_is_gone_on_with() {
    let dir = fixture("plain");
    let store = Watched::new(dir.path(), Fails::Never);
    let into = tempfile::tempdir().unwrap();
    let whole = plan(&store, 2, true);
    // So late that some are there by then, however many are on their way at once.
    let stopped = fetch(&store, &whole, into.path(), whole.bytes() - 1).unwrap_err();
    assert_eq!(stopped.code(), "interrupted");
    let left = names(&into.path().join("bucket"));
    assert!(left.iter().all(|name| dir.path().join(name).exists()), "no piece stays: {left:?}");
    // Half a line, as a killed process leaves it.
    let record = into.path().join("fetched.jsonl");
    fs::write(&record, [&*fs::read(&record).unwrap(), b"{\"path\":\"wal"].concat()).unwrap();
    let missing = whole.missing_bytes(into.path()).unwrap();
    assert!(missing < whole.bytes());
    let second = fetch(&store, &whole, into.path(), u64::MAX).unwrap();
    assert_eq!((second.fetched, second.present), (missing, whole.bytes() - missing));
    let opened = store.opened.load(Ordering::Relaxed);
    let third = fetch(&store, &whole, into.path(), u64::MAX).unwrap();
    assert_eq!((third.fetched, store.opened.load(Ordering::Relaxed)), (0, opened));

    // What was altered on the disk, and what was written again in the store, is not taken for what it was.
    let name = "basebackups_005/base_000000010000000000000002/tar_partitions/part_001.tar.zst";
    let path = third.prefix().join(name);
    let good = fs::read(&path).unwrap();
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    fs::write(&path, &altered).unwrap();
    let fourth = fetch(&store, &whole, into.path(), u64::MAX).unwrap();
    assert_eq!((fourth.fetched, fs::read(&path).unwrap()), (good.len() as u64, good.clone()));
    assert_eq!(fourth.fingerprints, third.fingerprints);
    fs::write(dir.path().join(name), &altered).unwrap();
    let fifth = fetch(&store, &plan(&store, 2, true), into.path(), u64::MAX).unwrap();
    assert_eq!(fifth.fetched, good.len() as u64);
    for (old, new) in fifth.fingerprints.iter().zip(&fourth.fingerprints) {
        assert_ne!(old.1.checksum, new.1.checksum, "the whole chain is another one");
    }
}

#[test]
fn a_disk_that_is_too_small_is_told_before_the_first_byte() {
    let dir = fixture("plain");
    let store = Watched::new(dir.path(), Fails::Never);
    let into = tempfile::tempdir().unwrap();
    let whole = plan(&store, 0, true);
    let opened = store.opened.load(Ordering::Relaxed);
    let refused = whole.fetch(&Fetch {
        store: &store,
        root: &Root::default(),
        into: into.path(),
        threads: 1,
        free: &|_| Ok(whole.bytes() - 1),
        read: &|_| ControlFlow::Continue(()),
    });
    let Err(Error::NoSpace { need, have, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((need, have), (whole.bytes(), whole.bytes() - 1));
    assert_eq!(store.opened.load(Ordering::Relaxed), opened);
    assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0);
    assert!(walg_driver::mirror::free_bytes(&into.path().join("not/yet")).unwrap() > 0);
}

#[test]
fn what_cannot_be_restored_or_fetched_is_an_error() {
    let dir = fixture("wal-hole");
    let store = Watched::new(dir.path(), Fails::Never);
    let root = Root::default();
    let bucket = Bucket::read(&store.store, &root, &Cipher::None).unwrap();
    let of = |id: &str| MirrorPlan::new(&store, &root, &bucket, &id.parse().unwrap(), &MirrorWal::Leave);
    let broken = of("base_000000010000000000000006_D_000000010000000000000002").unwrap_err();
    assert_eq!(broken.code(), "not-restorable");
    assert!(broken.to_string().contains("000000010000000000000006"), "{broken}");
    assert_eq!(of("base_0000000100000000000000AA").unwrap_err().code(), "no-backup");

    for fails in [Fails::Open, Fails::Read] {
        let into = tempfile::tempdir().unwrap();
        let failing = Watched::new(dir.path(), fails);
        fetch(&failing, &plan(&store, 0, true), into.path(), u64::MAX).unwrap_err();
        assert_eq!(names(into.path()), ["fetched.jsonl"], "{fails:?}");
    }
    // Deleted, or written again shorter, between the plan and the fetch.
    let planned = plan(&store, 0, false);
    let part =
        dir.path().join("basebackups_005/base_000000010000000000000002/tar_partitions/part_001.tar.zst");
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[1..]).unwrap();
    let into = tempfile::tempdir().unwrap();
    let code = || fetch(&store, &planned, into.path(), u64::MAX).unwrap_err().code();
    assert_eq!(code(), "object-not-found", "not that version of it");
    fs::remove_file(&part).unwrap();
    assert_eq!(code(), "object-not-found");
}

#[test]
fn a_bucket_below_a_prefix_becomes_one_at_the_root() {
    let (dir, home) = (fixture("plain"), tempfile::tempdir().unwrap());
    fs::create_dir(home.path().join("shop")).unwrap();
    for place in ["basebackups_005", "wal_005"] {
        fs::rename(dir.path().join(place), home.path().join("shop").join(place)).unwrap();
    }
    let store = Watched::new(home.path(), Fails::Never);
    let root = Root::new(Prefix::new("shop").unwrap());
    let bucket = Bucket::read(&store.store, &root, &Cipher::None).unwrap();
    let wal = MirrorWal::all(&bucket.backups[0].reach[0]);
    let plan = MirrorPlan::new(&store, &root, &bucket, &bucket.backups[0].id, &wal).unwrap();
    let into = tempfile::tempdir().unwrap();
    let how = Fetch {
        store: &store,
        root: &root,
        into: into.path(),
        threads: 8,
        free: &|_| Ok(u64::MAX),
        read: &|_| ControlFlow::Continue(()),
    };
    let mirror = plan.fetch(&how).unwrap();
    let here = Bucket::read(&mirror.store().unwrap(), &Root::default(), &Cipher::None).unwrap();
    assert_eq!(here.backups[0].reach, {
        let mut reach = bucket.backups[0].reach.clone();
        reach[0].archived = here.backups[0].reach[0].archived;
        reach
    });
}
