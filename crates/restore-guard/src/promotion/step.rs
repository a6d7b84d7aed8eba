use super::identity::{EntryKind, Identity};
use backup_contract::Checksum;
use serde::{Deserialize, Serialize};

/// A file that a snapshot speaks for: it has it, or it says by not having it that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// Its path, relative to the live directory, with `/` between its components.
    pub path: String,
    /// How it is written.
    pub growth: Growth,
}

/// How a file is written while it is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    /// Anyhow.
    Any,
    /// As an append-only log of lines. When a promotion is undone, the lines that were added since it go along.
    Grows,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The staged one takes the place of the live one, which is kept.
    Replace,
    /// The staged one comes where nothing is.
    Add,
    /// The live one is put away, and kept.
    Remove,
}

/// One change, with what it takes and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The path in the live directory; the name of the directory, where one takes the place of another.
    pub path: String,
    /// What is staged, as it was at planning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming: Option<Identity>,
    /// What is live, as it was at planning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing: Option<Identity>,
    /// Of an append-only log: the digest of what is staged, so that what is added later is told from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
}

/// What is known of an append-only log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The digest of the incoming log; `None` when none comes in.
    pub incoming: Option<Checksum>,
}

impl Step {
    /// What it does.
    #[must_use]
    pub const fn act(&self) -> Act {
        match (&self.incoming, &self.outgoing) {
            (Some(_), Some(_)) => Act::Replace,
            (Some(_), None) => Act::Add,
            (None, _) => Act::Remove,
        }
    }

    /// What it does, in words.
    #[must_use]
    pub fn detail(&self) -> String {
        let size = |it: &Identity| match it.kind {
            EntryKind::Directory => "a directory".to_owned(),
            _ => format!("{} bytes", it.size),
        };
        match (&self.incoming, &self.outgoing) {
            (Some(new), Some(old)) => format!("{} in place of {}", size(new), size(old)),
            (Some(new), None) => size(new),
            (None, Some(old)) => format!("{} are put away", size(old)),
            (None, None) => String::new(),
        }
    }

    /// How it is taken back, in words.
    #[must_use]
    pub const fn undo(&self) -> &'static str {
        match (self.act(), self.log) {
            (Act::Replace, None) => "the old one is put back",
            (Act::Replace, Some(_)) => "the old one is put back, with the lines that were added since",
            (Act::Add, None) => "it is taken away",
            (Act::Add, Some(_)) => "it is taken away but for the lines that were added since",
            (Act::Remove, _) => "it is put back",
        }
    }

    /// The inode that lies in the place of our own before the step.
    pub(super) fn before(&self) -> Option<u64> {
        self.incoming.map(|incoming| incoming.inode)
    }
}
