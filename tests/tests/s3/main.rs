//! The store in S3 against real servers, through a network that breaks, beside fifty other processes.
//!
//! What needs `versitygw` says in one line when it is not there.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, in its helpers too")]

mod capabilities;
mod child;
mod conformance;
mod doubts;
mod faults;
mod leftovers;
mod limits;
mod locks;
mod memory;
mod processes;
mod runtimes;
mod schedules;
mod secrets;
mod support;
mod versions;
