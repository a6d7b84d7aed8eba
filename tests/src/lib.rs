//! Test data and harness shared by the end-to-end tests.
//!
//! [`StateSpec`] writes a realistic state of si, [`seeded_secrets`] makes secrets that were never anybody's, and
//! [`LiveWriter`] rewrites a context the way a running si does. Everything is determined by a seed.

mod documents;
mod events;
mod live;
mod random;
mod releases;
mod secrets;
#[cfg(feature = "servers")]
pub mod servers;
mod state;
mod time;

pub use events::{EventLines, EventLog};
pub use live::{LiveSummary, LiveWriter};
pub use random::Random;
pub use secrets::{base64_of, seeded_secrets};
pub use state::{GeneratedState, StateSpec};
