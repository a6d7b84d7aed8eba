use crate::events::{EventLines, EventLog};
use crate::state::pretty;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A thread that treats a context as a running si does: in each generation it rewrites every JSON store in place
/// (truncate, then write, in two halves) and then appends a line to every log.
///
/// Every store carries the number of its generation in the key `generation`, and so do the fields of the lines, so a
/// reader can tell a torn file from a mixture of two generations.
#[derive(Debug)]
pub struct LiveWriter {
    stop: Arc<AtomicBool>,
    generation: Arc<AtomicU64>,
    thread: Option<JoinHandle<io::Result<LiveSummary>>>,
}

/// What a [`LiveWriter`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveSummary {
    /// The last complete generation.
    pub generations: u64,
    /// The lines appended to all logs together.
    pub lines: u64,
}

/// The stores that are rewritten, in the order in which a generation writes them.
const STORES: [&str; 7] = [
    "config.json",
    "targets.json",
    "deployments.json",
    "addons.json",
    "bluegreen.json",
    "webhooks/mappings.json",
    "alerts/policy.json",
];

impl LiveWriter {
    /// Writes generation 1, and then another `per_second` times a second.
    ///
    /// # Errors
    /// When the context cannot be read or written.
    pub fn start(context_dir: &Path, per_second: u32, seed: u64) -> io::Result<Self> {
        let mut context = Context::open(context_dir, seed)?;
        context.write()?;
        let (stop, generation) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(1)));
        let (stopped, current) = (Arc::clone(&stop), Arc::clone(&generation));
        let pause = Duration::from_secs(1) / per_second.max(1);
        let thread = thread::spawn(move || {
            let mut next = Instant::now() + pause;
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(next.saturating_duration_since(Instant::now()));
                // A writer that fell behind does not make up for it: that would be another load than was asked for.
                next = (next + pause).max(Instant::now());
                context.write()?;
                current.store(context.done.generations, Ordering::Relaxed);
            }
            Ok(context.done)
        });
        Ok(Self { stop, generation, thread: Some(thread) })
    }

    /// The last complete generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Finishes the current generation and stops.
    ///
    /// # Errors
    /// What went wrong while it wrote.
    pub fn stop(mut self) -> io::Result<LiveSummary> {
        self.halt()
    }

    fn halt(&mut self) -> io::Result<LiveSummary> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(_)) => Err(io::Error::other("the live writer panicked")),
            None => Ok(LiveSummary::default()),
        }
    }
}

impl Drop for LiveWriter {
    fn drop(&mut self) {
        let _ = self.halt();
    }
}

struct Context {
    stores: Vec<(PathBuf, Value)>,
    logs: Vec<(fs::File, EventLines)>,
    done: LiveSummary,
}

impl Context {
    fn open(dir: &Path, seed: u64) -> io::Result<Self> {
        let store = |path: &&str| {
            let path = dir.join(path);
            let value = serde_json::from_slice(&fs::read(&path)?)?;
            Ok((path, value))
        };
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let log = |log: EventLog| {
            let file = OpenOptions::new().append(true).create(true).open(dir.join(log.path()))?;
            Ok((file, EventLines::new(log, &name, &[], &[], seed)))
        };
        Ok(Self {
            stores: STORES.iter().map(store).collect::<io::Result<_>>()?,
            logs: EventLog::ALL.into_iter().map(log).collect::<io::Result<_>>()?,
            done: LiveSummary::default(),
        })
    }

    fn write(&mut self) -> io::Result<()> {
        let generation = self.done.generations + 1;
        for (path, value) in &mut self.stores {
            value["generation"] = json!(generation);
            let text = pretty(value);
            let (first, second) = text.as_bytes().split_at(text.len() / 2);
            let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
            file.write_all(first)?;
            file.write_all(second)?;
        }
        for (file, lines) in &mut self.logs {
            let mut line = Vec::new();
            lines.push_line_with(&mut line, Some(generation));
            file.write_all(&line)?;
            self.done.lines += 1;
        }
        self.done.generations = generation;
        Ok(())
    }
}
