//! Random histories of a directory, held against the simplest store there is.

use crate::conformance::MemoryStore;
use crate::{DirStore, Key, Lock, LockMode, Prefix, PutOptions, Store, put_bytes, read_bytes};
use chrono::{DateTime, Utc};
use proptest::prelude::*;

/// No key is another's parent: there a directory differs from other stores.
const KEYS: [&str; 6] = ["a", "a.json", "a-b/c", "d/e/f", "d/e/f.json", "d/e.f/g"];

#[derive(Debug, Clone)]
enum Act {
    Put(Option<Lock>),
    /// Begun, and never finished.
    Drop,
    Delete(i64),
    Lock(Lock),
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn lock() -> impl Strategy<Value = Lock> {
    (any::<bool>(), 0..5_i64).prop_map(|(strong, until)| {
        let mode = if strong { LockMode::Compliance } else { LockMode::Governance };
        Lock { mode, until: at(until) }
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => proptest::option::of(lock()).prop_map(Act::Put),
        1 => Just(Act::Drop),
        3 => (0..6_i64).prop_map(Act::Delete),
        2 => lock().prop_map(Act::Lock),
    ]
}

/// What became of it, without what differs from store to store.
fn play(store: &dyn Store, key: &Key, act: &Act, number: usize) -> String {
    let bytes = number.to_string().into_bytes();
    match act {
        Act::Put(lock) => {
            let options = PutOptions { lock: *lock, size_hint: None };
            let stored =
                put_bytes(store, key, &bytes, &options).map(|stored| (stored.meta.size, stored.digest));
            format!("{:?}", stored.map_err(|error| error.code()))
        }
        Act::Drop => format!("{:?}", store.create(key, &PutOptions::default()).is_ok()),
        Act::Delete(now) => format!("{:?}", store.delete(key, None, at(*now)).map_err(|error| error.code())),
        Act::Lock(lock) => format!("{:?}", store.lock(key, None, *lock).map_err(|error| error.code())),
    }
}

/// Everything that can be seen.
fn look(store: &dyn Store) -> Vec<(Key, Vec<u8>, Option<Lock>)> {
    let all = store.list(&Prefix::all(), None).unwrap().map(Result::unwrap);
    all.map(|meta| {
        let bytes = read_bytes(store, &meta.key, meta.version.as_ref(), meta.size).unwrap();
        let lock = store.lock_of(&meta.key, meta.version.as_ref()).unwrap();
        (meta.key, bytes, lock)
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_directory_is_like_any_store(acts in proptest::collection::vec((0..KEYS.len(), act()), 1..40)) {
        let home = tempfile::tempdir().unwrap();
        let (dir, model) = (DirStore::open(home.path()).unwrap(), MemoryStore::default());
        for (number, (key, act)) in acts.iter().enumerate() {
            let key = Key::new(KEYS[*key]).unwrap();
            // An upload of a key that exists may be refused early or late.
            if matches!(act, Act::Drop) {
                play(&dir, &key, act, number);
                continue;
            }
            prop_assert_eq!(play(&dir, &key, act, number), play(&model, &key, act, number), "{:?} {}", act, key);
        }
        prop_assert_eq!(look(&dir), look(&model));
        prop_assert_eq!(dir.leftovers().unwrap(), vec![]);
    }
}
