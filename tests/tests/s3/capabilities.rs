//! What a bucket can do is found out, not believed.

use crate::support::{Bucket, config, put};
use backup_store::{LockKeeper, LockMode, S3Store, Store, Transport, WriteOnceKeeper};
use si_backup_tests::servers::{BucketKind, FsServer, IfNoneMatch};

#[test]
fn of_each_kind_of_bucket() {
    for (kind, versioning, locks) in [
        (BucketKind::Plain, false, LockKeeper::Nobody),
        (BucketKind::Versioned, true, LockKeeper::Nobody),
        (BucketKind::Locked, true, LockKeeper::Server),
    ] {
        let Some(bucket) = Bucket::new(kind) else { return };
        let found = bucket.store().capabilities().unwrap();
        assert_eq!((found.versioning, found.locks), (versioning, locks), "{kind:?}");
        assert_eq!(found.write_once, WriteOnceKeeper::Store, "{kind:?}");
        assert_eq!(found.default_retention, None);
        assert_eq!(found.transport, Transport::Local);
        assert_eq!(bucket.versions(), [""; 0], "asking leaves nothing that anybody lists");
    }
}

#[test]
fn a_default_retention_is_found() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    bucket.admin.lock_by_default(&bucket.name, 3);
    let found = bucket.store().capabilities().unwrap().default_retention.unwrap();
    assert_eq!((found.mode, found.days), (LockMode::Governance, 3));
}

#[test]
fn conditional_writes_are_tried_and_not_believed() {
    for (if_none_match, keeper) in
        [(IfNoneMatch::Obeyed, WriteOnceKeeper::Store), (IfNoneMatch::Ignored, WriteOnceKeeper::HeadCheck)]
    {
        let server = FsServer::start(if_none_match);
        server.admin().make_bucket("bucket", BucketKind::Plain);
        let store = S3Store::connect(config(&server.endpoint(), server.keys(), "bucket", "a")).unwrap();
        let found = store.capabilities().unwrap();
        assert_eq!((found.write_once, found.locks), (keeper, LockKeeper::Nobody));
        put(&store, "x", b"first").unwrap();
        assert_eq!(put(&store, "x", b"second").unwrap_err().code(), "object-exists");
        assert_eq!(server.admin().get("bucket", "a/x").unwrap(), b"first");
    }
}
