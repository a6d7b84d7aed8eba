//! The engines that move a database's bytes: which there are, what they are told, and what they are given to read.
//!
//! An engine acts, and is not believed: what became of a push is read from the [bucket](crate::bucket), what became of a
//! fetch from the directory. Of its own printing nothing is read but its version.
//!
//! | step | item |
//! |---|---|
//! | which program | [`Engine`] |
//! | what it can do, and what goes wrong in it | [`Capabilities`] |
//! | what it reads of the app's env file, or must not be given | [`environment`], [`refused`] |
//! | full or delta | [`choose`] |
//! | what it is to do | [`Call`], made into a [`Job`](crate::runner::Job) for a [`Runner`](crate::runner::Runner) |
//! | what came of a push | [`Ordered`] |
//! | a backup out of a local directory | [`Unpacker`] |
//!
//! With the feature `embedded` a program can be the engine itself: see `dispatch_engine`.

mod call;
mod capabilities;
mod choose;
#[cfg(feature = "embedded")]
mod embedded;
mod program;
mod pushed;
mod settings;
mod unpack;

pub use call::{Call, Push};
pub use capabilities::{Ability, Capabilities};
pub use choose::{Choice, Situation, WhyFull, choose};
#[cfg(feature = "embedded")]
pub use embedded::dispatch_engine;
pub use program::Engine;
pub use pushed::{NotPushed, Ordered, PushMark, Pushed};
pub use settings::{environment, refused};
pub use unpack::{Unpack, Unpacker};

/// The hidden word that makes a program the engine that is linked into it: `si-backup engine -- backup-push …`.
pub const ENGINE_WORD: &str = "engine";
