use crate::{Digest, Key, Lock, RemoteProblem, SetupProblem};
use std::io;
use std::path::PathBuf;
use thiserror::Error as ThisError;

/// What kept a store from doing what it was asked.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A text that no object may be named.
    #[error("'{key}' cannot be the key of an object: {reason}", key = key.escape_debug())]
    InvalidKey {
        /// The rejected text.
        key: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// No object, or no such version of it.
    #[error("no object '{key}' in {store}")]
    NotFound {
        /// The key that was asked for.
        key: Key,
        /// Where it was looked for.
        store: String,
    },
    /// Nothing is ever written twice to one key.
    #[error("'{key}' exists already in {store}")]
    AlreadyExists {
        /// The key that was to be written.
        key: Key,
        /// Where it exists.
        store: String,
    },
    /// The bytes are not those that were recorded.
    #[error(
        "'{key}' is not what was recorded: expected {expected} of {expected_size} bytes, found {found} of {found_size} bytes"
    )]
    Corrupt {
        /// The object.
        key: Key,
        /// The recorded digest.
        expected: Digest,
        /// The recorded length in bytes.
        expected_size: u64,
        /// The digest of what was read.
        found: Digest,
        /// The length of what was read, in bytes.
        found_size: u64,
    },
    /// The object is longer than its reader is ready to hold.
    #[error("'{key}' is longer than the {limit} bytes that were expected at most")]
    TooLarge {
        /// The object.
        key: Key,
        /// The most that would have been read, in bytes.
        limit: u64,
    },
    /// The directory of the store is not there.
    #[error("the store directory {} does not exist", .0.display())]
    NoStore(PathBuf),
    /// Backups do not belong where they could be committed and pushed.
    #[error("{} is inside the git work tree {}", path.display(), work_tree.display())]
    InsideGitWorkTree {
        /// What was to be written or read.
        path: PathBuf,
        /// The directory that has a `.git`.
        work_tree: PathBuf,
    },
    /// A file is to be made where one is already.
    #[error("{} exists already", .0.display())]
    FileExists(PathBuf),
    /// In a directory a key is a path: no object can be below another one, or where a directory is.
    #[error("'{key}' cannot be written in {store}: {} is {found}", path.display())]
    KeyClash {
        /// The key that was to be written.
        key: Key,
        /// Where.
        store: String,
        /// What is in its way.
        path: PathBuf,
        /// What that is: `an object`, `a directory`.
        found: &'static str,
    },
    /// A store holds plain files and directories; it follows no link and reads no device.
    #[error("{} is {found}, which does not belong in a store", path.display())]
    ForeignFile {
        /// What was found there.
        path: PathBuf,
        /// What it is: `a symbolic link`, …
        found: &'static str,
    },
    /// A bucket holds something that no object of this software is named.
    #[error("'{name}' in {store} does not belong there: {why}", name = name.escape_debug())]
    ForeignObject {
        /// Its name in the bucket.
        name: String,
        /// Where.
        store: String,
        /// Which rule it breaks.
        why: String,
    },
    /// Somebody deleted the object by other means: its versions are there, hidden by a delete marker.
    #[error("'{key}' in {store} is hidden by a delete marker, and nothing is ever written twice to one key")]
    Hidden {
        /// The key that was to be written.
        key: Key,
        /// Where.
        store: String,
    },
    /// It is another object than the one whose reading was begun.
    #[error("'{key}' in {store} was replaced or deleted while it was read")]
    Changed {
        /// The object.
        key: Key,
        /// Where.
        store: String,
    },
    /// A store behind a network did not do what it was asked.
    #[error("cannot {operation} {target}: {problem}{}", because(detail))]
    Remote {
        /// What was tried: `read`, `write`, `list`, …
        operation: &'static str,
        /// On which object or store.
        target: String,
        /// Why not.
        problem: RemoteProblem,
        /// What the other side said; may be empty.
        detail: String,
    },
    /// The last answer did not arrive, and looking was not possible either.
    #[error("whether '{key}' was stored in {store} is not known: {problem}{}", because(detail))]
    OutcomeUnknown {
        /// The object.
        key: Key,
        /// Where.
        store: String,
        /// What kept the answer away.
        problem: RemoteProblem,
        /// What the other side said; may be empty.
        detail: String,
    },
    /// The settings of a store behind a network cannot be used.
    #[error("{detail}")]
    Setup {
        /// Which kind of fault it is.
        problem: SetupProblem,
        /// What is wrong.
        detail: String,
    },
    /// The caller wanted no more of it.
    #[error("{0} was interrupted")]
    Interrupted(&'static str),
    /// The store has no such ability.
    #[error("{store} has no {ability}")]
    Unsupported {
        /// The store.
        store: String,
        /// What it lacks.
        ability: &'static str,
    },
    /// Somebody else holds the lease.
    #[error("the lease '{name}' is held by {holder} (generation {generation})")]
    LeaseHeld {
        /// The lease.
        name: String,
        /// Who holds it, in its own words.
        holder: String,
        /// The generation that would have to stay unchanged for the holder to be taken for dead.
        generation: u64,
    },
    /// The lease was taken over by somebody who thought this holder dead.
    #[error("the lease '{name}' was lost: generation {generation} is by {holder}")]
    LeaseLost {
        /// The lease.
        name: String,
        /// Who holds it now.
        holder: String,
        /// The newest generation.
        generation: u64,
    },
    /// An object that should be this software's own record is something else.
    #[error("'{key}' is not a {what}: {reason}")]
    Malformed {
        /// The object.
        key: Key,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// A lock cannot be made shorter, and an object under it cannot be deleted.
    #[error("'{key}' is locked until {}", lock.until.to_rfc3339())]
    Locked {
        /// The object.
        key: Key,
        /// Its lock.
        lock: Lock,
    },
    /// A legal hold keeps the object, whatever its lock says.
    #[error("'{key}' is under a legal hold")]
    Held {
        /// The object.
        key: Key,
    },
    /// The system beneath refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `flush`, …
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes could be had from the system.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
}

/// What is said after the problem, where there is more to say.
fn because(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

impl Error {
    /// As an [`io::Error`], for the traits [`Read`](io::Read) and [`Write`](io::Write); [`Error::from_io`] takes it out
    /// again. Its kind is that of the system's error, or [`InvalidData`](io::ErrorKind::InvalidData) for altered bytes.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Io { source, .. } => source.kind(),
            Self::Corrupt { .. } | Self::Malformed { .. } => io::ErrorKind::InvalidData,
            Self::NotFound { .. } => io::ErrorKind::NotFound,
            Self::Remote { problem: RemoteProblem::TimedOut, .. } => io::ErrorKind::TimedOut,
            Self::Remote { problem: RemoteProblem::Denied, .. } => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }

    /// The store's error in what a reader or writer returned; any other becomes [`Error::Io`] of `operation` on `path`.
    pub fn from_io(source: io::Error, operation: &'static str, path: impl Into<PathBuf>) -> Self {
        match source.downcast::<Self>() {
            Ok(own) => own,
            Err(source) => Self::Io { operation, path: path.into(), source },
        }
    }

    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        use io::ErrorKind;
        match self {
            Self::InvalidKey { .. } => "invalid-key",
            Self::NotFound { .. } => "object-not-found",
            Self::AlreadyExists { .. } => "object-exists",
            Self::Corrupt { .. } => "object-corrupt",
            Self::TooLarge { .. } => "object-too-large",
            Self::NoStore(_) => "store-missing",
            Self::InsideGitWorkTree { .. } => "inside-git-work-tree",
            Self::FileExists(_) => "file-exists",
            Self::KeyClash { .. } => "key-clash",
            Self::ForeignFile { .. } => "foreign-file",
            Self::ForeignObject { .. } => "foreign-object",
            Self::Hidden { .. } => "object-hidden",
            Self::Changed { .. } => "object-changed",
            Self::Remote { problem, .. } => problem.code(),
            Self::OutcomeUnknown { .. } => "outcome-unknown",
            Self::Setup { problem, .. } => problem.code(),
            Self::Interrupted(_) => "interrupted",
            Self::Unsupported { .. } => "store-unsupported",
            Self::LeaseHeld { .. } => "lease-held",
            Self::LeaseLost { .. } => "lease-lost",
            Self::Malformed { .. } => "object-malformed",
            Self::Locked { .. } => "object-locked",
            Self::Held { .. } => "object-held",
            Self::Io { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied => "permission-denied",
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "disk-full",
                ErrorKind::ReadOnlyFilesystem => "read-only",
                _ => "io",
            },
            Self::Random(_) => "no-randomness",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Remote { problem, .. } => return Some(problem.hint()),
            Self::Setup { problem, .. } => return Some(problem.hint()),
            _ => {}
        }
        match self.code() {
            "object-corrupt" => {
                Some("do not use this object; 'si-backup list' names the newest snapshot that was proved")
            }
            "store-missing" => Some(
                "create or mount it, or correct 'url' in the settings; it is never created unasked, so that an unmounted disk is noticed",
            ),
            "inside-git-work-tree" => {
                Some("choose a place outside of every git work tree, so that no backup is ever committed")
            }
            "object-held" => Some("whoever placed the hold must lift it; then run again"),
            "foreign-object" => Some("look at it, and move it out of the store's prefix"),
            "object-hidden" => Some(
                "find out who deleted it; removing the delete marker brings it back, removing its versions frees the key",
            ),
            "object-changed" => Some("find out who else writes to the store: an object is never replaced"),
            "outcome-unknown" => {
                Some("run again once the store can be reached: nothing is ever written twice")
            }
            "foreign-file" => Some("look at it, and move it out of the store's directory"),
            "lease-held" => Some("wait for the other run with --lock-wait, or look at what it does"),
            "lease-lost" => Some("another run took over because this one did not renew in time; run again"),
            "permission-denied" => Some("give the user that runs this access to the path"),
            "disk-full" => {
                Some("free space on that file system and run again; nothing half-written is visible")
            }
            "read-only" => Some("the file system is mounted read-only; remount it or choose another place"),
            _ => None,
        }
    }
}
