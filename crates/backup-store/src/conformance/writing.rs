use super::{Make, code, get, key, keys, put};
use crate::{Key, PutOptions, WriteOnceKeeper};
use chrono::DateTime;
use std::io::Write as _;
use std::sync::Barrier;

pub(super) fn once(make: Make<'_>) {
    let store = make();
    let stored = put(&*store, "a/b", b"first").unwrap();
    assert_eq!((stored.meta.size, &stored.meta.key), (5, &key("a/b")));
    assert_eq!(
        stored.digest.to_string(),
        "sha256:a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"
    );
    assert_eq!(code(put(&*store, "a/b", b"second")), "object-exists");
    assert_eq!(code(put(&*store, "a/b", b"first")), "object-exists", "not even the same bytes");
    assert_eq!(get(&*store, "a/b").unwrap(), b"first");

    // Both began before either ended.
    let mut early = store.create(&key("c"), &PutOptions::default()).unwrap();
    let mut late = store.create(&key("c"), &PutOptions::default()).unwrap();
    early.write_all(b"early").unwrap();
    late.write_all(b"late").unwrap();
    late.finish().unwrap();
    assert_eq!(code(early.finish()), "object-exists");
    assert_eq!(get(&*store, "c").unwrap(), b"late");
}

pub(super) fn race(make: Make<'_>) {
    const WRITERS: usize = 16;
    let store = make();
    if store.capabilities().unwrap().write_once != WriteOnceKeeper::Store {
        return;
    }
    for round in 0..10 {
        let at = format!("race/{round}");
        let start = Barrier::new(WRITERS);
        let won: Vec<Option<usize>> = std::thread::scope(|scope| {
            let writer = |number: usize| {
                let (store, at, start) = (&*store, &at, &start);
                scope.spawn(move || {
                    let bytes = vec![u8::try_from(number).unwrap(); 10_000];
                    start.wait();
                    match put(store, at, &bytes) {
                        Ok(_) => Some(number),
                        Err(error) => {
                            assert_eq!(error.code(), "object-exists", "{error}");
                            None
                        }
                    }
                })
            };
            let writers: Vec<_> = (0..WRITERS).map(writer).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let winners: Vec<_> = won.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{at} was written by {winners:?}");
        assert_eq!(get(&*store, &at).unwrap(), vec![u8::try_from(winners[0]).unwrap(); 10_000]);
    }
    assert_eq!(keys(&*store, "", None).len(), 10);
}

pub(super) fn whole_or_not(make: Make<'_>) {
    let store = make();
    let mut upload = store.create(&key("a/b"), &PutOptions::default()).unwrap();
    for piece in 0..20_u8 {
        upload.write_all(&vec![piece; 50_000]).unwrap();
        assert_eq!(code(store.head(&key("a/b"), None)), "object-not-found");
        assert_eq!(code(store.open(&key("a/b"), None, 0)), "object-not-found");
        assert!(keys(&*store, "", None).is_empty());
    }
    let stored = upload.finish().unwrap();
    assert_eq!(stored.meta.size, 1_000_000);
    let read = get(&*store, "a/b").unwrap();
    assert!(read.chunks(50_000).zip(0..).all(|(piece, number): (_, u8)| piece == vec![number; 50_000]));
    assert_eq!(store.head(&key("a/b"), None).unwrap(), stored.meta);
    assert_eq!(store.list(&crate::Prefix::all(), None).unwrap().next().unwrap().unwrap(), stored.meta);
}

pub(super) fn dropped(make: Make<'_>) {
    let store = make();
    // The longer one is longer than what goes up in one piece.
    for size in [300_000, 20_000_000] {
        let mut upload = store.create(&key("a"), &PutOptions::default()).unwrap();
        upload.write_all(&vec![7; size]).unwrap();
        drop(upload);
        assert_eq!(store.leftovers().unwrap(), [], "{size} bytes");
    }
    assert!(keys(&*store, "", None).is_empty());
    assert_eq!(code(store.head(&key("a"), None)), "object-not-found");
    assert_eq!(store.leftovers().unwrap(), []);
    put(&*store, "a", b"the key is free").unwrap();
    assert_eq!(store.sweep(DateTime::UNIX_EPOCH).unwrap(), []);
    assert_eq!(get(&*store, "a").unwrap(), b"the key is free");
}

pub(super) fn any_key(make: Make<'_>) {
    let store = make();
    let long = format!("{}/{}", "l".repeat(240), "ö".repeat(120));
    // 1,024 bytes.
    let longest = format!("{}{}", "0123456789012345678901234567890/".repeat(31), "x".repeat(32));
    let mut all = vec![
        "plain",
        "with space",
        "spaces/ ",
        "plus+plus",
        "percent%20/%2F",
        "question?mark=1&b",
        "hash#tag",
        "colon:semi;comma,",
        "quotes'\"`",
        "star*[a-z]{b}",
        "back~up$HOME",
        "~",
        ".hidden/..twice/...",
        "snow☃/日本/e\u{301}/\u{e9}",
        "UPPER/lower",
        "upper/LOWER",
        ".si-store-not/x",
        "x/.si-store/y",
        "a/a.json",
        "<xml>&amp;",
        &long,
        &longest,
    ];
    for at in &all {
        put(&*store, at, at.as_bytes()).unwrap_or_else(|error| panic!("{at}: {error}"));
    }
    all.sort_unstable();
    assert_eq!(keys(&*store, "", None), all);
    for at in &all {
        assert_eq!(get(&*store, at).unwrap(), at.as_bytes(), "{at}");
        let key = Key::new(*at).unwrap();
        let deleted = store.delete(&key, None, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(deleted, crate::Deletion::Deleted, "{at}");
    }
    assert!(keys(&*store, "", None).is_empty());
}

pub(super) fn empty(make: Make<'_>) {
    let store = make();
    let stored = put(&*store, "nothing", b"").unwrap();
    assert_eq!(stored.meta.size, 0);
    assert_eq!(get(&*store, "nothing").unwrap(), b"");
    crate::read_checked(&*store, &key("nothing"), None, stored.digest, 0).unwrap().finish().unwrap();
    assert_eq!(code(put(&*store, "nothing", b"something")), "object-exists");
}
