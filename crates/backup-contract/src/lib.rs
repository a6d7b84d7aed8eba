//! The nouns of a backup policy, as types that cannot hold nonsense; and the policy itself, as data.
//!
//! Every other crate of si-backup, and every tool that wants to talk about the same backups, speaks in these words:
//!
//! | noun | type |
//! |---|---|
//! | whose state | [`ContextName`] |
//! | what is backed up | [`Subject`]: the private state of a context, or the database of one app ([`AppSlug`]) |
//! | one backup of it | [`SnapshotId`], described by a [`Snapshot`] |
//! | what its bytes were | [`Checksum`] |
//! | how far it was proved | [`Level`], by way of [`CheckResult`]s |
//! | what is wrong | [`Finding`] |
//! | what an app must have | [`profile::Profile`], asked of its [`environment`], its [`engine`] and its [`live`] server |
//! | what its compose project must be | `compose` and `pack`, with the feature `compose` |
//! | which clause of the policy says so | [`ClauseId`], whose text is a [`Clause`] |
//! | what an app must have | [`profile::Profile`], asked of its [`environment`], its [`engine`] and its [`live`] server |
//! | what its compose project must be | `compose` and `pack`, with the feature `compose` |
//! | what is known, and what is not | [`Facts`], with [`Known`] for each of them |
//! | how each clause stands | [`assess`], which makes a [`ClauseStatus`] of the facts |
//! | what must be done now, and what next | [`due`], by a [`Schedule`] of [`Rhythm`]s |
//!
//! The crate is pure: it reads no file, no environment and no clock. Texts are parsed once, at the edge, into types
//! with private fields; whoever holds the type holds a valid value.
//!
//! ```
//! use backup_contract::{Level, SnapshotId, Subject};
//!
//! let subject: Subject = "app:shop".parse()?;
//! assert!(matches!(subject, Subject::App(_)));
//!
//! let id: SnapshotId = "state-20261123T201500Z-1a2b3c4d".parse()?;
//! assert_eq!(id.to_string(), "state-20261123T201500Z-1a2b3c4d");
//!
//! // Evidence of a level counts as evidence of the weaker ones.
//! assert!(Level::Content.covers(Level::Checksum));
//! assert!("state-of-mind/../../etc".parse::<SnapshotId>().is_err());
//! # Ok::<(), backup_contract::Error>(())
//! ```

mod assess;
mod check;
mod checked;
mod checksum;
mod clause;
#[cfg(feature = "compose")]
pub mod compose;
mod due;
pub mod engine;
pub mod environment;
mod error;
mod facts;
mod finding;
mod known;
mod level;
pub mod live;
mod name;
#[cfg(feature = "compose")]
pub mod pack;
mod policy;
pub mod profile;
mod schedule;
mod snapshot;
mod snapshot_id;
mod stage;
mod subject;

pub use assess::{ClauseStatus, Status, assess, same_host};
pub use check::{CheckResult, Outcome};
pub use checked::{Checked, Unjudged};
pub use checksum::Checksum;
pub use clause::ClauseId;
pub use due::{Due, REST, Task, When, due};
pub use error::Error;
pub use facts::{
    Accounted, AppFacts, CLOCK_TOLERANCE, ContractFacts, Drill, Facts, Gate, LockState, Offsite, OffsiteCopy,
    Openers, Passage, Placement, Proof, RESTORE_FIELDS, Rehearsal, RestoreFact, RetentionFacts,
    SnapshotFacts, SubjectFacts, TierFacts, TrailFacts, Transit, VaultState, Wanted, Whereabouts,
};
pub use finding::{Finding, Place, Severity};
pub use known::Known;
pub use level::Level;
pub use name::{AppSlug, ContextName};
pub use policy::{
    BACKUP_WITHIN, Clause, DAILY_COPIES, DRILL_WITHIN, MONTHLY_COPIES, OFFSITE_WITHIN, Parameter,
    ParameterValue, REHEARSAL_WITHIN, Section, WEEKLY_COPIES,
};
pub use schedule::{Rhythm, Rhythms, Schedule};
pub use snapshot::{Problem, Snapshot, SnapshotKind};
pub use snapshot_id::{SnapshotId, SnapshotRef};
pub use stage::Stage;
pub use subject::Subject;

/// The result of parsing one of this crate's nouns.
pub type Result<T> = std::result::Result<T, Error>;
