//! Places at which a process can be made to die, or to wait while its surroundings are changed, so that a test can ask what
//! comes of it: before and after each system call that changes something. Without the feature `fail-points` nothing of it
//! is there.

/// Does `act`, with a fail point before and one after it.
///
/// `what` names the call for the list of those that were reached.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub fn step<T>(_what: &'static str, act: impl FnOnce() -> T) -> T {
    act()
}

#[cfg(feature = "fail-points")]
pub use armed::{arm, hits, step, tell, wait_at};

#[cfg(feature = "fail-points")]
mod armed {
    use std::fs::File;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    struct Armed {
        /// The number of the last one that was reached.
        reached: u64,
        deadly: u64,
        waiting: Option<(u64, PathBuf)>,
        hits: Vec<&'static str>,
        told: Option<File>,
    }

    static ARMED: Mutex<Armed> =
        Mutex::new(Armed { reached: 0, deadly: 0, waiting: None, hits: Vec::new(), told: None });

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
        if let Ok(mut armed) = ARMED.lock() {
            armed.reached = 0;
            armed.deadly = number;
            armed.hits.clear();
        }
    }

    /// Lets this process wait at the fail point with this number, counted as by [`arm`], until a test has opened the named
    /// pipe for writing, and closed it.
    pub fn wait_at(number: u64, pipe: PathBuf) {
        if let Ok(mut armed) = ARMED.lock() {
            armed.waiting = Some((number, pipe));
        }
    }

    /// Has the name of every fail point that is reached written into a file, a line each, by one write each.
    pub fn tell(file: File) {
        if let Ok(mut armed) = ARMED.lock() {
            armed.told = Some(file);
        }
    }

    /// The fail points that were reached since they were armed, in their order: each system call twice.
    #[must_use]
    pub fn hits() -> Vec<&'static str> {
        ARMED.lock().map(|armed| armed.hits.clone()).unwrap_or_default()
    }

    fn point(what: &'static str) {
        let Ok(mut armed) = ARMED.lock() else { return };
        armed.reached += 1;
        armed.hits.push(what);
        if let Some(file) = &mut armed.told {
            let _ = file.write_all(format!("{what}\n").as_bytes());
        }
        let number = armed.reached;
        let pipe = armed.waiting.as_ref().filter(|(at, _)| *at == number).map(|(_, pipe)| pipe.clone());
        let is_deadly = number == armed.deadly;
        drop(armed);
        if let Some(pipe) = pipe {
            wait(&pipe);
        }
        if is_deadly {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            loop {
                // The signal is on its way, and nothing more is to be done before it.
                std::thread::park();
            }
        }
    }

    /// Opened once somebody writes, at its end once they are done.
    fn wait(pipe: &Path) {
        let _ = std::fs::read(pipe);
    }
}
