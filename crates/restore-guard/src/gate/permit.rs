use crate::{Error, Result};
use backup_contract::{Checksum, ContextName, SnapshotId, SnapshotRef, Subject};
use backup_store::Key;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What was allowed, once: which proved bytes may take the place of which live data, and on whose request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The context.
    pub context: ContextName,
    /// What is replaced.
    pub subject: Subject,
    /// By which snapshot of it.
    pub id: SnapshotId,
    /// The checksum that was proved, and that the fetched bytes had.
    pub checksum: Checksum,
    /// Who asked.
    pub operator: String,
    /// The evidence that it rests on; `None` where the operator gave the checksum.
    pub evidence: Option<Key>,
    /// The digest of the trail's entry that announced it.
    pub request: Checksum,
    /// When it was granted.
    pub granted_at: DateTime<Utc>,
    /// From when on it is void.
    pub valid_until: DateTime<Utc>,
}

impl Grant {
    /// The snapshot with its subject.
    #[must_use]
    pub fn snapshot(&self) -> SnapshotRef {
        SnapshotRef { subject: self.subject.clone(), id: self.id.clone() }
    }
}

/// The right to replace live data by one proved snapshot, once and for a while.
///
/// Only the gate makes one, after the request is durable in the trail and the fetched bytes had the proved checksum; only
/// promotion uses it up.
///
/// ```compile_fail
/// fn make(grant: restore_guard::Grant) -> restore_guard::Permit {
///     restore_guard::Permit(grant) // its field is nobody's
/// }
/// ```
///
/// ```compile_fail
/// fn twice(permit: &restore_guard::Permit) -> restore_guard::Permit {
///     permit.clone() // there is no second one
/// }
/// ```
#[derive(Debug)]
pub struct Permit(Grant);

impl Permit {
    /// What it allows.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.0
    }

    /// Uses it up.
    pub(crate) fn use_up(self, now: DateTime<Utc>) -> Result<Grant> {
        if now >= self.0.valid_until {
            return Err(Error::PermitExpired { valid_until: self.0.valid_until });
        }
        Ok(self.0)
    }

    /// For the gate alone.
    pub(super) const fn new(grant: Grant) -> Self {
        Self(grant)
    }

    #[cfg(test)]
    pub(crate) const fn for_tests(grant: Grant) -> Self {
        Self(grant)
    }
}
