//! What the tests of this crate share: a place with a context, a store and a key, and what it takes to use them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use backup_contract::{Checksum, ContextName, SnapshotId};
use backup_store::{Clock, DirStore};
use chrono::DateTime;
use paas_state::{
    AllowList, Backup, ContextDir, Identities, OptionalTree, Patience, RECORD_FORMAT, RECORD_VERSION,
    Reading, Recipients, Record, Sealing, UnverifiedBundle, Unwatched, Watch, bundle_key,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const ID: &str = "state-20261123T201500Z-1a2b3c4d";
pub(crate) const CONTEXT: &str = "default";

#[derive(Debug)]
pub(crate) struct RealClock(pub(crate) Instant);

impl RealClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

pub(crate) fn id() -> SnapshotId {
    ID.parse().unwrap()
}

pub(crate) fn context_name() -> ContextName {
    ContextName::new(CONTEXT).unwrap()
}

/// A home with a state root, a store and a key of its own. Nothing else is in it.
pub(crate) struct Place {
    pub(crate) home: TempDir,
    pub(crate) store: DirStore,
    pub(crate) identities: Identities,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    /// In memory, where there is such a place: no disk keeps a writer waiting.
    pub(crate) fn in_memory() -> Self {
        Self::within(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn within(home: TempDir) -> Self {
        let store = DirStore::create(home.path().join("store")).unwrap();
        let context = home.path().join("paas/contexts").join(CONTEXT);
        DirBuilder::new().recursive(true).mode(0o700).create(context).unwrap();
        Self { home, store, identities: Identities::generate() }
    }

    pub(crate) fn state_root(&self) -> PathBuf {
        self.home.path().join("paas")
    }

    pub(crate) fn context_path(&self) -> PathBuf {
        self.state_root().join("contexts").join(CONTEXT)
    }

    pub(crate) fn context(&self) -> ContextDir {
        ContextDir::open(&self.state_root(), context_name()).unwrap()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        let path = self.context_path().join(path);
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn recipients(&self) -> Recipients {
        Recipients::parse(self.identities.recipients()).unwrap()
    }

    pub(crate) fn back_up(&self, with: &[OptionalTree]) -> paas_state::Result<Backup> {
        self.back_up_as(ID, with, &Patience::default(), &Unwatched)
    }

    pub(crate) fn back_up_as(
        &self,
        id: &str,
        with: &[OptionalTree],
        patience: &Patience,
        watch: &dyn Watch,
    ) -> paas_state::Result<Backup> {
        let context = self.context();
        let (allow, clock) = (AllowList::default(), RealClock::new());
        let reading = Reading { context: &context, with, allow: &allow, patience, clock: &clock, watch };
        reading.back_up(&self.store, &sealing(&self.recipients(), &id.parse().unwrap()))
    }

    pub(crate) fn bundle(&self, record: &Record) -> UnverifiedBundle<'_> {
        UnverifiedBundle::new(&self.store, record.clone()).unwrap()
    }

    /// Stores `bytes` as the bundle of a snapshot, with a record that fits.
    pub(crate) fn plant(&self, id: &SnapshotId, bytes: &[u8]) -> Record {
        // Written past the store, which would wait for the disk.
        let key = bundle_key(&context_name(), id).unwrap();
        let path = self.home.path().join("store").join(key.as_str());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        Record {
            format: RECORD_FORMAT.into(),
            version: RECORD_VERSION,
            id: id.clone(),
            context: context_name(),
            origin: None,
            checksum: Checksum::from_sha256(Sha256::digest(bytes).into()),
            bytes: bytes.len() as u64,
            started_at: DateTime::UNIX_EPOCH,
            finished_at: DateTime::UNIX_EPOCH,
            host: "host".into(),
            tool: "test".into(),
            recipients: 1,
            suspect: false,
        }
    }
}

pub(crate) fn sealing<'a>(recipients: &'a Recipients, id: &'a SnapshotId) -> Sealing<'a> {
    Sealing {
        recipients,
        id,
        started_at: DateTime::UNIX_EPOCH,
        origin: None,
        host: "host",
        tool: "test",
        suspect: false,
        workers: 2,
    }
}

/// Everything below a directory: files with their bytes, directories with `None`, links as what they point to.
pub(crate) fn tree(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_dir() {
                todo.push(path.clone());
                None
            } else if meta.is_symlink() {
                Some(fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())
            } else {
                Some(fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(dir).unwrap().to_owned(), content);
        }
    }
    found
}

/// Whether the long form of the tests was asked for.
pub(crate) fn full() -> bool {
    std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1")
}

/// The most memory that this process has had, in bytes.
pub(crate) fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A small generator of numbers that look random; equal seeds give equal numbers.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[7]).collect()
    }
}
