//! The engines that move a database's bytes, and what is known to go wrong in them.

mod fault;
mod kind;
mod version;

pub use fault::{Fault, faults_of};
pub use kind::EngineKind;
pub use version::EngineVersion;
