//! Real time, and what the tests with real parts say when one is missing.
#![allow(dead_code, reason = "not every test uses all of it")]

use backup_store::Clock;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct RealClock(Instant);

impl RealClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Says in one line why a test has proved nothing here; where `SI_BACKUP_REQUIRE_PARTS` is set, that is a failure.
#[expect(clippy::print_stderr, reason = "whoever reads the log of a test run should know what was not tried")]
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(), "a part of the tests is missing: {why}");
    eprintln!("skipped: {why}");
}
