use super::{Make, code, get, key, keys, put};
use crate::{
    Copied, CopyItem, CopyReport, Deletion, Digest, Lock, LockKeeper, LockMode, Result, Store, copy_objects,
};
use chrono::DateTime;
use std::ops::ControlFlow;

const NAMES: [&str; 3] = ["z/first", "a/second", "m/record"];

fn source(make: Make<'_>) -> Box<dyn Store> {
    let from = make();
    for (name, byte) in NAMES.into_iter().zip(1..) {
        put(&*from, name, &vec![byte; 600_000]).unwrap();
    }
    from
}

fn items() -> Vec<CopyItem> {
    NAMES.map(|name| CopyItem::same(key(name))).to_vec()
}

fn copy(from: &dyn Store, to: &dyn Store, items: Vec<CopyItem>, lock: Option<Lock>) -> Result<CopyReport> {
    copy_objects(from, to, items, lock, &mut |_| ControlFlow::Continue(()))
}

pub(super) fn repeat(make: Make<'_>) {
    let (from, to) = (source(make), make());
    let mut told = Vec::new();
    let mut tell = |progress: crate::CopyProgress<'_>| {
        assert!(progress.bytes <= progress.size);
        told.extend(progress.done.map(|copied| (progress.item.to.to_string(), copied)));
        ControlFlow::Continue(())
    };
    let report = copy_objects(&*from, &*to, items(), None, &mut tell).unwrap();
    assert_eq!(report, CopyReport { written: 3, present: 0, bytes: 1_800_000 });
    assert_eq!(told, NAMES.map(|name| (name.to_owned(), Copied::Written)), "in the order given");
    for name in NAMES {
        assert_eq!(get(&*to, name).unwrap(), get(&*from, name).unwrap());
    }
    assert_eq!(copy(&*from, &*to, items(), None).unwrap(), CopyReport { written: 0, present: 3, bytes: 0 });

    // Under other keys, and only some.
    let moved = CopyItem { to: key("db/shop/first"), ..CopyItem::same(key("z/first")) };
    copy(&*from, &*to, vec![moved], None).unwrap();
    assert_eq!(get(&*to, "db/shop/first").unwrap(), get(&*from, "z/first").unwrap());

    // Who wants no more of it stops it, and has whole objects only.
    let to = make();
    let mut once = |progress: crate::CopyProgress<'_>| match progress.item.from.as_str() {
        "a/second" if progress.bytes > 0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert_eq!(code(copy_objects(&*from, &*to, items(), None, &mut once)), "interrupted");
    assert_eq!(keys(&*to, "", None), ["z/first"]);
}

pub(super) fn altered(make: Make<'_>) {
    let (from, to) = (source(make), make());
    let expecting = |digest| CopyItem { expected: Some(digest), ..CopyItem::same(key("z/first")) };
    let wrong = vec![expecting(Digest([9; 32]))];
    assert_eq!(code(copy(&*from, &*to, wrong.clone(), None)), "object-corrupt");
    assert!(keys(&*to, "", None).is_empty(), "an altered object is not copied");

    put(&*to, "a/second", &vec![2; 600_000]).unwrap();
    put(&*to, "m/record", &vec![4; 600_000]).unwrap();
    assert_eq!(code(copy(&*from, &*to, items(), None)), "object-corrupt");
    assert_eq!(get(&*to, "z/first").unwrap(), get(&*from, "z/first").unwrap(), "what came before it stays");
    assert_eq!(get(&*to, "m/record").unwrap(), vec![4; 600_000], "nothing is written over");
    assert_eq!(code(copy(&*from, &*to, wrong, None)), "object-corrupt", "also when it is there already");
    assert_eq!(code(copy(&*from, &*to, vec![CopyItem::same(key("nowhere"))], None)), "object-not-found");
    // Shorter than the source, with the same beginning.
    let to = make();
    put(&*to, "z/first", &vec![1; 599_999]).unwrap();
    assert_eq!(code(copy(&*from, &*to, items(), None)), "object-corrupt");
}

pub(super) fn locked(make: Make<'_>) {
    let (from, to) = (source(make), make());
    if to.capabilities().unwrap().locks == LockKeeper::Nobody {
        return;
    }
    let until = |seconds: i64| DateTime::from_timestamp(4_000_000_000 + seconds, 0).unwrap();
    put(&*to, "a/second", &vec![2; 600_000]).unwrap();
    for seconds in [100, 200] {
        let lock = Lock { mode: LockMode::Compliance, until: until(seconds) };
        copy(&*from, &*to, items(), Some(lock)).unwrap();
        for name in NAMES {
            assert_eq!(to.lock_of(&key(name), None).unwrap(), Some(lock), "{name}");
            assert_eq!(to.delete(&key(name), None, until(0)).unwrap(), Deletion::Locked(lock));
        }
    }
}
