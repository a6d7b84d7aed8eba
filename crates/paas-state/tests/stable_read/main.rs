//! Reading a context beside whoever writes into it: nothing torn, no two generations mixed, no link followed, no pipe
//! waited for, and never a wait without end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hooks;
mod logs;
mod oddities;
mod stores;
#[path = "../support/mod.rs"]
mod support;
