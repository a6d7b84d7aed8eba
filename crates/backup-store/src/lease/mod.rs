mod acquire;
#[cfg(test)]
mod histories;
mod observation;
mod record;

pub use acquire::LeaseRequest;
pub use observation::Observation;

use crate::{Clock, Error, Result, Store};
use record::{Generation, Record, Series, State};
use std::fmt;
use std::time::Duration;

/// How many generations are left behind: enough for a judge that was asleep to find the one that it would have written.
const KEPT: usize = 4;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The same for every process that may take over from another at once. Whoever uses an id guarantees by other means,
    /// such as a lock on a local file, that no two of its processes live at the same time.
    pub id: String,
    /// In words, for whoever has to wait: what it does and where.
    pub description: String,
}

/// Work that one process at a time should do, across hosts that share nothing but a store.
///
/// The lease `name` is a series of objects, `leases/<name>/<generation>.json`, each written once. The holder is who wrote
/// the newest. To take the lease is to write the next generation, which only one can; to keep it is to go on writing
/// generations, [`Lease::renew`], well within the time to live; to give it back is to write one that says so. A holder whose
/// newest generation stays the newest for longer than the time to live, on the clock of whoever waits for it, is taken for
/// dead. Clocks of two hosts are never compared.
///
/// A lease saves work; it makes nothing safe. A holder that was asleep finds out only at its next [`Lease::renew`] or
/// [`Lease::check`] that another one has taken over, and may act until then: acts that must not happen twice need write-once
/// keys, and a look at the store right before them. [`Lease::remaining`] tells for how long nobody can have taken over.
///
/// ```
/// use backup_store::{Clock, DirStore, Holder, Lease, LeaseRequest, Observation};
/// use std::time::{Duration, Instant};
///
/// #[derive(Debug)]
/// struct SystemClock(Instant);
/// impl Clock for SystemClock {
///     fn monotonic(&self) -> Duration {
///         self.0.elapsed()
///     }
///     fn sleep(&self, time: Duration) {
///         std::thread::sleep(time);
///     }
/// }
///
/// # let home = tempfile::tempdir()?;
/// let store = DirStore::open(home.path())?;
/// let clock = SystemClock(Instant::now());
/// let request = |host: &str| LeaseRequest {
///     name: "tick-default".into(),
///     holder: Holder { id: host.into(), description: format!("tick on {host}") },
///     ttl: Duration::from_secs(90),
///     wait: Duration::ZERO,
/// };
///
/// let mut lease = Lease::acquire(&store, &clock, &request("host-1"), &mut Observation::new())?;
/// let refused = Lease::acquire(&store, &clock, &request("host-2"), &mut Observation::new()).unwrap_err();
/// assert_eq!(refused.to_string(), "the lease 'tick-default' is held by tick on host-1 (generation 1)");
///
/// lease.renew()?; // from time to time, in a thread of its own if the work is long
/// lease.release()?;
/// Lease::acquire(&store, &clock, &request("host-2"), &mut Observation::new())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a store whose capabilities say [`WriteOnceKeeper::HeadCheck`](crate::WriteOnceKeeper), two that start in the same
/// moment may both believe that they hold a lease.
#[must_use = "a lease that nobody renews is soon somebody else's"]
pub struct Lease<'a> {
    series: Series<'a>,
    clock: &'a dyn Clock,
    holder: Holder,
    ttl: Duration,
    session: String,
    generation: u64,
    /// When writing the newest own generation began, on the own clock.
    renewed: Duration,
}

impl<'a> Lease<'a> {
    /// Takes a lease that is free, was released, is by a holder with the same id, or by one that was observed to be silent
    /// for its time to live; waits for that as long as the request says.
    ///
    /// What was seen meanwhile is in `observation`, also after an error.
    ///
    /// # Errors
    /// [`Error::LeaseHeld`]; [`Error::InvalidKey`], for a name that no key can have; [`Error::Malformed`], when the newest
    /// generation is not one that this software wrote; as for the store's own operations.
    pub fn acquire(
        store: &'a dyn Store,
        clock: &'a dyn Clock,
        request: &LeaseRequest,
        observation: &mut Observation,
    ) -> Result<Self> {
        acquire::acquire(store, clock, request, observation)
    }

    /// Who would keep a request waiting now, in words; `None` where it would be granted. Takes nothing.
    ///
    /// # Errors
    /// As for [`Lease::acquire`], but for [`Error::LeaseHeld`].
    pub fn held_by(
        store: &dyn Store,
        clock: &dyn Clock,
        request: &LeaseRequest,
        observation: &mut Observation,
    ) -> Result<Option<String>> {
        acquire::held_by(store, clock, request, observation)
    }

    /// Which lease.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.series.name
    }

    /// The number of the newest own generation.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// For how long nobody can have taken over who obeys the rules and whose clock does not run faster; zero does not mean
    /// that somebody has. Starts at the time to live with each [`Lease::renew`].
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ttl.saturating_sub(self.clock.monotonic().saturating_sub(self.renewed))
    }

    /// Writes the next generation: the lease is this holder's for another time to live. A third of it is a good interval.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], when somebody took over: for good. After any other error the lease may still be this holder's,
    /// and it can be tried again.
    pub fn renew(&mut self) -> Result<()> {
        self.advance(State::Held)
    }

    /// Looks whether the newest generation is still this holder's, without writing one.
    ///
    /// # Errors
    /// As for [`Lease::renew`].
    pub fn check(&mut self) -> Result<()> {
        let Some(newest) = self.series.newest()? else { return Err(self.lost(0, "nobody".to_owned())) };
        if newest.number == self.generation {
            return Ok(());
        }
        let record = match self.series.read(&newest) {
            Ok(record) => record,
            Err(Error::NotFound { .. }) => return Err(self.lost(newest.number, "somebody else".to_owned())),
            Err(error) => return Err(error),
        };
        // Own after all: the answer to writing it did not arrive.
        if record.session == self.session && newest.number > self.generation {
            self.generation = newest.number;
            return Ok(());
        }
        Err(self.lost(newest.number, record.who()))
    }

    /// Gives the lease back: whoever wants it next need not wait.
    ///
    /// # Errors
    /// As for [`Lease::renew`]. A lease that could not be released ends by its time to live.
    pub fn release(mut self) -> Result<()> {
        self.advance(State::Released)
    }

    fn advance(&mut self, state: State) -> Result<()> {
        let began = self.clock.monotonic();
        self.check()?;
        let next = self.generation.saturating_add(1);
        let record = Record::new(&self.holder.id, &self.holder.description, &self.session, state, self.ttl);
        if self.series.write(next, &record)? {
            self.generation = next;
        }
        // Another one may have been faster, or this one so slow that the number had been used and swept already.
        self.check()?;
        if self.generation != next {
            return Err(self.lost(self.generation, "somebody else".to_owned()));
        }
        self.renewed = began;
        self.prune();
        Ok(())
    }

    /// Removes old generations. What cannot be removed now is removed by the next one who tries.
    fn prune(&self) {
        let generations = self.series.generations().unwrap_or_default();
        let old: &[Generation] =
            generations.get(..generations.len().saturating_sub(KEPT)).unwrap_or_default();
        for generation in old {
            self.series.forget(generation);
        }
    }

    fn lost(&self, generation: u64, holder: String) -> Error {
        Error::LeaseLost { name: self.series.name.clone(), holder, generation }
    }
}

impl fmt::Debug for Lease<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("name", &self.series.name)
            .field("holder", &self.holder)
            .field("generation", &self.generation)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_can_be_renewed_in_another_thread() {
        fn sent<T: Send>() {}
        sent::<Lease<'_>>();
    }
}
