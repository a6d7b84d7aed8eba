use crate::CliError;
use backup_contract::{Level, Snapshot};
use chrono::{DateTime, Utc};
use restore_guard::Standing;

/// What is known about a snapshot, whatever it is a snapshot of.
pub trait Judge {
    /// How far it is proved; `None` where there is nothing that evidence could be about.
    fn standing(&self, snapshot: &Snapshot) -> Option<Standing<'_>>;

    /// Until when an object lock holds it; none when it has run out.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn locked_until(&self, snapshot: &Snapshot) -> Result<Option<DateTime<Utc>>, CliError>;

    /// Whether it is kept in any case.
    fn is_pinned(&self, snapshot: &Snapshot) -> bool;

    /// The strongest level at which it is proved, and since when; `None` when something of it is missing now,
    /// whatever was proved before.
    fn proved(&self, snapshot: &Snapshot) -> Option<(Level, DateTime<Utc>)> {
        if !snapshot.restorable() {
            return None;
        }
        let standing = self.standing(snapshot)?;
        let (level, evidence) = standing.proved()?;
        Some((level, evidence.record().finished_at))
    }

    /// The weakest level that it failed at, and since when: from there on nothing is proved.
    fn failed(&self, snapshot: &Snapshot) -> Option<(Level, DateTime<Utc>)> {
        let standing = self.standing(snapshot)?;
        let record = standing.failure()?.record();
        // A level that was proved again later is no failure any more, though nothing is said of the stronger ones.
        let is_mended = standing.proved().is_some_and(|(level, _)| level.covers(record.level));
        (!is_mended).then_some((record.level, record.finished_at))
    }
}
