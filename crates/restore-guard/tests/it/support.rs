use backup_contract::{CheckResult, Checksum, ContextName, Level, Outcome, SnapshotId, SnapshotRef, Subject};
use backup_store::{
    Capabilities, Deletion, DirStore, Key, Leftover, Lock, ObjectMeta, Prefix, PutOptions, Result, Store,
    Upload, Version,
};
use chrono::{DateTime, TimeDelta, Utc};
use restore_guard::{EvidenceRecord, OriginId, Tool, WriterId};
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;

/// 2026-11-23T20:15:00Z and `seconds`.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_464_900, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub(crate) fn context() -> ContextName {
    ContextName::new("default").unwrap()
}

pub(crate) fn origin() -> OriginId {
    "0123456789abcdef0123456789abcdef".parse().unwrap()
}

pub(crate) fn writer() -> WriterId {
    "fedcba9876543210fedcba9876543210".parse().unwrap()
}

pub(crate) fn checksum(byte: u8) -> Checksum {
    Checksum::from_sha256([byte; 32])
}

pub(crate) fn snapshot(random: u32) -> SnapshotRef {
    SnapshotRef { subject: Subject::State, id: SnapshotId::state(at(0), random) }
}

pub(crate) fn check(ok: bool) -> CheckResult {
    CheckResult { name: "manifest".into(), ok, detail: "10 files".into(), duration_ms: 12 }
}

/// A record about the snapshot 1 with the checksum 1.
pub(crate) fn record(level: Level, outcome: Outcome, seconds: i64) -> EvidenceRecord {
    EvidenceRecord {
        context: context(),
        origin: origin(),
        subject: Subject::State,
        id: snapshot(1).id,
        checksum: checksum(1),
        level,
        outcome,
        checks: vec![check(outcome == Outcome::Passed)],
        host: "host-1".into(),
        operator: "ada@host-1".into(),
        writer: writer(),
        tool: Tool { name: "si-backup".into(), version: "0.1.0".into() },
        started_at: at(seconds - 7),
        finished_at: at(seconds),
        recovery_seconds: Some(41),
        data_loss_seconds: Some(240),
        details: [("mirror".to_owned(), "primary".into())].into_iter().collect(),
    }
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn put(store: &dyn Store, at: &str, bytes: &[u8]) {
    backup_store::put_bytes(store, &key(at), bytes, &PutOptions::default()).unwrap();
}

pub(crate) fn get(store: &dyn Store, at: &Key) -> Vec<u8> {
    backup_store::read_bytes(store, at, None, 1 << 30).unwrap()
}

pub(crate) fn keys(store: &dyn Store, below: &str) -> Vec<Key> {
    store.list(&Prefix::new(below).unwrap(), None).unwrap().map(|meta| meta.unwrap().key).collect()
}

/// A store in a directory that counts what it is asked, and can be away.
#[derive(Debug)]
pub(crate) struct TestStore {
    inner: DirStore,
    _directory: TempDir,
    away: AtomicBool,
    reads_fail: AtomicBool,
    pub(crate) requests: AtomicUsize,
    /// How many objects listings have yielded.
    listed: AtomicUsize,
    before_list: Hook,
}

/// What happens elsewhere just before the next listing.
#[derive(Default)]
struct Hook(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            inner: DirStore::create(directory.path().join("store")).unwrap(),
            _directory: directory,
            away: AtomicBool::new(false),
            reads_fail: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            listed: AtomicUsize::new(0),
            before_list: Hook::default(),
        }
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn set_reads_fail(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// Has something happen just before the next listing.
    pub(crate) fn before_next_list(&self, act: impl FnOnce() + Send + 'static) {
        *self.before_list.0.lock().unwrap() = Some(Box::new(act));
    }

    /// How many objects are listed by `act`.
    pub(crate) fn count_listed(&self, act: impl FnOnce()) -> usize {
        let before = self.listed.load(Ordering::SeqCst);
        act();
        self.listed.load(Ordering::SeqCst) - before
    }

    /// How many requests `act` makes.
    pub(crate) fn count(&self, act: impl FnOnce()) -> usize {
        let before = self.requests.load(Ordering::SeqCst);
        act();
        self.requests.load(Ordering::SeqCst) - before
    }

    pub(crate) fn remove(&self, key: &Key) {
        assert_eq!(self.inner.delete(key, None, at(0)).unwrap(), Deletion::Deleted);
    }

    /// Puts other bytes where an object is, which no store does by itself.
    pub(crate) fn tamper(&self, at: &Key, bytes: &[u8]) {
        self.remove(at);
        put(self, at.as_str(), bytes);
    }

    fn ask(&self, fails: bool) -> Result<()> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if fails || self.away.load(Ordering::SeqCst) {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            return Err(backup_store::Error::Io {
                operation: "reach",
                path: self.inner.path().into(),
                source,
            });
        }
        Ok(())
    }
}

type Metas<'a> = Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + 'a>;

impl Store for TestStore {
    fn location(&self) -> String {
        self.inner.location()
    }
    fn capabilities(&self) -> Result<Capabilities> {
        self.inner.capabilities()
    }
    fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>> {
        self.ask(false)?;
        self.inner.create(key, options)
    }
    fn open(&self, key: &Key, version: Option<&Version>, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        self.ask(self.reads_fail.load(Ordering::SeqCst))?;
        self.inner.open(key, version, offset)
    }
    fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
        self.ask(false)?;
        self.inner.head(key, version)
    }
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> Result<Metas<'_>> {
        self.ask(false)?;
        let hook = self.before_list.0.lock().unwrap().take();
        if let Some(act) = hook {
            act();
        }
        let counted = |_: &Result<ObjectMeta>| {
            self.listed.fetch_add(1, Ordering::SeqCst);
        };
        Ok(Box::new(self.inner.list(prefix, after)?.inspect(counted)))
    }
    fn list_versions(&self, prefix: &Prefix) -> Result<Metas<'_>> {
        self.inner.list_versions(prefix)
    }
    fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        self.inner.delete(key, version, now)
    }
    fn lock(&self, key: &Key, version: Option<&Version>, lock: Lock) -> Result<()> {
        self.inner.lock(key, version, lock)
    }
    fn lock_of(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>> {
        self.inner.lock_of(key, version)
    }
    fn leftovers(&self) -> Result<Vec<Leftover>> {
        self.inner.leftovers()
    }
    fn sweep(&self, before: DateTime<Utc>) -> Result<Vec<Leftover>> {
        self.inner.sweep(before)
    }
}
