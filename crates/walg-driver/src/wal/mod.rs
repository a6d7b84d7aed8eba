//! The archive of WAL: which segments are there, on which timelines, and how far they lead.
//!
//! Pure: what is here is computed from a listing and from the texts of history files, whoever read them.

mod archive;
mod history;
mod lsn;
mod object;
mod pages;
mod reach;
mod records;
mod segment;

pub use archive::{Archive, ArchiveBuilder, Hole, Run};
pub use history::{Ancestor, BadHistory, History};
pub use lsn::{Lsn, NotAnLsn, Timeline};
pub use object::WalObject;
pub use pages::{BadSegment, Expected, Pages, check_first_page, check_pages, read_pages};
pub use reach::{Reach, Stop};
pub use records::{Does, Record, Records};
pub use segment::{NotASegment, SegmentName, SegmentSize};
