use crate::CliError;
use crate::app::wal_get::is_meant;
use backup_store::Clock;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Everything that a run of the program takes from outside, in one place: the only code that reads the environment, the
/// clock and the terminal. A test hands in a world of its own.
pub struct World {
    /// The words of the command line, the program's name first.
    pub args: Vec<OsString>,
    /// The file of this program, which it is run from again as another: an engine, a restore command.
    pub program: PathBuf,
    /// The environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Standard output.
    pub out: Box<dyn Write>,
    /// Standard error.
    pub err: Box<dyn Write>,
    /// Whether standard output is a terminal.
    pub out_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub err_is_terminal: bool,
    /// What time it is.
    pub now: Box<dyn Fn() -> DateTime<Utc>>,
    /// Whether that is the time by which stores date what is written, so that the two can be compared.
    pub is_time_of_stores: bool,
    /// For time limits, polling and measuring.
    pub clock: Arc<dyn Clock>,
    /// Which beginning the clock counts from: another one after each start of the machine.
    pub boot_id: String,
    /// Whether somebody asked to stop.
    pub interrupts: Interrupts,
    /// The host's name.
    pub host: String,
    /// The user's name.
    pub user: String,
    /// How many threads may work at once.
    pub workers: u32,
}

impl World {
    /// The world as this process finds it.
    ///
    /// # Errors
    /// When the system lets no signal handler be set.
    pub fn real() -> io::Result<Self> {
        let env: BTreeMap<_, _> = std::env::vars_os().collect();
        let user = ["USER", "LOGNAME"].iter().find_map(|name| env.get(OsStr::new(name)));
        let args: Vec<_> = std::env::args_os().collect();
        Ok(Self {
            program: std::env::current_exe()?,
            out: Box::new(io::stdout().lock()),
            err: Box::new(io::stderr()),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            now: Box::new(Utc::now),
            is_time_of_stores: true,
            clock: Arc::new(SystemClock),
            boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            // A `restore_command` ends at once when its server does: what it brings later is not what is asked for then.
            interrupts: if is_meant(&args) { Interrupts::default() } else { Interrupts::catch()? },
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            user: user.map_or_else(
                || format!("uid{}", rustix::process::getuid().as_raw()),
                |user| user.to_string_lossy().into_owned(),
            ),
            workers: std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            args,
            env,
        })
    }

    /// An environment variable; an empty one counts as absent.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.env.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Standard input.
    #[must_use]
    pub fn stdin(&self) -> impl Read + use<> {
        io::stdin().lock()
    }

    /// The user's home directory.
    ///
    /// # Errors
    /// [`CliError::Usage`] where none is named: a guess could leave keys in the working directory.
    pub fn home(&self) -> Result<PathBuf, CliError> {
        self.var("HOME").map(PathBuf::from).ok_or_else(|| {
            CliError::usage("HOME is not set", "set it, or both SI_BACKUP_HOME and SI_PAAS_STATE_ROOT")
        })
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold credentials.
        f.debug_struct("World").field("args", &self.args).field("host", &self.host).finish_non_exhaustive()
    }
}

/// The machine's clock. On Linux it goes on while the machine sleeps: a holder of a lease that slept must know it.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Whether somebody asked to stop, and by which signal.
#[derive(Debug, Clone, Default)]
pub struct Interrupts(Arc<AtomicUsize>);

impl Interrupts {
    /// Catches SIGINT and SIGTERM: the first lets the work end cleanly, the second ends the process.
    fn catch() -> io::Result<Self> {
        let interrupts = Self::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let number = usize::try_from(signal).unwrap_or(0);
            let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, asked)?;
            signal_hook::flag::register_usize(signal, Arc::clone(&interrupts.0), number)?;
        }
        Ok(interrupts)
    }

    /// The signal that asked to stop.
    #[must_use]
    pub fn signal(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// Asks to stop, as that signal would.
    pub fn raise(&self, signal: usize) {
        self.0.store(signal, Ordering::Relaxed);
    }
}
