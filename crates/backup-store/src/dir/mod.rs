#[cfg(test)]
mod histories;
mod list;
mod locks;
mod sweep;
mod tree;
mod upload;

use crate::handle::{Handle, Kind, failed, found};
use crate::{
    Capabilities, Deletion, Error, Key, Leftover, Lock, LockKeeper, ObjectMeta, Prefix, PutOptions, Result,
    Store, Upload, Version, WriteOnceKeeper, durable, outside_git_work_tree,
};
use chrono::{DateTime, Utc};
use list::Listing;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tree::Place;

/// A store in a directory: the object `a/b` is the file `a/b` below it, as any other program can read it.
///
/// ```text
/// <root>/                       0700 when made here
/// ├── state/default/…           objects: plain files, 0600, written once
/// └── .si-store/                the store's own; no key begins with it
///     ├── tmp/                  uploads on their way, flocked by their writers
///     ├── locks/<key>.json      until when an object is not to be deleted
///     └── mutex                 flocked while something is published, locked or deleted
/// ```
///
/// - *Durable.* When [`Upload::finish`] returns, the bytes and every directory above them have been synced.
/// - *Atomic.* An object gets its name by a rename that refuses an existing name, or by a hard link where the file system
///   knows no such rename.
/// - *Contained.* No symbolic link below the root is followed and no device or pipe opened; one that is met is an
///   [`Error::ForeignFile`].
/// - *Versions* name incarnations: a key that was deleted and written again has another. Only the current one can be
///   read. They are made of inode and modification time, so a copy of the directory has others.
/// - *Locks* are kept by this software against its own [`Store::delete`], as a file beside the objects; whoever may write
///   to the directory, root above all, can remove object and lock. Only a server can promise more.
///
/// The file system must know `flock`, and over a network honour it between hosts. The empty directory `lost+found` of a
/// file system's root is passed over where it cannot be read; any other directory that cannot is an error in a listing.
///
/// A directory is a key's first parts, so unlike in S3 there cannot be both an object `a` and an object `a/b`: the second
/// is an [`Error::KeyClash`].
#[derive(Debug)]
pub struct DirStore {
    root: Handle,
    path: PathBuf,
}

impl DirStore {
    /// Opens a store in a directory that exists. Nothing is written.
    ///
    /// # Errors
    /// [`Error::NoStore`] for a missing directory: it is not created, so that a disk that is not mounted is noticed.
    /// [`Error::InsideGitWorkTree`]; [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        outside_git_work_tree(path)?;
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoStore(path.to_owned()));
            }
            Err(error) => return Err(failed("open", path)(error)),
        };
        Ok(Self { root: Handle::open(&path)?, path })
    }

    /// Makes the directory, 0700, with those above it, where it is missing, and opens the store in it.
    ///
    /// # Errors
    /// As for [`DirStore::open`], but for `NoStore`.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        outside_git_work_tree(path.as_ref())?;
        durable::create_dir_all(path.as_ref(), 0o700)?;
        Self::open(path)
    }

    /// The directory, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn not_found(&self, key: &Key) -> Error {
        Error::NotFound { key: key.clone(), store: self.location() }
    }

    fn exists(&self, key: &Key) -> Error {
        Error::AlreadyExists { key: key.clone(), store: self.location() }
    }

    fn clash(&self, key: &Key, path: impl Into<PathBuf>, found: &'static str) -> Error {
        Error::KeyClash { key: key.clone(), store: self.location(), path: path.into(), found }
    }
}

impl Store for DirStore {
    fn location(&self) -> String {
        format!("file://{}", self.path.display())
    }

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities::new(false, LockKeeper::Client, WriteOnceKeeper::Store))
    }

    fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>> {
        Ok(Box::new(upload::DirUpload::begin(self, key, options)?))
    }

    fn open(&self, key: &Key, version: Option<&Version>, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        let place = self.find(key)?.ok_or_else(|| self.not_found(key))?;
        let mut file = place.dir.open_file(place.name)?.ok_or_else(|| self.not_found(key))?;
        let path = place.path();
        let meta = tree::meta(key, &found(&file, &path)?);
        if version.is_some_and(|version| meta.version.as_ref() != Some(version)) {
            return Err(self.not_found(key));
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(failed("seek in", &path))?;
        }
        Ok(Box::new(ObjectFile { file, path }))
    }

    fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
        let meta = match self.find(key)? {
            Some(place) => place.meta(key)?,
            None => None,
        };
        meta.filter(|meta| version.is_none() || meta.version.as_ref() == version)
            .ok_or_else(|| self.not_found(key))
    }

    fn list(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        Ok(Box::new(Listing::begin(&self.root, prefix, after)?))
    }

    fn list_versions(
        &self,
        prefix: &Prefix,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        self.list(prefix, None)
    }

    fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        if self.find(key)?.is_none() {
            return Ok(Deletion::Missing);
        }
        let _alone = self.alone()?;
        let Some(place) = self.find(key)? else { return Ok(Deletion::Missing) };
        let Some(meta) = place.meta(key)? else { return Ok(Deletion::Missing) };
        if version.is_some() && meta.version.as_ref() != version {
            return Ok(Deletion::Missing);
        }
        if let Some(lock) = self.read_lock(key)?.filter(|lock| lock.until > now) {
            return Ok(Deletion::Locked(lock));
        }
        place.dir.remove(place.name)?;
        place.dir.sync()?;
        self.remove_lock(key)?;
        self.prune_locks(key);
        self.prune(key);
        Ok(Deletion::Deleted)
    }

    fn lock(&self, key: &Key, version: Option<&Version>, lock: Lock) -> Result<()> {
        self.head(key, version)?;
        let _alone = self.alone()?;
        self.head(key, version)?;
        self.extend_lock(key, lock)
    }

    fn lock_of(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>> {
        self.head(key, version)?;
        self.read_lock(key)
    }

    fn leftovers(&self) -> Result<Vec<Leftover>> {
        self.dead_uploads(None)
    }

    fn sweep(&self, before: DateTime<Utc>) -> Result<Vec<Leftover>> {
        self.dead_uploads(Some(before))
    }
}

/// An object being read; its errors name the file.
struct ObjectFile {
    file: File,
    path: PathBuf,
}

impl Read for ObjectFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => failed("read", &self.path)(error).into_io(),
        })
    }
}

impl Place<'_> {
    fn path(&self) -> PathBuf {
        self.dir.path().join(self.name)
    }

    /// What is known of the object, unless there is none: a directory is no object.
    fn meta(&self, key: &Key) -> Result<Option<ObjectMeta>> {
        let Some(found) = self.dir.look(self.name)? else { return Ok(None) };
        match found.kind {
            Kind::File => Ok(Some(tree::meta(key, &found))),
            Kind::Directory => Ok(None),
            Kind::Foreign(found) => Err(Error::ForeignFile { path: self.path(), found }),
        }
    }
}
