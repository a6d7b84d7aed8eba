use super::append::Trail;
use super::entry::{BadLine, digest_of, parse};
use super::{TrailFinding, TrailLine};
use crate::{Result, WriterId, disk};
use backup_contract::{Checksum, ContextName};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

/// What was found in one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The context that the chain is about.
    pub context: ContextName,
    /// Whose chain it is.
    pub writer: WriterId,
    /// The entries that can be read and belong to the chain, in the order in which they stand.
    pub lines: Vec<TrailLine>,
    /// The greatest sequence number; 0 for an empty chain.
    pub last: u64,
    /// The greatest sequence number among the store's copies, where they were looked at.
    pub stored: Option<u64>,
    /// What is wrong, by sequence.
    pub findings: Vec<TrailFinding>,
}

impl ChainReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many entries of the file have no copy in the store yet; `None` where the store was not looked at.
    #[must_use]
    pub fn unpublished(&self) -> Option<u64> {
        self.stored.map(|stored| self.last.saturating_sub(stored))
    }
}

/// Holds lines against each other as they come.
pub(super) struct Checker<'a> {
    context: &'a ContextName,
    writer: &'a WriterId,
    lines: Vec<TrailLine>,
    /// The declared digest of each entry that was met, as far as it has one.
    met: BTreeMap<u64, Option<Checksum>>,
    /// What each intact entry says about the one before.
    links: Vec<(u64, Option<Checksum>)>,
    expected: u64,
    pub(super) findings: Vec<TrailFinding>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(context: &'a ContextName, writer: &'a WriterId) -> Self {
        Self {
            context,
            writer,
            lines: Vec::new(),
            met: BTreeMap::new(),
            links: Vec::new(),
            expected: 1,
            findings: Vec::new(),
        }
    }

    /// The sequence number that the next line should have.
    pub(super) const fn expected(&self) -> u64 {
        self.expected
    }

    /// Takes the next line, newline included, which should be the entry `position`. Returns the entry's own number.
    pub(super) fn feed(&mut self, line: &[u8], position: u64) -> Option<u64> {
        match parse(line) {
            Ok(line) => {
                let sequence = line.entry.sequence;
                if line.entry.writer != *self.writer || line.entry.context != *self.context {
                    let chain = format!("{}/{}", line.entry.context, line.entry.writer);
                    self.findings.push(TrailFinding::Foreign { sequence: position, chain });
                    return None;
                }
                if self.place(sequence, Some(line.digest)) {
                    self.links.push((sequence, line.entry.previous));
                }
                self.lines.push(line);
                Some(sequence)
            }
            Err(BadLine::Newer { version, sequence, digest }) => {
                self.findings.push(TrailFinding::Newer { sequence, version });
                self.place(sequence, Some(digest));
                Some(sequence)
            }
            // What an altered entry says of itself is not believed: it is taken for the one that should be there.
            Err(BadLine::Changed { declared }) => {
                self.findings.push(TrailFinding::Changed { sequence: position });
                self.place(position, Some(declared));
                None
            }
            Err(BadLine::Malformed(reason)) => {
                self.findings.push(TrailFinding::Malformed { sequence: position, reason });
                self.place(position, None);
                None
            }
        }
    }

    /// Whether the number is new.
    fn place(&mut self, sequence: u64, digest: Option<Checksum>) -> bool {
        if self.met.contains_key(&sequence) {
            self.findings.push(TrailFinding::Duplicated { sequence });
            return false;
        }
        if sequence < self.expected {
            self.findings.push(TrailFinding::Reordered { sequence });
        }
        self.expected = self.expected.max(sequence.saturating_add(1));
        self.met.insert(sequence, digest);
        true
    }

    pub(super) fn finish(mut self) -> ChainReport {
        let last = self.met.last_key_value().map_or(0, |(last, _)| *last);
        let mut next = 1;
        for sequence in self.met.keys() {
            if *sequence > next {
                self.findings.push(TrailFinding::Missing { from: next, to: sequence - 1 });
            }
            next = sequence.saturating_add(1);
        }
        for (sequence, previous) in self.links {
            let before = sequence.checked_sub(1).and_then(|before| self.met.get(&before));
            let linked = match (before, previous) {
                (Some(Some(digest)), Some(previous)) => *digest == previous,
                (Some(Some(_)), None) => false,
                // The entry before is missing or unreadable, which is a finding of its own.
                (Some(None), _) => true,
                (None, previous) => previous.is_none() == (sequence <= 1),
            };
            if !linked {
                self.findings.push(TrailFinding::Unlinked { sequence });
            }
        }
        self.findings.sort_by_key(TrailFinding::sequence);
        ChainReport {
            context: self.context.clone(),
            writer: self.writer.clone(),
            lines: self.lines,
            last,
            stored: None,
            findings: self.findings,
        }
    }
}

impl Trail {
    /// Reads the file and holds its entries against each other. No file is an empty chain.
    ///
    /// What was cut off at the end cannot be seen in the file alone; [`Trail::verify_against`] asks the store too.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn verify(&self) -> Result<ChainReport> {
        self.check(|_, _| ())
    }

    /// As [`Trail::verify`]; hands out the digest of each line that is a readable entry.
    pub(super) fn check(&self, mut seen: impl FnMut(u64, Checksum)) -> Result<ChainReport> {
        let mut checker = Checker::new(self.context(), self.writer());
        if let Some(file) = self.open_shared()? {
            let mut file = BufReader::new(file);
            let mut line = Vec::new();
            while file.read_until(b'\n', &mut line).map_err(disk::io("read", self.path()))? > 0 {
                let position = checker.expected();
                if line.ends_with(b"\n") {
                    if let Some(sequence) = checker.feed(&line, position) {
                        seen(sequence, digest_of(&line));
                    }
                } else {
                    let bytes = line.len() as u64;
                    checker.findings.push(TrailFinding::TornTail { sequence: position, bytes });
                }
                line.clear();
            }
        }
        Ok(checker.finish())
    }
}
