use super::{ActOutcome, Action};
use crate::{Error, Result, WriterId, objects};
use backup_contract::{Checksum, ContextName, LockState, SnapshotId, SnapshotRef, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The newest version of an entry that is understood.
pub(super) const VERSION: u64 = 1;

/// What is to be remembered. The trail adds who writes, when, and the chain.
///
/// ```
/// use restore_guard::{ActOutcome, Action, TrailEvent};
///
/// let event = TrailEvent::new("ada@host", Action::Run, ActOutcome::Announced)
///     .subject("state".parse()?)
///     .detail("store", "file:///srv/backups/si");
/// assert_eq!(event.action.as_str(), "run");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailEvent {
    /// Who had it done.
    pub operator: String,
    /// What was done.
    pub action: Action,
    /// To what.
    pub subject: Option<Subject>,
    /// To which snapshot of it.
    pub id: Option<SnapshotId>,
    /// By what the snapshot is recognised.
    pub checksum: Option<Checksum>,
    /// How far it came.
    pub outcome: ActOutcome,
    /// Whatever else is worth remembering. Holds no secret.
    pub detail: Map<String, Value>,
}

impl TrailEvent {
    /// An event about nothing in particular.
    pub fn new(operator: impl Into<String>, action: Action, outcome: ActOutcome) -> Self {
        Self {
            operator: operator.into(),
            action,
            subject: None,
            id: None,
            checksum: None,
            outcome,
            detail: Map::new(),
        }
    }

    /// The same event, about a subject.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The same event, about a snapshot.
    #[must_use]
    pub fn snapshot(mut self, snapshot: SnapshotRef) -> Self {
        self.subject = Some(snapshot.subject);
        self.id = Some(snapshot.id);
        self
    }

    /// The same event, with the checksum of the snapshot.
    #[must_use]
    pub const fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// The same event, with one more detail. No secret may be in it.
    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.detail.insert(name.into(), value.into());
        self
    }
}

/// One entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailEntry {
    /// The version of the format.
    pub version: u64,
    /// The context that it is about.
    pub context: ContextName,
    /// Whose chain it belongs to.
    pub writer: WriterId,
    /// Its place in the chain, from 1 and without a gap. This is the order, whatever the clock says.
    pub sequence: u64,
    /// When it was written, by the writer's clock.
    pub at: DateTime<Utc>,
    /// Who had it done.
    pub operator: String,
    /// What was done.
    pub action: Action,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// To which snapshot of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<SnapshotId>,
    /// By what the snapshot is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// How far it came.
    pub outcome: ActOutcome,
    /// Whatever else is worth remembering.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub detail: Map<String, Value>,
    /// The digest of the entry before; `None` for the first.
    pub previous: Option<Checksum>,
}

/// An entry with the digest of its bytes, as it stands on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailLine {
    /// The SHA-256 of the entry's bytes.
    pub digest: Checksum,
    /// The entry.
    pub entry: TrailEntry,
}

/// The line: the digest is over the bytes of `entry` exactly as they stand here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    digest: Checksum,
    #[serde(borrow)]
    entry: &'a RawValue,
}

/// What every version of an entry has.
#[derive(Deserialize)]
struct Probe {
    version: u64,
    sequence: u64,
}

/// Why a line is not an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadLine {
    /// No line of a trail at all.
    Malformed(String),
    /// The entry's bytes are not those of the digest that it declares.
    Changed { declared: Checksum },
    /// A newer version wrote it. Its digest is right.
    Newer { version: u64, sequence: u64, digest: Checksum },
}

pub(super) fn digest_of(bytes: &[u8]) -> Checksum {
    Checksum::from_sha256(Sha256::digest(bytes).into())
}

impl TrailEntry {
    /// What it says became of a mutation lock. That one is about to be opened is not yet that it was.
    #[must_use]
    pub fn lock_change(&self) -> Option<LockState> {
        match self.action {
            Action::LockShut => Some(LockState::Shut),
            Action::LockOpened if self.outcome == ActOutcome::Done => Some(LockState::OpenedByChecks),
            Action::LockReleased if self.outcome == ActOutcome::Done => Some(LockState::Released),
            _ => None,
        }
    }

    /// The line of this entry, with its newline, and its digest.
    pub(super) fn to_line(&self) -> Result<(Vec<u8>, Checksum)> {
        let encode = |source| Error::Encode { what: "an entry of the trail", source };
        let entry = serde_json::value::to_raw_value(self).map_err(encode)?;
        let digest = digest_of(entry.get().as_bytes());
        let line = spell(digest, &entry);
        // The store's copy of it has to be readable too.
        match line.len() as u64 {
            bytes if bytes > objects::LIMIT => {
                Err(Error::TooLong { what: "entry of the trail", bytes, limit: objects::LIMIT })
            }
            _ => Ok((line, digest)),
        }
    }
}

/// The one spelling that a line has.
fn spell(digest: Checksum, entry: &RawValue) -> Vec<u8> {
    format!("{{\"digest\":\"{digest}\",\"entry\":{}}}\n", entry.get()).into_bytes()
}

/// Reads a line, with its newline.
pub(super) fn parse(line: &[u8]) -> Result<TrailLine, BadLine> {
    let malformed = |reason: &dyn std::fmt::Display| BadLine::Malformed(reason.to_string());
    let Line { digest, entry } = serde_json::from_slice(line).map_err(|error| malformed(&error))?;
    // Also what lies around the entry is spelt in one way only, so that no byte of the file can be altered unseen.
    if spell(digest, entry) != line {
        return Err(malformed(&"it is spelt otherwise than this program does"));
    }
    let json = entry.get();
    if digest_of(json.as_bytes()) != digest {
        return Err(BadLine::Changed { declared: digest });
    }
    let Probe { version, sequence } = serde_json::from_str(json).map_err(|error| malformed(&error))?;
    if version > VERSION {
        return Err(BadLine::Newer { version, sequence, digest });
    }
    let entry = serde_json::from_str(json).map_err(|error| malformed(&error))?;
    Ok(TrailLine { digest, entry })
}

/// The number of an entry, whichever version wrote it; `None` for anything else.
pub(super) fn sequence_in(line: &[u8]) -> Option<u64> {
    match parse(line) {
        Ok(line) => Some(line.entry.sequence),
        Err(BadLine::Newer { sequence, .. }) => Some(sequence),
        Err(BadLine::Changed { .. } | BadLine::Malformed(_)) => None,
    }
}
