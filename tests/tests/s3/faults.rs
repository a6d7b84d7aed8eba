//! One fault at a time: what it does to one operation, and what it must not do.

use crate::support::{Bucket, FAR, LONG_AGO, code, elsewhere, get, hasty, key, keys, noise, put};
use backup_store::{Deletion, Error, PutOptions, Store, put_bytes, read_checked};
use si_backup_tests::servers::{Asked, BucketKind, Fault};
use std::io::Read;
use std::time::{Duration, Instant};

/// More than one part.
const BIG: usize = 11 << 20;

fn puts(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.path.ends_with("/x")
}

fn completes(asked: &Asked) -> bool {
    asked.method == "POST" && asked.path.ends_with("/x") && asked.query.contains("uploadId")
}

/// An own success whose answer did not arrive is told from another writer's, and nothing is written twice.
#[test]
fn a_lost_answer_is_found_out_by_looking() {
    let Some(bucket) = Bucket::new(BucketKind::Versioned) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    for fault in
        [Fault::LostAnswer, Fault::StallAfter, Fault::SentTwice, Fault::AnsweredTwice, Fault::CutAnswer(0)]
    {
        for (size, when) in [(10, puts as fn(&Asked) -> bool), (BIG, completes)] {
            let bytes = noise(size as u64, size);
            proxy.once(fault, when);
            let stored =
                put(&store, "x", &bytes).unwrap_or_else(|error| panic!("{fault:?} of {size}: {error}"));
            proxy.clear();
            assert_eq!(stored.meta.size, size as u64);
            assert!(get(&store, "x").unwrap() == bytes);
            assert_eq!(bucket.versions(), ["x"], "{fault:?} of {size}: written once");
            assert_eq!(code(put(&store, "x", b"again")), "object-exists");
            assert_eq!(store.delete(&key("x"), None, LONG_AGO).unwrap(), Deletion::Deleted);
            assert_eq!(bucket.versions(), [""; 0]);
        }
        assert!(proxy.asked().iter().filter(|asked| asked.fault == fault).count() == 2, "{fault:?} was met");
    }
    assert_eq!(bucket.admin.uploads(&bucket.name), [""; 0]);
}

#[test]
fn another_ones_object_is_not_taken_for_an_own_lost_one() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    put(&store, "warm", b"so that the bucket is known").unwrap();
    for size in [10, BIG] {
        let name = format!("{size}/x");
        let (admin, at) = (bucket.server.admin(), bucket.name.clone());
        let (other, mut begun) = (name.clone(), false);
        // In the moment before the last step another one writes the key, and the first answer to ours is lost.
        proxy.plan(move |asked| {
            let last = puts(asked) && asked.query.contains("PutObject") || completes(asked);
            if !last || begun {
                return Fault::None;
            }
            begun = true;
            elsewhere(|| admin.put(&at, &other, b"another one's"));
            Fault::LostAnswer
        });
        assert_eq!(code(put(&store, &name, &noise(1, size))), "object-exists");
        assert_eq!(bucket.admin.get(&bucket.name, &name).unwrap(), b"another one's");
    }
    assert_eq!(bucket.admin.uploads(&bucket.name), [""; 0], "what lost is given up");
}

/// When even looking is not possible, it is said that nobody knows.
#[test]
fn what_nobody_can_know_is_not_called_stored() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    put(&store, "warm", b"so that the bucket is known").unwrap();
    let mut lost = false;
    proxy.plan(move |asked| {
        lost |= puts(asked);
        if lost { Fault::LostAnswer } else { Fault::None }
    });
    let unknown = put(&store, "x", b"bytes").unwrap_err();
    assert_eq!(unknown.code(), "outcome-unknown", "{unknown}");
    assert!(unknown.hint().is_some());
    // Nobody did it at all: that is known.
    proxy.plan(|asked| {
        if asked.path.ends_with("/y") {
            Fault::Answer { status: 403, code: "AccessDenied", retry_after: None }
        } else {
            Fault::None
        }
    });
    assert_eq!(code(put(&store, "y", b"bytes")), "store-denied");
    proxy.clear();
    assert_eq!(keys(&store), ["warm", "x"]);
}

#[test]
fn a_broken_read_goes_on_where_it_stopped() {
    let Some(bucket) = Bucket::new(BucketKind::Locked) else { return };
    let proxy = bucket.proxy();
    let mut limits = hasty();
    (limits.read_bytes, limits.parallel) = (4 << 20, 2);
    let store = bucket.behind(&proxy, limits);
    let bytes = noise(7, BIG);
    let stored = put(&store, "x", &bytes).unwrap();
    for fault in [Fault::CutAnswer(50), Fault::StallAnswer(50), Fault::CutAnswer(0), Fault::Reset] {
        proxy.asked();
        proxy.once(fault, |asked| {
            asked.reads_object() && asked.range.as_deref().is_some_and(|r| !r.starts_with("bytes=0-"))
        });
        let mut read = Vec::new();
        let mut reader =
            read_checked(&store, &key("x"), stored.meta.version.as_ref(), stored.digest, BIG as u64).unwrap();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == bytes, "{fault:?}");
        let asked: Vec<_> = proxy.asked().into_iter().filter(Asked::reads_object).collect();
        let begins = |asked: &Asked| {
            let range = asked.range.as_deref().unwrap().strip_prefix("bytes=").unwrap();
            let (from, to) = range.split_once('-').unwrap();
            (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap())
        };
        let broken = begins(asked.iter().find(|asked| asked.fault == fault).unwrap());
        let again: Vec<_> = asked.iter().map(begins).filter(|range| range.1 == broken.1).collect();
        assert_eq!(again.len(), 2, "{fault:?}: {again:?}");
        if matches!(fault, Fault::CutAnswer(50) | Fault::StallAnswer(50)) {
            let half = (broken.1 - broken.0) / 2;
            assert!(again[1].0 >= broken.0 + half, "{fault:?} read {again:?} again from the beginning");
        }
    }
}

#[test]
fn what_is_replaced_while_it_is_read_is_not_mixed() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    put(&store, "x", &noise(1, BIG)).unwrap();
    let (admin, at, mut pieces) = (bucket.server.admin(), bucket.name.clone(), 0);
    proxy.plan(move |asked| {
        pieces += usize::from(asked.reads_object());
        if pieces == 2 {
            pieces += 1;
            elsewhere(|| admin.put(&at, "x", &noise(2, BIG)));
        }
        Fault::None
    });
    let failed = code(get(&store, "x"));
    assert_eq!(failed, "object-changed");
}

#[test]
fn a_flipped_bit_is_never_read_as_what_was_written() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    for (name, size) in [("small", 1_000), ("big", BIG)] {
        let bytes = noise(3, size);
        let stored = put(&store, name, &bytes).unwrap();
        for at in [0, 1, 500, 999] {
            let wanted = name;
            proxy.once(Fault::FlipAnswer(at), move |asked| {
                asked.reads_object() && asked.path.ends_with(wanted)
            });
            let mut read = Vec::new();
            let reader = read_checked(&store, &key(name), None, stored.digest, size as u64);
            match reader.and_then(|mut reader| {
                let done = reader.read_to_end(&mut read).map_err(|error| Error::from_io(error, "read", name));
                done.and_then(|_| reader.finish().map(drop))
            }) {
                Ok(()) => assert!(read == bytes, "{name} flipped at {at} was read"),
                Err(error) => assert_eq!(error.code(), "object-corrupt", "{error}"),
            }
            // What fits into one answer is checked by the store itself.
            if size < 1 << 20 {
                proxy.once(Fault::FlipAnswer(at), Asked::reads_object);
                match get(&store, name) {
                    Ok(read) => assert!(read == bytes, "{name} flipped at {at} was read unchecked"),
                    Err(error) => assert_eq!(error.code(), "object-corrupt", "{error}"),
                }
            }
        }
    }
}

#[test]
fn a_flipped_or_cut_request_stores_nothing_wrong() {
    let Some(bucket) = Bucket::new(BucketKind::Versioned) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    let mut number = 0;
    for size in [1_000, BIG] {
        for fault in
            [Fault::FlipRequest(0), Fault::FlipRequest(700), Fault::CutRequest(50), Fault::CutRequest(0)]
        {
            number += 1;
            let (name, bytes) = (format!("{number}/x"), noise(number, size));
            proxy.asked();
            proxy.once(fault, |asked| asked.method == "PUT" && asked.path.ends_with("/x"));
            match put(&store, &name, &bytes) {
                Ok(_) => {
                    assert!(bucket.admin.get(&bucket.name, &name).unwrap() == bytes, "{fault:?} of {size}");
                }
                Err(error) => {
                    assert_eq!(bucket.admin.get(&bucket.name, &name), None, "{fault:?} of {size}: {error}");
                }
            }
            assert_eq!(proxy.asked().iter().filter(|asked| asked.fault == fault).count(), 1);
        }
    }
    let rows = bucket.versions();
    let mut once = rows.clone();
    once.dedup();
    assert_eq!(rows, once, "nothing was written twice");
}

/// A writer that fails or is dropped leaves no parts behind.
#[test]
fn an_upload_that_fails_is_given_up() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    put(&store, "warm", b"so that the bucket is known").unwrap();
    for failing in ["partNumber=2", "uploadId"] {
        let error = Fault::Answer { status: 403, code: "AccessDenied", retry_after: None };
        proxy.plan(move |asked| {
            let last = failing == "uploadId" && asked.method == "POST";
            let fails = asked.query.contains(failing) && (asked.method == "PUT" || last);
            if fails && (last || failing != "uploadId") { error } else { Fault::None }
        });
        assert_eq!(code(put(&store, "x", &noise(1, BIG))), "store-denied", "{failing}");
        assert_eq!(bucket.admin.uploads(&bucket.name), [""; 0], "{failing}");
    }
    proxy.clear();
    let mut upload = store.create(&key("x"), &PutOptions::default()).unwrap();
    upload.write_all(&noise(1, BIG)).unwrap();
    drop(upload);
    assert_eq!(bucket.admin.uploads(&bucket.name), [""; 0], "dropped");
    assert_eq!(keys(&store), ["warm"]);
}

#[test]
fn a_deletion_whose_answer_is_lost_is_one() {
    let Some(bucket) = Bucket::new(BucketKind::Versioned) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    for fault in [Fault::LostAnswer, Fault::StallAfter, Fault::SentTwice, Fault::Reset] {
        put(&store, "x", b"bytes").unwrap();
        proxy.once(fault, |asked| asked.method == "DELETE");
        let done = store.delete(&key("x"), None, FAR).unwrap();
        assert!(matches!(done, Deletion::Deleted | Deletion::Missing), "{fault:?}: {done:?}");
        assert_eq!(bucket.versions(), [""; 0], "{fault:?}: not even a marker");
    }
}

#[test]
fn a_listing_whose_pages_fail_is_whole_or_an_error() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let store = bucket.behind(&proxy, hasty());
    let dir = bucket.server.data().join(&bucket.name).join("many");
    std::fs::create_dir(&dir).unwrap();
    for number in 0..2_500 {
        std::fs::File::create(dir.join(format!("{number:06}"))).unwrap();
    }
    for fault in [
        Fault::CutAnswer(70),
        Fault::StallAnswer(70),
        Fault::Reset,
        Fault::SentTwice,
        Fault::AnsweredTwice,
        Fault::Answer { status: 500, code: "InternalError", retry_after: None },
    ] {
        let mut pages = 0;
        proxy.plan(move |asked| {
            pages += usize::from(asked.query.contains("list-type=2"));
            if pages == 2 {
                pages += 1;
                return fault;
            }
            Fault::None
        });
        assert_eq!(keys(&store).len(), 2_500, "{fault:?}");
    }
    proxy.plan(|asked| {
        if asked.query.contains("continuation-token") || asked.query.contains("start-after") {
            Fault::Stall
        } else {
            Fault::None
        }
    });
    let began = Instant::now();
    let listed: Vec<_> = store.list(&backup_store::Prefix::all(), None).unwrap().collect();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(listed.last().unwrap().is_err(), "a listing that breaks off says so");
    assert!(listed.iter().filter(|item| item.is_err()).count() == 1);
    assert!(listed.len() < 2_500);
}

#[test]
fn a_copy_over_a_bad_network_is_equal() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let (bad, good) = (bucket.behind(&proxy, hasty()), bucket.store());
    let bytes = noise(9, 3 << 20);
    let stored = put_bytes(&good, &key("from"), &bytes, &PutOptions::default()).unwrap();
    proxy.once(Fault::CutAnswer(30), Asked::reads_object);
    let mut read = Vec::new();
    read_checked(&bad, &key("from"), None, stored.digest, stored.meta.size)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == bytes);
}
