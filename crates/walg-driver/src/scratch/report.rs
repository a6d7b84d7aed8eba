use super::image::UsedImage;
use crate::verify::{Fingerprint, SegmentDigest};
use crate::wal::{Lsn, Timeline};
use backup_contract::{CheckResult, Outcome, SnapshotId};
use chrono::{DateTime, TimeDelta, Utc};

/// A question that an app wants to be asked of its restored database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppCheck {
    /// What the check is called: `orders`.
    pub name: String,
    /// In which database it is asked.
    pub database: String,
    /// SQL that returns one row, which is true.
    pub sql: String,
}

/// How many rows a table has, as its statistics say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEstimate {
    /// In which database.
    pub database: String,
    /// Its schema and name.
    pub table: String,
    /// How many; `None` where it was never analysed.
    pub rows: Option<u64>,
}

/// What a restore into a scratch server showed.
#[derive(Debug, Clone)]
pub struct ScratchReport {
    /// What was asked, and the answers.
    pub checks: Vec<CheckResult>,
    /// The fingerprints of the chain, the full first, of the very bytes that were unpacked.
    pub fingerprints: Vec<(SnapshotId, Fingerprint)>,
    /// The WAL that the backup itself needs, as it was decoded; none where only its engine can decode it.
    pub segments: Vec<SegmentDigest>,
    /// How long it took to unpack.
    pub unpack_seconds: f64,
    /// How long it took from the start of the server until it took questions; `None` when it never did.
    pub recovery_seconds: Option<f64>,
    /// Where the recovery ended.
    pub reached: Option<Lsn>,
    /// The timeline that was begun by the promotion.
    pub timeline: Option<Timeline>,
    /// The newest commit that was replayed; `None` when there was none behind the backup.
    pub newest_commit: Option<DateTime<Utc>>,
    /// When the backup was finished, by the clock of the host where it was made.
    pub backup_finished: Option<DateTime<Utc>>,
    /// As the server says it.
    pub server_version: String,
    /// The image in whose container it ran.
    pub image: Option<UsedImage>,
    /// Whether the server had a network of its own.
    pub has_own_network: bool,
    /// How many rows the tables have.
    pub tables: Vec<TableEstimate>,
    /// The end of the server's log, where the recovery failed.
    pub log: Option<String>,
    /// What whoever reads the report should know.
    pub notes: Vec<String>,
}

impl ScratchReport {
    /// Whether every check passed.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::of(&self.checks)
    }

    /// What would be lost if the cluster were lost at `now` and restored like this, at most: the time since the newest
    /// commit that came back, or since the backup where none was replayed. A cluster in which nothing is committed loses
    /// less. Both times are the database's own: those of the store are others in a copy of the bucket.
    #[must_use]
    pub fn data_loss(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let known = self.newest_commit.max(self.backup_finished)?;
        Some((now - known).max(TimeDelta::zero()))
    }
}
