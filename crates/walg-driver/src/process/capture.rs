use super::redact::Redactor;
use std::collections::VecDeque;
use std::fmt;

/// Takes what a stream brings, and keeps its beginning and its end.
#[derive(Debug)]
pub(super) struct Capture {
    redactor: Redactor,
    kept: Kept,
}

#[derive(Debug)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_size: usize,
    tail_size: usize,
    omitted: u64,
}

/// What a stream brought: all of it, or its beginning and its end.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: Vec<u8>,
    omitted: u64,
}

impl Capture {
    pub(super) fn new(secrets: &[&str], keep: usize) -> Self {
        let head_size = keep / 4;
        let kept = Kept {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_size,
            tail_size: keep - head_size,
            omitted: 0,
        };
        Self { redactor: Redactor::new(secrets), kept }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        let Self { redactor, kept } = self;
        redactor.feed(bytes, &mut |bytes| kept.take(bytes));
    }

    pub(super) fn finish(mut self) -> Captured {
        let Self { redactor, kept } = &mut self;
        redactor.finish(&mut |bytes| kept.take(bytes));
        Captured { head: self.kept.head, tail: self.kept.tail.into(), omitted: self.kept.omitted }
    }
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        let room = self.head_size - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        // Of one long piece only the end can stay.
        let (over, rest) = rest.split_at(rest.len().saturating_sub(self.tail_size));
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.tail_size);
        self.tail.drain(..excess);
        self.tail.extend(rest);
        self.omitted += (over.len() + excess) as u64;
    }
}

impl Captured {
    /// All of it; none where something had to be left out.
    #[must_use]
    pub fn whole(&self) -> Option<Vec<u8>> {
        (self.omitted == 0).then(|| [&*self.head, &*self.tail].concat())
    }

    /// Takes out the line that begins with `start`, and the newline before it, and returns what follows `start` in it.
    pub(crate) fn take_line(&mut self, start: &[u8]) -> Option<String> {
        if self.omitted == 0 {
            self.head.append(&mut self.tail);
        }
        let start = [b"\n", start].concat();
        [&mut self.tail, &mut self.head].into_iter().find_map(|part| {
            let at = part.windows(start.len()).position(|window| window == start)?;
            let rest = &part[at + start.len()..];
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = String::from_utf8_lossy(&rest[..length]).into_owned();
            let end = (at + start.len() + length + 1).min(part.len());
            part.drain(at..end);
            Some(line)
        })
    }

    /// How many bytes were left out in its middle.
    #[must_use]
    pub const fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Whether nothing came at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// As text, which says what was left out.
    #[must_use]
    pub fn text(&self) -> String {
        match self.omitted {
            0 => String::from_utf8_lossy(&[&*self.head, &*self.tail].concat()).into_owned(),
            omitted => format!(
                "{}\n[{omitted} bytes left out]\n{}",
                String::from_utf8_lossy(&self.head),
                String::from_utf8_lossy(&self.tail)
            ),
        }
    }

    /// The last lines that are not blank, for a message.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// Only how much there is: standard output may be raw.
impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes kept, {} left out", self.head.len() + self.tail.len(), self.omitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_middle_is_left_out_and_said() {
        let mut capture = Capture::new(&[], 8);
        for piece in ["ab", "cdef", "ghijklmnop", "qr"] {
            capture.take(piece.as_bytes());
        }
        let captured = capture.finish();
        assert_eq!(captured.text(), "ab\n[10 bytes left out]\nmnopqr");
        assert_eq!(captured.whole(), None);
        assert_eq!(captured.last_lines(1), "mnopqr");
        assert!(!format!("{captured:?}").contains("mnop"));
    }

    #[test]
    fn a_line_is_taken_out_and_leaves_nothing() {
        for keep in [100, 40] {
            let mut capture = Capture::new(&[], keep);
            capture.take(b"one\n\nmark end 3\ntwo\n");
            let mut captured = capture.finish();
            assert_eq!(captured.take_line(b"mark far"), None);
            assert_eq!(captured.take_line(b"mark end").as_deref(), Some(" 3"));
            assert_eq!(captured.text(), "one\ntwo\n");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_beginning_and_the_end(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10),
            keep in 0usize..100,
        ) {
            let mut capture = Capture::new(&[], keep);
            for piece in &pieces {
                capture.take(piece);
            }
            let all = pieces.concat();
            let captured = capture.finish();
            prop_assert!(all.starts_with(&captured.head) && all.ends_with(&captured.tail));
            prop_assert!(captured.head.len() + captured.tail.len() <= keep);
            let kept = captured.head.len() + captured.tail.len();
            prop_assert_eq!(captured.omitted, (all.len() - kept) as u64);
            prop_assert_eq!(captured.whole().is_some(), all.len() <= keep);
        }
    }
}
