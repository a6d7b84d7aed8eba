//! The simplest store that passes the suite, for tests of what is built on stores.

use crate::{
    Capabilities, Deletion, Digest, Error, Key, Leftover, Lock, LockKeeper, LockMode, ObjectMeta, Prefix,
    PutOptions, Result, Store, Stored, Upload, Version, WriteOnceKeeper,
};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

#[derive(Debug, Default)]
pub(crate) struct MemoryStore(Mutex<Objects>);

#[derive(Debug, Default)]
struct Objects {
    written: u64,
    current: BTreeMap<Key, Object>,
}

#[derive(Debug, Clone)]
struct Object {
    bytes: Vec<u8>,
    incarnation: u64,
    lock: Option<Lock>,
}

impl Object {
    fn meta(&self, key: &Key) -> ObjectMeta {
        ObjectMeta {
            key: key.clone(),
            size: self.bytes.len() as u64,
            modified: DateTime::UNIX_EPOCH,
            version: Some(Version::new(self.incarnation.to_string())),
        }
    }
}

impl MemoryStore {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap()
    }

    fn with<T>(
        &self,
        key: &Key,
        version: Option<&Version>,
        act: impl FnOnce(&mut Object) -> Result<T>,
    ) -> Result<T> {
        let mut objects = self.objects();
        let object = objects.current.get_mut(key);
        object
            .filter(|object| version.is_none_or(|version| object.meta(key).version.as_ref() == Some(version)))
            .map_or_else(|| Err(Error::NotFound { key: key.clone(), store: self.location() }), act)
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory:".to_owned()
    }

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities::new(false, LockKeeper::Client, WriteOnceKeeper::Store))
    }

    fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>> {
        Ok(Box::new(MemoryUpload { store: self, key: key.clone(), lock: options.lock, bytes: Vec::new() }))
    }

    fn open(&self, key: &Key, version: Option<&Version>, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        self.with(key, version, |object| {
            let mut reader = Cursor::new(object.bytes.clone());
            reader.set_position(offset);
            Ok(Box::new(reader) as Box<_>)
        })
    }

    fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
        self.with(key, version, |object| Ok(object.meta(key)))
    }

    fn list(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let found: Vec<_> = self
            .objects()
            .current
            .range((from, Bound::Unbounded))
            .filter(|(key, _)| prefix.holds(key))
            .map(|(key, object)| Ok(object.meta(key)))
            .collect();
        Ok(Box::new(found.into_iter()))
    }

    fn list_versions(
        &self,
        prefix: &Prefix,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        self.list(prefix, None)
    }

    fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        match self.with(key, version, |object| Ok(object.lock.filter(|lock| lock.until > now))) {
            Ok(Some(lock)) => Ok(Deletion::Locked(lock)),
            Ok(None) => {
                self.objects().current.remove(key);
                Ok(Deletion::Deleted)
            }
            Err(_) => Ok(Deletion::Missing),
        }
    }

    fn lock(&self, key: &Key, version: Option<&Version>, lock: Lock) -> Result<()> {
        self.with(key, version, |object| {
            let strong = |lock: Lock| lock.mode == LockMode::Compliance;
            match object.lock {
                Some(held) if held.until >= lock.until && strong(held) >= strong(lock) => Ok(()),
                Some(held) if held.until > lock.until || (strong(held) && !strong(lock)) => {
                    Err(Error::Locked { key: key.clone(), lock: held })
                }
                _ => {
                    object.lock = Some(lock);
                    Ok(())
                }
            }
        })
    }

    fn lock_of(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>> {
        self.with(key, version, |object| Ok(object.lock))
    }

    fn leftovers(&self) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }

    fn sweep(&self, _before: DateTime<Utc>) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }
}

struct MemoryUpload<'a> {
    store: &'a MemoryStore,
    key: Key,
    lock: Option<Lock>,
    bytes: Vec<u8>,
}

impl Write for MemoryUpload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for MemoryUpload<'_> {
    fn finish(self: Box<Self>) -> Result<Stored> {
        let mut objects = self.store.objects();
        if objects.current.contains_key(&self.key) {
            return Err(Error::AlreadyExists { key: self.key, store: self.store.location() });
        }
        objects.written += 1;
        let object = Object { incarnation: objects.written, lock: self.lock, bytes: self.bytes };
        let digest = Digest(Sha256::digest(&object.bytes).into());
        let stored = Stored { meta: object.meta(&self.key), digest };
        objects.current.insert(self.key, object);
        Ok(stored)
    }
}
