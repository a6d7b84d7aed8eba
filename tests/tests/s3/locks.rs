//! Object Lock on a real server.

use crate::support::{Bucket, FAR, LONG_AGO, code, get, key, keys, put};
use backup_store::{Deletion, Lock, LockMode, ObjectRef, Prefix, PutOptions, Store, put_bytes, read_bytes};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use si_backup_tests::servers::BucketKind;
use std::time::{Duration, Instant, SystemTime};

const MODES: [LockMode; 2] = [LockMode::Governance, LockMode::Compliance];

fn soon(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now()).trunc_subsecs(0) + TimeDelta::seconds(seconds)
}

fn put_locked(store: &dyn Store, at: &str, lock: Lock) -> ObjectRef {
    let options = PutOptions { lock: Some(lock), size_hint: None };
    let version = put_bytes(store, &key(at), at.as_bytes(), &options).unwrap().meta.version;
    assert!(version.is_some());
    ObjectRef { key: key(at), version }
}

#[test]
fn a_locked_version_is_refused_with_its_time() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let store = bucket.store();
    for mode in MODES {
        let lock = Lock { mode, until: soon(86_400) };
        let name = format!("{mode:?}");
        let object = put_locked(&store, &name, lock);
        for version in [None, object.version.as_ref()] {
            assert_eq!(store.delete(&key(&name), version, soon(0)).unwrap(), Deletion::Locked(lock));
        }
        assert_eq!(get(&store, &name).unwrap(), name.as_bytes());
        // Longer, never shorter, never weaker.
        let longer = Lock { mode, until: lock.until + TimeDelta::days(1) };
        store.lock(&key(&name), None, longer).unwrap();
        store.lock(&key(&name), None, lock).unwrap();
        assert_eq!(store.lock_of(&key(&name), None).unwrap(), Some(longer));
        let sooner = Lock { mode: LockMode::Compliance, until: soon(60) };
        let kept = store.lock(&key(&name), None, sooner);
        assert_eq!(store.lock_of(&key(&name), None).unwrap(), Some(longer), "{kept:?}");
    }
    assert_eq!(bucket.versions().len(), 2, "no marker hides what is locked");
}

#[test]
fn a_batch_has_an_answer_for_each() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let store = bucket.store();
    let lock = |mode| Lock { mode, until: soon(86_400) };
    let governed = put_locked(&store, "governed", lock(MODES[0]));
    let complied = put_locked(&store, "complied", lock(MODES[1]));
    let held = ObjectRef { key: key("held"), version: put(&store, "held", b"x").unwrap().meta.version };
    bucket.admin.legal_hold(&bucket.name, "held", true);
    let free = ObjectRef { key: key("free"), version: put(&store, "free", b"x").unwrap().meta.version };
    put(&store, "unnamed", b"x").unwrap();
    let unnamed = ObjectRef { key: key("unnamed"), version: None };
    let missing = ObjectRef { key: key("missing"), version: None };
    let batch = [governed, free, complied, missing, held, unnamed];
    let answers: Vec<_> =
        store.delete_many(&batch, soon(0)).unwrap().into_iter().map(Result::unwrap).collect();
    let expected = [
        Deletion::Locked(lock(MODES[0])),
        Deletion::Deleted,
        Deletion::Locked(lock(MODES[1])),
        Deletion::Missing,
        Deletion::Held,
        Deletion::Deleted,
    ];
    let until = |answer: &Deletion| match answer {
        // The two calls of `soon` may be a few seconds apart: rounded to the hour.
        Deletion::Locked(lock) => {
            format!("{:?} for {} h", lock.mode, ((lock.until - soon(0)).num_minutes() + 30) / 60)
        }
        other => format!("{other:?}"),
    };
    let shown = |answers: &[Deletion]| answers.iter().map(until).collect::<Vec<_>>();
    assert_eq!(shown(&answers), shown(&expected));
    assert_eq!(keys(&store), ["complied", "governed", "held"]);
    assert_eq!(bucket.versions().len(), 3, "those that are deleted are gone for good");
}

#[test]
fn a_batch_of_more_than_a_request_holds() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let store = bucket.store();
    let dir = bucket.server.data().join(&bucket.name).join("many");
    std::fs::create_dir(&dir).unwrap();
    let objects: Vec<_> = (0..1_050)
        .map(|number| {
            std::fs::File::create(dir.join(number.to_string())).unwrap();
            ObjectRef { key: key(&format!("many/{number}")), version: None }
        })
        .collect();
    let answers = store.delete_many(&objects, LONG_AGO).unwrap();
    assert_eq!(answers.len(), objects.len());
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Deletion::Deleted))));
    assert_eq!(keys(&store), [""; 0]);
}

#[test]
fn a_legal_hold_is_shown_and_holds() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let store = bucket.store();
    put(&store, "a", b"x").unwrap();
    assert!(!store.is_held(&key("a"), None).unwrap());
    assert_eq!(code(store.is_held(&key("b"), None)), "object-not-found");
    bucket.admin.legal_hold(&bucket.name, "a", true);
    assert!(store.is_held(&key("a"), None).unwrap());
    assert_eq!(store.delete(&key("a"), None, FAR).unwrap(), Deletion::Held);
    assert_eq!(store.lock_of(&key("a"), None).unwrap(), None, "a hold is no lock");
    bucket.admin.legal_hold(&bucket.name, "a", false);
    assert_eq!(store.delete(&key("a"), None, FAR).unwrap(), Deletion::Deleted);
    assert_eq!(bucket.versions(), [""; 0]);
}

/// The server's clock decides, not the caller's.
#[test]
fn a_lock_ends_when_its_time_has_come() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let store = bucket.store();
    let until = soon(2);
    put_locked(&store, "a", Lock { mode: LockMode::Compliance, until });
    let began = Instant::now();
    loop {
        let now = DateTime::<Utc>::from(SystemTime::now());
        match store.delete(&key("a"), None, now) {
            Ok(Deletion::Deleted) => break,
            Ok(Deletion::Locked(lock)) => assert_eq!(lock.until, until),
            // Its time had come between the refusal and the question why.
            other => assert!(now + TimeDelta::seconds(1) >= until, "{other:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert!(DateTime::<Utc>::from(SystemTime::now()) >= until, "not a moment before");
    assert_eq!(bucket.versions(), [""; 0]);
}

/// Somebody deletes with another tool: the object is absent, its locked version is still there.
#[test]
fn a_marker_of_others_hides_and_does_not_destroy() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let store = bucket.store();
    let lock = Lock { mode: LockMode::Compliance, until: soon(86_400) };
    let object = put_locked(&store, "a/b", lock);
    bucket.admin.delete_unversioned(&bucket.name, "a/b");
    assert_eq!(code(store.head(&key("a/b"), None)), "object-not-found");
    assert_eq!(keys(&store), [""; 0]);
    assert_eq!(store.delete(&key("a/b"), None, soon(0)).unwrap(), Deletion::Missing);
    let version = object.version.as_ref();
    assert_eq!(read_bytes(&store, &key("a/b"), version, 10).unwrap(), b"a/b");
    assert_eq!(store.lock_of(&key("a/b"), version).unwrap(), Some(lock));
    assert!(!store.is_held(&key("a/b"), version).unwrap());
    let listed: Vec<_> = store.list_versions(&Prefix::all()).unwrap().map(Result::unwrap).collect();
    assert_eq!(listed.iter().map(|meta| meta.version.as_ref()).collect::<Vec<_>>(), [version]);
    assert_eq!(store.delete(&key("a/b"), version, soon(0)).unwrap(), Deletion::Locked(lock));
    // This server refuses a conditional write over a marker.
    assert_eq!(code(put(&store, "a/b", b"another")), "object-hidden");
}
