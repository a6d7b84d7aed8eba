use crate::world::Interrupts;
use crate::{CliError, Session};
use backup_store::Clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use walg_driver::process::{Limits, Status, Watch};
use walg_driver::runner::Control;

/// Everything that may end a run before its work is done: a signal, the loss of its lease, the end of its time.
pub(super) struct Reins<'a> {
    interrupts: &'a Interrupts,
    clock: &'a dyn Clock,
    lease: Option<(&'a str, &'a AtomicBool)>,
    began: Duration,
    total: Option<Duration>,
}

impl<'a> Reins<'a> {
    /// For a command that begins now and may take so long in all.
    pub(super) fn new(session: &'a Session<'a>, total: Option<Duration>) -> Self {
        let (interrupts, clock) = (&session.world.interrupts, &*session.world.clock);
        Self { interrupts, clock, lease: None, began: clock.monotonic(), total }
    }

    /// With a lease, and the flag that rises when it is lost.
    pub(super) fn holding<'b>(&self, lease: &'b str, lost: &'b AtomicBool) -> Reins<'b>
    where
        'a: 'b,
    {
        Reins { lease: Some((lease, lost)), ..*self }
    }

    /// How long it has taken so far.
    pub(super) fn took(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began)
    }

    /// How long something may take that should not take longer than `most`.
    pub(super) fn at_most(&self, most: Duration) -> Duration {
        self.total.map_or(most, |total| most.min(total.saturating_sub(self.took())))
    }

    fn is_over(&self) -> bool {
        self.total.is_some_and(|total| self.took() >= total)
    }

    fn is_lost(&self) -> bool {
        self.lease.is_some_and(|(_, lost)| lost.load(Ordering::Relaxed))
    }

    /// Whether somebody wants it to stop, its time aside.
    pub(super) fn is_called_off(&self) -> bool {
        self.interrupts.signal().is_some() || self.is_lost()
    }

    /// Whether it has to stop, for whatever reason.
    pub(super) fn must_stop(&self) -> bool {
        self.is_called_off() || self.is_over()
    }

    /// Goes on only while nobody wants it to stop.
    pub(super) fn not_called_off(&self) -> Result<(), CliError> {
        if let Some(signal) = self.interrupts.signal() {
            return Err(CliError::Interrupted(signal));
        }
        match self.lease {
            Some((lease, _)) if self.is_lost() => Err(CliError::LostLease(lease.to_owned())),
            _ => Ok(()),
        }
    }

    /// Goes on only while there is no reason to stop.
    pub(super) fn go_on(&self) -> Result<(), CliError> {
        self.not_called_off()?;
        match self.total {
            Some(total) if self.is_over() => Err(CliError::TimedOut(total)),
            _ => Ok(()),
        }
    }

    /// An error that is the consequence of having to stop is the reason for that.
    pub(super) fn explain(&self, error: CliError) -> CliError {
        let is_consequence = error.code() == "interrupted"
            || matches!(
                &error,
                CliError::Walg(walg_driver::Error::Stopped {
                    status: Status::Interrupted | Status::TimedOut(_),
                    ..
                })
            );
        if is_consequence { self.go_on().err().unwrap_or(error) } else { error }
    }

    /// Has something small done beside the server, that should not take longer than `most`.
    pub(super) fn within<T>(&self, most: Duration, work: impl FnOnce(&Control<'_>) -> T) -> T {
        let interrupted = || self.is_called_off();
        let limits = Limits::default().total(self.at_most(most));
        let watch = Watch::none().interrupted(&interrupted);
        work(&Control { limits, watch, clock: self.clock })
    }

    /// What is left of its time, as the limits of a long work.
    pub(super) fn limits(&self) -> Limits {
        let left = self.total.map(|total| total.saturating_sub(self.took()));
        left.map_or_else(Limits::default, |left| Limits::default().total(left))
    }
}
