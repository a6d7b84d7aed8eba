use super::{DueRow, FindingRow};
use backup_contract::{CheckResult, Checksum, Level, Outcome, SnapshotId, SnapshotKind, Subject};
use chrono::{DateTime, Utc};
use paas_state::{Change, Class, Manifest, OptionalTree};
use retention::ReasonRow;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// How a command ended, in si's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should.
    Ok,
    /// It did not.
    Failed,
}

impl Status {
    /// Ok when all is well.
    #[must_use]
    pub const fn of(well: bool) -> Self {
        if well { Self::Ok } else { Self::Failed }
    }
}

/// How far a snapshot is proved, or where it failed.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifiedRow {
    /// The level.
    pub level: Level,
    /// Since when.
    pub at: DateTime<Utc>,
}

impl From<(Level, DateTime<Utc>)> for VerifiedRow {
    fn from((level, at): (Level, DateTime<Utc>)) -> Self {
        Self { level, at }
    }
}

/// A row of `run`: si's fields, and what this software adds.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunRow {
    /// si's name of the host; the private state is always local.
    pub target: String,
    /// The app; empty for the state.
    pub app: String,
    /// Its release; empty for the state.
    pub release: String,
    /// Its service; empty for the state.
    pub service: String,
    /// `run`.
    pub operation: &'static str,
    /// The command that was run; empty, as no other program is needed.
    pub command: String,
    /// How it ended.
    pub status: Status,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// The snapshot; none when nothing was stored.
    pub id: Option<SnapshotId>,
    /// Of what.
    pub subject: Subject,
    /// Of the sealed bundle.
    pub checksum: Option<Checksum>,
    /// How it holds its data.
    pub kind: SnapshotKind,
    /// What it takes in the store.
    pub bytes: u64,
    /// What it holds.
    pub plain_bytes: u64,
    /// Whether everything that a restore needs is there.
    pub restorable: bool,
    /// How far it was proved.
    pub verified: Option<VerifiedRow>,
    /// Where the evidence lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// What is due next of what was run.
    pub due: Vec<DueRow>,
    /// What was found in the state.
    pub findings: Vec<FindingRow>,
    /// In a dry run: every entry of the context with what would become of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryRow>,
}

/// An entry of a context.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EntryRow {
    /// Its path within the context.
    pub path: String,
    /// What becomes of it.
    pub class: Class,
    /// Why.
    pub reason: String,
    /// Its length.
    pub bytes: u64,
}

/// A row of `list`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListRow {
    /// The snapshot.
    pub id: SnapshotId,
    /// Of what.
    pub subject: Subject,
    /// How it holds its data.
    pub kind: SnapshotKind,
    /// When reading began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was complete.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it takes in the store.
    pub bytes: u64,
    /// By what it is recognised.
    pub checksum: Option<Checksum>,
    /// What it is a delta of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<SnapshotId>,
    /// The full that its chain begins with.
    pub lineage: SnapshotId,
    /// Whether everything that a restore needs is there.
    pub restorable: bool,
    /// What stands in the way.
    pub problems: Vec<ProblemRow>,
    /// How far it is proved.
    pub verified: Option<VerifiedRow>,
    /// The weakest level that its newest verification failed at: nothing from there on is proved.
    pub failed: Option<VerifiedRow>,
    /// Whether it was taken while the mutation lock was shut.
    pub suspect: bool,
    /// Whether it is kept in any case.
    pub pinned: bool,
    /// Until when an object lock holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<DateTime<Utc>>,
    /// The release that each app ran, by its slug; of a state only `show` knows them, and only with the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<BTreeMap<String, String>>,
}

/// Why a snapshot cannot be restored.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProblemRow {
    /// A stable code.
    pub code: String,
    /// What is missing or wrong.
    pub detail: String,
}

/// A row of `show`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShowRow {
    /// What `list` says.
    #[serde(flatten)]
    pub list: ListRow,
    /// The host that made it.
    pub host: Option<String>,
    /// The program that made it.
    pub tool: Option<String>,
    /// Whether the retention of the settings keeps it now; none when that cannot be said.
    pub keep: Option<bool>,
    /// Every reason to keep it.
    pub reasons: Vec<ReasonRow>,
    /// Why it is let go: the name of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_reason: Option<&'static str>,
    /// The same for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_detail: Option<String>,
    /// All evidence about it, oldest first.
    pub evidence: Vec<EvidenceRow>,
    /// What was found about it and does not count, with the reason.
    pub ignored_evidence: Vec<ProblemRow>,
    /// Its manifest, with the identity only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
}

/// One record of evidence.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EvidenceRow {
    /// Where it lies.
    pub key: String,
    /// Up to which level it speaks.
    pub level: Level,
    /// What it says.
    pub outcome: Outcome,
    /// When the verification ended.
    pub at: DateTime<Utc>,
    /// On which host.
    pub host: String,
    /// Who had it done.
    pub operator: String,
    /// What was asked, and the answers.
    pub checks: Vec<CheckResult>,
}

/// A row of `verify`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifyRow {
    /// The snapshot.
    pub id: SnapshotId,
    /// Of what.
    pub subject: Subject,
    /// By what it is recognised.
    pub checksum: Option<Checksum>,
    /// The level that was proved; of a failure, the weakest level that failed.
    pub level: Level,
    /// How it ended.
    pub outcome: Outcome,
    /// On which host.
    pub host: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What was asked, and the answers.
    pub checks: Vec<CheckResult>,
    /// How long it took until the restored database had answered, in seconds; only at level `restore`, when it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<u64>,
    /// How much would have been lost, in seconds; only at level `restore`, when it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_loss_seconds: Option<u64>,
    /// Where the evidence lies; none about a snapshot without a readable record.
    pub evidence: Option<String>,
}

/// A row of `status`: si's fields, and what this software adds.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusRow {
    /// si's name of the host; the private state is always local.
    pub target: String,
    /// The app; empty for the state.
    pub app: String,
    /// Its release; empty for the state.
    pub release: String,
    /// Its service; empty for the state.
    pub service: String,
    /// `status`.
    pub operation: &'static str,
    /// The command that was run; empty, as no other program is needed.
    pub command: String,
    /// How it ended.
    pub status: Status,
    /// How long it took to find out.
    pub duration_ms: u64,
    /// Of what.
    pub subject: Subject,
    /// The newest restorable snapshot.
    pub id: Option<SnapshotId>,
    /// By what it is recognised.
    pub checksum: Option<Checksum>,
    /// How it holds its data.
    pub kind: Option<SnapshotKind>,
    /// What it takes in the store.
    pub bytes: u64,
    /// Whether there is one.
    pub restorable: bool,
    /// How far it is proved.
    pub verified: Option<VerifiedRow>,
    /// How old it is, in seconds.
    pub age_seconds: Option<i64>,
    /// How many snapshots there are.
    pub snapshots: usize,
    /// The newest snapshot that is proved at level `content` or more.
    pub newest_proved: Option<SnapshotId>,
    /// What is due of it: now, next, and what is not known.
    pub due: Vec<DueRow>,
}

/// A row of `diff`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiffRow {
    /// The file.
    pub path: String,
    /// What became of it.
    pub change: ChangeRow,
    /// The keys of a store that differ.
    pub keys: Vec<DiffKeyRow>,
}

/// A key that differs.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiffKeyRow {
    /// An RFC 6901 pointer.
    pub pointer: String,
    /// What became of it.
    pub change: ChangeRow,
    /// The current release of an app before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_was: Option<String>,
    /// The current release of an app now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_is: Option<String>,
}

/// What became of a file or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ChangeRow {
    /// It is on the newer side only.
    Added,
    /// It is on the older side only.
    Removed,
    /// It differs.
    Changed,
}

impl From<Change> for ChangeRow {
    fn from(change: Change) -> Self {
        match change {
            Change::Added => Self::Added,
            Change::Removed => Self::Removed,
            Change::Changed => Self::Changed,
        }
    }
}

impl fmt::Display for ChangeRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

/// A row of `extract`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExtractRow {
    /// The snapshot.
    pub id: SnapshotId,
    /// Of what.
    pub subject: Subject,
    /// By what it is recognised.
    pub checksum: Checksum,
    /// Where it was unpacked.
    pub into: String,
    /// How many files were unpacked.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// Of a database: what its server will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ExtractedServerRow>,
}

/// What the server of an extracted database will do when it is started.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExtractedServerRow {
    /// Up to where it recovers: `end`, `backup`, a time, `lsn:…` or `name:…`.
    pub until: String,
    /// Along which timeline.
    pub timeline: u32,
    /// The place that it will reach at least.
    pub reaches_lsn: String,
    /// Where its WAL ends: it comes no farther.
    pub wal_end_lsn: String,
    /// When the last of its WAL was archived, where it recovers to the end of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
    /// Whether it archives; it never does before somebody has it.
    pub archiving: bool,
    /// As whom it is to be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// The words that start it.
    pub start: Vec<String>,
    /// What whoever starts it should know.
    pub notes: Vec<String>,
}

/// A row of `pin` and `unpin`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PinRow {
    /// The snapshot.
    pub id: SnapshotId,
    /// Of what.
    pub subject: Subject,
    /// Whether it is kept in any case now.
    pub pinned: bool,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
    /// Where the record lies.
    pub record: String,
}

/// A row of `audit list`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRow {
    /// Whose chain it belongs to.
    pub writer: String,
    /// Its place in the chain.
    pub sequence: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Who had it done.
    pub operator: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: Option<Subject>,
    /// To which snapshot of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<SnapshotId>,
    /// How far it came.
    pub outcome: String,
    /// The SHA-256 of the entry.
    pub digest: Checksum,
}

/// A row of `init`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitRow {
    /// The settings file.
    pub config: String,
    /// The identity that was made; none when recipients were given or one was there.
    pub identity: Option<String>,
    /// Who can open the backups.
    pub recipients: Vec<String>,
    /// The public key of this host's evidence.
    pub public_key: String,
    /// The context's origin in the store; none without a store.
    pub origin: Option<String>,
}

/// A row of `kit`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KitRow {
    /// Where it was written; none for standard output.
    pub out: Option<String>,
    /// The sheet.
    pub text: String,
    /// The trees that a backup of this context takes besides the protected files.
    pub optional_trees: Vec<OptionalTree>,
}
