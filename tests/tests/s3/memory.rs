//! A listing is fetched as it is read: it takes the same memory, however long it is.

use crate::child::{Job, command, said};
use crate::support::Bucket;
use si_backup_tests::servers::BucketKind;
use std::fs::{self, File};

/// Lists so many objects in a process of its own; its peak and what the listing added to it, in kB.
fn list(count: usize) -> Option<(u64, u64)> {
    let bucket = Bucket::new(BucketKind::Plain)?;
    // Put where the server keeps them: what is listed is the server's own.
    let root = bucket.server.data().join(&bucket.name).join("evidence/default/shop");
    for number in 0..count {
        let dir = root.join(format!("base_{:012}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&dir).unwrap();
        }
        File::create(dir.join(format!("20261123T{number:09}Z-content-passed-1a2b3c4d.json"))).unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let output = command(&bucket, Job::List, "", home.path()).output().unwrap();
    let said = said(&String::from_utf8_lossy(&output.stdout));
    let numbers: Vec<u64> = said[0].split(' ').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[0], count as u64);
    Some((numbers[2], numbers[2] - numbers[1]))
}

/// A two-hundredth of a million keys in far less than 200 MB, and twenty times as many in no more than that.
#[test]
fn a_listing_takes_little_memory() {
    let Some((peak, grown)) = list(5_000) else { return };
    assert!(peak < 60_000 && grown < 12_000, "{peak} kB, of which the listing {grown} kB");
    if crate::schedules::full() {
        let (peak, much) = list(100_000).unwrap();
        assert!(much < grown + 12_000, "{much} kB for 100,000 keys, {grown} kB for 5,000; in all {peak} kB");
    }
}
