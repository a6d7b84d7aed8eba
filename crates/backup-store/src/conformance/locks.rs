use super::{Make, code, get, key, put};
use crate::{Deletion, Lock, LockKeeper, LockMode, ObjectRef, PutOptions, Store, WriteOnceKeeper, put_bytes};
use chrono::{DateTime, Utc};

/// Far enough that a server whose clock nobody turns keeps such a lock.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(4_000_000_000 + seconds, 0).unwrap()
}

fn lock(mode: LockMode, until: i64) -> Lock {
    Lock { mode, until: at(until) }
}

/// Who keeps the locks; where nobody does, asking for one must be refused.
fn keeper(store: &dyn Store) -> LockKeeper {
    let keeper = store.capabilities().unwrap().locks;
    if keeper == LockKeeper::Nobody {
        put(store, "a", b"x").unwrap();
        assert_eq!(code(store.lock(&key("a"), None, lock(LockMode::Governance, 0))), "store-unsupported");
    }
    keeper
}

pub(super) fn hold(make: Make<'_>) {
    let store = make();
    let keeper = keeper(&*store);
    if keeper == LockKeeper::Nobody {
        return;
    }
    for (name, mode) in [("g/x", LockMode::Governance), ("c/x", LockMode::Compliance)] {
        let (name, lock) = (key(name), lock(mode, 100));
        let options = PutOptions { lock: Some(lock), size_hint: None };
        let version = put_bytes(&*store, &name, b"kept", &options).unwrap().meta.version;
        assert_eq!(store.lock_of(&name, None).unwrap(), Some(lock));
        assert_eq!(store.lock_of(&name, version.as_ref()).unwrap(), Some(lock));
        for version in [None, version.as_ref()] {
            assert_eq!(store.delete(&name, version, at(0)).unwrap(), Deletion::Locked(lock));
            assert_eq!(store.delete(&name, version, at(99)).unwrap(), Deletion::Locked(lock));
        }
        assert_eq!(get(&*store, name.as_str()).unwrap(), b"kept");
        if keeper == LockKeeper::Client {
            assert_eq!(store.delete(&name, None, at(100)).unwrap(), Deletion::Deleted, "its time is over");
            assert_eq!(code(store.lock_of(&name, None)), "object-not-found");
        }
    }
}

pub(super) fn grow(make: Make<'_>) {
    use LockMode::{Compliance, Governance};
    let store = make();
    let keeper = keeper(&*store);
    if keeper == LockKeeper::Nobody {
        return;
    }
    let (first, second) = (key("a/b"), key("a/c"));
    put(&*store, "a/b", b"x").unwrap();
    assert_eq!(store.lock_of(&first, None).unwrap(), None);
    asks(&*store, &first, lock(Governance, 100), Some(lock(Governance, 100)));
    asks(&*store, &first, lock(Governance, 50), Some(lock(Governance, 100)));
    asks(&*store, &first, lock(Governance, 200), Some(lock(Governance, 200)));
    asks(&*store, &first, lock(Compliance, 150), None);
    // A server may want a bypass of the weaker lock for the stronger one, and no lock is ever bypassed.
    let stronger = store.lock(&first, None, lock(Compliance, 200));
    if keeper == LockKeeper::Server && stronger.is_err() {
        assert_eq!(code(stronger), "object-locked");
        assert_eq!(store.lock_of(&first, None).unwrap(), Some(lock(Governance, 200)));
    } else {
        stronger.unwrap();
        assert_eq!(store.lock_of(&first, None).unwrap(), Some(lock(Compliance, 200)));
    }
    let options = PutOptions { lock: Some(lock(Compliance, 200)), size_hint: None };
    put_bytes(&*store, &second, b"x", &options).unwrap();
    asks(&*store, &second, lock(Governance, 100), Some(lock(Compliance, 200)));
    asks(&*store, &second, lock(Governance, 300), None);
    asks(&*store, &second, lock(Compliance, 300), Some(lock(Compliance, 300)));
    assert_eq!(store.delete(&second, None, at(299)).unwrap(), Deletion::Locked(lock(Compliance, 300)));
}

/// Asks for a lock, and compares what is then held; `None` where that must be refused.
fn asks(store: &dyn Store, name: &crate::Key, asked: Lock, then: Option<Lock>) {
    let before = store.lock_of(name, None).unwrap();
    let done = store.lock(name, None, asked);
    match then {
        Some(_) => done.unwrap(),
        None => assert_eq!(code(done), "object-locked", "{asked:?} over {before:?}"),
    }
    assert_eq!(store.lock_of(name, None).unwrap(), then.or(before), "{asked:?}");
}

pub(super) fn batch(make: Make<'_>) {
    let store = make();
    if keeper(&*store) == LockKeeper::Nobody {
        return;
    }
    let held = lock(LockMode::Governance, 100);
    let mut objects = Vec::new();
    for number in 0..10 {
        let name = key(&format!("a/{number}"));
        let options = PutOptions { lock: (number % 3 == 0).then_some(held), size_hint: None };
        let version = put_bytes(&*store, &name, b"x", &options).unwrap().meta.version;
        objects.push(ObjectRef { key: name, version });
    }
    for (number, answer) in store.delete_many(&objects, at(0)).unwrap().into_iter().enumerate() {
        let expected = if number % 3 == 0 { Deletion::Locked(held) } else { Deletion::Deleted };
        assert_eq!(answer.unwrap(), expected, "a/{number}");
    }
    assert_eq!(super::keys(&*store, "", None), ["a/0", "a/3", "a/6", "a/9"]);
}

pub(super) fn belong(make: Make<'_>) {
    let store = make();
    let keeper = keeper(&*store);
    if keeper == LockKeeper::Nobody {
        return;
    }
    let held = lock(LockMode::Governance, 100);
    assert_eq!(code(store.lock(&key("not/there"), None, held)), "object-not-found");
    assert_eq!(code(store.lock_of(&key("not/there"), None)), "object-not-found");

    // Whoever fails to write a key does not lock what another one wrote there.
    put(&*store, "a", b"x").unwrap();
    let late = store.create(&key("b"), &PutOptions { lock: Some(held), size_hint: None }).unwrap();
    put(&*store, "b", b"x").unwrap();
    assert_eq!(code(late.finish()), "object-exists");
    let options = PutOptions { lock: Some(held), size_hint: None };
    assert_eq!(code(put_bytes(&*store, &key("a"), b"y", &options)), "object-exists");
    for name in ["a", "b"] {
        assert_eq!(store.lock_of(&key(name), None).unwrap(), None, "{name}");
        assert_eq!(store.delete(&key(name), None, at(0)).unwrap(), Deletion::Deleted, "{name}");
    }

    // Neither is a later incarnation locked by what held an earlier one.
    if keeper == LockKeeper::Client {
        put_bytes(&*store, &key("c"), b"x", &options).unwrap();
        let old = store.head(&key("c"), None).unwrap().version;
        assert_eq!(store.delete(&key("c"), None, at(100)).unwrap(), Deletion::Deleted);
        put(&*store, "c", b"y").unwrap();
        assert_eq!(store.lock_of(&key("c"), None).unwrap(), None);
        if old.is_some() {
            assert_eq!(code(store.lock(&key("c"), old.as_ref(), held)), "object-not-found");
        }
        assert_eq!(store.delete(&key("c"), None, at(0)).unwrap(), Deletion::Deleted);
    }
}

/// Of writers who race, each with its own lock or none, the winner's is the one that holds.
pub(super) fn race(make: Make<'_>) {
    let store = make();
    let by_store = store.capabilities().unwrap().write_once == WriteOnceKeeper::Store;
    if keeper(&*store) == LockKeeper::Nobody || !by_store {
        return;
    }
    for round in 0..20 {
        let name = key(&format!("race/{round}"));
        let start = std::sync::Barrier::new(6);
        let won: Vec<Option<Lock>> = std::thread::scope(|scope| {
            let writer = |number: i64| {
                let (store, name, start) = (&*store, &name, &start);
                scope.spawn(move || {
                    // In every other round some have none.
                    let lock = (round % 2 == 0 || number % 3 > 0).then(|| lock(LockMode::Governance, number));
                    let upload = store.create(name, &PutOptions { lock, size_hint: None }).unwrap();
                    start.wait();
                    upload.finish().map(|_| lock)
                })
            };
            let writers: Vec<_> = (0..6).map(writer).collect();
            writers.into_iter().filter_map(|writer| writer.join().unwrap().ok()).collect()
        });
        assert_eq!(won.len(), 1);
        assert_eq!(store.lock_of(&name, None).unwrap(), won[0]);
    }
}
