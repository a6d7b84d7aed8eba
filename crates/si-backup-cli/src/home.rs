use crate::CliError;
use crate::world::World;
use backup_contract::ContextName;
use backup_store::fail_point::step;
use backup_store::{Observation, durable, outside_git_work_tree};
use restore_guard::{Trail, WriterId, WriterKey};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock on a local file is tried while waiting for it.
const POLL: Duration = Duration::from_millis(100);

/// The program's own files: settings, keys, trail, locks. Nothing in it is the only copy of anything but the keys.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// `$SI_BACKUP_HOME`, else `~/.si/backup`.
    ///
    /// # Errors
    /// [`CliError::Usage`] when neither is named.
    pub fn of(world: &World) -> Result<Self, CliError> {
        Ok(Self(match world.var("SI_BACKUP_HOME") {
            Some(path) => PathBuf::from(path),
            None => world.home()?.join(".si/backup"),
        }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, 0700, outside of every git work tree.
    ///
    /// # Errors
    /// [`CliError::Store`].
    pub fn make(&self) -> Result<(), CliError> {
        outside_git_work_tree(&self.0)?;
        Ok(durable::create_dir_all(&self.0, 0o700)?)
    }

    /// A directory below it, made as the home itself is.
    ///
    /// # Errors
    /// [`CliError::Store`].
    pub fn directory(&self, name: &str) -> Result<PathBuf, CliError> {
        self.make()?;
        let path = self.0.join(name);
        durable::create_dir_all(&path, 0o700)?;
        Ok(path)
    }

    /// The age identity that `init` makes.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.0.join("identity.txt")
    }

    /// The public keys of writers whose evidence counts since this home took a context over, a line each.
    #[must_use]
    pub fn recovered_writers(&self) -> PathBuf {
        self.0.join("recovered-writers.txt")
    }

    /// The key that signs this host's evidence.
    #[must_use]
    pub fn signing_key(&self) -> PathBuf {
        self.0.join("signing.key")
    }

    /// Reads the signing key.
    ///
    /// # Errors
    /// [`CliError::NoSigningKey`]; [`CliError::Guard`].
    pub fn open_signing_key(&self) -> Result<WriterKey, CliError> {
        let path = self.signing_key();
        match WriterKey::open(&path) {
            Err(restore_guard::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Err(CliError::NoSigningKey(path))
            }
            key => Ok(key?),
        }
    }

    /// The random id of this home, made with it.
    ///
    /// # Errors
    /// [`CliError::Guard`].
    pub fn writer(&self) -> Result<WriterId, CliError> {
        Ok(WriterId::open_or_create(&self.0.join("writer-id"))?)
    }

    /// The trail of this home about a context.
    ///
    /// # Errors
    /// [`CliError::Guard`], [`CliError::Store`].
    pub fn trail(&self, context: &ContextName) -> Result<Trail, CliError> {
        let dir = self.directory("trail")?;
        Ok(Trail::new(dir.join(format!("{context}.jsonl")), context.clone(), self.writer()?))
    }

    /// The same trail, to be read: nothing is made. `None` for a home that has never written one.
    ///
    /// # Errors
    /// [`CliError::Guard`].
    pub fn known_trail(&self, context: &ContextName) -> Result<Option<Trail>, CliError> {
        let path = self.0.join("trail").join(format!("{context}.jsonl"));
        let writer = WriterId::open(&self.0.join("writer-id"))?;
        Ok(writer.map(|writer| Trail::new(path, context.clone(), writer)))
    }

    /// Keeps other processes of this home from doing `what` until the returned lock is dropped, also by a crash.
    ///
    /// # Errors
    /// [`CliError::Busy`] when `wait` is over; [`CliError::Interrupted`].
    pub fn lock(&self, what: &str, wait: Duration, world: &World) -> Result<HomeLock, CliError> {
        let path = self.directory("locks")?.join(format!("{what}.lock"));
        HomeLock::take(&path, wait, world)?.ok_or(CliError::Busy(path))
    }

    /// What this home saw of a lease of others; nothing after the machine was started anew.
    #[must_use]
    pub fn observation(&self, lease: &str, world: &World) -> Observation {
        std::fs::read(self.observation_path(lease))
            .ok()
            .and_then(|text| serde_json::from_slice::<Seen>(&text).ok())
            .filter(|seen| seen.boot_id == world.boot_id && !seen.boot_id.is_empty())
            .map_or_else(Observation::new, |seen| seen.observation)
    }

    /// Remembers what was seen of a lease, so that the next process can judge its holder.
    ///
    /// # Errors
    /// [`CliError::Store`].
    pub fn remember(&self, lease: &str, observation: &Observation, world: &World) -> Result<(), CliError> {
        let path = self.observation_path(lease);
        if *observation == Observation::new() {
            // Nothing to remember; a file that is not there says the same.
            let _ = step("unlink", || std::fs::remove_file(path));
            return Ok(());
        }
        let seen = Seen { boot_id: world.boot_id.clone(), observation: observation.clone() };
        self.directory("leases")?;
        let text = serde_json::to_vec(&seen).unwrap_or_default();
        Ok(durable::replace(&path, &text, 0o600)?)
    }

    fn observation_path(&self, lease: &str) -> PathBuf {
        self.0.join("leases").join(format!("{}.json", lease.replace('/', "-")))
    }
}

/// Held while it lives. Unlocked by itself, and not by closing the file alone: a program that was started in the meantime
/// may have the file open for a moment too.
#[derive(Debug)]
pub struct HomeLock(File);

impl HomeLock {
    /// Locks a file, which is made where it is missing; nothing when another process holds it still after `wait`.
    ///
    /// # Errors
    /// [`CliError::Io`]; [`CliError::Interrupted`].
    pub fn take(path: &Path, wait: Duration, world: &World) -> Result<Option<Self>, CliError> {
        let io = |source| CliError::Io { operation: "lock", path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = step("create", || options.open(path)).map_err(io)?;
        let began = world.clock.monotonic();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self(file))),
                Err(TryLockError::Error(e)) => return Err(io(e)),
                Err(TryLockError::WouldBlock) => {}
            }
            if let Some(signal) = world.interrupts.signal() {
                return Err(CliError::Interrupted(signal));
            }
            let left = wait.saturating_sub(world.clock.monotonic().saturating_sub(began));
            if left.is_zero() {
                return Ok(None);
            }
            world.clock.sleep(POLL.min(left));
        }
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

#[derive(Serialize, Deserialize)]
struct Seen {
    boot_id: String,
    observation: Observation,
}
