use super::record::{ShutRecord, VERSION};
use crate::{Error, Result, disk};
use backup_contract::{CheckResult, Checksum, Outcome, Subject};
use backup_store::fail_point::step;
use backup_store::{Clock, durable};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// The file that orders changes and shutting.
const ORDER: &str = "mutations.lock";

/// The longest record that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// How often a lock that others hold is tried again.
const LOOK: Duration = Duration::from_millis(20);

/// The mutation locks of one context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutationLock {
    dir: PathBuf,
}

/// Whether a lock is shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockStanding {
    /// Nobody has shut it.
    Open,
    /// Somebody has.
    Shut(Box<ShutRecord>),
    /// Something lies there that cannot be read: it counts as shut, for nobody knows why it is there.
    Unreadable {
        /// What lies there.
        path: PathBuf,
        /// Why it cannot be read.
        why: String,
    },
}

impl LockStanding {
    /// Whether changes are to be refused.
    #[must_use]
    pub const fn is_shut(&self) -> bool {
        !matches!(self, Self::Open)
    }

    /// Refuses what needs it open.
    ///
    /// # Errors
    /// [`Error::MutationLocked`] with who shut it and why; [`Error::MutationLockUnreadable`].
    pub fn refuse_shut(self) -> Result<()> {
        match self {
            Self::Open => Ok(()),
            Self::Shut(record) => Err(Error::MutationLocked(record)),
            Self::Unreadable { path, why } => Err(Error::MutationLockUnreadable { path, why }),
        }
    }
}

/// Checks that were made, and that all passed: what opens a lock.
///
/// ```compile_fail
/// fn without_a_check() -> restore_guard::PassedChecks {
///     restore_guard::PassedChecks(()) // only passed checks make one
/// }
/// ```
#[derive(Debug)]
pub struct PassedChecks(());

impl PassedChecks {
    /// `None` where one failed, or none was made.
    #[must_use]
    pub fn of(checks: &[CheckResult]) -> Option<Self> {
        (Outcome::of(checks) == Outcome::Passed).then_some(Self(()))
    }
}

/// The right to change something, for as long as it is held: no lock that covers it is shut meanwhile.
#[derive(Debug)]
pub struct MutationPass {
    file: File,
}

impl Drop for MutationPass {
    fn drop(&mut self) {
        // Not by closing it alone: a child that is just being started has a copy until it runs its program.
        let _ = self.file.unlock();
    }
}

impl MutationLock {
    /// The locks that lie in the directory `dir`, which the first use makes: a context's `.si-backup`. Touches nothing.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Whether the lock of a subject itself is shut.
    ///
    /// # Errors
    /// [`Error::Io`], when it cannot be known.
    pub fn standing(&self, subject: &Subject) -> Result<LockStanding> {
        let path = self.record_path(subject);
        let unreadable = |why: String| Ok(LockStanding::Unreadable { path: path.clone(), why });
        match self.has_directory() {
            Ok(true) => {}
            Ok(false) => return Ok(LockStanding::Open),
            Err(Error::MutationLockUnreadable { path, why }) => {
                return Ok(LockStanding::Unreadable { path, why });
            }
            Err(error) => return Err(error),
        }
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(no_follow());
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(LockStanding::Open),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return unreadable("it is a symbolic link".to_owned());
            }
            Err(e) => return Err(disk::io("read", &path)(e)),
        };
        let mut text = Vec::new();
        if let Err(e) = file.take(LIMIT + 1).read_to_end(&mut text) {
            return unreadable(e.to_string());
        }
        match serde_json::from_slice::<ShutRecord>(&text) {
            Ok(record) if record.version > VERSION => unreadable(format!(
                "it has format version {}, and this program knows {VERSION}",
                record.version
            )),
            Ok(record) if record.subject == *subject => Ok(LockStanding::Shut(Box::new(record))),
            Ok(record) => unreadable(format!("it is that of {}", record.subject)),
            Err(e) => unreadable(e.to_string()),
        }
    }

    /// The lock that keeps a subject from being changed: its own, or that of the context's state, which covers every app.
    ///
    /// # Errors
    /// As for [`MutationLock::standing`].
    pub fn covering(&self, subject: &Subject) -> Result<LockStanding> {
        match self.standing(&Subject::State)? {
            LockStanding::Open if *subject != Subject::State => self.standing(subject),
            found => Ok(found),
        }
    }

    /// Begins a change of a subject, unless a lock that covers it is shut. Waits at most `wait` for one that is just being
    /// shut or opened.
    ///
    /// # Errors
    /// [`Error::MutationLocked`] with who shut it and why; [`Error::MutationLockUnreadable`]; [`Error::MutationsBusy`];
    /// [`Error::Io`].
    pub fn enter(&self, subject: &Subject, clock: &dyn Clock, wait: Duration) -> Result<MutationPass> {
        let pass = self.order(clock, wait, Hold::Shared)?;
        self.covering(subject)?.refuse_shut()?;
        Ok(pass)
    }

    /// Shuts the lock of a subject, durably. On return no change that it covers is under way, and none can begin. One that
    /// the same restore has shut already stays as it is. As long as what is returned is held, nobody can open it either.
    ///
    /// # Errors
    /// [`Error::MutationLocked`] when another restore has shut it; [`Error::MutationLockUnreadable`];
    /// [`Error::MutationsBusy`] when a change is under way for longer than `wait`; [`Error::Io`].
    pub fn shut(&self, record: &ShutRecord, clock: &dyn Clock, wait: Duration) -> Result<MutationPass> {
        let held = self.order(clock, wait, Hold::Alone)?;
        match self.covering(&record.subject)? {
            LockStanding::Shut(found) if found.request == record.request => return Ok(held),
            found => found.refuse_shut()?,
        }
        let mut text = serde_json::to_vec_pretty(record)
            .map_err(|source| Error::Encode { what: "a mutation lock", source })?;
        text.push(b'\n');
        durable::replace(&self.record_path(&record.subject), &text, disk::PRIVATE)?;
        Ok(held)
    }

    /// Opens the lock of a subject, because the checks after its restore, the one that was announced by `request`, have
    /// passed. Returns what it was shut by; `None` when it was open.
    ///
    /// # Errors
    /// [`Error::MutationLocked`] when another restore has shut it since; [`Error::MutationLockUnreadable`],
    /// [`Error::MutationsBusy`], [`Error::Io`].
    pub fn open(
        &self,
        subject: &Subject,
        request: Checksum,
        _because: &PassedChecks,
        clock: &dyn Clock,
        wait: Duration,
    ) -> Result<Option<ShutRecord>> {
        let _held = self.order(clock, wait, Hold::Alone)?;
        match self.standing(subject)? {
            LockStanding::Shut(record) if record.request == request => {
                self.remove(subject)?;
                Ok(Some(*record))
            }
            found => found.refuse_shut().map(|()| None),
        }
    }

    /// Opens the lock of a subject because an operator says so, or because what it was shut for was taken back. `seen` is
    /// what they have looked at: what lies there otherwise was put there since, by somebody else. Who does this writes down
    /// why, before.
    ///
    /// # Errors
    /// [`Error::MutationLocked`] when another restore has shut it since; [`Error::MutationLockUnreadable`],
    /// [`Error::MutationsBusy`], [`Error::Io`].
    pub fn release(
        &self,
        subject: &Subject,
        seen: &LockStanding,
        clock: &dyn Clock,
        wait: Duration,
    ) -> Result<()> {
        let _held = self.order(clock, wait, Hold::Alone)?;
        match self.standing(subject)? {
            LockStanding::Open => Ok(()),
            standing if standing == *seen => self.remove(subject),
            other => other.refuse_shut(),
        }
    }

    /// Whether somebody changes something now, or shuts or opens a lock, and still does after `wait`. Makes nothing.
    ///
    /// # Errors
    /// [`Error::MutationLockUnreadable`], [`Error::Io`].
    pub fn is_in_use(&self, clock: &dyn Clock, wait: Duration) -> Result<bool> {
        if !self.has_directory()? || !self.dir.join(ORDER).exists() {
            return Ok(false);
        }
        match self.order(clock, wait, Hold::Alone) {
            Ok(_) => Ok(false),
            Err(Error::MutationsBusy(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether there is the directory. A link in its place leads to locks that nobody else looks at.
    fn has_directory(&self) -> Result<bool> {
        match std::fs::symlink_metadata(&self.dir) {
            Ok(meta) if meta.is_dir() => Ok(true),
            Ok(_) => Err(Error::MutationLockUnreadable {
                path: self.dir.clone(),
                why: "it is no directory".to_owned(),
            }),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(disk::io("look at", &self.dir)(e)),
        }
    }

    fn remove(&self, subject: &Subject) -> Result<()> {
        let path = self.record_path(subject);
        step("unlink", || std::fs::remove_file(&path)).map_err(disk::io("remove", &path))?;
        Ok(durable::sync_dir(&self.dir)?)
    }

    fn record_path(&self, subject: &Subject) -> PathBuf {
        self.dir.join(match subject {
            Subject::State => "lock-state.json".to_owned(),
            Subject::App(slug) => format!("lock-app-{slug}.json"),
        })
    }

    /// Takes the file that orders changes and shutting.
    fn order(&self, clock: &dyn Clock, wait: Duration, hold: Hold) -> Result<MutationPass> {
        durable::create_dir_all(&self.dir, 0o700)?;
        self.has_directory()?;
        let path = self.dir.join(ORDER);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(disk::PRIVATE)
            .custom_flags(no_follow());
        let began = clock.monotonic();
        let mut file = step("create", || options.open(&path)).map_err(disk::io("open", &path))?;
        loop {
            let tried = match hold {
                Hold::Shared => file.try_lock_shared(),
                Hold::Alone => file.try_lock(),
            };
            match tried {
                Ok(()) if disk::is_still(&file, &path, std::fs::symlink_metadata(&path))? => {
                    return Ok(MutationPass { file });
                }
                // Somebody removed it, and others may have locked a new one.
                Ok(()) => {
                    durable::create_dir_all(&self.dir, 0o700)?;
                    file = options.open(&path).map_err(disk::io("open", &path))?;
                }
                Err(TryLockError::WouldBlock) if clock.monotonic().saturating_sub(began) < wait => {
                    clock.sleep(LOOK);
                }
                Err(TryLockError::WouldBlock) => return Err(Error::MutationsBusy(path)),
                Err(TryLockError::Error(e)) => return Err(disk::io("lock", &path)(e)),
            }
        }
    }
}

/// How the file is held.
#[derive(Debug, Clone, Copy)]
enum Hold {
    Shared,
    Alone,
}

/// No link is followed, and no pipe is waited for.
fn no_follow() -> i32 {
    let flags = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK);
    // The bits of open(2) fit: they are an int there.
    i32::try_from(flags.bits()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use std::time::Instant;

    #[derive(Debug)]
    struct Real(Instant);

    impl Clock for Real {
        fn monotonic(&self) -> Duration {
            self.0.elapsed()
        }

        fn sleep(&self, duration: Duration) {
            std::thread::sleep(duration);
        }
    }

    fn record(subject: &Subject, request: char) -> ShutRecord {
        let request = format!("sha256:{}", request.to_string().repeat(64)).parse().unwrap();
        ShutRecord::new(subject.clone(), DateTime::UNIX_EPOCH, "ada@host", "host", "restore", request)
    }

    fn passed() -> PassedChecks {
        let check = CheckResult { name: "x".into(), ok: true, detail: String::new(), duration_ms: 0 };
        PassedChecks::of(&[check]).unwrap()
    }

    #[test]
    fn a_shut_lock_refuses_changes_and_says_who_shut_it_until_checks_open_it() {
        let home = tempfile::tempdir().unwrap();
        let (lock, clock) = (MutationLock::new(home.path().join(".si-backup")), Real(Instant::now()));
        let shop: Subject = "app:shop".parse().unwrap();
        drop(lock.enter(&shop, &clock, Duration::ZERO).unwrap());
        drop(lock.shut(&record(&Subject::State, '1'), &clock, Duration::ZERO).unwrap());
        for subject in [&Subject::State, &shop] {
            let refused = lock.enter(subject, &clock, Duration::ZERO).unwrap_err();
            assert!(matches!(&refused, Error::MutationLocked(found) if found.by == "ada@host"), "{refused}");
        }
        // The same restore may go on; another one may not begin.
        drop(lock.shut(&record(&Subject::State, '1'), &clock, Duration::ZERO).unwrap());
        let other = lock.shut(&record(&Subject::State, '2'), &clock, Duration::ZERO).unwrap_err();
        assert_eq!(other.code(), "mutation-locked");
        assert!(
            lock.shut(&record(&shop, '2'), &clock, Duration::ZERO).is_err(),
            "the state's covers the app"
        );
        let other = record(&Subject::State, '2').request;
        assert!(lock.open(&Subject::State, other, &passed(), &clock, Duration::ZERO).is_err());
        let own = record(&Subject::State, '1').request;
        assert!(lock.open(&Subject::State, own, &passed(), &clock, Duration::ZERO).unwrap().is_some());
        drop(lock.enter(&shop, &clock, Duration::ZERO).unwrap());
        // That of an app covers nothing else.
        drop(lock.shut(&record(&shop, '3'), &clock, Duration::ZERO).unwrap());
        drop(lock.enter(&Subject::State, &clock, Duration::ZERO).unwrap());
        assert!(lock.enter(&shop, &clock, Duration::ZERO).is_err());
        // Released is what was looked at, and not what another restore has shut since.
        let other = LockStanding::Shut(Box::new(record(&shop, '4')));
        for seen in [LockStanding::Open, other] {
            let refused = lock.release(&shop, &seen, &clock, Duration::ZERO).unwrap_err();
            assert_eq!(refused.code(), "mutation-locked");
        }
        let seen = lock.standing(&shop).unwrap();
        assert!(seen.is_shut());
        lock.release(&shop, &seen, &clock, Duration::ZERO).unwrap();
        assert_eq!(lock.standing(&shop).unwrap(), LockStanding::Open);
        lock.release(&shop, &seen, &clock, Duration::ZERO).unwrap();
    }

    #[test]
    fn it_is_shut_only_when_no_change_is_under_way() {
        let home = tempfile::tempdir().unwrap();
        let (lock, clock) = (MutationLock::new(home.path()), Real(Instant::now()));
        let pass = lock.enter(&Subject::State, &clock, Duration::ZERO).unwrap();
        let busy = lock.shut(&record(&Subject::State, '1'), &clock, Duration::from_millis(50)).unwrap_err();
        assert_eq!(busy.code(), "mutations-busy");
        assert_eq!(lock.standing(&Subject::State).unwrap(), LockStanding::Open);
        assert!(lock.is_in_use(&clock, Duration::ZERO).unwrap());
        drop(pass);
        assert!(!lock.is_in_use(&clock, Duration::ZERO).unwrap());
        let nowhere = MutationLock::new(home.path().join("nowhere"));
        assert!(!nowhere.is_in_use(&clock, Duration::ZERO).unwrap());
        assert!(!home.path().join("nowhere").exists(), "who only looks makes nothing");
        drop(lock.shut(&record(&Subject::State, '1'), &clock, Duration::ZERO).unwrap());
    }

    #[test]
    fn what_cannot_be_read_counts_as_shut() {
        let home = tempfile::tempdir().unwrap();
        let (lock, clock) = (MutationLock::new(home.path()), Real(Instant::now()));
        let path = home.path().join("lock-state.json");
        let newer =
            serde_json::to_string(&ShutRecord { version: 2, ..record(&Subject::State, '1') }).unwrap();
        let other = serde_json::to_string(&record(&"app:shop".parse().unwrap(), '1')).unwrap();
        for text in ["", "{", &newer, &other] {
            std::fs::write(&path, text).unwrap();
            let refused = lock.enter(&Subject::State, &clock, Duration::ZERO).unwrap_err();
            assert_eq!(refused.code(), "mutation-lock-unreadable", "{text}");
            assert!(lock.shut(&record(&Subject::State, '1'), &clock, Duration::ZERO).is_err());
            let own = record(&Subject::State, '1').request;
            assert!(lock.open(&Subject::State, own, &passed(), &clock, Duration::ZERO).is_err());
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(lock.standing(&Subject::State).unwrap().is_shut());
    }

    #[test]
    fn nothing_checked_or_one_failed_opens_nothing() {
        let check = |ok| CheckResult { name: "x".into(), ok, detail: String::new(), duration_ms: 0 };
        assert!(PassedChecks::of(&[]).is_none());
        assert!(PassedChecks::of(&[check(true), check(false)]).is_none());
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_refused() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(home.path().join("elsewhere"), home.path().join("dir")).unwrap();
        let (lock, clock) = (MutationLock::new(home.path().join("dir")), Real(Instant::now()));
        assert!(lock.enter(&Subject::State, &clock, Duration::ZERO).is_err());
        assert!(lock.shut(&record(&Subject::State, '1'), &clock, Duration::ZERO).is_err());
    }
}
