use super::{Make, code, get, key, keys, put};
use crate::{Deletion, ObjectRef, Version, read_bytes};
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

/// Many at once, some of them twice, some of them not there.
pub(super) fn batches(make: Make<'_>) {
    let store = make();
    let names: Vec<_> = (0..25).map(|number| format!("many/{number:02}")).collect();
    let mut objects = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let version = put(&*store, name, b"x").unwrap().meta.version;
        objects.push(ObjectRef { key: key(name), version: version.filter(|_| number % 2 == 0) });
    }
    let kept = objects.split_off(20);
    objects.push(ObjectRef { key: key("not/there"), version: None });
    let answers = store.delete_many(&objects, DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(answers.len(), objects.len());
    for (object, answer) in objects.iter().zip(&answers) {
        let answer = answer.as_ref().unwrap();
        let was_not_there = object.key.as_str() == "not/there" && *answer == Deletion::Missing;
        assert!(was_not_there || *answer == Deletion::Deleted, "{object:?}: {answer:?}");
    }
    let left: Vec<_> = kept.iter().map(|object| object.key.to_string()).collect();
    assert_eq!(keys(&*store, "", None), left);
    let versions = store.list_versions(&crate::Prefix::all()).unwrap();
    assert_eq!(versions.count(), left.len(), "for good, not only hidden");
    assert!(store.delete_many(&[], DateTime::UNIX_EPOCH).unwrap().is_empty());
    assert!(!store.is_held(&key(&left[0]), None).unwrap());
    assert_eq!(code(store.is_held(&key("not/there"), None)), "object-not-found");
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
