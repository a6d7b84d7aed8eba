//! Whether a backup's bytes are what they were.

mod content;
pub(crate) mod control;
mod digested;
mod fingerprint;
pub(crate) mod hashed;
pub(crate) mod key;
pub(crate) mod tar;

pub use content::{Content, ContentCheck, SegmentDigest};
pub use fingerprint::{Fingerprint, ObjectDigest};
pub use key::opens;
