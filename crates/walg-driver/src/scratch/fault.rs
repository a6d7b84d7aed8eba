use backup_contract::SnapshotId;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error as ThisError;

/// Why a restore into a scratch server could not be tried, or says nothing of the backup. What is wrong with the backup
/// itself is not an error but a check that failed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum ScratchFault {
    /// An engine unpacks tablespaces into the places that are recorded: beside a running server, over its files.
    #[error("'{id}' has tablespaces ({places}), and unpacked they would lie where the live ones do")]
    Tablespaces {
        /// The backup, or one of its chain.
        id: SnapshotId,
        /// Where they were.
        places: String,
    },
    /// A server links to the place in which a tablespace was when it replays how that was made, and goes on in there.
    #[error(
        "on the way to {target} the WAL makes tablespaces ({what}), and replayed they would be written to where the live ones lie; up to {before} there are none"
    )]
    TablespacesInWal {
        /// What was to be reached.
        target: String,
        /// Which, where they were, and at which place of the WAL they are made.
        what: String,
        /// The last target before that.
        before: String,
    },
    /// The server came to a record that makes a tablespace, and could not follow it.
    #[error(
        "the recovery was aborted, because the WAL makes a tablespace, and replayed it would be written to where the live one lies:\n{log}"
    )]
    TablespaceReplayed {
        /// The end of the server's log.
        log: String,
    },
    /// Of what is wrong with it nothing can come.
    #[error("'{id}' is not sound: {why}")]
    Unsound {
        /// The backup.
        id: SnapshotId,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing that exists is ever overwritten.
    #[error("{} exists and is not an empty directory", .0.display())]
    TargetNotEmpty(PathBuf),
    /// A directory that must stay the one that it is.
    #[error("{} is {why}, and would be replaced", path.display())]
    TargetInUse {
        /// The directory.
        path: PathBuf,
        /// What it is.
        why: &'static str,
    },
    /// The archive does not lead there.
    #[error("{target} cannot be reached: {why}")]
    OutOfReach {
        /// What was to be reached.
        target: String,
        /// What can be, and what keeps the rest away.
        why: String,
    },
    /// Which server made the backup is not known.
    #[error("the sentinel of '{0}' does not say of which version its server was")]
    NoVersion(SnapshotId),
    /// It recovers in another way.
    #[error("a server of version {0} is too old: recovery.signal came with 12")]
    TooOld(u32),
    /// The role that was to ask is not in the cluster.
    #[error("the restored cluster has no role '{0}'")]
    NoRole(String),
    /// No server programs of that version.
    #[error("no PostgreSQL {major} was found; looked in {looked}")]
    NoServer {
        /// The major version that the backup needs.
        major: u32,
        /// Where, and what was found there instead.
        looked: String,
    },
    /// There is no Docker engine, or this user may not give it orders.
    #[error("the Docker engine does not answer: {0}")]
    NoDocker(String),
    /// The image is not on this machine.
    #[error("the image '{0}' is not on this machine, and is never pulled by itself")]
    NoImage(String),
    /// A container could not be started, or was ended by something else than us: nothing is told of the backup.
    #[error("the container of the scratch server failed: {0}")]
    Container(String),
    /// The user that the server runs as cannot come to the scratch directory.
    #[error("the user {uid} cannot come to {}", path.display())]
    Unreachable {
        /// The directory that keeps it out.
        path: PathBuf,
        /// The user.
        uid: u32,
    },
    /// Somebody else could put other files in the place of ours.
    #[error("others can write to {}, or own it: what lies below could be replaced", .0.display())]
    Exposed(PathBuf),
    /// The name of a socket has at most 107 bytes.
    #[error("the path of the server's socket would be longer than 107 bytes: {}", .0.display())]
    SocketPath(PathBuf),
    /// A text that cannot be written into a configuration.
    #[error("{what} holds what no setting can: {value:?}")]
    BadSetting {
        /// What it is.
        what: &'static str,
        /// The text.
        value: String,
    },
    /// A program could not be run, or failed.
    #[error("{program} failed: {detail}")]
    Program {
        /// Which.
        program: String,
        /// How, in its own words.
        detail: String,
    },
    /// The restore command said that it does not know: the recovery was aborted, nothing was promoted.
    #[error("the recovery was aborted, because WAL could not be fetched:\n{log}")]
    WalUnavailable {
        /// The end of the server's log.
        log: String,
    },
    /// The archive ended before the point that was to be reached; nothing was promoted.
    #[error("{target} was not reached:\n{log}")]
    NotReached {
        /// What was to be reached.
        target: String,
        /// The end of the server's log.
        log: String,
    },
    /// It took longer than it may.
    #[error("{what} took longer than {} seconds", limit.as_secs())]
    TooSlow {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The caller wanted no more of it.
    #[error("the verification was interrupted")]
    Interrupted,
}

impl ScratchFault {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Tablespaces { .. } | Self::TablespacesInWal { .. } | Self::TablespaceReplayed { .. } => {
                "tablespaces"
            }
            Self::Unsound { .. } => "backup-unsound",
            Self::TargetNotEmpty(_) => "target-not-empty",
            Self::TargetInUse { .. } => "target-in-use",
            Self::OutOfReach { .. } => "target-out-of-reach",
            Self::NoVersion(_) => "no-server-version",
            Self::TooOld(_) => "server-too-old",
            Self::NoRole(_) => "no-such-role",
            Self::NoServer { .. } => "no-server",
            Self::NoDocker(_) => "no-docker",
            Self::NoImage(_) => "no-image",
            Self::Container(_) => "container-failed",
            Self::Unreachable { .. } => "scratch-unreachable",
            Self::Exposed(_) => "scratch-exposed",
            Self::SocketPath(_) => "socket-path-too-long",
            Self::BadSetting { .. } => "bad-setting",
            Self::Program { .. } => "program-failed",
            Self::WalUnavailable { .. } => "wal-unavailable",
            Self::NotReached { .. } => "target-not-reached",
            Self::TooSlow { .. } => "too-slow",
            Self::Interrupted => "interrupted",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Tablespaces { .. } => {
                Some("restore it by hand on another machine, with each tablespace remapped")
            }
            Self::TablespacesInWal { .. } | Self::TablespaceReplayed { .. } => Some(
                "extract what was before them, with '--until backup' or '--until lsn:…', or restore it by hand on another \
                 machine, with each tablespace remapped",
            ),
            Self::Unsound { .. } => Some("choose another backup: 'si-backup list' says which were proved"),
            Self::TargetNotEmpty(_) => Some("name a new directory, or one that is empty"),
            Self::TargetInUse { .. } => Some("name a new directory in it"),
            Self::OutOfReach { .. } => Some("choose another target, or a later backup"),
            Self::NoServer { .. } => Some("install the server of that major version, or name its directory"),
            Self::NoDocker(_) => {
                Some("start it, and let this user use it: whoever may is root of the machine")
            }
            Self::NoImage(_) => Some("fetch it with 'docker pull', by the digest where you can"),
            Self::Container(_) => Some("look into what the Docker engine says of it, and try again"),
            Self::Unreachable { .. } => Some("choose a scratch directory that this user can enter"),
            Self::Exposed(_) => Some(
                "choose one to which only the user who runs this, or root, can write, up to the root directory",
            ),
            Self::SocketPath(_) => Some("choose a scratch directory with a shorter path"),
            Self::NotReached { .. } => Some("choose a target no later than the last commit"),
            Self::WalUnavailable { .. } => Some("try again when the store can be reached"),
            Self::NoRole(_) => Some("name a role of the database that is a superuser"),
            Self::TooSlow { .. } => Some("allow more time"),
            Self::NoVersion(_)
            | Self::TooOld(_)
            | Self::BadSetting { .. }
            | Self::Program { .. }
            | Self::Interrupted => None,
        }
    }
}
