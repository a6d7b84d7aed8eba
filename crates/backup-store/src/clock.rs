use std::fmt;
use std::time::Duration;

/// A clock for time limits and polling; what day it is, is never asked of it.
///
/// No implementation that reads the machine's clock is here: a program brings its own (on Linux `CLOCK_BOOTTIME`, which
/// goes on while the machine sleeps: a holder of a lease that slept must know that it did), and tests one that they turn by
/// hand.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time since some moment that stays the same until the machine is started anew; it never goes backwards.
    fn monotonic(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration);
}
