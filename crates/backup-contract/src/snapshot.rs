use crate::{Checksum, SnapshotId, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a snapshot holds its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SnapshotKind {
    /// A sealed bundle of the private state; whole by itself.
    Bundle,
    /// A full base backup of a database.
    Full,
    /// What changed in a database since its parent.
    Delta,
}

impl fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bundle => "bundle",
            Self::Full => "full",
            Self::Delta => "delta",
        })
    }
}

/// Why a snapshot cannot be restored, or not in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable, kebab-case identifier.
    pub code: String,
    /// What is missing or wrong.
    pub detail: String,
}

/// One entry of a catalogue: what is known of a snapshot from its objects alone, whatever its subject.
///
/// What others say of it (evidence, pins, locks) is joined to it by its id and checksum, never stored in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name within the subject.
    pub id: SnapshotId,
    /// What it is a backup of.
    pub subject: Subject,
    /// How it holds its data.
    pub kind: SnapshotKind,
    /// When reading the live data began; `None` where the objects do not tell.
    pub started_at: Option<DateTime<Utc>>,
    /// When the backup was complete; `None` where the objects do not tell.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it takes in the store, in bytes.
    pub bytes: u64,
    /// By what its bytes are recognised; `None` while no record says.
    pub checksum: Option<Checksum>,
    /// The snapshot that it is a delta of.
    pub parent: Option<SnapshotId>,
    /// The full snapshot that its chain begins with; itself, for a bundle or a full.
    pub lineage: SnapshotId,
    /// Whether it is a snapshot of a state in doubt: taken while the mutation lock was shut.
    pub suspect: bool,
    /// What stands in the way of restoring it; nothing, when it is restorable.
    pub problems: Vec<Problem>,
}

impl Snapshot {
    /// Whether everything that a restore needs is there.
    #[must_use]
    pub fn restorable(&self) -> bool {
        self.problems.is_empty()
    }
}
