//! The catalogue of a bucket: which base backups there are, what stands in the way of restoring each, and how far the
//! archive leads from it.
//!
//! The bucket is the catalogue. Everything is read from the objects, as any engine of any version wrote them; nothing is
//! asked of an engine, and nothing is written.

mod backup;
mod judge;
mod layout;
mod names;
mod parts;
mod read;
mod sentinel;

pub use backup::{Backup, BackupProblem, ProblemCode};
pub use layout::Root;
pub(crate) use names::Names;
pub use parts::Part;
pub(crate) use parts::{Lists, lists_of};
pub use read::{Bucket, Leftover, UnreadHistory, objects_of};
pub use sentinel::{DeltaOf, Sentinel};
