use crate::{Checksum, Known, Level, Outcome, SnapshotId, SnapshotKind};
use chrono::{DateTime, Utc};

/// What is known of the backups of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectFacts {
    /// The host that it lives on.
    pub host: Known<String>,
    /// Its snapshots, in any order.
    pub snapshots: Known<Vec<SnapshotFacts>>,
    /// The restore tests that were made of them, passed or failed, in any order.
    pub rehearsals: Known<Vec<Rehearsal>>,
    /// What the retention makes of them.
    pub retention: Known<RetentionFacts>,
    /// Their copies elsewhere.
    pub offsite: Offsite,
}

impl SubjectFacts {
    /// Nothing is known.
    pub fn unknown(why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            host: Known::unknown(&*why),
            snapshots: Known::unknown(&*why),
            rehearsals: Known::unknown(&*why),
            retention: Known::unknown(&*why),
            offsite: Offsite::Copies(Known::unknown(why)),
        }
    }
}

/// What is known of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// The snapshot.
    pub id: SnapshotId,
    /// How it holds its data.
    pub kind: SnapshotKind,
    /// When reading the live data began.
    pub started_at: Option<DateTime<Utc>>,
    /// By what its bytes are recognised.
    pub checksum: Option<Checksum>,
    /// Whether everything that a restore needs is there.
    pub restorable: bool,
    /// Whether it was taken while its subject was in doubt.
    pub suspect: bool,
    /// How far it is proved; `None` also when it failed.
    pub proof: Option<Proof>,
    /// Whether its newest verification failed.
    pub failed: bool,
    /// To how many recipients it is sealed; `None` for a database, and where its record does not tell.
    pub sealed_to: Option<usize>,
    /// What its proof says of the protected files.
    pub accounted: Known<Accounted>,
}

impl SnapshotFacts {
    /// Whether it can be counted on: everything is there, nothing speaks against it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.restorable && !self.suspect && !self.failed
    }
}

/// How far a snapshot is proved, and where that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The strongest level.
    pub level: Level,
    /// When the verification ended.
    pub at: DateTime<Utc>,
    /// Where the evidence lies.
    pub evidence: String,
}

/// What a proof at level `content` says of the protected files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accounted {
    /// How many are in the snapshot.
    pub held: u64,
    /// How many were not there, which is recorded.
    pub absent: u64,
    /// How many are neither.
    pub missing: u64,
}

/// One restore test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The snapshot that was restored.
    pub id: SnapshotId,
    /// On which host.
    pub host: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How it ended.
    pub outcome: Outcome,
    /// Where the evidence lies.
    pub evidence: String,
}

/// What the retention makes of the snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionFacts {
    /// The daily copies.
    pub daily: TierFacts,
    /// The weekly copies.
    pub weekly: TierFacts,
    /// The monthly copies.
    pub monthly: TierFacts,
    /// The time of the oldest snapshot that can be restored.
    pub oldest: Option<DateTime<Utc>>,
    /// How many snapshots the policy lets go that are still there.
    pub overdue: u64,
}

/// One tier of the retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierFacts {
    /// How many copies the settings ask for.
    pub wanted: Wanted,
    /// How many there are.
    pub held: u64,
}

/// How many copies of a tier are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// So many; none for a tier that is not used.
    Copies(u32),
    /// One of every period.
    All,
}

/// The copies of a subject's snapshots elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offsite {
    /// The settings name no offsite store.
    NotConfigured,
    /// They do, and this lies there, in any order.
    Copies(Known<Vec<OffsiteCopy>>),
}

/// A copy of a full snapshot in the offsite store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsiteCopy {
    /// The snapshot.
    pub id: SnapshotId,
    /// When its data was read: the snapshot's own time.
    pub taken_at: DateTime<Utc>,
    /// When it was copied.
    pub copied_at: DateTime<Utc>,
    /// Whether every object of its lineage is there.
    pub complete: bool,
    /// Until when the store itself lets nobody change or delete any of its objects.
    pub locked_until: Option<DateTime<Utc>>,
    /// Until when the retention needs it.
    pub needed_until: Option<DateTime<Utc>>,
}
