//! Words that promise a secret nearby.

use aho_corasick::packed::{Config, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// What is looked for: parts of words in the cases in which they are written, since no vectorised search ignores case.
const PARTS: &[&str] = &[
    "assw", "ASSW", "assp", "ASSP", "asscode", "ecret", "ECRET", "oken", "OKEN", "redent", "REDENT",
    "_creds", "_CREDS", "pi_k", "pi-k", "pi-K", "PI-K", "PI_K", "piKe", "pike", "PIKe", "PIKE", "_key",
    "_KEY", "-key", "-Key", "-KEY", "sKey", "eKey", "gKey", "nKey", "tekey", "sskey", "thkey", "etkey",
    "ngkey", "onkey", "_pass", "_PASS", "-pass", "pass=", "PASS=", "pass:", "PASS:", "pass\"", "PASS\"",
    "Pass", "_pw", "_PW", "pwd=", "pwd:", "pwd\"", "PWD=", "PWD:", "PWD\"", "Pwd", "auth\"", "uthoriz",
    "UTHORIZ", "earer ", "EARER ", "TE KEY",
];

/// Finds the words: with vector instructions where there are some.
pub(super) enum Words {
    Packed(Searcher),
    Automaton(Option<AhoCorasick>),
}

impl Words {
    pub(super) fn new() -> Self {
        let packed = Config::new().match_kind(MatchKind::LeftmostFirst).builder().extend(PARTS).build();
        packed.map_or_else(
            || Self::Automaton(AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(PARTS).ok()),
            Self::Packed,
        )
    }

    /// Calls `each` with the place of every word, which says from where to go on.
    pub(super) fn for_each(&self, text: &[u8], mut each: impl FnMut(usize) -> usize) {
        let mut at = 0;
        while at < text.len() {
            let found = match self {
                Self::Packed(searcher) => searcher.find_in(text, aho_corasick::Span::from(at..text.len())),
                Self::Automaton(Some(automaton)) => {
                    automaton.find(aho_corasick::Input::new(text).span(at..text.len()))
                }
                Self::Automaton(None) => None,
            };
            let Some(found) = found else { return };
            at = each(found.start()).max(found.start() + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_searching_find_every_part() {
        let ways = [Words::new(), Words::Automaton(AhoCorasick::new(PARTS).ok())];
        for words in &ways {
            for part in PARTS {
                let text = format!("{} {part} {}", "filler ".repeat(9), "filler ".repeat(9));
                let mut found = 0;
                words.for_each(text.as_bytes(), |at| {
                    found += 1;
                    at + 1
                });
                assert!(found > 0, "{part}");
            }
        }
    }
}
