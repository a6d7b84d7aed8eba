//! Words that promise a secret nearby.

use aho_corasick::packed::{Config, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// What is looked for: parts of words in the cases in which they are written, since no vectorised search ignores case.
/// There may be 64, and none may be shorter than four bytes, or the search is much slower.
const PARTS: &[&str] = &[
    "assw", "ASSW", "assp", "ASSP", "_pass", "_PASS", "pass=", "PASS=", "pass:", "PASS:", "pass\"", "PASS\"",
    "Pass", "_pw=", "_PW=", "_pw\"", "_PW\"", "pwd=", "PWD=", "pwd:", "PWD:", "pwd\"", "PWD\"", "Pwd=",
    "Pwd\"", "ecret", "ECRET", "redent", "REDENT", "_creds", "oken", "OKEN", "pi_k", "PI_K", "pi-k", "pi-K",
    "PI-K", "pike", "piKe", "PIKE", "_key", "_KEY", "te-k", "ss-k", "et-k", "ng-k", "eKey", "sKey", "tKey",
    "gKey", "nKey", "hKey", "tekey", "sskey", "etkey", "ngkey", "onkey", "thkey", "uthoriz", "UTHORIZ",
    "earer ", "EARER ", "auth\"", "TE KEY",
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
        assert!(PARTS.len() <= 64 && PARTS.iter().all(|part| part.len() >= 4));
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
