//! The suite that every [`Store`](crate::Store) passes, and what tests of stores and leases need besides.

mod manual_clock;
#[cfg(test)]
mod memory;

pub use manual_clock::ManualClock;
#[cfg(test)]
pub(crate) use memory::MemoryStore;
