//! The store inside of programs that have a tokio runtime of their own.

use crate::support::{config, get, keys, noise, put};
use backup_store::{S3Store, Store as _};
use si_backup_tests::servers::{BucketKind, FsServer, IfNoneMatch};
use std::io::Write as _;
use tokio::runtime::Builder;

/// Everything, begun and dropped where no one may block a runtime that is tokio's own.
fn use_it(server: &FsServer, prefix: &str) {
    let store = S3Store::connect(config(&server.endpoint(), server.keys(), "bucket", prefix)).unwrap();
    let big = noise(1, 6 << 20);
    put(&store, "a/small", b"x").unwrap();
    put(&store, "a/big", &big).unwrap();
    assert_eq!(keys(&store), ["a/big", "a/small"]);
    assert!(get(&store, "a/big").unwrap() == big);
    let mut begun = store.create(&crate::support::key("b"), &backup_store::PutOptions::default()).unwrap();
    begun.write_all(&big).unwrap();
    // Dropped in here: unfinished, and then the store itself.
}

#[test]
fn a_runtime_of_many_threads_and_one_of_one_thread() {
    let server = FsServer::start(IfNoneMatch::Obeyed);
    server.admin().make_bucket("bucket", BucketKind::Plain);
    let many = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    many.block_on(async {
        use_it(&server, "many");
    });
    let server = std::sync::Arc::new(server);
    let handed = std::sync::Arc::clone(&server);
    many.block_on(many.spawn(async move { use_it(&handed, "spawned") })).unwrap();
    let handed = std::sync::Arc::clone(&server);
    many.block_on(
        async move { tokio::task::spawn_blocking(move || use_it(&handed, "blocking")).await.unwrap() },
    );
    let one = Builder::new_current_thread().build().unwrap();
    one.block_on(async { use_it(&server, "one") });
    use_it(&server, "none");
}
