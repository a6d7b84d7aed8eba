//! Programs that use the libraries of si-backup alone; each is a file in `src/bin/`.
//!
//! - `back_up_context` backs up a context of si and reads it back.
//! - `deploy_under_lock` changes an app unless a restore keeps it from being changed.
//!
//! The crate `retention` has an example of its own, which prunes a plain directory of dated files.

use backup_store::Clock;
use std::time::{Duration, Instant};

/// The libraries have no clock of their own: this one goes from the moment at which it was made.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock that begins now.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two of them are the same")]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
