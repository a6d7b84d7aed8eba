use super::Captured;
use std::fmt;
use std::time::Duration;

/// What became of a child.
#[derive(Debug, Clone)]
#[must_use = "a child that ended has not done its work for that"]
pub struct Ended {
    /// How it ended.
    pub status: Status,
    /// What it printed.
    pub stdout: Captured,
    /// What it complained of.
    pub stderr: Captured,
    /// How long it ran.
    pub duration: Duration,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this code. 0 proves nothing: engines end with it having restored nothing at all.
    Exited(i32),
    /// By a signal that was not ours.
    Killed(i32),
    /// By us, because for so long it printed nothing and made no progress.
    Stalled(Duration),
    /// By us, because it ran for so long.
    TimedOut(Duration),
    /// By us, because the caller was told to stop.
    Interrupted,
}

impl Status {
    /// Whether it ended by itself with 0.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with exit code {code}"),
            Self::Killed(signal) => write!(f, "was ended by signal {signal}"),
            Self::Stalled(time) => write!(f, "made no progress for {} s and was ended", time.as_secs()),
            Self::TimedOut(time) => write!(f, "took longer than {} s and was ended", time.as_secs()),
            Self::Interrupted => f.write_str("was interrupted"),
        }
    }
}
