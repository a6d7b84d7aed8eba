//! Places at which a process can be made to die, so that a test can ask what it left: before and after each system call
//! that changes something. Without the feature `fail-points` nothing of it is there.

/// Does `act`, with a fail point before and one after it.
///
/// `what` names the call for the list of those that were reached.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub fn step<T>(_what: &'static str, act: impl FnOnce() -> T) -> T {
    act()
}

#[cfg(feature = "fail-points")]
pub use armed::{arm, hits, step};

#[cfg(feature = "fail-points")]
mod armed {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(1);
    static DEADLY: AtomicU64 = AtomicU64::new(0);
    static HITS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

    /// Does `act`, with a fail point before and one after it.
    pub fn step<T>(what: &'static str, act: impl FnOnce() -> T) -> T {
        point(what);
        let done = act();
        point(what);
        done
    }

    /// Lets this process be killed at the fail point with this number, counted from 1 in the order in which they are
    /// reached from now on. 0 kills at none.
    pub fn arm(number: u64) {
        NEXT.store(1, Ordering::SeqCst);
        DEADLY.store(number, Ordering::SeqCst);
        if let Ok(mut hits) = HITS.lock() {
            hits.clear();
        }
    }

    /// The fail points that were reached since they were armed, in their order: each system call twice.
    #[must_use]
    pub fn hits() -> Vec<&'static str> {
        HITS.lock().map(|hits| hits.clone()).unwrap_or_default()
    }

    fn point(what: &'static str) {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        if let Ok(mut hits) = HITS.lock() {
            hits.push(what);
        }
        if number == DEADLY.load(Ordering::SeqCst) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            loop {
                // The signal is on its way, and nothing more is to be done before it.
                std::thread::park();
            }
        }
    }
}
