//! Objects that are written once, read with their digest checked, locked, versioned and leased: in a directory now, and
//! behind the same [`Store`] in S3.
//!
//! | concept | type |
//! |---|---|
//! | the name of an object | [`Key`], and [`Prefix`] for a listing |
//! | a place that holds objects | [`Store`]; [`DirStore`] is one in a directory |
//! | writing: visible whole, in [`Upload::finish`], or not at all | [`Upload`] |
//! | what is known of a stored object | [`ObjectMeta`], [`Version`], [`Digest`] |
//! | keeping an object from deletion | [`Lock`] |
//!
//! The interface is synchronous and streams both ways: no object is ever held in memory whole unless its reader asks
//! for that with a limit.

mod error;
mod key;
mod object;
mod store;

pub use error::Error;
pub use key::{Key, Prefix};
pub use object::{Digest, Lock, LockMode, ObjectMeta, Version};
pub use store::{
    Capabilities, Deletion, Leftover, LockKeeper, PutOptions, Store, Stored, Upload, WriteOnceKeeper,
};

/// The result of an operation on a store.
pub type Result<T> = std::result::Result<T, Error>;
