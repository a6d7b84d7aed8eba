//! Objects that are written once, read with their digest checked, locked, versioned and leased: in a directory, and behind
//! the same [`Store`] in S3 (feature `s3`).
//!
//! ```
//! use backup_store::{DirStore, Key, PutOptions, Store as _, put_bytes, read_checked};
//! use std::io::Read as _;
//!
//! # let home = tempfile::tempdir()?;
//! let store = DirStore::create(home.path().join("backups"))?;
//! let key = Key::new("state/default/state-20261123T201500Z-1a2b3c4d/snapshot.json")?;
//!
//! let stored = put_bytes(&store, &key, b"what must not be lost", &PutOptions::default())?;
//! put_bytes(&store, &key, b"something else", &PutOptions::default()).unwrap_err(); // never written twice
//!
//! let mut text = String::new();
//! read_checked(&store, &key, None, stored.digest, stored.meta.size)?.read_to_string(&mut text)?;
//! assert_eq!(text, "what must not be lost");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | concept | type |
//! |---|---|
//! | the name of an object | [`Key`], and [`Prefix`] for a listing |
//! | a place that holds objects | [`Store`]; [`DirStore`] is one in a directory, `S3Store` one in a bucket |
//! | writing: visible whole, in [`Upload::finish`], or not at all | [`Upload`] |
//! | what is known of a stored object | [`ObjectMeta`], [`Version`], [`Digest`] |
//! | reading back what was recorded, or an error | [`read_checked`], [`CheckedReader`] |
//! | objects that fit into memory | [`put_bytes`], [`read_bytes`] |
//! | objects from store to store | [`copy_objects`] |
//! | keeping an object from deletion | [`Lock`] |
//! | work that one process at a time does, across hosts | [`Lease`], [`Clock`] |
//! | files that are whole and on disk | [`durable`] |
//! | keeping backups out of what is committed | [`outside_git_work_tree`] |
//!
//! The interface is synchronous and streams both ways: no object is ever held in memory whole unless its reader asks
//! for that with a limit.

mod checked;
mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod copy;
mod dir;
pub mod durable;
mod error;
pub mod fail_point;
mod git;
mod handle;
mod key;
mod lease;
mod object;
mod random;
mod remote;
#[cfg(feature = "s3")]
pub mod s3;
mod small;
mod store;
mod temp;

pub use checked::{CheckedReader, read_checked};
pub use clock::Clock;
pub use copy::{Copied, CopyItem, CopyProgress, CopyReport, copy_objects};
pub use dir::DirStore;
pub use error::Error;
pub use git::outside_git_work_tree;
pub use key::{Key, Prefix};
pub use lease::{Holder, Lease, LeaseRequest, Observation};
pub use object::{Digest, Lock, LockMode, ObjectMeta, Version};
pub use remote::{RemoteProblem, SetupProblem};
#[cfg(feature = "s3")]
pub use s3::{S3Config, S3Store};
pub use small::{put_bytes, read_bytes};
pub use store::{
    Capabilities, DefaultRetention, Deletion, Leftover, LockKeeper, ObjectRef, PutOptions, Store, Stored,
    Transport, Upload, WriteOnceKeeper,
};

/// The result of an operation on a store.
pub type Result<T> = std::result::Result<T, Error>;
