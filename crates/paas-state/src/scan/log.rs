use super::document;
use super::hit::{Hit, Hits};
use super::raw;
use super::sweep::{Spot, Sweeper};

/// The longest line that is parsed, in bytes; a longer one is searched as text, in steps.
const LONGEST_LINE: usize = 1024 * 1024;
/// How far text is searched at once, and what is looked at before and behind, in bytes.
const STEP: usize = 1024 * 1024;
const AROUND: usize = 64 * 1024;

/// What a stream is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON value a line.
    Lines,
    /// Text whose lines belong together.
    Text,
}

/// A search through a stream, in bounded memory. What it finds does not depend on where the blocks are cut.
pub(crate) struct LogScan<'a> {
    sweeper: &'a Sweeper,
    form: Form,
    /// The beginning of a line that has not ended yet.
    carry: Vec<u8>,
    /// The rest of a line that is too long to be carried.
    overlong: Option<Steps>,
    /// The lines before `carry`.
    lines: u64,
    hits: Hits,
}

impl<'a> LogScan<'a> {
    pub(super) fn new(sweeper: &'a Sweeper, form: Form) -> Self {
        let overlong = (form == Form::Text).then(Steps::default);
        Self { sweeper, form, carry: Vec::new(), overlong, lines: 0, hits: Hits::each_value() }
    }

    /// Searches the next block. Quickest when it ends behind a newline.
    pub(crate) fn feed(&mut self, block: &[u8]) {
        let mut rest = block;
        if self.form == Form::Text {
            if let Some(steps) = &mut self.overlong {
                steps.feed(self.sweeper, block, &mut self.hits);
            }
            return;
        }
        if self.overlong.is_some() || !self.carry.is_empty() {
            let end = memchr::memchr(b'\n', rest).map(|newline| newline + 1);
            let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
            self.continue_line(line);
            if end.is_none() {
                return;
            }
            self.end_line();
            rest = after;
        }
        let end = memchr::memrchr(b'\n', rest).map_or(0, |newline| newline + 1);
        self.whole_lines(&rest[..end]);
        self.continue_line(&rest[end..]);
    }

    fn continue_line(&mut self, part: &[u8]) {
        if let Some(steps) = &mut self.overlong {
            return steps.feed(self.sweeper, part, &mut self.hits);
        }
        self.carry.extend_from_slice(part);
        if self.carry.len() > LONGEST_LINE {
            let mut steps = Steps { lines: self.lines, ..Steps::default() };
            steps.feed(self.sweeper, &self.carry, &mut self.hits);
            self.carry = Vec::new();
            self.overlong = Some(steps);
        }
    }

    fn end_line(&mut self) {
        if let Some(steps) = self.overlong.take() {
            steps.finish(self.sweeper, &mut self.hits);
            self.lines += 1;
            return;
        }
        let line = std::mem::take(&mut self.carry);
        self.whole_lines(&line);
        if line.last() != Some(&b'\n') {
            self.lines += 1;
        }
        self.carry = line;
        self.carry.clear();
    }

    /// Sweeps lines together, and looks closely only at those in which something may be.
    fn whole_lines(&mut self, lines: &[u8]) {
        let mut spots = Vec::new();
        raw::sweep(self.sweeper, lines, &mut |spot| {
            spots.push(match spot {
                Spot::Found(found) => found.range.start,
                Spot::Maybe(at) => at,
            });
        });
        spots.sort_unstable();
        let (mut counted, mut number, mut done) = (0, self.lines, 0);
        for spot in spots {
            if spot < done {
                continue;
            }
            let start = memchr::memrchr(b'\n', &lines[..spot]).map_or(0, |newline| newline + 1);
            let end = memchr::memchr(b'\n', &lines[spot..]).map_or(lines.len(), |newline| spot + newline);
            number += newlines(&lines[counted..start]);
            counted = start;
            done = end.max(start + 1);
            self.line(&lines[start..end], number);
        }
        self.lines = number + newlines(&lines[counted..]);
    }

    fn line(&mut self, line: &[u8], before: u64) {
        if line.len() > LONGEST_LINE {
            let mut steps = Steps { lines: before, ..Steps::default() };
            steps.feed(self.sweeper, line, &mut self.hits);
            steps.finish(self.sweeper, &mut self.hits);
        } else {
            document::scan(self.sweeper, line, Some(before + 1), &mut self.hits);
        }
    }

    /// What was found, in the order of the lines.
    pub(crate) fn finish(mut self) -> Vec<Hit> {
        if self.overlong.is_some() || !self.carry.is_empty() {
            self.end_line();
        }
        self.hits.finish()
    }
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// Text that is searched in steps, each with what is around it, so that what lies across two of them is seen whole.
#[derive(Default)]
struct Steps {
    buffer: Vec<u8>,
    /// How much of the buffer was searched, and is only there for what follows.
    searched: usize,
    /// The lines before the buffer.
    lines: u64,
}

impl Steps {
    fn feed(&mut self, sweeper: &Sweeper, mut bytes: &[u8], hits: &mut Hits) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(STEP));
            self.buffer.extend_from_slice(now);
            bytes = later;
            while self.buffer.len() >= self.searched + STEP + AROUND {
                self.search(sweeper, self.searched + STEP, hits);
            }
        }
    }

    fn finish(mut self, sweeper: &Sweeper, hits: &mut Hits) {
        self.search(sweeper, self.buffer.len(), hits);
    }

    /// Searches up to `end`, and forgets what the next step will not need.
    fn search(&mut self, sweeper: &Sweeper, end: usize, hits: &mut Hits) {
        let reach = self.buffer.len().min(end + AROUND);
        for found in document::text(sweeper, &self.buffer[..reach]) {
            let range = &found.range;
            if range.end > self.searched && range.start < end {
                let line = self.lines + newlines(&self.buffer[..range.start]) + 1;
                hits.add(&found.secret, Some(line), None);
            }
        }
        let forget = end.saturating_sub(AROUND);
        self.lines += newlines(&self.buffer[..forget]);
        self.buffer.drain(..forget);
        self.searched = end - forget;
    }
}
