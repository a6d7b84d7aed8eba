//! Real time, and what the tests with real parts say when one is missing.
#![allow(dead_code, unused_imports, reason = "not every test uses all of it")]

mod real;

pub(crate) use real::RealClock;

/// Says in one line why a test has proved nothing here; where `SI_BACKUP_REQUIRE_PARTS` is set, that is a failure.
#[expect(clippy::print_stderr, reason = "whoever reads the log of a test run should know what was not tried")]
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(), "a part of the tests is missing: {why}");
    eprintln!("skipped: {why}");
}
