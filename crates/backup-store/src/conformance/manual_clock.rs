use crate::Clock;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A clock that stands still but for [`ManualClock::advance`]; sleeping on it takes no time and turns it.
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Duration>);

impl ManualClock {
    /// A clock that shows `time`.
    #[must_use]
    pub const fn at(time: Duration) -> Self {
        Self(Mutex::new(time))
    }

    /// Turns it forward.
    pub fn advance(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, time: Duration) {
        self.advance(time);
    }
}
