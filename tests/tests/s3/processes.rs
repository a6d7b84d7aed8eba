//! Fifty processes at once.

use crate::child::{Job, RACERS, race};
use crate::support::{Bucket, keys};
use backup_store::Store;
use si_backup_tests::servers::BucketKind;

fn count(said: &[String], word: &str) -> usize {
    said.iter().filter(|said| *said == word).count()
}

#[test]
fn of_50_processes_one_writes_a_key() {
    let Some(bucket) = Bucket::new(BucketKind::Versioned) else { return };
    let rounds = if crate::schedules::full() { 10 } else { 1 };
    for (job, size) in [(Job::Key, 100_000), (Job::BigKey, 6 << 20)] {
        for round in 0..rounds {
            let name = format!("{job:?}/{round}");
            let said = race(&bucket, job, &name);
            assert_eq!((count(&said, "won"), count(&said, "object-exists")), (1, RACERS - 1), "{said:?}");
            let store = bucket.store();
            assert!(store.head(&crate::support::key(&name), None).unwrap().size > size);
        }
    }
    assert_eq!(keys(&bucket.store()).len(), 2 * rounds);
    assert_eq!(bucket.versions().len(), 2 * rounds, "the others have written nothing");
    assert_eq!(bucket.admin.uploads(&bucket.name), [""; 0], "and left nothing");
}

#[test]
fn of_50_processes_one_gets_a_lease() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let rounds = if crate::schedules::full() { 10 } else { 1 };
    for round in 0..rounds {
        let said = race(&bucket, Job::Lease, &format!("tick-{round}"));
        assert_eq!((count(&said, "won"), count(&said, "lease-held")), (1, RACERS - 1), "{said:?}");
    }
}
