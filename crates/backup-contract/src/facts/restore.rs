use crate::{Checksum, Known, Level, Outcome, SnapshotId, Subject};
use chrono::{DateTime, Utc};

/// What stands before a restore into a live place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The program that was asked cannot restore into a live place at all.
    NoRestores,
    /// Every restore passes a gate that asks for evidence of at least this level; the least of all subjects.
    Evidence(Level),
}

/// What the trail says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrailFacts {
    /// What is wrong with it, so that entries may have been changed or removed; nothing when it is sound.
    pub problems: Vec<String>,
    /// The restores that were begun, in any order.
    pub restores: Vec<RestoreFact>,
}

/// The fields that a restore's entry in the trail has to have.
pub const RESTORE_FIELDS: [&str; 6] = ["operator", "subject", "id", "checksum", "evidence", "target"];

/// A restore that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreFact {
    /// What was restored.
    pub subject: Option<Subject>,
    /// From which snapshot.
    pub id: Option<SnapshotId>,
    /// By what its bytes were recognised.
    pub checksum: Option<Checksum>,
    /// Which evidence let it through.
    pub evidence: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// The entry in the trail.
    pub record: String,
    /// Which of [`RESTORE_FIELDS`] the entry does not have.
    pub missing: Vec<&'static str>,
    /// How the checks after it ended; `None` while they have not been run.
    pub checks: Known<Option<Outcome>>,
    /// The mutation lock after it.
    pub lock: Known<LockState>,
    /// What the vault said to what was restored.
    pub vault: Known<VaultState>,
}

/// The mutation lock of a subject after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// It is shut.
    Shut,
    /// It was opened because the checks passed in the end.
    OpenedByChecks,
    /// An operator opened it, with a reason that is in the trail.
    Released,
    /// It is open, and nothing says why.
    Open,
}

/// What the vault said to what was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultState {
    /// The secrets match.
    Matches,
    /// They do not; that was reported, and nothing was written.
    Reported,
    /// Secrets were written into the restored state.
    Injected,
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// What was restored in it.
    pub subject: Subject,
    /// Who held it.
    pub operator: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How it ended.
    pub outcome: Outcome,
    /// Where its record lies.
    pub record: String,
}
