//! What is learnt of a file as its bytes pass: digest, lines, secrets. For a long log on threads of its own, so that it
//! hides behind compression or decompression.

use crate::jsonl;
use crate::layout::{MAX_STORE, Shape};
use crate::scan::{Hit, LogScan, Scanner};
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Files of at least this many bytes are inspected on threads of their own.
const WORTH_THREADS: u64 = 1024 * 1024;
/// How many blocks may wait for each of those threads.
const WAITING: usize = 8;

/// What was learnt of one file.
#[derive(Debug, Default)]
pub(crate) struct Inspected {
    pub(crate) bytes: u64,
    /// The SHA-256 in hexadecimal.
    pub(crate) sha256: String,
    /// The lines of a log.
    pub(crate) lines: u64,
    /// The lines of a log that are no JSON.
    pub(crate) malformed_lines: u64,
    /// The first of them, counted from 1.
    pub(crate) first_malformed: Option<u64>,
    /// Why a file that should be one JSON document is none.
    pub(crate) not_json: Option<String>,
    /// Secrets, when they were looked for.
    pub(crate) hits: Vec<Hit>,
}

/// Inspects the blocks that `body` feeds: those of a log end behind a newline, except the last and overlong ones.
/// Secrets are looked for when a scanner is given. `size` is what to expect, and decides about threads.
pub(crate) fn inspect<T, E>(
    shape: Shape,
    size: u64,
    scanner: Option<&Scanner>,
    body: impl FnOnce(&mut dyn FnMut(Arc<Vec<u8>>)) -> Result<T, E>,
) -> Result<(T, Inspected), E> {
    // A document is looked at whole, and so in memory: only one as short as every store of si is.
    let too_long = shape == Shape::Json && size > MAX_STORE;
    let shape = if too_long { Shape::Other } else { shape };
    let (value, mut inspected) = inspect_as(shape, size, scanner, body)?;
    if too_long {
        inspected.not_json = Some(format!("it is longer than {MAX_STORE} bytes, and was not looked at"));
    }
    Ok((value, inspected))
}

fn inspect_as<T, E>(
    shape: Shape,
    size: u64,
    scanner: Option<&Scanner>,
    body: impl FnOnce(&mut dyn FnMut(Arc<Vec<u8>>)) -> Result<T, E>,
) -> Result<(T, Inspected), E> {
    let mut reading = Reading::new(shape);
    let mut scanning = scanner.map(|scanner| Scanning::new(scanner, shape));
    if size < WORTH_THREADS || shape == Shape::Json {
        let value = body(&mut |block| {
            reading.feed(&block);
            if let Some(scanning) = &mut scanning {
                scanning.feed(&block);
            }
        })?;
        return Ok((value, reading.finish(scanning)));
    }
    thread::scope(|scope| {
        let (to_reading, blocks) = sync_channel::<Arc<Vec<u8>>>(WAITING);
        let reading = scope.spawn(move || {
            for block in blocks {
                reading.feed(&block);
            }
            reading
        });
        let (to_scanning, scanning) = match scanning {
            None => (None, None),
            Some(mut scanning) => {
                let (sender, blocks) = sync_channel::<Arc<Vec<u8>>>(WAITING);
                let thread = scope.spawn(move || {
                    for block in blocks {
                        scanning.feed(&block);
                    }
                    scanning
                });
                (Some(sender), Some(thread))
            }
        };
        let value = body(&mut |block| {
            // A receiver is gone only when its thread panicked; joining it below passes that on.
            if let Some(to_scanning) = &to_scanning {
                let _ = to_scanning.send(Arc::clone(&block));
            }
            let _ = to_reading.send(block);
        });
        drop((to_reading, to_scanning));
        let reading = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let scanning =
            scanning.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        Ok((value?, reading.finish(scanning)))
    })
}

/// Digest and form.
struct Reading {
    shape: Shape,
    digest: Sha256,
    /// A JSON document is checked whole.
    document: Vec<u8>,
    so_far: Inspected,
    /// Whether the block before ended inside a line that is too long to be looked at whole.
    inside_line: bool,
}

impl Reading {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            digest: Sha256::new(),
            document: Vec::new(),
            so_far: Inspected::default(),
            inside_line: false,
        }
    }

    fn feed(&mut self, block: &[u8]) {
        self.digest.update(block);
        self.so_far.bytes += block.len() as u64;
        match self.shape {
            Shape::Json => self.document.extend_from_slice(block),
            Shape::Log => self.lines(block),
            Shape::Other => {}
        }
    }

    fn lines(&mut self, mut block: &[u8]) {
        let ends = block.last() == Some(&b'\n');
        if self.inside_line {
            // The rest of an overlong line, which counted as malformed when it began.
            match memchr::memchr(b'\n', block) {
                Some(newline) => block = &block[newline + 1..],
                None => return,
            }
            self.inside_line = false;
        }
        if block.is_empty() {
            return;
        }
        let report = jsonl::check_lines(block);
        if let (None, Some(first)) = (self.so_far.first_malformed, report.first_malformed) {
            self.so_far.first_malformed = Some(self.so_far.lines + first);
        }
        self.so_far.malformed_lines += report.malformed;
        self.so_far.lines += report.lines;
        self.inside_line = !ends;
    }

    fn finish(mut self, scanning: Option<Scanning<'_>>) -> Inspected {
        if self.shape == Shape::Json
            && let Err(e) = serde_json::from_slice::<IgnoredAny>(&self.document)
        {
            self.so_far.not_json = Some(e.to_string());
        }
        for byte in self.digest.finalize() {
            let _ = write!(self.so_far.sha256, "{byte:02x}");
        }
        self.so_far.hits = scanning.map(Scanning::finish).unwrap_or_default();
        self.so_far
    }
}

/// Secrets.
enum Scanning<'a> {
    Log(LogScan<'a>),
    Whole { scanner: &'a Scanner, text: Vec<u8> },
}

impl<'a> Scanning<'a> {
    fn new(scanner: &'a Scanner, shape: Shape) -> Self {
        match shape {
            Shape::Json => Self::Whole { scanner, text: Vec::new() },
            Shape::Log => Self::Log(scanner.log()),
            Shape::Other => Self::Log(scanner.text()),
        }
    }

    fn feed(&mut self, block: &[u8]) {
        match self {
            Self::Log(log) => log.feed(block),
            Self::Whole { text, .. } => text.extend_from_slice(block),
        }
    }

    fn finish(self) -> Vec<Hit> {
        match self {
            Self::Log(log) => log.finish(),
            Self::Whole { scanner, text, .. } => scanner.scan_json_document(&text),
        }
    }
}
