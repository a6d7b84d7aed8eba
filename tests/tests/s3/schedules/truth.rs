//! What is there in the end, without a proxy, against what the actors were told.

use super::actor::{History, Known};
use crate::support::{Bucket, FAR, get};
use backup_store::{S3Store, Store};
use std::collections::BTreeMap;

pub(super) fn holds(histories: &[History], direct: &S3Store, bucket: &Bucket, prefix: &str) {
    let there: BTreeMap<String, usize> = stored(bucket, prefix);
    for (name, count) in &there {
        assert_eq!(*count, 1, "{name} is there {count} times");
    }
    for history in histories {
        for (name, (written, known)) in &history.own {
            let is_there = there.contains_key(name);
            match known {
                Known::Stored(_) => {
                    assert!(is_there, "{name} of {} was reported stored, and is not", history.who);
                }
                Known::Gone => {
                    assert!(!is_there, "{name} of {} was reported deleted, and is there", history.who);
                }
                Known::Perhaps | Known::PerhapsGone => {}
            }
            if is_there {
                assert!(get(direct, name).unwrap() == *written, "{name} is not what was written");
            }
        }
    }
    shared_keys(histories, direct, &there);
    let own =
        |name: &String| histories.iter().any(|h| h.own.contains_key(name) || h.shared.contains_key(name));
    for name in there.keys().filter(|name| !name.starts_with("leases/tick/")) {
        assert!(own(name), "{name} was written by nobody");
    }

    direct.sweep(FAR).unwrap();
    assert_eq!(direct.leftovers().unwrap(), []);
    let uploads = bucket.admin.uploads(&bucket.name);
    let own_uploads: Vec<_> = uploads.iter().filter(|key| key.starts_with(&format!("{prefix}/"))).collect();
    assert!(own_uploads.is_empty(), "after the sweep there is still {own_uploads:?}");
    assert_eq!(stored(bucket, prefix), there, "the sweep takes nothing else");
}

/// Every version below the prefix, counted by key; a delete marker is a fault.
fn stored(bucket: &Bucket, prefix: &str) -> BTreeMap<String, usize> {
    let mut there = BTreeMap::new();
    for row in bucket.admin.versions(&bucket.name, &format!("{prefix}/")) {
        assert!(!row.is_marker, "{} is hidden by a delete marker", row.key);
        let name = row.key.strip_prefix(&format!("{prefix}/")).unwrap();
        if !name.starts_with(".si-store/") {
            *there.entry(name.to_owned()).or_default() += 1;
        }
    }
    there
}

/// Of those who wrote a key one won at most, and what is there is the winner's.
fn shared_keys(histories: &[History], direct: &S3Store, there: &BTreeMap<String, usize>) {
    let names: std::collections::BTreeSet<_> =
        histories.iter().flat_map(|history| history.shared.keys()).collect();
    for name in names {
        let tries: Vec<_> = histories.iter().filter_map(|history| history.shared.get(name)).collect();
        let won: Vec<_> = tries.iter().filter(|(_, told)| told.is_ok()).collect();
        assert!(won.len() <= 1, "{name} was won {} times", won.len());
        let lost = tries.iter().any(|(_, told)| told.as_ref().is_err_and(|code| code == "object-exists"));
        if there.contains_key(name) {
            let found = get(direct, name).unwrap();
            match won.first() {
                Some((written, _)) => assert!(found == *written, "{name} is not the winner's"),
                None => assert!(tries.iter().any(|(written, _)| found == *written), "{name} is nobody's"),
            }
            let is_own = |(written, told): &&(Vec<u8>, Result<(), String>)| {
                found == *written && told.as_ref().is_err_and(|code| code == "object-exists")
            };
            assert!(
                !tries.iter().copied().any(|entry| is_own(&entry)),
                "{name} is there, and its writer was told it is another one's"
            );
        } else {
            assert!(won.is_empty() && !lost, "{name} was reported stored, and is not: {tries:?}");
        }
    }
}
