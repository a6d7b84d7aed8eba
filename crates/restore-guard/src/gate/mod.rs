//! What decides whether a snapshot may take the place of live data.

mod permit;

pub use permit::{Grant, Permit};
