//! Versions that others made: an S3 bucket keeps them, whatever this software itself would write.

use crate::support::{Bucket, FAR, get, key, keys, put};
use backup_store::{Deletion, Prefix, Store, read_bytes};
use si_backup_tests::servers::BucketKind;

#[test]
fn a_list_names_the_newest_version_alone() {
    let Some(bucket) = Bucket::new(BucketKind::Versioned) else { return };
    let store = bucket.store();
    let first = put(&store, "a/b", b"first").unwrap().meta.version.unwrap();
    for later in ["second", "third, and longer"] {
        bucket.admin.put(&bucket.name, "a/b", later.as_bytes());
    }
    put(&store, "a/c", b"another").unwrap();
    assert_eq!(keys(&store), ["a/b", "a/c"], "each key once");
    let newest = store.list(&Prefix::all(), None).unwrap().next().unwrap().unwrap();
    assert_eq!(newest.size, 17);
    assert_ne!(newest.version.as_ref(), Some(&first));
    assert_eq!(store.head(&key("a/b"), None).unwrap().version, newest.version);
    assert_eq!(get(&store, "a/b").unwrap(), b"third, and longer");

    let all: Vec<_> = store.list_versions(&Prefix::all()).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.iter().map(|meta| meta.key.as_str()).collect::<Vec<_>>(), ["a/b", "a/b", "a/b", "a/c"]);
    let mut read: Vec<_> =
        all.iter().map(|meta| read_bytes(&store, &meta.key, meta.version.as_ref(), 100).unwrap()).collect();
    read.sort();
    assert_eq!(read, [&b"another"[..], b"first", b"second", b"third, and longer"]);

    // By its name, any of them; the others stay.
    assert_eq!(store.delete(&key("a/b"), Some(&first), FAR).unwrap(), Deletion::Deleted);
    assert_eq!(get(&store, "a/b").unwrap(), b"third, and longer");
    assert_eq!(store.list_versions(&Prefix::all()).unwrap().count(), 3);
}
