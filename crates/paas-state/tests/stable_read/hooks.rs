//! Changes to a context at a chosen moment of its reading: while a file is streamed, or between two rounds.

use crate::support::{ID, Place, sealing};
use backup_contract::Finding;
use backup_store::{Clock, Prefix, Store};
use paas_state::{AllowList, Backup, Error, OptionalTree, Patience, Reading, Watch};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Acts whenever a block of at least this many bytes was read: that is a log's, for stores are smaller.
pub(crate) const LARGE: u64 = 10_000;

/// Does something while a large file is read: once, or at its first block each time that it is read.
pub(crate) struct WhileReading<F> {
    pub(crate) act: F,
    pub(crate) times: usize,
    pub(crate) acted: AtomicUsize,
}

impl<F: Fn()> WhileReading<F> {
    pub(crate) fn new(times: usize, act: F) -> Self {
        Self { act, times, acted: AtomicUsize::new(0) }
    }
}

impl<F: Fn() + Sync> Watch for WhileReading<F> {
    fn advanced(&self, bytes: u64) {
        if bytes >= LARGE && self.acted.fetch_add(1, Ordering::SeqCst) < self.times {
            (self.act)();
        }
    }
}

/// A clock that does not wait: whoever sleeps has something done to the context instead.
pub(crate) struct WhileSleeping<F> {
    act: F,
    slept: AtomicU64,
}

impl<F> std::fmt::Debug for WhileSleeping<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhileSleeping").field("slept", &self.slept).finish_non_exhaustive()
    }
}

impl<F: Fn(u64) + Send + Sync> WhileSleeping<F> {
    /// `act` is given how often there was a pause before.
    pub(crate) fn new(act: F) -> Self {
        Self { act, slept: AtomicU64::new(0) }
    }

    pub(crate) fn slept(&self) -> u64 {
        self.slept.load(Ordering::SeqCst)
    }
}

impl<F: Fn(u64) + Send + Sync> Clock for WhileSleeping<F> {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.slept())
    }

    fn sleep(&self, _: Duration) {
        (self.act)(self.slept.fetch_add(1, Ordering::SeqCst));
    }
}

/// A backup by a clock and a watch of one's own.
pub(crate) fn back_up(
    place: &Place,
    with: &[OptionalTree],
    clock: &dyn Clock,
    watch: &dyn Watch,
) -> paas_state::Result<Backup> {
    let (context, allow, patience) = (place.context(), AllowList::default(), Patience::default());
    let reading = Reading { context: &context, with, allow: &allow, patience: &patience, clock, watch };
    reading.back_up(&place.store, &sealing(&place.recipients(), &ID.parse().unwrap()))
}

/// The findings that stood in the way.
pub(crate) fn blocked(outcome: paas_state::Result<Backup>) -> Vec<Finding> {
    match outcome {
        Err(Error::Blocked(findings)) => findings,
        other => panic!("it was not blocked: {other:?}"),
    }
}

/// How many objects the store shows.
pub(crate) fn visible(place: &Place) -> usize {
    place.store.list(&Prefix::all(), None).unwrap().count()
}
