use super::record::{Record, Series, State, ttl_ms};
use super::{Holder, Lease, Observation};
use crate::{Clock, Error, Result, Store, random};
use std::time::Duration;

/// How often somebody who waits looks.
const POLL: Duration = Duration::from_secs(1);
/// How often others may be faster before it is called held.
const TRIES: u32 = 100;

/// What lease is wanted, by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Which: one or more parts of a key.
    pub name: String,
    /// Who wants it.
    pub holder: Holder,
    /// After how long a silence others may take this holder for dead.
    pub ttl: Duration,
    /// How long to wait while another one holds it; zero fails at once.
    pub wait: Duration,
}

enum Attempt {
    Taken {
        generation: u64,
        renewed: Duration,
    },
    /// Something changed in the same moment.
    Again,
    Held {
        by: String,
        generation: u64,
        dead_in: Duration,
    },
}

pub(super) fn acquire<'a>(
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    request: &LeaseRequest,
    observation: &mut Observation,
) -> Result<Lease<'a>> {
    let series = Series::new(store, &request.name)?;
    let session = random::name()?;
    let began = clock.monotonic();
    let mut tries = 0;
    loop {
        let held = |holder, generation| Error::LeaseHeld { name: request.name.clone(), holder, generation };
        match attempt(&series, clock, request, &session, began, observation)? {
            Attempt::Taken { generation, renewed } => {
                observation.clear();
                let lease = Lease {
                    series,
                    clock,
                    holder: request.holder.clone(),
                    ttl: Duration::from_millis(ttl_ms(request.ttl)),
                    session,
                    generation,
                    renewed,
                };
                lease.prune();
                return Ok(lease);
            }
            Attempt::Again if tries < TRIES => tries += 1,
            Attempt::Again => return Err(held("others, who were faster each time".to_owned(), 0)),
            Attempt::Held { by, generation, dead_in } => {
                let left = request.wait.saturating_sub(clock.monotonic().saturating_sub(began));
                if left.is_zero() {
                    return Err(held(by, generation));
                }
                clock.sleep(POLL.min(left).min(dead_in));
            }
        }
    }
}

pub(super) fn held_by(
    store: &dyn Store,
    clock: &dyn Clock,
    request: &LeaseRequest,
    observation: &mut Observation,
) -> Result<Option<String>> {
    let series = Series::new(store, &request.name)?;
    for _ in 0..TRIES {
        let Some(newest) = series.newest()? else { return Ok(None) };
        match series.read(&newest) {
            Ok(record) => {
                let is_free = record.state == State::Released || record.holder == request.holder.id;
                let is_held =
                    !is_free && observation.note(&newest, &record, clock.monotonic()) < record.ttl();
                return Ok(is_held.then(|| record.who()));
            }
            // It is being renewed.
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some("others, who were faster each time".to_owned()))
}

fn attempt(
    series: &Series<'_>,
    clock: &dyn Clock,
    request: &LeaseRequest,
    session: &str,
    began: Duration,
    observation: &mut Observation,
) -> Result<Attempt> {
    let next = match series.newest()? {
        None => 1,
        Some(newest) => {
            let record = match series.read(&newest) {
                Ok(record) => record,
                Err(Error::NotFound { .. }) => return Ok(Attempt::Again),
                Err(error) => return Err(error),
            };
            if record.session == session {
                // An earlier try did take the lease, only its answer was lost.
                return Ok(Attempt::Taken { generation: newest.number, renewed: began });
            }
            let free = record.state == State::Released || record.holder == request.holder.id;
            if !free {
                let silent = observation.note(&newest, &record, clock.monotonic());
                if silent < record.ttl() {
                    return Ok(Attempt::Held {
                        by: record.who(),
                        generation: newest.number,
                        dead_in: record.ttl().saturating_sub(silent),
                    });
                }
            }
            newest.number.saturating_add(1)
        }
    };
    let renewed = clock.monotonic();
    let record =
        Record::new(&request.holder.id, &request.holder.description, session, State::Held, request.ttl);
    if !series.write(next, &record)? {
        return Ok(Attempt::Again);
    }
    // Who looked long ago may have written a number that had been used and swept: then there is a newer one.
    let generations = series.generations()?;
    match generations.last() {
        Some(newest) if newest.number == next => Ok(Attempt::Taken { generation: next, renewed }),
        _ => {
            generations.iter().filter(|old| old.number == next).for_each(|own| series.forget(own));
            Ok(Attempt::Again)
        }
    }
}
