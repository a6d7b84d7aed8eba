use crate::scratch::ScratchFault;
use backup_contract::SnapshotId;
use std::path::{Path, PathBuf};
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
    /// Nothing of it can be opened with the key that is here: that says nothing of the backup either.
    #[error(
        "nothing of '{0}' can be opened with the key of the env file: it was made with another one, or with none"
    )]
    KeyDoesNotOpen(SnapshotId),
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
    /// A path or an argument has a byte that neither a shell nor a program can be given.
    #[error("a NUL byte is in a path or an argument")]
    NulByte,
    /// A program has a name that `env` takes for a setting.
    #[error("'{0}' cannot be the name of a program")]
    ProgramName(String),
    /// The system has no random bytes.
    #[error("cannot get random bytes")]
    Random(#[source] std::io::Error),
    /// A program had to be ended, or was ended by somebody else.
    #[error("'{program}' {status}: {said}")]
    Stopped {
        /// Its name.
        program: String,
        /// What became of it.
        status: crate::process::Status,
        /// The last lines that it printed.
        said: String,
    },
    /// The server was not reached.
    #[error("the server was not reached: {0}")]
    NoServer(String),
    /// The server follows another one.
    #[error("the server that answers is a standby: no backup is made of one")]
    Standby,
    /// A directory is not the one in which the server that answers works.
    #[error("{} is not the data directory of the server that answers: {why}", path.display())]
    OtherDirectory {
        /// The directory.
        path: PathBuf,
        /// What speaks against it.
        why: String,
    },
    /// The server refused what it was told to do.
    #[error("the server refused: {0}")]
    Sql(String),
    /// A program printed more than is read of it.
    #[error("a program printed too much to be read")]
    TooMuchOutput,
    /// Compose told of its containers in words that are not known.
    #[error("what compose prints of its containers cannot be read")]
    ComposeOutput {
        /// Why.
        source: serde_json::Error,
    },
    /// A command was not run at all.
    #[error("{place} could not run it: {said}")]
    NotRun {
        /// Where.
        place: String,
        /// The last lines that were printed there.
        said: String,
    },
    /// A command was begun, and its shell did not live to say what it ended with: its container was killed, or the engine of
    /// the containers was.
    #[error("it was begun by {place}, and what became of it is not known: {said}")]
    OutcomeUnknown {
        /// Where.
        place: String,
        /// The last lines that were printed there.
        said: String,
    },
    /// Another machine was not reached; nothing was run there.
    #[error("'{target}' was not reached: {said}")]
    NotConnected {
        /// The machine.
        target: String,
        /// What `ssh` said.
        said: String,
    },
    /// The connection was lost while a command ran: it was ended there, or will be, and nobody knows how far it came.
    #[error("the connection to '{target}' was lost: {said}")]
    ConnectionLost {
        /// The machine.
        target: String,
        /// What `ssh` said.
        said: String,
    },
    /// An engine would not do what the app's env file says.
    #[error("the engine would not do what the env file says: {}", places(.0))]
    Settings(Vec<backup_contract::Finding>),
    /// An engine did not tell its version.
    #[error("the engine '{0}' does not tell its version")]
    NoEngineVersion(backup_contract::engine::EngineKind),
    /// Deltas hang on restorable fulls alone.
    #[error("'{0}' is no full that can be restored")]
    NotAFull(SnapshotId),
    /// A path that another program could take for another place.
    #[error("'{0}' does not begin at the root")]
    NotAbsolute(PathBuf),
    /// A full has no parent.
    #[error("'{0}' is a full, and a fingerprint was given for its parent")]
    NotADelta(SnapshotId),
    /// No backup of that name, or no longer.
    #[error("there is no backup '{0}'")]
    NoBackup(SnapshotId),
    /// Something that a restore needs is not there.
    #[error("'{id}' cannot be restored: {why}")]
    NotRestorable {
        /// The backup.
        id: SnapshotId,
        /// What stands in the way, all of it.
        why: String,
    },
    /// The system refused something about a local file.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A name that no file of an archive has.
    #[error("'{}' is not the name of a file in an archive of WAL", .0.escape_debug())]
    NotWal(String),
    /// What is in the archive under a name is not what the name says.
    #[error("'{name}' in the archive is not what its name says: {why}")]
    BadWal {
        /// The name.
        name: String,
        /// Why not.
        why: String,
    },
    /// The archive holds nothing at all: that is a wrong place, not a proof that a file was never archived.
    #[error("there is no WAL at all in {0}")]
    EmptyArchive(String),
    /// A restore into a scratch server could not be tried, or says nothing of the backup.
    #[error(transparent)]
    Scratch(#[from] ScratchFault),
    /// The disk is too small for what is about to be written.
    #[error("{} has {have} bytes free, and {need} are needed", path.display())]
    NoSpace {
        /// Where it was to be written.
        path: PathBuf,
        /// How much is needed, in bytes.
        need: u64,
        /// How much there is, in bytes.
        have: u64,
    },
}

impl Error {
    /// An I/O error with its operation and path.
    pub(crate) fn io<'a>(
        operation: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<'a> {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }

    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::NoSentinel(_) => "sentinel-unreadable",
            Self::NoParentFingerprint(_) => "no-parent-fingerprint",
            Self::NotADelta(_) => "not-a-delta",
            Self::NotReadable(_) => "not-readable",
            Self::KeyDoesNotOpen(_) => "key-does-not-open",
            Self::NoBackup(_) => "no-backup",
            Self::NotRestorable { .. } => "not-restorable",
            Self::Io { .. } => "io",
            Self::Scratch(fault) => fault.code(),
            Self::NotWal(_) => "not-wal",
            Self::BadWal { .. } => "bad-wal",
            Self::EmptyArchive(_) => "empty-archive",
            Self::NoSpace { .. } => "no-space",
            Self::Start { .. } => "program-not-started",
            Self::Child { .. } => "program-not-watched",
            Self::NoSuchUser(_) => "no-such-user",
            Self::NulByte => "nul-byte",
            Self::Settings(_) => "engine-settings",
            Self::NoEngineVersion(_) => "engine-version-unknown",
            Self::NotAFull(_) => "not-a-full",
            Self::NotAbsolute(_) => "path-not-absolute",
            Self::ProgramName(_) => "program-name",
            Self::Random(_) => "no-random-bytes",
            Self::Stopped { .. } => "program-stopped",
            Self::NoServer(_) => "server-not-reached",
            Self::Standby => "server-is-standby",
            Self::OtherDirectory { .. } => "other-data-directory",
            Self::Sql(_) => "sql-refused",
            Self::TooMuchOutput => "too-much-output",
            Self::ComposeOutput { .. } => "compose-output",
            Self::NotRun { .. } => "not-run",
            Self::OutcomeUnknown { .. } => "outcome-unknown",
            Self::NotConnected { .. } => "not-connected",
            Self::ConnectionLost { .. } => "connection-lost",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::NoParentFingerprint(_) => Some("verify its parent first, at level 'checksum' or more"),
            Self::KeyDoesNotOpen(_) => Some(
                "give the env file the key with which it was made, or leave that out; nothing was signed",
            ),
            Self::NotReadable(_) => {
                Some("verify it at level 'checksum'; restore it by hand, with its engine and its key")
            }
            Self::Start { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => Some("install it, or give its path"),
                std::io::ErrorKind::PermissionDenied => {
                    Some("let this user run it; only root can run a program as another user")
                }
                _ => None,
            },
            Self::NoSuchUser(_) => Some("name the user that the server runs as in the runner's 'run_as'"),
            Self::Scratch(fault) => fault.hint(),
            Self::NoSpace { .. } => Some("name a directory on a larger disk"),
            Self::NotRestorable { .. } => Some("choose another backup: the list tells which are restorable"),
            Self::EmptyArchive(_) => Some("check the store and the prefix: a disk may not be mounted"),
            Self::BadWal { .. } => Some("recover to a point before it"),
            Self::NoServer(_) => Some(
                "see that the server is up, and that PGHOST, PGPORT and PGUSER of the env file are right",
            ),
            Self::Standby => {
                Some("run it where the primary is, with PGHOST and PGPORT of the env file leading to that")
            }
            Self::OtherDirectory { .. } => Some(
                "correct 'pgdata' in the app's runner, or PGHOST and PGPORT in its env file: an engine reads the directory \
                 here, whichever server answers",
            ),
            Self::NotRun { .. } => {
                Some("run 'docker compose config' there, and see that the Docker engine is up")
            }
            Self::NotConnected { .. } => Some(
                "try 'ssh' to it by hand: its key must be known, and none may have to be asked for a password",
            ),
            Self::ConnectionLost { .. } | Self::OutcomeUnknown { .. } => {
                Some("look at what is in the bucket before it is tried again")
            }
            Self::Settings(_) => Some("'si-backup doctor' says of each what to do"),
            Self::NotAFull(_) => Some("make a full first"),
            Self::NoEngineVersion(_) => Some("see what the engine prints with '--version'"),
            Self::NotAbsolute(_)
            | Self::NoBackup(_)
            | Self::NotWal(_)
            | Self::Io { .. }
            | Self::NoSentinel(_)
            | Self::NotADelta(_)
            | Self::Child { .. }
            | Self::NulByte
            | Self::ProgramName(_)
            | Self::Random(_)
            | Self::Stopped { .. }
            | Self::Sql(_)
            | Self::TooMuchOutput
            | Self::ComposeOutput { .. } => None,
        }
    }
}

/// Where the findings are; what they are is not for one line.
fn places(findings: &[backup_contract::Finding]) -> String {
    let places: Vec<_> = findings.iter().map(|finding| finding.place.to_string()).collect();
    places.join(", ")
}

/// The result of an operation on a bucket.
pub type Result<T> = std::result::Result<T, Error>;
