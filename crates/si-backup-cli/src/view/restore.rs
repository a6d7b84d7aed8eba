use crate::args::GlobalArgs;
use crate::report::shell_word;
use backup_contract::{CheckResult, Checksum, Level, SnapshotId, Subject};
use chrono::{DateTime, Utc};
use restore_guard::{PassedOver, Reason, Refusal, RestoreRequest, ShutRecord};
use serde::Serialize;
use std::path::PathBuf;

/// A row of `restore` and its steps: what was asked, decided and done.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RestoreRow {
    /// The snapshot; none where none was found.
    pub id: Option<SnapshotId>,
    /// What it is restored into.
    pub subject: Subject,
    /// By what it is recognised.
    pub checksum: Option<Checksum>,
    /// Who asked.
    pub operator: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What was asked for: an id, or `LATEST`.
    pub requested: String,
    /// The evidence that it rests on: its key in the store. None where the operator gave the checksum, and in a refusal.
    pub evidence: Option<String>,
    /// The live place.
    pub target: String,
    /// How many files were replaced, added or put away.
    pub replaced: usize,
    /// Where what was replaced is kept, and until when; none where nothing is.
    pub undo: Option<UndoRow>,
    /// What was asked afterwards, and the answers.
    pub checks: Vec<CheckResult>,
    /// How it ended: `restored`, `checks-failed`, `undone`, `resumed`, `confirmed`, `planned`, `refused`.
    pub outcome: &'static str,
    /// In a dry run: what would be done, step by step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<StepRow>,
    /// Newer snapshots that are passed over, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOverRow>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalRow>,
}

/// Where what was replaced is kept.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UndoRow {
    /// The directory.
    pub kept: String,
    /// Until when, once the checks have passed.
    pub until: DateTime<Utc>,
}

/// A step of a plan.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepRow {
    /// What is done, and to which file.
    pub step: String,
    /// What that comes to, and how it is taken back.
    pub detail: String,
}

/// A reason.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReasonRow {
    /// Its code.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

/// A snapshot that is passed over.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PassedOverRow {
    /// The snapshot.
    pub id: SnapshotId,
    /// Why.
    pub reasons: Vec<ReasonRow>,
}

/// Why a restore is refused, and what would be let through.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusalRow {
    /// Every reason.
    pub reasons: Vec<ReasonRow>,
    /// The newest snapshot that would be let through.
    pub last_verified: Option<LastVerifiedRow>,
}

/// A snapshot that would be let through.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastVerifiedRow {
    /// The snapshot.
    pub id: SnapshotId,
    /// Its checksum.
    pub checksum: Checksum,
    /// How far it is proved.
    pub level: Level,
    /// When it was.
    pub at: DateTime<Utc>,
    /// The command that would use it.
    pub command: String,
}

/// A row of `guard`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GuardRow {
    /// Whose lock it is.
    pub subject: Subject,
    /// Whether changes are refused.
    pub shut: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Who shut it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was asked, and the answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
}

/// A row of `app status`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AppStatusRow {
    /// The app.
    pub app: String,
    /// The release that the state of the context says is current.
    pub expected: Option<String>,
    /// The releases that containers of it run from.
    pub running: Vec<String>,
    /// Whether nothing else runs than what is expected.
    pub ok: bool,
    /// In words, with who was asked.
    pub detail: String,
}

impl From<&Reason> for ReasonRow {
    fn from(reason: &Reason) -> Self {
        Self { code: reason.code(), detail: reason.to_string() }
    }
}

impl From<&PassedOver> for PassedOverRow {
    fn from(over: &PassedOver) -> Self {
        Self { id: over.id.clone(), reasons: over.reasons.iter().map(ReasonRow::from).collect() }
    }
}

impl RefusalRow {
    /// With the command that would use what is let through: this request, said again by who has said `global`.
    #[must_use]
    pub fn of(refusal: &Refusal, request: &RestoreRequest, global: &GlobalArgs) -> Self {
        let instead = refusal.instead_of(request);
        let last_verified =
            refusal.last_verified.as_ref().zip(instead).map(|(last, instead)| LastVerifiedRow {
                id: last.id.clone(),
                checksum: last.checksum,
                level: last.level,
                at: last.at,
                command: command_of(&instead, &last.id, global),
            });
        Self { reasons: refusal.reasons.iter().map(ReasonRow::from).collect(), last_verified }
    }
}

/// How a restore of a snapshot is asked for, to be put into a shell.
fn command_of(request: &RestoreRequest, id: &SnapshotId, global: &GlobalArgs) -> String {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let subject = match &request.subject {
        Subject::State => ("--state", None),
        Subject::App(app) => ("--app", Some(app.to_string())),
    };
    let accept = request.accept.as_ref();
    let said = |option, value: Option<String>| value.map(|value| (option, Some(value)));
    let global = [
        said("--config", path(&global.config)),
        said("--state-root", path(&global.state_root)),
        said("--context", global.context.as_ref().map(ToString::to_string)),
        said("--operator", global.operator.clone()),
    ];
    let own = [
        Some(("restore", None)),
        Some(subject),
        said("--from", Some(id.to_string())),
        said("--accept-level", accept.map(|accept| accept.level.to_string())),
        said("--reason", accept.map(|accept| accept.reason.clone())),
        Some(("--force", None)),
    ];
    let words = global.into_iter().chain(own).flatten();
    words.fold("si-backup".to_owned(), |mut command, (word, value)| {
        command.push(' ');
        command.push_str(word);
        if let Some(value) = value {
            command.push(' ');
            command.push_str(&shell_word(&value));
        }
        command
    })
}

impl GuardRow {
    /// A lock that is open.
    #[must_use]
    pub const fn open(subject: Subject) -> Self {
        Self { subject, shut: false, since: None, by: None, why: None, checks: Vec::new() }
    }

    /// A lock that is shut.
    #[must_use]
    pub fn shut(record: &ShutRecord) -> Self {
        Self {
            subject: record.subject.clone(),
            shut: true,
            since: Some(record.since),
            by: Some(record.by.clone()),
            why: Some(record.why.clone()),
            checks: Vec::new(),
        }
    }
}
