//! What was checked, how, when, where, by whom, over which bytes.

mod envelope;
mod ignored;
mod ledger;
mod name;
mod record;
mod records;
mod remembered;
mod standing;
mod statement;
mod states;

pub use envelope::{Envelope, IN_TOTO, pae};
pub use ignored::{Ignored, WhyIgnored};
pub use ledger::{Ledger, Scope};
pub use name::RecordName;
pub use record::{EvidenceRecord, Tool};
pub use records::{Newest, Records};
pub use remembered::Remembered;
pub use standing::{LevelStanding, Question, Standing, future_tolerance};
pub use statement::{PREDICATE_TYPE, STATEMENT_TYPE};
pub use states::{Evidence, UnverifiedEvidence};
