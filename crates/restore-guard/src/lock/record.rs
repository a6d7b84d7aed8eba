use backup_contract::{Checksum, SnapshotId, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The newest version of a record that is understood.
pub(super) const VERSION: u64 = 1;

/// Why a mutation lock is shut, since when, and who shut it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutRecord {
    /// The version of the format.
    pub version: u64,
    /// Whose lock it is.
    pub subject: Subject,
    /// Since when it is shut.
    pub since: DateTime<Utc>,
    /// Who shut it.
    pub by: String,
    /// On which host.
    pub host: String,
    /// Why, in words.
    pub why: String,
    /// The snapshot that was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<SnapshotId>,
    /// The digest of the trail's entry that announced the restore: by this it is known again.
    pub request: Checksum,
}

impl ShutRecord {
    /// The record of a lock that is shut now.
    #[must_use]
    pub fn new(
        subject: Subject,
        since: DateTime<Utc>,
        by: impl Into<String>,
        host: impl Into<String>,
        why: impl Into<String>,
        request: Checksum,
    ) -> Self {
        Self {
            version: VERSION,
            subject,
            since,
            by: by.into(),
            host: host.into(),
            why: why.into(),
            id: None,
            request,
        }
    }

    /// The same record, naming the snapshot that is restored.
    #[must_use]
    pub fn of(mut self, id: SnapshotId) -> Self {
        self.id = Some(id);
        self
    }
}
