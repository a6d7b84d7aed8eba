use super::{Lsn, Timeline};

/// How a timeline came to be: its ancestors, oldest first, and where each was left.
///
/// Read from the `.history` file that a promotion writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The timeline.
    pub timeline: Timeline,
    /// Its ancestors, oldest first; none for the first timeline of a cluster.
    ancestors: Vec<Ancestor>,
}

/// A timeline that another one came out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ancestor {
    /// The timeline.
    pub timeline: Timeline,
    /// Where it was left.
    pub until: Lsn,
}

/// Why a text is no timeline history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the history of timeline {timeline}: {reason}")]
pub struct BadHistory {
    /// Whose history it is.
    pub timeline: Timeline,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl History {
    /// The history of a timeline that came out of no other.
    #[must_use]
    pub const fn of_first(timeline: Timeline) -> Self {
        Self { timeline, ancestors: Vec::new() }
    }

    /// Reads the text of a `.history` file: lines of timeline (decimal), LSN and a reason; `#` begins a comment.
    ///
    /// # Errors
    /// [`BadHistory`] for a line that is none, and for ancestors that do not ascend.
    pub fn parse(timeline: Timeline, text: &str) -> Result<Self, BadHistory> {
        let mut ancestors: Vec<Ancestor> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let bad = |reason| BadHistory { timeline, line: index + 1, reason };
            let mut words = line.split_whitespace();
            let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let ancestor = Ancestor {
                timeline: Timeline(first.parse().map_err(|_| bad("it begins with no timeline"))?),
                until: words
                    .next()
                    .and_then(|word| word.parse().ok())
                    .ok_or_else(|| bad("it has no LSN behind the timeline"))?,
            };
            if ancestor.timeline >= timeline {
                return Err(bad("an ancestor is not older than the timeline itself"));
            }
            if ancestors
                .last()
                .is_some_and(|last| last.timeline >= ancestor.timeline || last.until > ancestor.until)
            {
                return Err(bad("the ancestors do not ascend"));
            }
            ancestors.push(ancestor);
        }
        Ok(Self { timeline, ancestors })
    }

    /// Its ancestors, oldest first.
    #[must_use]
    pub fn ancestors(&self) -> &[Ancestor] {
        &self.ancestors
    }

    /// Where `timeline` was left on the way to this one: its end here; `None` when this history does not go through it,
    /// and [`Lsn`] `u64::MAX` for the timeline itself.
    #[must_use]
    pub fn left(&self, timeline: Timeline) -> Option<Lsn> {
        if timeline == self.timeline {
            return Some(Lsn(u64::MAX));
        }
        self.ancestors.iter().find(|ancestor| ancestor.timeline == timeline).map(|ancestor| ancestor.until)
    }

    /// Each timeline of the history with where it begins and where it is left, oldest first, itself last.
    pub(crate) fn stretches(&self) -> impl DoubleEndedIterator<Item = (Timeline, Lsn, Lsn)> + '_ {
        let begins = std::iter::once(Lsn(0)).chain(self.ancestors.iter().map(|ancestor| ancestor.until));
        let ends =
            self.ancestors.iter().map(|a| (a.timeline, a.until)).chain([(self.timeline, Lsn(u64::MAX))]);
        begins
            .zip(ends)
            .map(|(begin, (timeline, end))| (timeline, begin, end))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_history_reads_as_postgresql_writes_it() {
        let text = "1\t0/2A33FF50\tno recovery target specified\n\n2\t0/2A3400E8\tbefore 2026-11-24\n";
        let history = History::parse(Timeline(3), text).unwrap();
        assert_eq!(history.ancestors().len(), 2);
        assert_eq!(history.left(Timeline(1)), Some(Lsn(0x2A33_FF50)));
        assert_eq!(history.left(Timeline(3)), Some(Lsn(u64::MAX)));
        assert_eq!(history.left(Timeline(4)), None);
        assert_eq!(History::parse(Timeline(1), "# nothing\n").unwrap(), History::of_first(Timeline(1)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, line) in [
            ("one 0/1 x", 1),
            ("1 0", 1),
            ("1", 1),
            ("1 0/10 x\n1 0/20 x", 2),
            ("1 0/20 x\n2 0/10 x", 2),
            ("3 0/1 x", 1),
        ] {
            assert_eq!(History::parse(Timeline(3), text).unwrap_err().line, line, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9]{1,3}[\t ][0-9A-F]/[0-9A-F]{1,8}\n|.*\n){0,4}") {
            let _ = History::parse(Timeline(9), &text);
        }
    }
}
