//! The servers and the proxy of the S3 tests do what they say: shown with the SDK alone.

use si_backup_tests::servers::{Admin, BucketKind, Fault, FsServer, IfNoneMatch, Proxy, VersityGw};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[test]
fn versitygw_keeps_versions_where_they_are_wanted() {
    let Some(server) = VersityGw::start() else { return };
    let admin = server.admin();
    for (name, kind, versions) in [
        ("plain", BucketKind::Plain, 1),
        ("versioned", BucketKind::Versioned, 3),
        ("locked", BucketKind::Locked, 3),
    ] {
        admin.make_bucket(name, kind);
        admin.put(name, "a/b", b"one");
        admin.put(name, "a/b", b"two");
        assert_eq!(admin.get(name, "a/b").unwrap(), b"two");
        if kind != BucketKind::Plain {
            admin.delete_unversioned(name, "a/b");
            assert_eq!(admin.get(name, "a/b"), None);
        }
        let rows = admin.versions(name, "");
        assert_eq!(rows.len(), versions, "{rows:?}");
        assert_eq!(rows.iter().filter(|row| row.is_marker).count(), versions / 3);
    }
    admin.begin_upload("plain", "c", b"part");
    assert_eq!(admin.uploads("plain"), ["c"]);
    assert_eq!(admin.keys("plain", ""), ["a/b"]);
}

#[test]
fn versitygw_ends_with_its_value_and_speaks_tls() {
    let Some(server) = VersityGw::start_with_tls() else { return };
    server.admin().make_bucket("bucket", BucketKind::Plain);
    server.admin().put("bucket", "a", b"over TLS");
    assert_eq!(server.admin().get("bucket", "a").unwrap(), b"over TLS");
    let (address, data) = (server.address(), server.data());
    drop(server);
    assert!(std::net::TcpStream::connect(address).is_err());
    assert!(!data.exists());
}

#[test]
fn the_small_server_can_forget_a_condition() {
    let server = FsServer::start(IfNoneMatch::Obeyed);
    server.admin().make_bucket("bucket", BucketKind::Plain);
    server.admin().put("bucket", "a/b", b"bytes");
    assert_eq!(server.admin().get("bucket", "a/b").unwrap(), b"bytes");
    assert_eq!(server.admin().keys("bucket", "a/"), ["a/b"]);
    assert_eq!(server.admin().get("bucket", "a"), None);
}

/// Each fault as a client meets it that tries only once: whether it sees an error, and whether the server has the object.
#[test]
fn faults_are_what_they_are_called() {
    let server = FsServer::start(IfNoneMatch::Obeyed);
    let truth = server.admin();
    truth.make_bucket("bucket", BucketKind::Plain);
    let proxy = Proxy::before(server.address());
    let once = Admin::at(&proxy.endpoint(), server.keys(), None).trying_once(Duration::from_millis(300));
    let bytes = vec![b'x'; 100_000];
    let pause = Duration::from_millis(5);
    for (number, (fault, fails, done)) in [
        (Fault::None, false, true),
        (Fault::Answer { status: 503, code: "SlowDown", retry_after: Some(1) }, true, false),
        (Fault::Reset, true, false),
        (Fault::LostAnswer, true, true),
        (Fault::Stall, true, false),
        (Fault::StallAfter, true, true),
        (Fault::CutRequest(50), true, false),
        (Fault::SlowAnswer(pause), false, true),
        (Fault::SentTwice, false, true),
        (Fault::AnsweredTwice, false, true),
        (Fault::FlipRequest(500), true, false),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("put/{number}");
        proxy.once(fault, |asked| asked.method == "PUT");
        let put = catch_unwind(AssertUnwindSafe(|| once.put("bucket", &key, &bytes)));
        assert_eq!(put.is_err(), fails, "{fault:?}");
        assert_eq!(truth.get("bucket", &key).is_some(), done, "{fault:?}");
    }
    truth.put("bucket", "get", &bytes);
    for (fault, fails) in [
        (Fault::CutAnswer(50), true),
        (Fault::StallAnswer(50), true),
        (Fault::SlowAnswer(pause), false),
        (Fault::AnsweredTwice, false),
        (Fault::SentTwice, false),
    ] {
        proxy.once(fault, si_backup_tests::servers::Asked::reads_object);
        let got = catch_unwind(AssertUnwindSafe(|| once.get("bucket", "get")));
        assert_eq!(got.as_ref().is_err(), fails, "{fault:?}");
        if let Ok(got) = got {
            assert_eq!(got.unwrap(), bytes, "{fault:?}");
        }
    }
    let asked = proxy.asked();
    assert_eq!(asked.iter().filter(|asked| asked.fault != Fault::None).count(), 15);
    assert!(asked.iter().all(|asked| asked.path.starts_with("/bucket/")));
}
