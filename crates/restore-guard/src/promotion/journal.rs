use super::dir::Dir;
use super::identity::EntryKind;
use super::plan::{Carries, Plan};
use super::record::{Phase, Record};
use super::swap::LEFT_BY_MOVES;
use crate::{Error, Grant, Result, disk};
use backup_contract::Checksum;
use backup_store::durable;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// The version of the files of a journal.
pub(super) const VERSION: u64 = 1;

/// What is staged, and then what was replaced, where it could be moved here.
pub(super) const KEPT: &str = "kept";
const LOCK: &str = "lock";
const RECORD: &str = "journal.json";
const PLAN: &str = "plan.json";
pub(super) const WAY_BACK: &str = "undo.json";

/// The journal of the restores of one subject: a directory of its own. It holds at most one restore, from before its
/// first step until it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    path: PathBuf,
}

/// A restore that has been begun, and neither confirmed nor given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What was allowed, to whom.
    pub grant: Grant,
    /// How far it is.
    pub phase: Phase,
    /// When its first step was written down.
    pub begun_at: DateTime<Utc>,
    /// Since when it is in this phase.
    pub since: DateTime<Utc>,
    /// What it carries.
    pub carries: Carries,
    /// The directory that it changes.
    pub live: PathBuf,
    /// Where what was replaced is kept.
    pub kept: PathBuf,
    /// What was noted with its plan.
    pub note: Option<Value>,
}

impl Journal {
    /// The journal in the directory `path`, which the first restore makes. Touches nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is under way, if anything is. Changes nothing and waits for nobody.
    ///
    /// # Errors
    /// [`Error::JournalMalformed`], [`Error::NewerFormat`], [`Error::NotPromotable`] for a directory that others own or
    /// may write to, [`Error::Io`].
    pub fn pending(&self) -> Result<Option<Pending>> {
        let Some(dir) = Dir::open_if_there(&self.path)? else { return Ok(None) };
        check_owner(&dir)?;
        let Some((record, plan)) = read(&dir)? else { return Ok(None) };
        Ok(Some(self.pending_of(record, plan)))
    }

    fn pending_of(&self, record: Record, plan: Plan) -> Pending {
        let kept = if record.is_in_journal { self.path.join(KEPT) } else { plan.staged() };
        Pending {
            grant: record.grant,
            phase: record.phase,
            begun_at: record.begun_at,
            since: record.since,
            carries: plan.carries,
            live: plan.live(),
            kept,
            note: plan.note,
        }
    }

    /// Makes the directory if it is missing, and takes its lock.
    pub(super) fn hold_or_make(&self) -> Result<Held> {
        durable::create_dir_all(&self.path, 0o700)?;
        self.hold()?.ok_or_else(|| disk::io("open", &self.path)(ErrorKind::NotFound.into()))
    }

    /// Takes its lock; `None` where there is no directory.
    pub(super) fn hold(&self) -> Result<Option<Held>> {
        let Some(dir) = Dir::open_if_there(&self.path)? else { return Ok(None) };
        check_owner(&dir)?;
        let lock = dir.lock_file(LOCK)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Held { dir, lock })),
            Err(TryLockError::WouldBlock) => Err(Error::RestoreRunning(self.path.clone())),
            Err(TryLockError::Error(error)) => Err(disk::io("lock", &self.path)(error)),
        }
    }
}

/// A journal whose lock this process has.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) dir: Dir,
    lock: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Not by closing it alone: a child that another thread is just starting has a copy until it runs its program.
        let _ = self.lock.unlock();
    }
}

impl Held {
    pub(super) fn read(&self) -> Result<Option<(Record, Plan)>> {
        read(&self.dir)
    }

    /// Writes down what will be done. With the record that follows it, the restore has begun.
    pub(super) fn write_plan(&self, plan: &Plan) -> Result<Checksum> {
        self.write(PLAN, plan)
    }

    pub(super) fn write_record(&self, record: &Record) -> Result<()> {
        self.write(RECORD, record).map(drop)
    }

    pub(super) fn write(&self, name: &str, value: &impl Serialize) -> Result<Checksum> {
        let mut bytes = serde_json::to_vec(value)
            .map_err(|source| Error::Encode { what: "a restore journal", source })?;
        bytes.push(b'\n');
        durable::replace_in(&self.dir, self.dir.path(), name, &bytes, disk::PRIVATE)?;
        Ok(digest_of(&bytes))
    }

    pub(super) fn read_back(&self) -> Result<Option<super::record::WayBack>> {
        Ok(load(&self.dir, WAY_BACK)?.map(|(back, _)| back))
    }

    /// Whether a record is there, whole or not.
    pub(super) fn has_record(&self) -> Result<bool> {
        Ok(self.dir.look(RECORD)?.is_some())
    }

    /// Removes what a process has left that was killed before a restore had begun. What others put here stays.
    pub(super) fn sweep(&self) -> Result<()> {
        if self.dir.look(KEPT)?.is_some() {
            let path = self.dir.path_of(KEPT);
            return Err(Error::NotPromotable { path, reason: "it is there, and of no restore" });
        }
        self.sweep_files()?;
        self.dir.remove(PLAN).map(drop)
    }

    fn sweep_files(&self) -> Result<()> {
        for name in self.dir.names()? {
            let is_file =
                || Ok::<_, Error>(self.dir.look(&name)?.map(|it| it.identity.kind) == Some(EntryKind::File));
            if name == WAY_BACK || durable::is_temporary(&name) && is_file()? {
                self.dir.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Removes what a restore has left here, its record last: with that there is none. What others put here stays.
    pub(super) fn clear(&self) -> Result<()> {
        self.dir.remove_all(KEPT)?;
        for name in self.dir.names()? {
            if LEFT_BY_MOVES.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes())) {
                self.dir.remove_all(&name)?;
            }
        }
        self.sweep_files()?;
        self.dir.remove(PLAN)?;
        self.dir.sync()?;
        self.dir.remove(RECORD)?;
        self.dir.sync()
    }
}

/// A journal that others can write to could make this process move what they like.
fn check_owner(dir: &Dir) -> Result<()> {
    let seen = dir.seen()?;
    let user = rustix::process::geteuid();
    let reason = if seen.mode & 0o022 != 0 {
        "others may write to it"
    } else if seen.owner.0 != user.as_raw() {
        // Also for root: whoever owns it could have written into it that root is to move what is root's.
        "it is another user's"
    } else {
        return Ok(());
    };
    Err(Error::NotPromotable { path: dir.path().to_owned(), reason })
}

fn read(dir: &Dir) -> Result<Option<(Record, Plan)>> {
    let Some((record, _)) = load::<Record>(dir, RECORD)? else { return Ok(None) };
    let malformed =
        |reason: &str| Error::JournalMalformed { path: dir.path_of(PLAN), reason: reason.to_owned() };
    let Some((plan, digest)) = load::<Plan>(dir, PLAN)? else {
        if record.phase == Phase::Dropping {
            // It was on its way out, and the plan goes before the record.
            return Ok(None);
        }
        return Err(malformed("the plan is gone"));
    };
    if digest != record.plan {
        return Err(malformed("it is another plan"));
    }
    plan.check()?;
    Ok(Some((record, plan)))
}

/// What a file of any version says of itself.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    version: Option<u64>,
}

fn load<T: DeserializeOwned>(dir: &Dir, name: &str) -> Result<Option<(T, Checksum)>> {
    let path = dir.path_of(name);
    if dir.look(name)?.is_none() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    dir.open_file(name)?.read_to_end(&mut bytes).map_err(disk::io("read", &path))?;
    let malformed = |error: serde_json::Error| Error::JournalMalformed {
        path: path.clone(),
        // The position only: the text could hold anything.
        reason: format!("line {}, column {}", error.line(), error.column()),
    };
    let version = serde_json::from_slice::<Versioned>(&bytes).map_err(malformed)?.version;
    if let Some(found) = version.filter(|version| *version > VERSION) {
        return Err(Error::NewerFormat { place: path.display().to_string(), found, supported: VERSION });
    }
    let value = serde_json::from_slice(&bytes).map_err(malformed)?;
    Ok(Some((value, digest_of(&bytes))))
}

fn digest_of(bytes: &[u8]) -> Checksum {
    Checksum::from_sha256(Sha256::digest(bytes).into())
}
