//! What is asked after a restore, before the mutation lock is opened: whether a web page answers, a port accepts
//! connections, a command succeeds.

mod ask;
mod command;
#[cfg(feature = "http")]
mod http;
mod spec;
mod tcp;

pub use ask::{ask, ask_by};
pub use spec::{Check, CheckKind};
