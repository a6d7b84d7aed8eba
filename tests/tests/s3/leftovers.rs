//! What writers that died have left behind, and nothing else, is listed and swept by its age.

use crate::support::{Bucket, FAR, LONG_AGO, config, fresh_name, key, noise, put};
use backup_store::{PutOptions, S3Store, Store};
use si_backup_tests::servers::BucketKind;

#[test]
fn parts_without_an_end_are_swept() {
    for kind in [BucketKind::Plain, BucketKind::Locked] {
        let Some(bucket) = Bucket::new(kind) else { return };
        let mine = config(&bucket.server.endpoint(), bucket.server.keys(), &bucket.name, "mine");
        let store = S3Store::connect(mine).unwrap();
        put(&store, "a/done", b"x").unwrap();
        bucket.admin.begin_upload(&bucket.name, "mine/a/b", &noise(1, 300_000));
        bucket.admin.begin_upload(&bucket.name, "others/a/b", b"not below this store");
        let left = store.leftovers().unwrap();
        assert_eq!(left.iter().map(|left| left.bytes).collect::<Vec<_>>(), [300_000], "{left:?}");
        assert!(left[0].name.contains("a/b"), "{left:?}");
        assert_eq!(store.sweep(LONG_AGO).unwrap(), []);
        assert_eq!(store.sweep(left[0].modified).unwrap(), [], "it is not older than that");
        assert_eq!(store.sweep(FAR).unwrap(), left);
        assert_eq!(store.leftovers().unwrap(), []);
        assert_eq!(bucket.admin.uploads(&bucket.name), ["others/a/b"], "{kind:?}");
        assert_eq!(bucket.versions(), ["mine/a/done"]);
    }
}

/// A sweep takes the parts away from a writer that is slower than anybody thought: it must not claim success.
#[test]
fn whoever_is_swept_away_does_not_claim_success() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let store = bucket.store();
    let name = fresh_name();
    let mut upload = store.create(&key(&name), &PutOptions::default()).unwrap();
    upload.write_all(&noise(1, 20 << 20)).unwrap();
    let swept = store.sweep(FAR).unwrap();
    assert_eq!(swept.len(), 1);
    let failed = upload.finish().unwrap_err();
    assert_eq!(bucket.versions(), [""; 0], "{failed}");
    assert!(failed.code() != "object-exists", "{failed}");
    put(&store, &name, b"the key is free").unwrap();
}
