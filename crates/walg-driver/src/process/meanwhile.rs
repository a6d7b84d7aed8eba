use backup_store::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How much of its time it may spend looking: one part in so many.
const SHARE: u32 = 10;

/// Does `work` while another thread looks, every so often, at something that tells of its progress.
///
/// `work` is given the number that was seen last, and never waits for a look: what is looked at may be a store that does not
/// answer. A look that saw nothing leaves the number as it is; one that takes long is taken less often.
pub fn meanwhile<T>(
    clock: &dyn Clock,
    every: Duration,
    look: &(dyn Fn() -> Option<u64> + Sync),
    work: impl FnOnce(&(dyn Fn() -> u64 + Sync)) -> T,
) -> T {
    let seen = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let seen = &seen;
        scope.spawn(move || {
            let mut pause = Duration::ZERO;
            while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let began = clock.monotonic();
                if let Some(found) = look() {
                    seen.store(found, Ordering::Relaxed);
                }
                pause = every.max((clock.monotonic().saturating_sub(began)) * SHARE);
            }
        });
        let value = work(&|| seen.load(Ordering::Relaxed));
        drop(done);
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RealClock;
    use std::sync::Mutex;

    #[test]
    fn what_is_seen_is_told_and_nobody_waits_for_a_look() {
        let (ask, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel::<Option<u64>>();
        let answers = Mutex::new(answers);
        let look = || {
            ask.send(()).ok()?;
            answers.lock().unwrap().recv().ok()?
        };
        meanwhile(&RealClock::new(), Duration::from_millis(1), &look, |seen| {
            asked.recv().unwrap();
            assert_eq!(seen(), 0, "the look is under way");
            answer.send(Some(7)).unwrap();
            asked.recv().unwrap();
            assert_eq!(seen(), 7);
            answer.send(None).unwrap();
            asked.recv().unwrap();
            assert_eq!(seen(), 7, "what was not seen is not nothing");
            drop(answer);
        });
    }
}
