use super::{Make, keys, put};
use crate::Prefix;

/// Keys whose order a walk over directories would get wrong: `-` and `.` come before `/`, `0` and letters after it.
const KEYS: &[&str] = &[
    "a!",
    "a-b",
    "a-b/c",
    "a.json",
    "a/b",
    "a/b-c",
    "a/b.d/e",
    "a/b0/x",
    "a0",
    "a0/b",
    "aa",
    "b/c/d/e/f",
    "b/c/d/e.f",
    "b/c/d-e/f",
    "b0",
    "state/default/x",
    "state/default-2/x",
    "state/default.old",
    "ä/ö",
];

fn sorted() -> Vec<&'static str> {
    // What one directory can hold at the same time: no key is another's parent.
    let mut keys: Vec<_> = KEYS
        .iter()
        .filter(|key| !KEYS.iter().any(|other| other.starts_with(&format!("{key}/"))))
        .copied()
        .collect();
    keys.sort_unstable();
    keys
}

pub(super) fn order(make: Make<'_>) {
    let store = make();
    assert!(keys(&*store, "", None).is_empty());
    let sorted = sorted();
    for at in sorted.iter().rev() {
        put(&*store, at, b"x").unwrap();
    }
    assert_eq!(keys(&*store, "", None), sorted);
    let versions = store.list_versions(&Prefix::all()).unwrap();
    assert_eq!(versions.map(|meta| meta.unwrap().key.to_string()).collect::<Vec<_>>(), sorted);
    for (place, after) in sorted.iter().enumerate() {
        assert_eq!(keys(&*store, "", Some(after)), sorted[place + 1..], "after {after}");
    }
    // Also after keys that do not exist, whatever part of the tree they would be in.
    for after in [
        "0",
        "a",
        "a/",
        "a/b/x",
        "a-b/c/d",
        "a.",
        "b/c",
        "b/c/d/e",
        "b/c/d/e/z",
        "c",
        "state/default",
        "~",
        "ü",
    ] {
        let after = after.trim_end_matches('/');
        let expected: Vec<_> = sorted.iter().filter(|key| **key > after).copied().collect();
        assert_eq!(keys(&*store, "", Some(after)), expected, "after {after}");
    }
}

pub(super) fn prefixes(make: Make<'_>) {
    let store = make();
    let sorted = sorted();
    for at in &sorted {
        put(&*store, at, b"x").unwrap();
    }
    for prefix in
        ["a", "a/b", "a/b-c", "aa", "b", "b/c/d", "state", "state/default", "state/defaul", "nowhere/at/all"]
    {
        let expected: Vec<_> =
            sorted.iter().filter(|key| key.starts_with(&format!("{prefix}/"))).copied().collect();
        assert_eq!(keys(&*store, prefix, None), expected, "{prefix}");
        for after in ["a/b-c", "b/c/d-e/f", "a", "zzz", "state/default"] {
            let expected: Vec<_> = expected.iter().filter(|key| **key > after).copied().collect();
            assert_eq!(keys(&*store, prefix, Some(after)), expected, "{prefix} after {after}");
        }
    }
}

/// More than the thousand that S3 lists at once.
pub(super) fn pages(make: Make<'_>) {
    const COUNT: usize = 1_100;
    let store = make();
    std::thread::scope(|scope| {
        for writer in 0..10 {
            let store = &*store;
            scope.spawn(move || {
                for number in (writer..COUNT).step_by(10) {
                    put(store, &format!("many/{number:04}"), b"x").unwrap();
                }
            });
        }
    });
    let expected: Vec<_> = (0..COUNT).map(|number| format!("many/{number:04}")).collect();
    assert_eq!(keys(&*store, "many", None), expected);
    assert_eq!(keys(&*store, "", Some("many/0999")), expected[1000..]);
    // An iterator that is dropped early is fine.
    let first = store.list(&Prefix::all(), None).unwrap().take(3).map(|meta| meta.unwrap().key.to_string());
    assert_eq!(first.collect::<Vec<_>>(), expected[..3]);
}
