//! What is known, as plain values that any caller can build. Nothing here is looked up, and nothing is assumed: what was
//! not looked at is [`Known::Unknown`], and a clause that depends on it is unknown too.

mod app;
mod place;
mod restore;
mod subject;

pub use app::{AppFacts, ContractFacts};
pub use place::{Openers, Passage, Placement, Transit, Whereabouts};
pub use restore::{Drill, Gate, LockState, RESTORE_FIELDS, RestoreFact, TrailFacts, VaultState};
pub use subject::{
    Accounted, Offsite, OffsiteCopy, Proof, Rehearsal, RetentionFacts, SnapshotFacts, SubjectFacts,
    TierFacts, Wanted,
};

use crate::{Known, Subject};
use chrono::{DateTime, TimeDelta, Utc};

/// How far ahead a clock may be before what it says is doubted.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// What is known of one context and its backups.
///
/// ```
/// use backup_contract::{Facts, Status, assess};
///
/// // Of whom nothing is known, nothing is held to be right.
/// let now = chrono::DateTime::from_timestamp(1_795_464_900, 0).unwrap();
/// let statuses = assess(&Facts::unknown("nobody has looked yet"), now);
/// assert!(statuses.iter().all(|status| status.status != Status::Met));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Whether the rules for production hold.
    pub production: bool,
    /// Where backups, keys and settings lie.
    pub placements: Known<Vec<Placement>>,
    /// Who can open the backups of the private state.
    pub openers: Known<Openers>,
    /// How what is stored gets to where it is stored; of databases their contract tells.
    pub passages: Known<Vec<Passage>>,
    /// The private state.
    pub state: SubjectFacts,
    /// The apps: those that are backed up, and those that are active and are not.
    pub apps: Known<Vec<AppFacts>>,
    /// What stands before a restore.
    pub gate: Known<Gate>,
    /// The audit trail.
    pub trail: Known<TrailFacts>,
    /// The drills, in any order.
    pub drills: Known<Vec<Drill>>,
}

impl Facts {
    /// Of a production context, and nothing else is known. Fill in what is.
    pub fn unknown(why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            production: true,
            placements: Known::unknown(&*why),
            openers: Known::unknown(&*why),
            passages: Known::unknown(&*why),
            state: SubjectFacts::unknown(&*why),
            apps: Known::unknown(&*why),
            gate: Known::unknown(&*why),
            trail: Known::unknown(&*why),
            drills: Known::unknown(why),
        }
    }

    /// The subjects that are to be backed up, with what is known of each: the state, and the active apps.
    pub fn subjects(&self) -> impl Iterator<Item = (Subject, &SubjectFacts)> {
        let apps = self.active_apps().map(|app| (Subject::App(app.slug.clone()), &app.subject));
        std::iter::once((Subject::State, &self.state)).chain(apps)
    }

    /// The apps that are active; none where it is not known which there are.
    pub fn active_apps(&self) -> impl Iterator<Item = &AppFacts> {
        self.apps.known().into_iter().flatten().filter(|app| app.active)
    }
}

/// Whether a time is not in the future, but for what clocks may differ by.
pub(crate) fn has_come(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at.signed_duration_since(now) <= CLOCK_TOLERANCE
}
