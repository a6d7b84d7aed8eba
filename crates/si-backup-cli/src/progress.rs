use crate::args::ProgressChoice;
use crate::world::Interrupts;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use paas_state::Watch;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Work that ends sooner is not worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a bar is drawn.
const TICK: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(2);

/// How progress is shown, decided once for the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressMode {
    /// A bar that is drawn over.
    Bar,
    /// A line from time to time.
    Lines,
    /// Nothing.
    Hidden,
}

impl ProgressMode {
    /// What was chosen, where standard error is or is not a terminal.
    #[must_use]
    pub fn choose(choice: ProgressChoice, quiet: bool, terminal: bool) -> Self {
        match (choice, terminal) {
            (ProgressChoice::Always, true) => Self::Bar,
            (ProgressChoice::Always, false) => Self::Lines,
            (ProgressChoice::Auto, terminal) if terminal && !quiet => Self::Bar,
            (ProgressChoice::Never | ProgressChoice::Auto, _) => Self::Hidden,
        }
    }
}

/// Says something on standard error now, before what it is about is done.
pub(crate) fn say(text: &str) {
    // It may be closed; then nobody wants to know.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Counts bytes, and says when to stop.
pub struct Meter<'a> {
    bytes: AtomicU64,
    total: AtomicU64,
    interrupts: &'a Interrupts,
    reason: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Meter<'_> {
    /// So many bytes are done, whatever was said before.
    pub(crate) fn stands_at(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// So many bytes are to be done in all, whatever was thought before.
    pub(crate) fn expects(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }
}

impl Watch for Meter<'_> {
    fn advanced(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stop(&self) -> bool {
        self.interrupts.signal().is_some() || self.reason.is_some_and(|reason| reason())
    }
}

/// Does `work`, drawing on standard error what its meter says while it takes long. `total` may be 0: unknown.
/// `reason` tells of further reasons to stop.
pub fn metered<T>(
    mode: ProgressMode,
    what: &str,
    total: u64,
    interrupts: &Interrupts,
    reason: Option<&(dyn Fn() -> bool + Sync)>,
    work: impl FnOnce(&Meter<'_>) -> T,
) -> T {
    let meter = Meter { bytes: AtomicU64::new(0), total: AtomicU64::new(total), interrupts, reason };
    if mode == ProgressMode::Hidden {
        return work(&meter);
    }
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let meter = &meter;
        scope.spawn(move || draw(mode, what, meter, &is_done));
        let value = work(meter);
        drop(done);
        value
    })
}

fn draw(mode: ProgressMode, what: &str, meter: &Meter<'_>, is_done: &Receiver<()>) {
    if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let so_far = || meter.bytes.load(Ordering::Relaxed);
    // What turns out to be more than was expected is as much as is known of it.
    let total = || meter.total.load(Ordering::Relaxed).max(so_far());
    if mode == ProgressMode::Lines {
        loop {
            // Standard error may be closed; then nobody wants to know.
            let _ =
                writeln!(std::io::stderr(), "{what}: {} of {}", HumanBytes(so_far()), HumanBytes(total()));
            if is_done.recv_timeout(LINE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
    let bar = ProgressBar::with_draw_target(Some(total().max(1)), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("{msg} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what.to_owned());
    while is_done.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        bar.set_length(total());
        bar.set_position(so_far());
    }
    bar.finish_and_clear();
}
