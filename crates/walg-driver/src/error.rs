use backup_contract::SnapshotId;
use thiserror::Error as ThisError;

/// What went wrong with a bucket.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The store refused, or an object was not what was recorded.
    #[error(transparent)]
    Store(#[from] backup_store::Error),
    /// A backup whose sentinel cannot be used has no fingerprint.
    #[error("the sentinel of '{0}' cannot be used")]
    NoSentinel(SnapshotId),
    /// A delta is recognised together with what it is a delta of.
    #[error("'{0}' is a delta, and the fingerprint of its parent is not known")]
    NoParentFingerprint(SnapshotId),
    /// Its objects cannot be opened here: that says nothing of the backup.
    #[error("'{0}' is encrypted in a way that only its engine can undo")]
    NotReadable(SnapshotId),
    /// A program could not be started.
    #[error("cannot start '{program}'")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program could not be watched; it was ended.
    #[error("cannot watch '{program}'")]
    Child {
        /// Its name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody has this name here.
    #[error("there is no user '{0}'")]
    NoSuchUser(String),
    /// A full has no parent.
    #[error("'{0}' is a full, and a fingerprint was given for its parent")]
    NotADelta(SnapshotId),
}

impl Error {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::NoSentinel(_) => "sentinel-unreadable",
            Self::NoParentFingerprint(_) => "no-parent-fingerprint",
            Self::NotADelta(_) => "not-a-delta",
            Self::NotReadable(_) => "not-readable",
            Self::Start { .. } => "program-not-started",
            Self::Child { .. } => "program-not-watched",
            Self::NoSuchUser(_) => "no-such-user",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::NoParentFingerprint(_) => Some("verify its parent first, at level 'checksum' or more"),
            Self::NotReadable(_) => Some("verify it at level 'restore', where the engine opens it"),
            Self::Start { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => Some("install it, or give its path"),
                std::io::ErrorKind::PermissionDenied => {
                    Some("let this user run it; only root can run a program as another user")
                }
                _ => None,
            },
            Self::NoSuchUser(_) => Some("name the user that the server runs as in the runner's 'run_as'"),
            Self::NoSentinel(_) | Self::NotADelta(_) | Self::Child { .. } => None,
        }
    }
}

/// The result of an operation on a bucket.
pub type Result<T> = std::result::Result<T, Error>;
