use super::{Make, code, get, key, keys, put};
use crate::{Deletion, Version, read_bytes};
use chrono::DateTime;
use std::collections::BTreeSet;

pub(super) fn missing(make: Make<'_>) {
    let store = make();
    put(&*store, "a/b/c", b"x").unwrap();
    for at in ["x", "a", "a/b", "a/b/x", "x/y/z"] {
        assert_eq!(code(store.head(&key(at), None)), "object-not-found", "{at}");
        assert_eq!(code(store.open(&key(at), None, 0)), "object-not-found", "{at}");
        assert_eq!(store.delete(&key(at), None, DateTime::UNIX_EPOCH).unwrap(), Deletion::Missing, "{at}");
    }
    let never = Version::new("never-was");
    assert_eq!(code(store.head(&key("x"), Some(&never))), "object-not-found");
    assert_eq!(store.delete(&key("x"), Some(&never), DateTime::UNIX_EPOCH).unwrap(), Deletion::Missing);
    assert_eq!(keys(&*store, "", None), ["a/b/c"]);
}

pub(super) fn incarnations(make: Make<'_>) {
    let store = make();
    let at = key("a/b");
    let mut seen = BTreeSet::new();
    let mut last = None;
    for number in 0..50 {
        let text = number.to_string();
        let version = put(&*store, "a/b", text.as_bytes()).unwrap().meta.version;
        // A store without versions names none, ever.
        let Some(version) = version else { return };
        assert!(seen.insert(version.clone()), "{version} comes twice");
        assert_eq!(store.head(&at, None).unwrap().version.as_ref(), Some(&version));
        assert_eq!(read_bytes(&*store, &at, Some(&version), 10).unwrap(), text.as_bytes());
        if let Some(last) = &last {
            assert_eq!(code(store.head(&at, Some(last))), "object-not-found");
            assert_eq!(code(store.open(&at, Some(last), 0)), "object-not-found");
            assert_eq!(store.delete(&at, Some(last), DateTime::UNIX_EPOCH).unwrap(), Deletion::Missing);
            assert_eq!(get(&*store, "a/b").unwrap(), text.as_bytes(), "another incarnation stays");
        }
        // With and without naming it.
        let named = (number % 2 == 0).then_some(&version);
        assert_eq!(store.delete(&at, named, DateTime::UNIX_EPOCH).unwrap(), Deletion::Deleted);
        assert_eq!(code(store.head(&at, None)), "object-not-found");
        assert!(keys(&*store, "", None).is_empty());
        last = Some(version);
    }
}
