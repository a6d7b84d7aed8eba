//! Whether a backup's bytes are what they were.

mod fingerprint;

pub use fingerprint::{Fingerprint, ObjectDigest};
