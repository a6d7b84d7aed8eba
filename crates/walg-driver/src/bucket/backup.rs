use super::{Part, Sentinel};
use crate::wal::{Lsn, Reach, Timeline};
use backup_contract::{Problem, Snapshot, SnapshotId, SnapshotKind, Subject};
use chrono::{DateTime, Utc};
use std::fmt;

/// A base backup of a bucket: what its objects say, and what stands in the way of restoring it.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Its name.
    pub id: SnapshotId,
    /// What its sentinel says, where that can be read.
    pub sentinel: Option<Sentinel>,
    /// Its tars, by name.
    pub parts: Vec<Part>,
    /// Whether there is an object with its metadata.
    pub(super) has_metadata: bool,
    /// Whether there is an object with its list of files.
    pub(super) has_files_metadata: bool,
    /// What all of its objects take in the store, in bytes. The sizes in a sentinel may count something else.
    pub bytes: u64,
    /// The timeline on which it was made, by its name.
    pub timeline: Option<Timeline>,
    /// The names of its chain: itself, its parent, and so on to the full, as far as they are there.
    pub chain: Vec<SnapshotId>,
    /// How far the archive leads from it; empty when its own WAL is not whole. The newest timeline last.
    pub reach: Vec<Reach>,
    /// What stands in the way of restoring it; nothing, when it is restorable.
    pub problems: Vec<BackupProblem>,
}

/// What stands in the way of restoring a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupProblem {
    /// Which kind.
    pub code: ProblemCode,
    /// What is missing or wrong.
    pub detail: String,
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The kinds of problems that a backup may have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemCode {
            $($(#[$doc])* $variant,)*
        }

        impl ProblemCode {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable, kebab-case code.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

problem_codes! {
    /// The sentinel is no JSON, or lacks what every sentinel has.
    SentinelUnreadable = "sentinel-unreadable",
    /// The metadata is there and cannot be read.
    MetadataUnreadable = "metadata-unreadable",
    /// The list of files is not there, and the sentinel does not say that there is none.
    FilesMetadataMissing = "files-metadata-missing",
    /// The list of files is there and cannot be read.
    FilesMetadataUnreadable = "files-metadata-unreadable",
    /// A tar is missing, empty, or there twice.
    PartMissing = "part-missing",
    /// A tar is there that nothing speaks of.
    PartUnlisted = "part-unlisted",
    /// The backup that it is a delta of is not there.
    ParentMissing = "parent-missing",
    /// What it says of its parent is not what its parent says.
    ParentMismatch = "parent-mismatch",
    /// Something in its chain, further up, cannot be unpacked.
    ChainBroken = "chain-broken",
    /// It begins before its parent, or ends before it begins.
    WrongOrder = "wrong-order",
    /// It is of another cluster than its parent.
    WrongServer = "wrong-server",
    /// Its name and the place where it began contradict each other.
    NameMismatch = "name-mismatch",
    /// WAL between its start and its finish is not in the archive: it would never be consistent.
    WalMissing = "wal-missing",
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Backup {
    /// Whether everything that a restore needs is there, as far as a listing tells.
    #[must_use]
    pub fn restorable(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether it is a delta, as far as can be known.
    #[must_use]
    pub fn kind(&self) -> SnapshotKind {
        match &self.sentinel {
            Some(sentinel) if sentinel.delta.is_some() => SnapshotKind::Delta,
            None if self.id.as_str().contains("_D_") => SnapshotKind::Delta,
            _ => SnapshotKind::Full,
        }
    }

    /// Whether there is an object with its list of files.
    pub(crate) const fn has_files_metadata(&self) -> bool {
        self.has_files_metadata
    }

    /// Where it began and ended in the WAL. Where no end is told, at least its start is needed.
    #[must_use]
    pub fn span(&self) -> Option<(Lsn, Lsn)> {
        self.sentinel.as_ref().map(|sentinel| (sentinel.start, sentinel.finish.unwrap_or(sentinel.start)))
    }

    /// When it began, or failing that, when it was finished.
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        self.sentinel.as_ref().and_then(|sentinel| sentinel.started_at.or(sentinel.finished_at))
    }

    /// The entry of a neutral list. Its checksum is not in the bucket: that is the fingerprint, which evidence records.
    #[must_use]
    pub fn snapshot(&self, subject: &Subject) -> Snapshot {
        let sentinel = self.sentinel.as_ref();
        Snapshot {
            id: self.id.clone(),
            subject: subject.clone(),
            kind: self.kind(),
            started_at: sentinel.and_then(|sentinel| sentinel.started_at),
            finished_at: sentinel.and_then(|sentinel| sentinel.finished_at),
            bytes: self.bytes,
            checksum: None,
            parent: sentinel
                .and_then(|sentinel| sentinel.delta.as_ref())
                .and_then(|delta| delta.parent.parse().ok()),
            lineage: self.chain.last().unwrap_or(&self.id).clone(),
            suspect: false,
            problems: self
                .problems
                .iter()
                .map(|problem| Problem { code: problem.code.to_string(), detail: problem.detail.clone() })
                .collect(),
        }
    }
}
