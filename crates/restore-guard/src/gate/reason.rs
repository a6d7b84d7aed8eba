use backup_contract::{Checksum, Level, SnapshotId, Subject};
use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error as ThisError;

/// Why a restore is refused.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Reason {
    /// There is no snapshot of this name.
    #[error("there is no snapshot '{0}'")]
    NoSuchId(SnapshotId),
    /// There is no snapshot that could be meant.
    #[error("there is no snapshot of {0} that could be restored")]
    NothingThere(Subject),
    /// No record says by what it is recognised.
    #[error("nothing says by which checksum it is recognised")]
    NoChecksum,
    /// It is not the one that the operator means.
    #[error("its checksum is {found}, and {expected} was asked for")]
    OtherChecksum {
        /// What was asked for.
        expected: Checksum,
        /// What it has.
        found: Checksum,
    },
    /// Something of it is missing.
    #[error("it cannot be restored: {0}")]
    NotRestorable(String),
    /// It is not proved far enough.
    #[error("it is {}, and '{asked}' is asked for", proved.map_or_else(|| "not verified".to_owned(), |level| format!("verified at level '{level}'")))]
    NotVerified {
        /// The least level that lets a snapshot through.
        asked: Level,
        /// How far it is proved.
        proved: Option<Level>,
    },
    /// It was proved too long ago.
    #[error("it was verified at {}, more than {} ago", at.to_rfc3339(), days(*max_age))]
    EvidenceTooOld {
        /// When it was.
        at: DateTime<Utc>,
        /// How old evidence may be.
        max_age: TimeDelta,
    },
    /// What was proved are other bytes.
    #[error("what was verified under its name had the checksum {0}: its bytes are others now")]
    OtherBytesVerified(Checksum),
    /// Nobody who is trusted has proved it.
    #[error("it is verified only by writers that are not trusted here ({})", if keys.is_empty() { "nobody signed".to_owned() } else { keys.join(", ") })]
    UnknownWriter {
        /// The keys that signed.
        keys: Vec<String>,
    },
    /// Evidence in this host's own name of which this host knows nothing.
    #[error(
        "it is verified in the name of this host, whose trail does not know of it: somebody else may have its signing key; 'si-backup verify' proves the snapshot anew"
    )]
    NotInTrail,
    /// It was looked at, and was not right.
    #[error("its last verification failed, at level '{level}' at {}", at.to_rfc3339())]
    VerificationFailed {
        /// The weakest level that failed.
        level: Level,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was taken while the state was in doubt.
    #[error("it was taken while the mutation lock was shut, and is suspect until it is verified after that")]
    Suspect,
    /// It is another context's.
    #[error("it is a snapshot of another context or of another origin")]
    Foreign,
    /// A lower level was accepted than some snapshot has.
    #[error("level '{accepted}' cannot be accepted: {id} is verified at level '{best}'")]
    AcceptedTooLow {
        /// What was accepted.
        accepted: Level,
        /// What there is.
        best: Level,
        /// Which snapshot has it.
        id: SnapshotId,
    },
    /// Something stands in the way whichever snapshot it is.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
}

/// What stands in the way of a restore, whichever snapshot it is of.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Obstacle {
    /// Somebody works on what would be replaced.
    #[error("the live place is in use: {0}")]
    TargetInUse(String),
    /// Another restore has shut the mutation lock.
    #[error("the mutation lock is shut since {} by {by}: {why}", since.to_rfc3339())]
    LockShut {
        /// Who shut it.
        by: String,
        /// Why.
        why: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// A backup is under way.
    #[error("another run is active: {0}")]
    RunActive(String),
    /// A restore was begun, and neither finished nor undone nor confirmed.
    #[error("a restore of {id} by {operator} is {phase}")]
    RestorePending {
        /// Of which snapshot.
        id: SnapshotId,
        /// By whom.
        operator: String,
        /// How far it is, in a word.
        phase: String,
    },
}

impl Reason {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchId(_) => "no-such-snapshot",
            Self::NothingThere(_) => "no-restorable-snapshot",
            Self::NoChecksum => "no-checksum",
            Self::OtherChecksum { .. } => "other-checksum",
            Self::NotRestorable(_) => "not-restorable",
            Self::NotVerified { .. } => "not-verified",
            Self::EvidenceTooOld { .. } => "evidence-too-old",
            Self::OtherBytesVerified(_) => "other-bytes-verified",
            Self::UnknownWriter { .. } => "unknown-writer",
            Self::NotInTrail => "not-in-trail",
            Self::VerificationFailed { .. } => "verification-failed",
            Self::Suspect => "suspect",
            Self::Foreign => "foreign-snapshot",
            Self::AcceptedTooLow { .. } => "accepted-too-low",
            Self::Obstacle(Obstacle::TargetInUse(_)) => "target-in-use",
            Self::Obstacle(Obstacle::LockShut { .. }) => "lock-shut",
            Self::Obstacle(Obstacle::RunActive(_)) => "run-active",
            Self::Obstacle(Obstacle::RestorePending { .. }) => "restore-pending",
        }
    }
}

fn days(age: TimeDelta) -> String {
    match age.num_days() {
        0 => format!("{} hours", age.num_hours()),
        days => format!("{days} days"),
    }
}
