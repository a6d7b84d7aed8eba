use std::fmt;
use std::time::Duration;

/// How long a child may take, and how much of what it prints is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may neither print nor make progress; none is for ever.
    pub stall: Option<Duration>,
    /// How long it may run; none is for ever.
    pub total: Option<Duration>,
    /// How long its group has between `SIGTERM` and `SIGKILL`. A push that gets the former stops the backup in the server.
    pub grace: Duration,
    /// How much of each stream is kept, in bytes: a quarter from its beginning, the rest from its end.
    pub keep: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stall: Some(Duration::from_mins(10)),
            total: None,
            grace: Duration::from_secs(20),
            keep: 128 << 10,
        }
    }
}

impl Limits {
    /// With a limit on the whole time.
    #[must_use]
    pub const fn total(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// With a limit on the time without output and progress.
    #[must_use]
    pub const fn stall(mut self, stall: Duration) -> Self {
        self.stall = Some(stall);
        self
    }
}

/// What the caller knows while a child runs.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    interrupted: &'a (dyn Fn() -> bool + Sync),
    progress: &'a (dyn Fn() -> u64 + Sync),
}

impl Watch<'static> {
    /// Nothing: the child is not interrupted, and only what it prints counts as progress.
    #[must_use]
    pub fn none() -> Self {
        Self { interrupted: &|| false, progress: &|| 0 }
    }
}

impl<'a> Watch<'a> {
    /// How often progress is asked for at most.
    pub(super) const ASK_EVERY: Duration = Duration::from_secs(1);

    /// Stops the child as soon as `interrupted` says so; it is asked many times a second.
    #[must_use]
    pub fn interrupted(self, interrupted: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { interrupted, ..self }
    }

    /// Takes it for progress when `progress` gives another number than before, such as the bytes that are there already. It
    /// is asked once a second.
    #[must_use]
    pub fn progress(self, progress: &'a (dyn Fn() -> u64 + Sync)) -> Self {
        Self { progress, ..self }
    }

    /// Whether it is time to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        (self.interrupted)()
    }

    pub(super) fn mark(&self) -> u64 {
        (self.progress)()
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
