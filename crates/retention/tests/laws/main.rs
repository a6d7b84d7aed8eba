//! The laws that every plan obeys, over thousands of random worlds.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod naive;
mod one_plan;
mod over_time;
mod worlds;
