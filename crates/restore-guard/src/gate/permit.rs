use crate::{Error, Result};
use backup_contract::{Checksum, ContextName, SnapshotId, SnapshotRef, Subject};
use backup_store::Key;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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

/// The right to replace live data by one proved snapshot, once and for a while: that directory into which it was fetched, in
/// that live place which the trail was told of.
///
/// Only the gate makes one, after the request is durable in the trail and the fetched bytes had the proved checksum; only
/// promotion uses it up.
///
/// ```compile_fail
/// fn make(grant: restore_guard::Grant) -> restore_guard::Permit {
///     restore_guard::Permit { grant, what: None } // its fields are nobody's
/// }
/// ```
///
/// ```compile_fail
/// fn twice(permit: &restore_guard::Permit) -> restore_guard::Permit {
///     permit.clone() // there is no second one
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    grant: Grant,
    /// None in the tests of promotion alone.
    what: Option<What>,
}

/// What may be put where.
#[derive(Debug)]
pub(crate) struct What {
    /// The live place that the trail was told of.
    pub(crate) target: PathBuf,
    /// The directory that was proved, by device and inode; `None` where there was none.
    pub(crate) staged: Option<(u64, u64)>,
}

impl What {
    /// What lies at `staged` now, to be put at `target`.
    pub(super) fn of(staged: &Path, target: PathBuf) -> Self {
        let found = std::fs::symlink_metadata(staged).ok().filter(std::fs::Metadata::is_dir);
        Self { target, staged: found.map(|found| (found.dev(), found.ino())) }
    }
}

impl Permit {
    /// What it allows.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Uses it up.
    pub(crate) fn use_up(self, now: DateTime<Utc>) -> Result<(Grant, Option<What>)> {
        if now >= self.grant.valid_until {
            return Err(Error::PermitExpired { valid_until: self.grant.valid_until });
        }
        Ok((self.grant, self.what))
    }

    /// For the gate alone.
    pub(super) const fn new(grant: Grant, what: What) -> Self {
        Self { grant, what: Some(what) }
    }

    #[cfg(test)]
    pub(crate) const fn for_tests(grant: Grant) -> Self {
        Self { grant, what: None }
    }
}
