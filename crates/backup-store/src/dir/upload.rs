use super::DirStore;
use super::tree::{descend_or_make, meta, split, sync_up};
use crate::fail_point::step;
use crate::handle::{Child, Handle, Kind, failed, found};
use crate::temp::Temp;
use crate::{Digest, Error, Key, Lock, PutOptions, Result, Stored, Upload, random};
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::fs::{FileTimes, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// Small writes are gathered up to this many bytes.
const BUFFER: usize = 64 * 1024;

/// An object on its way into a directory.
pub(super) struct DirUpload<'a> {
    store: &'a DirStore,
    key: Key,
    lock: Option<Lock>,
    temp: Temp,
    buffer: Vec<u8>,
    hash: Sha256,
    size: u64,
    /// Bytes may be missing from the file: nothing can be published any more.
    failed: Option<io::ErrorKind>,
}

impl<'a> DirUpload<'a> {
    pub(super) fn begin(store: &'a DirStore, key: &Key, options: &PutOptions) -> Result<Self> {
        refuse_early(store, key)?;
        Ok(Self {
            store,
            key: key.clone(),
            lock: options.lock,
            temp: held_temp(store)?,
            buffer: Vec::with_capacity(BUFFER),
            hash: Sha256::new(),
            size: 0,
            failed: None,
        })
    }

    fn write_out(&mut self, bytes: &[u8]) -> io::Result<()> {
        step("write", || self.temp.file().write_all(bytes)).map_err(|error| {
            self.failed = Some(error.kind());
            failed("write", self.temp.path())(error).into_io()
        })
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let done = self.write_out(&buffer);
        buffer.clear();
        self.buffer = buffer;
        done
    }

    /// The mode of an object, and a modification time that no other incarnation of the key has; see [`meta`].
    fn stamp(&self) -> Result<()> {
        let path = self.temp.path();
        let private = Permissions::from_mode(0o600);
        step("chmod", || self.temp.file().set_permissions(private))
            .map_err(failed("set the mode of", &path))?;
        let (seconds, _) = found(self.temp.file(), &path)?.modified;
        let fraction = Duration::from_nanos(random::bits()? % 1_000_000_000);
        let second = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let times = FileTimes::new().set_modified(std::time::UNIX_EPOCH + second + fraction);
        step("utimes", || self.temp.file().set_times(times)).map_err(failed("set the time of", path))
    }

    /// Publishes under the store's mutex; the lock is on disk before the object is visible.
    fn publish(self) -> Result<Stored> {
        let Self { store, key, lock, temp, hash, size, .. } = self;
        let path = temp.path();
        let on_disk = found(temp.file(), &path)?;
        if on_disk.size != size {
            let source = io::Error::other(format!("{size} bytes were written, {} are there", on_disk.size));
            return Err(failed("write", path)(source));
        }
        let meta = meta(&key, &on_disk);

        let _mutex = if lock.is_some() { store.alone()? } else { store.among_writers()? };
        let (above, name) = split(key.as_str());
        let chain =
            descend_or_make(&store.root, above)?.map_err(|path| store.clash(&key, path, "an object"))?;
        let Some(dir) = chain.last() else { return Err(store.not_found(&key)) };
        refuse_taken(store, &key, dir, name)?;
        // There is no object, so a lock can only be what a writer that died has left.
        store.remove_lock(&key)?;
        if let Some(lock) = lock {
            store.extend_lock(&key, lock)?;
        }
        let published = temp.publish_new(dir, OsStr::new(name)).and_then(|published| {
            if published {
                sync_up(&chain)
            } else {
                refuse_taken(store, &key, dir, name)?;
                Err(store.exists(&key))
            }
        });
        if let Err(error) = published {
            // If it is visible after all, then perhaps not for good: better not at all. Only if it is this one.
            if let Ok(Some(there)) = dir.look(name)
                && there.same(&on_disk)
            {
                let _ = dir.remove(name);
            }
            if lock.is_some() {
                let _ = store.remove_lock(&key);
            }
            return Err(error);
        }
        Ok(Stored { meta, digest: Digest(hash.finalize().into()) })
    }
}

impl Write for DirUpload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.failed {
            return Err(failed("write", self.temp.path())(io::Error::from(kind)).into_io());
        }
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER {
            self.drain()?;
        }
        if bytes.len() >= BUFFER {
            self.write_out(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain()
    }
}

impl Upload for DirUpload<'_> {
    fn finish(mut self: Box<Self>) -> Result<Stored> {
        if let Some(kind) = self.failed {
            return Err(failed("write", self.temp.path())(io::Error::from(kind)));
        }
        self.drain().map_err(|error| Error::from_io(error, "write", self.temp.path()))?;
        self.stamp()?;
        step("fsync", || self.temp.file().sync_all()).map_err(failed("sync", self.temp.path()))?;
        self.publish()
    }
}

/// A temporary file under the writer's flock, by which a sweep knows that the writer lives.
pub(super) fn held_temp(store: &DirStore) -> Result<Temp> {
    let dir = store.own_or_make("tmp")?;
    loop {
        let temp = Temp::new(dir.try_clone()?)?;
        match temp.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(failed("lock", temp.path())(error)),
        }
        // A sweep may have come between making and locking.
        if temp.is_there()? {
            return Ok(temp);
        }
    }
}

/// What is known to fail before a byte is written.
fn refuse_early(store: &DirStore, key: &Key) -> Result<()> {
    let (above, name) = split(key.as_str());
    let mut dir = store.root.try_clone()?;
    for part in above {
        match dir.child(part)? {
            Child::Directory(below) => dir = below,
            Child::File => return Err(store.clash(key, dir.path().join(part), "an object")),
            Child::Missing => return Ok(()),
        }
    }
    refuse_taken(store, key, &dir, name)
}

fn refuse_taken(store: &DirStore, key: &Key, dir: &Handle, name: &str) -> Result<()> {
    let path = || store.path_of(key);
    match dir.look(name)?.map(|found| found.kind) {
        None => Ok(()),
        Some(Kind::File) => Err(store.exists(key)),
        Some(Kind::Directory) => Err(store.clash(key, path(), "a directory")),
        Some(Kind::Foreign(found)) => Err(Error::ForeignFile { path: path(), found }),
    }
}
