//! The engines that move a database's bytes.

#[cfg(feature = "embedded")]
mod embedded;

#[cfg(feature = "embedded")]
pub use embedded::{ENGINE_WORD, dispatch_engine};
