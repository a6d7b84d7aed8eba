//! What a running server and its containers say of themselves, as values, and what must be true of it.
//!
//! Nothing here asks anybody: whoever can reach the server fills in [`ServerFacts`] and [`DatabasusFacts`], and what it
//! could not learn stays `None`, which is judged by nobody and counted as unknown.

mod archive_command;
mod databasus;
mod server;

pub use archive_command::ArchiveCommand;
pub use databasus::{DatabasusFacts, PublishedPort};
pub use server::{Receiver, ServerFacts};
