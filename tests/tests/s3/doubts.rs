//! Answers that are not the store's word, or not its last one: what is not known is not decided.

use crate::support::{Bucket, FAR, code, get, hasty, key, noise, put};
use backup_store::{Deletion, Lock, LockMode, PutOptions, Store, put_bytes};
use si_backup_tests::servers::{Asked, BucketKind, Fault};

const fn refusal(status: u16, code: &'static str) -> Fault {
    Fault::Answer { status, code, retry_after: None }
}

/// Something in between that does not reach the store answers 404, as for what is not there.
#[test]
fn a_404_of_somebody_else_is_not_absence() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    put(&store, "x", b"there").unwrap();
    let about_x = |asked: &Asked| asked.path.ends_with("/x");
    proxy.plan(move |asked| if about_x(asked) { refusal(404, "NotFound") } else { Fault::None });
    for asked in [code(store.head(&key("x"), None)), code(get(&store, "x"))] {
        assert_eq!(asked, "store-refused");
    }
    assert_eq!(code(store.delete(&key("x"), None, FAR)), "store-refused");
    // Also where only the deletion itself meets it.
    for (status, word) in [(404, "NotFound"), (405, "MethodNotAllowed"), (400, "InvalidArgument")] {
        proxy.plan(move |asked| {
            if about_x(asked) && asked.method == "DELETE" { refusal(status, word) } else { Fault::None }
        });
        assert_eq!(code(store.delete(&key("x"), None, FAR)), "store-refused", "{word}");
    }
    proxy.clear();
    assert_eq!(get(&store, "x").unwrap(), b"there");
    assert_eq!(store.delete(&key("x"), None, FAR).unwrap(), Deletion::Deleted);
    assert_eq!(code(store.head(&key("x"), None)), "object-not-found");
}

/// That a bucket has no locks is believed in the store's own words alone, and what was doubtful is asked again.
#[test]
fn a_refusal_is_not_the_absence_of_locks() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    put(&store, "x", b"held").unwrap();
    bucket.admin.legal_hold(&bucket.name, "x", true);
    proxy.plan(
        |asked| if asked.query.contains("object-lock") { refusal(404, "NotFound") } else { Fault::None },
    );
    assert_eq!(code(store.is_held(&key("x"), None)), "store-refused");
    proxy.clear();
    assert!(store.is_held(&key("x"), None).unwrap());
}

/// There are stores that destroy an object when its upload is given up after it was completed.
#[test]
fn what_may_be_completed_is_never_given_up() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    put(&store, "warm", b"so that the bucket is known").unwrap();
    let bytes = noise(1, 11 << 20);
    let mut is_done = false;
    // The answer is lost, and from then on nobody can look.
    proxy.plan(move |asked| {
        let completes =
            asked.method == "POST" && asked.query.contains("uploadId") && asked.path.ends_with("/x");
        is_done |= completes;
        match asked.method.as_str() {
            _ if completes => Fault::LostAnswer,
            "HEAD" | "GET" if is_done && asked.path.ends_with("/x") => refusal(500, "InternalError"),
            _ => Fault::None,
        }
    });
    assert_eq!(code(put(&store, "x", &bytes)), "outcome-unknown");
    let gives_up = |asked: &Asked| asked.method == "DELETE" && asked.path.ends_with("/x");
    assert!(!proxy.asked().iter().any(gives_up), "it was there by then");
    proxy.clear();
    assert!(get(&store, "x").unwrap() == bytes);
}

/// A store that forgets the lock of an upload is found out before the upload is called done.
#[test]
fn a_lock_that_was_asked_for_is_read_back() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    let until = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let lock = Lock { mode: LockMode::Compliance, until };
    let options = PutOptions { lock: Some(lock), size_hint: None };
    for (name, size) in [("a", 10), ("b", 11 << 20)] {
        put_bytes(&store, &key(name), &noise(2, size), &options).unwrap();
        let reads =
            |asked: &Asked| asked.query.contains("retention") && asked.path.ends_with(&format!("/{name}"));
        assert!(proxy.asked().iter().any(reads), "{name}");
        assert!(store.lock_of(&key(name), None).unwrap().unwrap().until >= until);
    }
    proxy.plan(|asked| match (asked.method.as_str(), asked.query.contains("retention")) {
        ("GET", true) => refusal(404, "NoSuchObjectLockConfiguration"),
        _ => Fault::None,
    });
    assert_eq!(code(put_bytes(&store, &key("c"), b"x", &options)), "store-answer");
}
