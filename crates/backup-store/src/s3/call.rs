//! Requests that are made again, within limits.

use super::failure::{Again, Failure};
use super::{S3Limits, Shared};
use crate::{RemoteProblem, random};
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// When the store may be asked again after it has asked to slow down: one for all requests, so that those that are on their
/// way at the same time slow down together.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    fn hold_until(&self, time: Instant) {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(time, |there| there.max(time)));
    }

    async fn pass(&self) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }
}

/// How often and for how long one operation has been tried.
#[derive(Debug)]
pub(super) struct Patience {
    began: Instant,
    failures: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), failures: 0 }
    }

    /// Begins anew: the operation got on.
    pub(super) fn renew(&mut self) {
        *self = Self::new();
    }

    /// Waits before the next try, or says that this failure is the last.
    pub(super) async fn again(&mut self, failure: Failure, shared: &Shared) -> Result<(), Failure> {
        self.failures += 1;
        let limits = &shared.limits;
        let spent = self.began.elapsed();
        let Some(pause) = pause_after(&failure, self.failures, limits, random::bits().unwrap_or(1 << 63))
        else {
            return Err(failure);
        };
        if spent.saturating_add(pause) > limits.retry_budget {
            return Err(failure);
        }
        if let Again::Slower(_) = failure.again {
            let now = Instant::now();
            shared.throttle.hold_until(now.checked_add(pause).unwrap_or(now));
            shared.throttle.pass().await;
        } else {
            sleep(pause).await;
        }
        Ok(())
    }
}

/// How long to wait after the `failures`-th failure; `None` when trying again makes no sense. `dice` is 64 random bits.
fn pause_after(failure: &Failure, failures: u32, limits: &S3Limits, dice: u64) -> Option<Duration> {
    if failures >= limits.attempts {
        return None;
    }
    let (first, least) = match failure.again {
        Again::Never => return None,
        Again::Yes => (limits.first_pause, Duration::ZERO),
        Again::Slower(asked) => (limits.first_pause_slow, asked.unwrap_or_default()),
    };
    let most = first.saturating_mul(1 << failures.min(16).saturating_sub(1)).min(limits.longest_pause);
    // Somewhere between half of it and all, so that those who failed together do not come back together.
    let half = most / 2;
    let part = u32::try_from(dice >> 32).unwrap_or(u32::MAX);
    let jitter = Duration::from_nanos(
        u64::try_from(half.as_nanos() * u128::from(part) / u128::from(u32::MAX)).unwrap_or(u64::MAX),
    );
    // What a store asks for may be any number.
    Some(least.saturating_add(half + jitter))
}

/// One request, within its time limit. `bytes` is how many pass with it.
pub(super) fn once<'a, T, E>(
    shared: &'a Shared,
    bytes: u64,
    request: impl Future<Output = Result<T, E>> + 'a,
) -> impl Future<Output = Result<T, Failure>> + 'a
where
    T: 'a,
    E: 'a,
    Failure: From<E>,
{
    // The SDK's futures are some ten thousand bytes; whoever waits for one need not have room for it.
    let request = Box::pin(request);
    async move {
        shared.throttle.pass().await;
        within(shared, bytes, async { request.await.map_err(Failure::from) }).await
    }
}

/// Something with which `bytes` pass, within the time that they may take.
pub(super) async fn within<T>(
    shared: &Shared,
    bytes: u64,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let limit = shared.limits.call + Duration::from_secs(bytes / shared.limits.least_rate.max(1));
    timeout(limit, work).await.unwrap_or_else(|_| Err(Failure::no_answer(limit)))
}

/// A request that does no harm when it is made twice, until it succeeds or there is no point in going on.
pub(super) async fn call<T, E, F>(
    shared: &Shared,
    bytes: u64,
    mut request: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, E>>,
    Failure: From<E>,
{
    let mut patience = Patience::new();
    loop {
        match once(shared, bytes, request()).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => patience.again(failure, shared).await?,
        }
    }
}

/// Fails when a part of an answer does not come within the limit for stalls.
pub(super) async fn unless_stalled<T>(shared: &Shared, next: impl Future<Output = T>) -> Result<T, Failure> {
    let limit = shared.limits.stall;
    timeout(limit, next).await.map_err(|_| {
        Failure::broken(RemoteProblem::TimedOut, format!("nothing came for {} s", limit.as_secs()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_differ_and_end() {
        let limits = S3Limits::default();
        let failure = Failure::broken(RemoteProblem::Unreachable, "");
        let pause = |failures, dice| pause_after(&failure, failures, &limits, dice);
        assert_eq!(pause(1, 0), Some(Duration::from_millis(50)));
        assert_eq!(pause(1, u64::MAX), Some(Duration::from_millis(100)));
        assert_eq!(pause(3, 0), Some(Duration::from_millis(200)));
        assert_eq!(pause(9, u64::MAX), Some(limits.longest_pause));
        assert_eq!(pause(10, 0), None);
    }

    #[test]
    fn what_cannot_succeed_is_not_repeated_and_who_asks_for_time_gets_it() {
        let limits = S3Limits::default();
        let denied = Failure::new(RemoteProblem::Denied, "", Again::Never);
        assert_eq!(pause_after(&denied, 1, &limits, 0), None);
        let asked = Again::Slower(Some(Duration::from_secs(7)));
        let slow = Failure::new(RemoteProblem::Throttled, "", asked);
        assert_eq!(pause_after(&slow, 1, &limits, 0), Some(Duration::from_millis(7250)));
    }
}
