//! How often something is tried, for how long, and what is not tried again at all.

use crate::support::{Bucket, code, get, hasty, keys, put};
use backup_store::s3::S3Limits;
use backup_store::{Prefix, S3Store, Store};
use si_backup_tests::servers::{BucketKind, Fault, Proxy};
use std::time::{Duration, Instant};

const fn answer(status: u16, code: &'static str) -> Fault {
    Fault::Answer { status, code, retry_after: None }
}

/// A store that has been used: what it asks once about its bucket is asked.
fn used(bucket: &Bucket, proxy: &Proxy, limits: S3Limits) -> S3Store {
    let store = bucket.behind(proxy, limits);
    // Perhaps another one has.
    let _ = put(&store, "warm", b"x");
    get(&store, "warm").unwrap();
    proxy.asked();
    store
}

#[test]
fn what_cannot_succeed_is_asked_once_and_named() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = used(&bucket, &proxy, hasty());
    for (status, said, expected) in [
        (403, "AccessDenied", "store-denied"),
        (403, "RequestTimeTooSkewed", "clock-skew"),
        (403, "SignatureDoesNotMatch", "store-credentials"),
        (403, "InvalidAccessKeyId", "store-credentials"),
        (404, "NoSuchBucket", "bucket-missing"),
        (404, "NoSuchKey", "object-not-found"),
        (400, "InvalidArgument", "store-refused"),
        (301, "PermanentRedirect", "wrong-region"),
    ] {
        proxy.plan(move |_| answer(status, said));
        let refused = get(&store, "warm").unwrap_err();
        assert_eq!(refused.code(), expected, "{said}: {refused}");
        assert!(expected == "object-not-found" || refused.hint().is_some(), "{said}");
        assert_eq!(proxy.asked().len(), 1, "{said}: asked once");
    }
}

#[test]
fn what_may_succeed_is_asked_again_and_not_for_ever() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    // On a busy machine an answer may take its time; only silence is to be taken for silence.
    let (patient, impatient) = (
        used(&bucket, &proxy, S3Limits { call: Duration::from_secs(20), ..hasty() }),
        used(&bucket, &proxy, hasty()),
    );
    for (fault, expected) in [
        (answer(500, "InternalError"), "store-failed"),
        (answer(503, "SlowDown"), "store-throttled"),
        (Fault::Reset, "store-unreachable"),
        (Fault::Stall, "store-timeout"),
    ] {
        let store = if fault == Fault::Stall { &impatient } else { &patient };
        // Once is no matter.
        proxy.once(fault, |_| true);
        assert_eq!(get(store, "warm").unwrap(), b"x", "{fault:?}");
        assert_eq!(proxy.asked().len(), 2, "{fault:?}");
        let began = Instant::now();
        proxy.plan(move |_| fault);
        assert_eq!(code(get(store, "warm")), expected, "{fault:?}");
        let (asked, took) = (proxy.asked().len(), began.elapsed());
        assert!((2..=5).contains(&asked), "{fault:?} was asked {asked} times");
        assert!(took < Duration::from_secs(6), "{fault:?} took {took:?}");
    }
    drop(proxy);
    assert_eq!(code(get(&patient, "warm")), "store-unreachable", "nobody listens any more");
}

#[test]
fn the_budget_ends_what_attempts_do_not() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let limits = S3Limits { attempts: 1_000, retry_budget: Duration::from_millis(700), ..hasty() };
    let store = used(&bucket, &proxy, limits);
    proxy.plan(|_| answer(500, "InternalError"));
    let began = Instant::now();
    assert_eq!(code(get(&store, "warm")), "store-failed");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(proxy.asked().len() > 1);
}

#[test]
fn a_store_that_asks_for_time_gets_it() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = used(&bucket, &proxy, hasty());
    proxy.once(Fault::Answer { status: 503, code: "SlowDown", retry_after: Some(1) }, |_| true);
    assert_eq!(keys(&store), ["warm"]);
    let asked = proxy.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].at.checked_sub(asked[0].at).unwrap() >= Duration::from_secs(1), "{asked:?}");
}

/// All requests of a store slow down together when one of them is asked to.
#[test]
fn one_that_is_throttled_slows_the_others() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = used(&bucket, &proxy, hasty());
    proxy.once(Fault::Answer { status: 503, code: "SlowDown", retry_after: Some(1) }, |asked| {
        asked.query.contains("list-type")
    });
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| keys(&store));
        while !proxy.has_asked(|asked| asked.query.contains("list-type")) {
            std::thread::yield_now();
        }
        // Its answer is on its way back.
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(get(&store, "warm").unwrap(), b"x");
        listing.join().unwrap();
    });
    let asked = proxy.asked();
    assert!(asked[1].at.checked_sub(asked[0].at).unwrap() >= Duration::from_millis(900), "{asked:?}");
}

#[test]
fn a_stalled_upload_has_an_end() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = used(&bucket, &proxy, S3Limits { attempts: 2, ..hasty() });
    proxy.plan(|asked| if asked.method == "PUT" { Fault::Stall } else { Fault::None });
    let began = Instant::now();
    let refused = put(&store, "x", &vec![7; 100_000]).unwrap_err();
    assert!(["outcome-unknown", "store-timeout"].contains(&refused.code()), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    proxy.clear();
    assert_eq!(store.list(&Prefix::all(), None).unwrap().count(), 1);
}
