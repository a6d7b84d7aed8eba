//! The promises of every store, kept by the one in S3 on each kind of server.

use crate::support::{config, fresh_name};
use backup_store::conformance::{CASES, run};
use backup_store::{S3Config, S3Store, Store};
use si_backup_tests::servers::{BucketKind, FsServer, IfNoneMatch, VersityGw};
use std::sync::atomic::{AtomicU32, Ordering};

/// Each empty store is a prefix of its own in the same bucket: what is beside it must not be seen.
fn holds(settings: &(dyn Fn(&str) -> S3Config + Sync)) {
    assert!(CASES.len() > 25);
    let count = AtomicU32::new(0);
    run(&|| {
        let prefix = format!("store/{}", count.fetch_add(1, Ordering::Relaxed));
        Box::new(S3Store::connect(settings(&prefix)).unwrap()) as Box<dyn Store>
    });
}

fn holds_on_versitygw(kind: BucketKind) {
    let Some(server) = VersityGw::shared() else { return };
    let bucket = fresh_name();
    server.admin().make_bucket(&bucket, kind);
    holds(&|prefix| config(&server.endpoint(), server.keys(), &bucket, prefix));
    assert_eq!(server.admin().uploads(&bucket), [""; 0], "no case leaves an upload");
}

#[test]
fn versitygw_without_versions() {
    holds_on_versitygw(BucketKind::Plain);
}

#[test]
fn versitygw_with_versions() {
    holds_on_versitygw(BucketKind::Versioned);
}

#[test]
fn versitygw_with_versions_and_locks() {
    holds_on_versitygw(BucketKind::Locked);
}

#[test]
fn versitygw_over_tls_with_an_authority_of_its_own() {
    let Some(server) = VersityGw::start_with_tls() else { return };
    server.admin().make_bucket("bucket", BucketKind::Locked);
    let settings = |prefix: &str| {
        let mut config = config(&server.endpoint(), server.keys(), "bucket", prefix);
        config.ca_pem = server.ca_pem().map(<[u8]>::to_vec);
        config
    };
    holds(&settings);
    // Who does not name the authority is not connected.
    let mut stranger = settings("x");
    (stranger.ca_pem, stranger.limits.attempts) = (None, 2);
    let refused = S3Store::connect(stranger).unwrap().list(&backup_store::Prefix::all(), None).err().unwrap();
    assert_eq!(refused.code(), "store-tls", "{refused}");
    // Nor is one that trusts another one's.
    let home = tempfile::tempdir().unwrap();
    let other = si_backup_tests::servers::Certificate::make(home.path()).unwrap();
    let mut misled = settings("x");
    (misled.ca_pem, misled.limits.attempts) = (Some(other.ca_pem), 2);
    let refused = S3Store::connect(misled).unwrap().list(&backup_store::Prefix::all(), None).err().unwrap();
    assert_eq!(refused.code(), "store-tls", "{refused}");
}

fn holds_on_the_small_server(if_none_match: IfNoneMatch) {
    let server = FsServer::start(if_none_match);
    server.admin().make_bucket("bucket", BucketKind::Plain);
    holds(&|prefix| config(&server.endpoint(), server.keys(), "bucket", prefix));
}

#[test]
fn a_server_without_versions_and_locks() {
    holds_on_the_small_server(IfNoneMatch::Obeyed);
}

#[test]
fn a_server_that_does_not_know_conditions() {
    holds_on_the_small_server(IfNoneMatch::Ignored);
}
