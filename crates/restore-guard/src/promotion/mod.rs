//! The only code that changes live data: brings what was staged and proved to its place, keeps what was there, and can
//! put it back from any point.
//!
//! What is durable when:
//!
//! | phase | what was made durable before it was written down |
//! |---|---|
//! | [`Phase::Prepared`] | the plan, the grant; the staged bytes with the attributes of what they replace |
//! | [`Phase::Moving`] | that what is staged lies in the journal, where one file system holds both |
//! | [`Phase::Moved`] | every step |
//! | [`Phase::Undoing`] | how each step that was done is taken back; logs with the lines that were added since |
//! | [`Phase::Undone`] | every step back |
//! | [`Phase::Dropping`] | nothing: what was kept is not needed any more |
//!
//! Between [`Phase::Moving`] and [`Phase::Moved`], and between [`Phase::Undoing`] and [`Phase::Undone`], a power cut may
//! leave any of the steps done and any not, in whatever order: each is recognised by the inode that lies in the place of
//! our own. What is staged and what is replaced share that place: a step lets it and the live name change contents, and the
//! step back does the same.
//!
//! This needs a file system on which a rename is one change, whole or not, across a power cut, as the journalling ones
//! are.

mod attributes;
mod carry;
mod confirm;
mod dir;
mod ground;
mod identity;
mod journal;
mod plan;
mod promote;
mod record;
mod space;
mod step;
mod swap;
#[cfg(test)]
mod tests;
mod tree;
mod undo;
mod walk;

pub use identity::{EntryKind, Identity};
pub use journal::{Journal, Pending};
pub use plan::{Carries, Plan};
pub use promote::{Promoted, Resumed};
pub use record::Phase;
pub use space::require_space;
pub use step::{Act, Growth, Log, Protected, Step};
pub use undo::{Undone, Writes};
