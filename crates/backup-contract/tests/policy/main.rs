//! The policy held against worlds of facts, and the schedule against histories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clauses;
mod docs;
mod due;
mod histories;
mod knowledge;
mod worlds;
