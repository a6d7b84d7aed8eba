//! A store in a directory that counts what is opened and fails where it is told to.

use backup_store::{
    Capabilities, Deletion, DirStore, Error, Key, Leftover, Lock, ObjectMeta, Prefix, PutOptions, Result,
    Store, Upload, Version,
};
use chrono::{DateTime, Utc};
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    /// Nothing.
    Never,
    /// Every listing.
    List,
    /// Every opening.
    Open,
    /// Every reading, after the first byte.
    Read,
}

#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) store: DirStore,
    pub(crate) fails: Fails,
    pub(crate) opened: AtomicUsize,
}

impl Watched {
    pub(crate) fn new(dir: &Path, fails: Fails) -> Self {
        Self { store: DirStore::open(dir).unwrap(), fails, opened: AtomicUsize::new(0) }
    }

    fn or_fail(&self, at: Fails) -> Result<()> {
        if self.fails == at { Err(reset()) } else { Ok(()) }
    }
}

fn reset() -> Error {
    Error::from_io(std::io::ErrorKind::ConnectionReset.into(), "read", "the network")
}

struct Breaking<'a>(Box<dyn Read + Send + 'a>, bool);

impl Read for Breaking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if std::mem::replace(&mut self.1, true) {
            return Err(reset().into_io());
        }
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

impl Store for Watched {
    fn location(&self) -> String {
        self.store.location()
    }
    fn capabilities(&self) -> Result<Capabilities> {
        self.store.capabilities()
    }
    fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>> {
        self.store.create(key, options)
    }
    fn open(&self, key: &Key, version: Option<&Version>, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        self.or_fail(Fails::Open)?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        let object = self.store.open(key, version, offset)?;
        Ok(if self.fails == Fails::Read { Box::new(Breaking(object, false)) } else { object })
    }
    fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
        self.store.head(key, version)
    }
    fn list(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        self.or_fail(Fails::List)?;
        self.store.list(prefix, after)
    }
    fn list_versions(
        &self,
        prefix: &Prefix,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        self.store.list_versions(prefix)
    }
    fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        self.store.delete(key, version, now)
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
