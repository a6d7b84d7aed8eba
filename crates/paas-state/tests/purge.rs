//! Deleting state snapshots: in order, only what was planned, and again after every interruption.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use backup_contract::{Checksum, ContextName, SnapshotId};
use backup_store::{
    Capabilities, Deletion, DirStore, Key, Leftover, Lock, LockMode, ObjectMeta, Prefix, PutOptions, Store,
    Upload, Version, put_bytes,
};
use chrono::{DateTime, TimeDelta, Utc};
use paas_state::{
    Catalogue, Consent, Error, Fate, Purge, Purges, RECORD_FORMAT, RECORD_VERSION, Record, bundle_key,
    lock_of, record_key,
};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

type Result<T> = backup_store::Result<T>;

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn context() -> ContextName {
    ContextName::new("default").unwrap()
}

fn id(n: u32) -> SnapshotId {
    SnapshotId::state(now() - TimeDelta::days(i64::from(n)), n)
}

/// A store with whole snapshots 0 to `count - 1`, the newest first.
fn store_of(count: u32) -> (TempDir, DirStore) {
    let home = tempfile::tempdir().unwrap();
    let store = DirStore::create(home.path().join("store")).unwrap();
    for n in 0..count {
        put(&store, n);
    }
    (home, store)
}

fn put(store: &dyn Store, n: u32) {
    let bytes = format!("sealed {n}");
    put_bytes(store, &bundle_key(&context(), &id(n)).unwrap(), bytes.as_bytes(), &PutOptions::default())
        .unwrap();
    let record = Record {
        format: RECORD_FORMAT.into(),
        version: RECORD_VERSION,
        id: id(n),
        context: context(),
        origin: None,
        checksum: Checksum::from_sha256([0; 32]),
        bytes: bytes.len() as u64,
        started_at: id(n).state_time().unwrap(),
        finished_at: id(n).state_time().unwrap(),
        host: "host-1".into(),
        tool: "test".into(),
        recipients: 1,
        suspect: false,
    };
    let key = record_key(&context(), &id(n)).unwrap();
    put_bytes(store, &key, &record.to_json().unwrap(), &PutOptions::default()).unwrap();
}

fn plan(store: &dyn Store, ids: impl IntoIterator<Item = u32>) -> Purge {
    Purge::plan(store, &context(), ids.into_iter().map(id), &id(0)).unwrap()
}

fn go(_: &SnapshotId) -> Consent {
    Consent::Go(now())
}

fn is_there(store: &dyn Store, key: &Key) -> bool {
    store.head(key, None).is_ok()
}

/// Whether record and bundle of a snapshot are there.
fn parts(store: &dyn Store, n: u32) -> (bool, bool) {
    let (record, bundle) = (record_key(&context(), &id(n)).unwrap(), bundle_key(&context(), &id(n)).unwrap());
    (is_there(store, &record), is_there(store, &bundle))
}

fn fates(purges: &Purges, n: u32) -> Vec<&Fate> {
    let one = purges.purged.iter().find(|purged| purged.id == id(n)).unwrap();
    one.objects.iter().map(|(_, fate)| fate).collect()
}

#[test]
fn what_was_planned_goes_and_nothing_else() {
    let (_home, store) = store_of(4);
    let purge = plan(&store, [3, 1]);
    assert_eq!(purge.ids().collect::<Vec<_>>(), [&id(3), &id(1)]);
    let purges = purge.execute(&store, go);
    assert!(purges.halted.is_none());
    assert!(
        purges
            .purged
            .iter()
            .flat_map(|purged| &purged.objects)
            .all(|(_, fate)| matches!(fate, Fate::Deleted))
    );
    assert!(purge.still_there(&store).unwrap().is_empty());
    assert_eq!(
        [0, 1, 2, 3].map(|n| parts(&store, n)),
        [(true, true), (false, false), (true, true), (false, false)]
    );
}

#[test]
fn nothing_is_planned_without_a_whole_snapshot_that_stays() {
    let (_home, store) = store_of(3);
    let refused = |ids: &[u32], keeper: u32| {
        let ids: Vec<_> = ids.iter().map(|n| id(*n)).collect();
        let error = Purge::plan(&store, &context(), ids, &id(keeper)).unwrap_err();
        assert!(matches!(error, Error::Keeper { .. }), "{error}");
    };
    refused(&[1, 2], 1);
    refused(&[1], 9);
    store.delete(&bundle_key(&context(), &id(0)).unwrap(), None, now()).unwrap();
    refused(&[1], 0);
}

#[test]
fn when_the_one_that_stays_goes_the_rest_stays() {
    for gone in [record_key, bundle_key] {
        let (_home, store) = store_of(4);
        let purge = plan(&store, [1, 2, 3]);
        let mut asked = 0;
        let purges = purge.execute(&store, |_| {
            asked += 1;
            if asked == 3 {
                // Somebody else's hand, after the first snapshot.
                store.delete(&gone(&context(), &id(0)).unwrap(), None, now()).unwrap();
            }
            Consent::Go(now())
        });
        assert!(matches!(purges.halted, Some(Error::Keeper { .. })));
        assert_eq!([1, 2, 3].map(|n| parts(&store, n)), [(false, false), (true, true), (true, true)]);
        assert!(matches!(fates(&purges, 3)[..], [Fate::NotReached, Fate::NotReached]));
    }
}

#[test]
fn an_object_that_is_another_one_by_now_stays() {
    for changed in [record_key, bundle_key] {
        let (_home, store) = store_of(3);
        let purge = plan(&store, [1, 2]);
        let key = changed(&context(), &id(1)).unwrap();
        store.delete(&key, None, now()).unwrap();
        put_bytes(&store, &key, b"of another length", &PutOptions::default()).unwrap();
        let purges = purge.execute(&store, go);
        assert!(matches!(fates(&purges, 1)[..], [Fate::Changed, Fate::Kept]));
        assert_eq!(parts(&store, 1), (true, true), "not even the record went");
        assert_eq!(parts(&store, 2), (false, false), "and the next one went all the same");
    }
}

#[test]
fn a_lock_that_came_meanwhile_holds_both() {
    for locked in [record_key, bundle_key] {
        let (_home, store) = store_of(3);
        let purge = plan(&store, [1, 2]);
        let until = now() + TimeDelta::days(3);
        let lock = Lock { mode: LockMode::Compliance, until };
        store.lock(&locked(&context(), &id(1)).unwrap(), None, lock).unwrap();
        assert_eq!(lock_of(&store, &context(), &id(1)).unwrap(), Some(until));
        assert_eq!(lock_of(&store, &context(), &id(2)).unwrap(), None);
        let purges = purge.execute(&store, go);
        assert!(matches!(fates(&purges, 1)[..], [Fate::Locked(at), Fate::Kept] if *at == until));
        assert_eq!([1, 2].map(|n| parts(&store, n)), [(true, true), (false, false)]);
        // When its time has come it goes.
        let purges = plan(&store, [1]).execute(&store, |_| Consent::Go(until));
        assert!(matches!(fates(&purges, 1)[..], [Fate::Deleted, Fate::Deleted]));
    }
}

#[test]
fn a_caller_spares_one_or_stops_at_any_object() {
    let (_home, store) = store_of(4);
    let purges = plan(&store, [1, 2]).execute(&store, |victim| {
        if *victim == id(1) { Consent::Spare("pinned".into()) } else { Consent::Go(now()) }
    });
    assert!(matches!(fates(&purges, 1)[..], [Fate::Spared(_), Fate::Kept]));
    assert_eq!([1, 2].map(|n| parts(&store, n)), [(true, true), (false, false)]);
    let mut asked = 0;
    let purges = plan(&store, [1, 3]).execute(&store, |_| {
        asked += 1;
        if asked == 2 { Consent::Stop } else { Consent::Go(now()) }
    });
    assert!(matches!(purges.halted, Some(Error::Stopped)));
    assert!(matches!(fates(&purges, 1)[..], [Fate::Deleted, Fate::NotReached]));
    assert_eq!([1, 3].map(|n| parts(&store, n)), [(false, true), (true, true)], "the record goes first");
}

#[test]
fn killed_at_any_deletion_it_can_be_done_again() {
    let victims = [1, 2, 3];
    for dies_at in 0..victims.len() * 2 {
        for after in [false, true] {
            let (_home, store) = store_of(5);
            let dying = Dying { store: &store, deletions: AtomicUsize::new(0), dies_at, after, lies: false };
            let killed = catch_unwind(AssertUnwindSafe(|| plan(&dying, victims).execute(&dying, go)));
            assert!(killed.is_err(), "it was killed");
            let there = Catalogue::read(&store, &context()).unwrap();
            assert!(there.snapshots.iter().all(backup_contract::Snapshot::restorable), "no half snapshot");
            // What is still there is planned again: snapshots, and bundles without a record.
            let again = victims.into_iter().filter(|n| parts(&store, *n) != (false, false));
            plan(&store, again.collect::<Vec<_>>()).execute(&store, go);
            let there = Catalogue::read(&store, &context()).unwrap();
            assert_eq!(there.snapshots.iter().map(|s| &s.id).collect::<Vec<_>>(), [&id(4), &id(0)]);
            assert!(there.strays.is_empty(), "{:?}", there.strays);
        }
    }
}

#[test]
fn one_that_fails_keeps_its_bundle_and_none_of_the_others() {
    let (_home, store) = store_of(4);
    let failing = Failing { store: &store, key: record_key(&context(), &id(2)).unwrap() };
    let purges = plan(&failing, [1, 2, 3]).execute(&failing, go);
    assert!(matches!(fates(&purges, 2)[..], [Fate::Failed(_), Fate::Kept]));
    assert_eq!([1, 2, 3].map(|n| parts(&store, n)), [(false, false), (true, true), (false, false)]);
}

#[test]
fn a_store_that_only_says_so_is_found_out() {
    let (_home, store) = store_of(3);
    let lying =
        Dying { store: &store, deletions: AtomicUsize::new(0), dies_at: 99, after: false, lies: true };
    let purge = plan(&lying, [1]);
    let purges = purge.execute(&lying, go);
    assert!(fates(&purges, 1).iter().all(|fate| fate.is_gone()), "it says that they are gone");
    assert_eq!(purge.still_there(&lying).unwrap().len(), 2, "and lists them");
}

#[test]
fn what_somebody_else_deleted_is_gone_too() {
    let (_home, store) = store_of(3);
    let purge = plan(&store, [1]);
    store.delete(&record_key(&context(), &id(1)).unwrap(), None, now()).unwrap();
    let purges = purge.execute(&store, go);
    assert!(matches!(fates(&purges, 1)[..], [Fate::WasGone, Fate::Deleted]));
}

/// A store in which the process dies at the n-th deletion, before or after it is made; or that only claims to delete.
#[derive(Debug)]
struct Dying<'s> {
    store: &'s DirStore,
    deletions: AtomicUsize,
    dies_at: usize,
    after: bool,
    lies: bool,
}

/// A store that cannot delete one object.
#[derive(Debug)]
struct Failing<'s> {
    store: &'s DirStore,
    key: Key,
}

impl Dying<'_> {
    fn deleting(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        if self.lies {
            return Ok(Deletion::Deleted);
        }
        let is_last = self.deletions.fetch_add(1, Ordering::Relaxed) == self.dies_at;
        assert!(!is_last || self.after, "killed");
        let deletion = self.store.delete(key, version, now);
        assert!(!is_last, "killed");
        deletion
    }
}

impl Failing<'_> {
    fn deleting(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        if *key == self.key {
            return Err(backup_store::Error::Unsupported { ability: "deleting", store: self.location() });
        }
        self.store.delete(key, version, now)
    }
}

macro_rules! passes_on {
    ($type:ident) => {
        impl Store for $type<'_> {
            fn location(&self) -> String {
                self.store.location()
            }
            fn capabilities(&self) -> Result<Capabilities> {
                self.store.capabilities()
            }
            fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>> {
                self.store.create(key, options)
            }
            fn open(
                &self,
                key: &Key,
                version: Option<&Version>,
                offset: u64,
            ) -> Result<Box<dyn Read + Send + '_>> {
                self.store.open(key, version, offset)
            }
            fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
                self.store.head(key, version)
            }
            fn list(
                &self,
                prefix: &Prefix,
                after: Option<&Key>,
            ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
                self.store.list(prefix, after)
            }
            fn list_versions(
                &self,
                prefix: &Prefix,
            ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
                self.store.list_versions(prefix)
            }
            fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
                self.deleting(key, version, now)
            }
            fn lock(&self, key: &Key, version: Option<&Version>, lock: Lock) -> Result<()> {
                self.store.lock(key, version, lock)
            }
            fn lock_of(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>> {
                self.store.lock_of(key, version)
            }
            fn leftovers(&self) -> Result<Vec<Leftover>> {
                self.store.leftovers()
            }
            fn sweep(&self, before: DateTime<Utc>) -> Result<Vec<Leftover>> {
                self.store.sweep(before)
            }
        }
    };
}

passes_on!(Dying);
passes_on!(Failing);
