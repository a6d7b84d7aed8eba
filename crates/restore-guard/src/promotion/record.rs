use super::identity::Identity;
use super::tree::TreeStamp;
use crate::Grant;
use backup_contract::Checksum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a restore is. Each is on disk before what it announces, and after what it says was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Its plan is on disk. Nothing live was touched.
    Prepared,
    /// Any of its steps may have been done.
    Moving,
    /// All of its steps are done and durable. What was replaced is kept.
    Moved,
    /// It is being taken back; any of its steps may have been.
    Undoing,
    /// All of it is taken back, durably.
    Undone,
    /// It is over, and what was kept is being removed.
    Dropping,
}

impl Phase {
    /// The word for it in a sentence: a restore that is …
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Moving => "half done",
            Self::Moved => "done but not confirmed",
            Self::Undoing => "half undone",
            Self::Undone => "undone",
            Self::Dropping => "being confirmed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The file that says that a restore is under way, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: u64,
    pub(super) phase: Phase,
    pub(super) begun_at: DateTime<Utc>,
    pub(super) since: DateTime<Utc>,
    pub(super) grant: Grant,
    /// The digest of the file of its plan.
    pub(super) plan: Checksum,
    /// Whether what is staged lies in the journal's directory now. Only sure from [`Phase::Moving`] on.
    pub(super) is_in_journal: bool,
    /// What the incoming directory held when it took the live name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tree: Option<TreeStamp>,
}

/// How each step is taken back: written down before the first one is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WayBack {
    pub(super) version: u64,
    /// Counts the times that it was written, so that no name is used twice.
    pub(super) generation: u64,
    pub(super) moves: Vec<MoveBack>,
}

/// How one step is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MoveBack {
    /// Which step of the plan.
    pub(super) step: usize,
    /// The file in the directory of what is kept that takes the live name, where that is not what was replaced: a log
    /// with the lines that were added since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) carried: Option<String>,
    /// What takes the live name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Identity>,
    /// What is live, and goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) live: Option<Identity>,
}
