use crate::{OriginId, WriterId};
use backup_contract::{CheckResult, Checksum, ContextName, Level, Outcome, SnapshotId, SnapshotRef, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one verification found.
///
/// A verification that could not be made (no space in the scratch directory, the store away) is no evidence of anything:
/// write none. One that was made and ended badly is evidence of failure: write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// The context whose backup it was.
    pub context: ContextName,
    /// Which context of that name.
    pub origin: OriginId,
    /// What the snapshot is a backup of.
    pub subject: Subject,
    /// The snapshot.
    pub id: SnapshotId,
    /// The bytes that were checked.
    pub checksum: Checksum,
    /// How far the verification went.
    pub level: Level,
    /// How it ended. `Passed` needs at least one check, and no failed one.
    pub outcome: Outcome,
    /// What was asked, and the answers.
    pub checks: Vec<CheckResult>,
    /// Where it was done.
    pub host: String,
    /// Who had it done.
    pub operator: String,
    /// The writer that did it.
    pub writer: WriterId,
    /// The program that did it.
    pub tool: Tool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was done. Records are ordered by this.
    pub finished_at: DateTime<Utc>,
    /// How long the restore took until the data could be used, in seconds.
    pub recovery_seconds: Option<u64>,
    /// How much of the newest data a loss at that moment would have cost, in seconds.
    pub data_loss_seconds: Option<u64>,
    /// Whatever else is worth keeping. Holds no secret.
    pub details: Map<String, Value>,
}

impl EvidenceRecord {
    /// The snapshot with its subject.
    #[must_use]
    pub fn snapshot(&self) -> SnapshotRef {
        SnapshotRef { subject: self.subject.clone(), id: self.id.clone() }
    }
}

/// A program and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}
