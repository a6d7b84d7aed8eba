use crate::{Digest, Key, Lock, LockMode, ObjectMeta, Prefix, Result, Version};
use chrono::{DateTime, Utc};
use std::fmt;
use std::io::{Read, Write};

/// A place that holds objects.
///
/// Every implementation passes the same conformance suite. What all of them promise:
///
/// - *Write-once.* A key that exists is never written again: [`Error::AlreadyExists`](crate::Error::AlreadyExists), under
///   a race of any number of processes for all but one of them.
/// - *Whole or not at all.* An object is visible from the moment [`Upload::finish`] succeeds, complete and durable. A
///   dropped upload, a killed process or a full disk leaves nothing visible.
/// - *Order.* [`Store::list`] yields keys in the order of their bytes, lazily.
///
/// Nothing here reads a clock: where a decision depends on the time, `now` is a parameter.
pub trait Store: fmt::Debug + Send + Sync {
    /// Where the store is, for people: a URL without credentials.
    fn location(&self) -> String;

    /// What the store can do.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn capabilities(&self) -> Result<Capabilities>;

    /// Begins to write the object `key`. Nothing is visible before [`Upload::finish`].
    ///
    /// # Errors
    /// `AlreadyExists` as soon as that is known, here or in `finish`; whatever keeps the store from taking bytes.
    fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>>;

    /// Opens an object from byte `offset` on; with a version, exactly that incarnation. From its end on there is nothing to
    /// read, which is no error.
    ///
    /// The reader says nothing about whether the bytes are the right ones: [`read_checked`](crate::read_checked) does.
    ///
    /// # Errors
    /// `NotFound`, for a key or version that is not there.
    fn open(&self, key: &Key, version: Option<&Version>, offset: u64) -> Result<Box<dyn Read + Send + '_>>;

    /// What is known of an object.
    ///
    /// # Errors
    /// `NotFound`, for a key or version that is not there.
    fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta>;

    /// The current objects below `prefix` in the order of their keys, beginning behind `after`. Fetched page by page as
    /// the iterator is advanced; an object written or deleted meanwhile may or may not be seen.
    ///
    /// # Errors
    /// When the first page cannot be fetched; later pages fail as items.
    fn list(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>>;

    /// Like [`Store::list`], every version of each key, newest first. In a store without versions that is the same.
    ///
    /// # Errors
    /// As for [`Store::list`].
    fn list_versions(
        &self,
        prefix: &Prefix,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>>;

    /// Deletes an object for good: with a version that incarnation, else the current one.
    ///
    /// # Errors
    /// When the store cannot tell whether it is gone. A lock is not an error but an answer: [`Deletion::Locked`].
    fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion>;

    /// Deletes many objects for good; one answer for each, in their order.
    ///
    /// A store that deletes in batches does not look first whether each is there: one that was not may be answered with
    /// `Deleted`.
    ///
    /// # Errors
    /// When the store could not be asked at all; what keeps one object is that object's answer.
    fn delete_many(&self, objects: &[ObjectRef], now: DateTime<Utc>) -> Result<Vec<Result<Deletion>>> {
        Ok(objects.iter().map(|object| self.delete(&object.key, object.version.as_ref(), now)).collect())
    }

    /// Locks an object, or extends its lock. Asking for less than it has changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Locked`, when what is asked for is more in time and less in mode than what it has, or the other way
    /// round, or where a server wants the weaker mode bypassed for the stronger one; `Unsupported` where the store has no
    /// locks.
    fn lock(&self, key: &Key, version: Option<&Version>, lock: Lock) -> Result<()>;

    /// The lock of an object, also one whose time has passed.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` where the store has no locks.
    fn lock_of(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>>;

    /// Whether an object is under a legal hold: kept until somebody lifts that, whatever its lock says. This software shows
    /// holds; it neither places nor lifts them.
    ///
    /// # Errors
    /// `NotFound`; whatever keeps the store from answering.
    fn is_held(&self, key: &Key, version: Option<&Version>) -> Result<bool> {
        self.head(key, version).map(|_| false)
    }

    /// What writers that died have left behind, invisible to everything else.
    ///
    /// # Errors
    /// When the store cannot be listed.
    fn leftovers(&self) -> Result<Vec<Leftover>>;

    /// Removes the leftovers last written to before `before`, and returns them. A writer that is alive keeps writing;
    /// choose a time further back than any upload takes.
    ///
    /// # Errors
    /// When one of them cannot be removed.
    fn sweep(&self, before: DateTime<Utc>) -> Result<Vec<Leftover>>;
}

/// An object being written. Dropped, it leaves nothing behind; only [`Upload::finish`] publishes.
pub trait Upload: Write + Send {
    /// Makes the object durable, then visible.
    ///
    /// # Errors
    /// `AlreadyExists`, when another writer was first; whatever kept the bytes from being durable. In every case nothing
    /// of this upload is visible.
    fn finish(self: Box<Self>) -> Result<Stored>;
}

/// What was stored by an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The object as the store knows it.
    pub meta: ObjectMeta,
    /// The SHA-256 of the bytes that were handed in.
    pub digest: Digest,
}

/// How an object is to be written.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// A lock that it has from the first moment at which it is visible.
    pub lock: Option<Lock>,
    /// How long it will be, in bytes, where that is known: a store chooses the size of its parts by it.
    pub size_hint: Option<u64>,
}

/// How a deletion ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Deleted,
    /// It was not there.
    Missing,
    /// A lock holds it.
    Locked(Lock),
    /// A legal hold keeps it, for nobody knows how long.
    Held,
}

/// One object, or one incarnation of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// Its name.
    pub key: Key,
    /// Which incarnation; the current one if none is named.
    pub version: Option<Version>,
}

/// What a writer that died has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The store's own name for it.
    pub name: String,
    /// How many bytes it holds.
    pub bytes: u64,
    /// When it was last written to.
    pub modified: DateTime<Utc>,
}

/// What a store can do, as data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether a deleted or replaced object can still be read by its version.
    pub versioning: bool,
    /// Who keeps a locked object from deletion.
    pub locks: LockKeeper,
    /// Who keeps a key from being written twice.
    pub write_once: WriteOnceKeeper,
    /// The lock that the store gives to everything that is written without one. It would lock leases and trials too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_retention: Option<DefaultRetention>,
    /// How the bytes travel.
    pub transport: Transport,
}

impl Capabilities {
    /// What a store in this machine says of itself.
    #[must_use]
    pub const fn new(versioning: bool, locks: LockKeeper, write_once: WriteOnceKeeper) -> Self {
        Self { versioning, locks, write_once, default_retention: None, transport: Transport::Local }
    }

    /// The same, of a store that is reached so.
    #[must_use]
    pub const fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// The same, of a store with a lock for everything.
    #[must_use]
    pub const fn with_default_retention(self, default_retention: Option<DefaultRetention>) -> Self {
        Self { default_retention, ..self }
    }
}

/// The lock that a store gives to everything that is written without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct DefaultRetention {
    /// Who may lift it.
    pub mode: LockMode,
    /// For how many days; a year counts 365.
    pub days: u32,
}

/// How the bytes travel to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// They do not leave this machine.
    Local,
    /// Encrypted, to a server whose certificate was checked.
    Tls,
    /// In the clear, to another machine.
    Plain,
}

/// Who keeps a locked object from deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockKeeper {
    /// Nobody: the store has no locks.
    Nobody,
    /// This software, against itself only; whoever owns the files can remove them.
    Client,
    /// The server, against everybody.
    Server,
}

/// Who keeps a key from being written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteOnceKeeper {
    /// Not known: these credentials may not write.
    Unknown,
    /// This software looks first; two writers at once may both succeed.
    HeadCheck,
    /// The store itself, also under a race.
    Store,
}
