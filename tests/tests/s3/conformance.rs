//! The promises of every store, kept by the one in S3 on each kind of server.

use crate::support::{config, fresh_name};
use backup_store::conformance::CASES;
use backup_store::{S3Config, S3Store, Store};
use si_backup_tests::servers::{Admin, BucketKind, FsServer, IfNoneMatch, VersityGw};
use std::sync::Mutex;

/// A case that the small server cannot pass: it keeps what it knows of an object in a file with a longer name than its key.
const LONG_NAMES: &str = "every key that is accepted can be written";

/// Each empty store is a bucket of its own.
fn holds(
    admin: &Admin,
    kind: BucketKind,
    except: Option<&str>,
    settings: &(dyn Fn(&str) -> S3Config + Sync),
) {
    let cases: Vec<_> = CASES.iter().filter(|case| Some(case.name) != except).collect();
    assert!(cases.len() > 25 && cases.len() == CASES.len() - usize::from(except.is_some()));
    let buckets = Mutex::new(Vec::new());
    for case in cases {
        case.run(&|| {
            let bucket = fresh_name();
            admin.make_bucket(&bucket, kind);
            let store = S3Store::connect(settings(&bucket)).unwrap();
            buckets.lock().unwrap().push(bucket);
            Box::new(store)
        });
    }
    if except.is_none() {
        for bucket in buckets.into_inner().unwrap() {
            assert_eq!(admin.uploads(&bucket), [""; 0], "no case leaves an upload");
        }
    }
}

fn holds_on_versitygw(kind: BucketKind) {
    let Some(server) = VersityGw::shared() else { return };
    holds(&server.admin(), kind, None, &|bucket| config(&server.endpoint(), server.keys(), bucket, ""));
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
    let settings = |bucket: &str| {
        let mut config = config(&server.endpoint(), server.keys(), bucket, "");
        config.ca_pem = server.ca_pem().map(<[u8]>::to_vec);
        config
    };
    holds(&server.admin(), BucketKind::Locked, None, &settings);
    // Who does not name the authority is not connected.
    let mut stranger = settings("bucket");
    (stranger.ca_pem, stranger.limits.attempts) = (None, 2);
    let refused = S3Store::connect(stranger).unwrap().list(&backup_store::Prefix::all(), None).err().unwrap();
    assert_eq!(refused.code(), "store-tls", "{refused}");
    // Nor is one that trusts another one's.
    let home = tempfile::tempdir().unwrap();
    let other = si_backup_tests::servers::Certificate::make(home.path()).unwrap();
    let mut misled = settings("bucket");
    (misled.ca_pem, misled.limits.attempts) = (Some(other.ca_pem), 2);
    let refused = S3Store::connect(misled).unwrap().list(&backup_store::Prefix::all(), None).err().unwrap();
    assert_eq!(refused.code(), "store-tls", "{refused}");
}

fn holds_on_the_small_server(if_none_match: IfNoneMatch) {
    let server = FsServer::start(if_none_match);
    let settings = |bucket: &str| config(&server.endpoint(), server.keys(), bucket, "");
    holds(&server.admin(), BucketKind::Plain, Some(LONG_NAMES), &settings);
}

#[test]
fn a_server_without_versions_and_locks() {
    holds_on_the_small_server(IfNoneMatch::Obeyed);
}

#[test]
fn a_server_that_does_not_know_conditions() {
    holds_on_the_small_server(IfNoneMatch::Ignored);
}
