//! Who did what, when, and how it ended: hash-chained lines that only grow.

mod append;
mod chain;
mod copies;
mod entry;
mod finding;
mod list;
mod publish;
mod tail;
mod words;

pub use append::{Appended, SetAside, Trail};
pub use chain::ChainReport;
pub use copies::{chain_of, verify_context, writers_of};
pub use entry::{TrailEntry, TrailEvent, TrailLine};
pub use finding::TrailFinding;
pub use list::merge;
pub use publish::Published;
pub use words::{ActOutcome, Action};
