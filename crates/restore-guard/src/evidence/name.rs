use crate::{Result, id, stamp};
use backup_contract::{ContextName, Level, Outcome, SnapshotRef};
use backup_store::Key;
use chrono::{DateTime, Utc};

/// What the key of a record says about it:
/// `evidence/<context>/<subject>/<id>/<utc>-<level>-<outcome>-<random>.json`.
///
/// Good for choosing what to read. It is not signed, so it is never believed: the record must agree with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordName {
    /// The context.
    pub context: ContextName,
    /// The snapshot that was checked.
    pub snapshot: SnapshotRef,
    /// When the verification was finished, to the second.
    pub finished_at: DateTime<Utc>,
    /// How far it went.
    pub level: Level,
    /// How it ended.
    pub outcome: Outcome,
}

impl RecordName {
    /// Takes the key of a record apart; `None` for any other key.
    #[must_use]
    pub fn parse(key: &Key) -> Option<Self> {
        let mut parts = key.as_str().split('/');
        let mut next = || parts.next();
        if next()? != "evidence" {
            return None;
        }
        let context = next()?.parse().ok()?;
        let snapshot = SnapshotRef { subject: next()?.parse().ok()?, id: next()?.parse().ok()? };
        let name = next()?.strip_suffix(".json")?;
        if next().is_some() {
            return None;
        }
        let mut words = name.split('-');
        let finished_at = stamp::read(words.next()?)?;
        let level = words.next()?.parse().ok()?;
        let outcome = match words.next()? {
            "passed" => Outcome::Passed,
            "failed" => Outcome::Failed,
            _ => return None,
        };
        let random = words.next()?;
        (stamp::is_suffix(random) && words.next().is_none()).then_some(Self {
            context,
            snapshot,
            finished_at,
            level,
            outcome,
        })
    }

    /// A new key of this name.
    pub(super) fn to_key(&self) -> Result<Key> {
        Ok(Key::new(format!(
            "evidence/{}/{}/{}/{}-{}-{}-{}.json",
            self.context,
            self.snapshot.subject,
            self.snapshot.id,
            stamp::write(self.finished_at),
            self.level,
            self.outcome,
            id::random_suffix()?
        ))?)
    }
}
