//! The store's copies of a trail.

use crate::support::{TestStore, at, context, get, key, keys, put, writer};
use crate::trail::{event, home};
use restore_guard::{Error, Trail, TrailFinding, WriterId, chain_of, verify_context, writers_of};
use std::fs;
use std::sync::Arc;

fn copy(sequence: u64) -> backup_store::Key {
    key(&format!("audit/default/{}/{sequence:012}.json", writer()))
}

fn append(trail: &Trail, count: i64) {
    for n in 0..count {
        trail.append(&event(&n.to_string()), at(n)).unwrap();
    }
}

#[test]
fn the_copies_in_order_are_the_file() {
    let ((_home, trail), store) = (home(), TestStore::new());
    assert_eq!(trail.publish(&store).unwrap().last, 0);
    append(&trail, 3);
    let published = trail.publish(&store).unwrap();
    assert_eq!((published.copied, published.last, published.damaged), (3, 3, 0));
    append(&trail, 2);
    assert_eq!(trail.verify_against(&store).unwrap().unpublished(), Some(2));
    assert_eq!(trail.publish(&store).unwrap().copied, 2);
    assert_eq!(trail.publish(&store).unwrap().copied, 0);
    let copies = keys(&store, "audit");
    assert_eq!(copies, (1..=5).map(copy).collect::<Vec<_>>());
    assert_eq!(
        copies.iter().flat_map(|key| get(&store, key)).collect::<Vec<_>>(),
        fs::read(trail.path()).unwrap()
    );
    assert!(trail.verify_against(&store).unwrap().is_sound());
    assert!(chain_of(&store, &context(), &writer()).unwrap().is_sound());
}

#[test]
fn a_publication_costs_the_same_however_long_the_trail_is() {
    let ((_home, trail), store) = (home(), TestStore::new());
    append(&trail, 100);
    assert_eq!(trail.publish(&store).unwrap().copied, 100);
    append(&trail, 1);
    // One listing, one read of the newest copy, one write.
    assert_eq!(store.count(|| assert_eq!(trail.publish(&store).unwrap().copied, 1)), 3);
    assert_eq!(store.count(|| assert_eq!(trail.publish(&store).unwrap().copied, 0)), 2);
    assert!(store.count_listed(|| assert_eq!(trail.publish(&store).unwrap().copied, 0)) <= 64);
    // After a long absence the listings reach back as far as need be.
    append(&trail, 150);
    assert_eq!(trail.publish(&store).unwrap().copied, 150);
    assert!(trail.verify_against(&store).unwrap().is_sound());
}

#[test]
fn a_store_that_is_away_is_caught_up_with() {
    let ((_home, trail), store) = (home(), TestStore::new());
    append(&trail, 2);
    trail.publish(&store).unwrap();
    store.set_away(true);
    append(&trail, 2);
    assert!(matches!(trail.publish(&store), Err(Error::Store(_))));
    assert!(matches!(trail.verify_against(&store), Err(Error::Store(_))));
    append(&trail, 1);
    store.set_away(false);
    assert_eq!(trail.publish(&store).unwrap().copied, 3);
    assert!(trail.verify_against(&store).unwrap().is_sound());
}

#[test]
fn copies_that_are_not_the_entries_are_found() {
    let ((_home, trail), store) = (home(), TestStore::new());
    append(&trail, 9);
    trail.publish(&store).unwrap();
    let second = get(&store, &copy(2));
    store.tamper(
        &copy(3),
        &String::from_utf8(get(&store, &copy(3))).unwrap().replace("\"ada", "\"eve").into_bytes(),
    );
    store.tamper(&copy(4), &second);
    store.remove(&copy(6));
    store.remove(&copy(7));
    put(&store, &format!("audit/default/{}/README", writer()), b"?");
    put(&store, &format!("audit/default/{}/000000000002.json/x", WriterId::generate().unwrap()), b"?");
    let held = trail.verify_against(&store).unwrap();
    let stray = TrailFinding::Stray { key: key(&format!("audit/default/{}/README", writer())) };
    assert_eq!(
        held.findings,
        [
            stray.clone(),
            TrailFinding::CopyDiffers { sequence: 3 },
            TrailFinding::CopyDiffers { sequence: 4 },
            TrailFinding::CopyMissing { from: 6, to: 7 },
        ]
    );
    // Without the file the copies are held against each other.
    let alone = chain_of(&store, &context(), &writer()).unwrap();
    for finding in [
        stray,
        TrailFinding::Changed { sequence: 3 },
        TrailFinding::CopyMisplaced { sequence: 4, found: 2 },
        TrailFinding::Duplicated { sequence: 2 },
        TrailFinding::Missing { from: 6, to: 7 },
    ] {
        assert!(alone.findings.contains(&finding), "{finding:?} in {:?}", alone.findings);
    }
}

#[test]
fn a_trail_that_is_not_that_of_the_copies_is_not_published() {
    let ((home, trail), store) = (home(), TestStore::new());
    append(&trail, 5);
    trail.publish(&store).unwrap();
    let bytes = fs::read(trail.path()).unwrap();
    let lines: Vec<_> = bytes.split_inclusive(|b| *b == b'\n').collect();
    // Cut: the store knows more.
    fs::write(trail.path(), lines[..3].concat()).unwrap();
    assert!(matches!(trail.publish(&store), Err(Error::TrailBehind { local: 3, stored: 5 })));
    // Gone on after the cut: the newest copy is not the entry.
    append(&trail, 2);
    assert!(matches!(trail.publish(&store), Err(Error::TrailDiverged { sequence: 5, .. })));
    append(&trail, 100);
    assert!(trail.publish(&store).is_err());
    assert_eq!(keys(&store, "audit").len(), 5, "nothing is mixed into the copies");
    drop(home);
}

#[test]
fn a_gap_in_the_copies_is_filled() {
    let ((_home, trail), store) = (home(), TestStore::new());
    append(&trail, 9);
    trail.publish(&store).unwrap();
    store.remove(&copy(4));
    store.remove(&copy(9));
    assert_eq!(trail.publish(&store).unwrap().copied, 2);
    assert!(trail.verify_against(&store).unwrap().is_sound());
}

#[test]
fn a_damaged_line_is_counted_and_not_copied() {
    let ((_home, trail), store) = (home(), TestStore::new());
    append(&trail, 5);
    let text = fs::read_to_string(trail.path()).unwrap();
    fs::write(trail.path(), text.replacen("\"note\":\"2\"", "\"note\":\"7\"", 1)).unwrap();
    let published = trail.publish(&store).unwrap();
    assert_eq!((published.copied, published.damaged), (4, 1));
    assert!(trail.verify_against(&store).unwrap().findings.contains(&TrailFinding::Changed { sequence: 3 }));
}

#[test]
fn several_publishers_at_once_are_as_good_as_one() {
    let ((_home, trail), store) = (home(), TestStore::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..30 {
                    trail.append(&event(""), at(n)).unwrap();
                    trail.publish(&store).unwrap();
                }
            });
        }
    });
    let report = trail.verify_against(&store).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.last, report.unpublished()), (120, Some(0)));
}

#[test]
fn what_others_append_and_publish_meanwhile_is_not_taken_for_a_cut() {
    let ((_home, trail), store) = (home(), Arc::new(TestStore::new()));
    append(&trail, 3);
    let (other, same) = (trail.clone(), Arc::clone(&store));
    store.before_next_list(move || {
        append(&other, 2);
        assert_eq!(other.publish(same.as_ref()).unwrap().last, 5);
    });
    let published = trail.publish(store.as_ref()).unwrap();
    assert_eq!((published.copied, published.last), (0, 5));
}

#[test]
fn chains_of_other_writers_are_verified_by_their_copies() {
    let store = TestStore::new();
    let mut trails: Vec<_> = (0..4)
        .map(|n: i64| {
            let home = tempfile::tempdir().unwrap();
            let trail = Trail::new(home.path().join("t"), context(), WriterId::generate().unwrap());
            append(&trail, n + 1);
            trail.publish(&store).unwrap();
            (home, trail)
        })
        .collect();
    put(&store, "audit/default/nobody/000000000001.json", b"?");
    put(&store, "audit/default-2/00000000000000000000000000000000/000000000001.json", b"?");
    assert_eq!(
        writers_of(&store, &context()).unwrap(),
        trails.iter().map(|(_, trail)| trail.writer().clone()).collect()
    );
    let (_own_home, own) = trails.remove(0);
    let reports = verify_context(&store, &own).unwrap();
    assert!(reports.iter().all(restore_guard::ChainReport::is_sound), "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.lines.len()).sum::<usize>(), 10);
    assert_eq!(&reports[0].writer, own.writer());

    let other = trails[0].1.writer();
    store.remove(&key(&format!("audit/default/{other}/000000000001.json")));
    let reports = verify_context(&store, &own).unwrap();
    let hurt = reports.iter().find(|report| &report.writer == other).unwrap();
    assert_eq!(hurt.findings, [TrailFinding::Missing { from: 1, to: 1 }]);
}
