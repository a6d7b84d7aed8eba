//! The literal beginnings of vendors' secrets, looked up where a word begins.

use super::rules::Lazy;
use super::runs::is_among;
use std::ops::Range;

/// All anchors, and one bit for each pair of bytes with which any begins.
///
/// An anchor counts only where a word begins, of which a run has few: looking up two bytes there is much quicker than
/// stepping an automaton through every byte, and quicker to prepare.
pub(super) struct Anchors {
    sorted: Vec<(&'static [u8], usize)>,
    pairs: Vec<u64>,
}

impl Anchors {
    pub(super) fn new(rules: &[Lazy]) -> Self {
        let of_rule = |(index, lazy): (usize, &Lazy)| {
            lazy.rule.anchors.iter().map(move |anchor| (anchor.as_bytes(), index))
        };
        let mut sorted: Vec<_> = rules.iter().enumerate().flat_map(of_rule).collect();
        sorted.sort_unstable();
        let mut pairs = vec![0; 1 << 10];
        for (anchor, _) in &sorted {
            if let [first, second, ..] = anchor {
                let pair = pair(*first, *second);
                pairs[pair / 64] |= 1 << (pair % 64);
            }
        }
        Self { sorted, pairs }
    }

    /// Calls `each` with the rule and place of every anchor that begins in the range.
    pub(super) fn for_each(&self, text: &[u8], range: Range<usize>, mut each: impl FnMut(usize, usize)) {
        let mut in_word = range.start > 0 && text[range.start - 1].is_ascii_alphanumeric();
        let mut at = range.start;
        while at < range.end {
            if in_word {
                at = end_of_word(&text[..range.end], at);
                in_word = false;
                continue;
            }
            let (byte, Some(second)) = (text[at], text.get(at + 1)) else { return };
            let pair = pair(byte, *second);
            if self.pairs[pair / 64] >> (pair % 64) & 1 == 1 {
                self.look_up(&text[at..], |rule| each(rule, at));
            }
            in_word = byte.is_ascii_alphanumeric();
            at += 1;
        }
    }

    fn look_up(&self, text: &[u8], mut each: impl FnMut(usize)) {
        let start = self.sorted.partition_point(|(anchor, _)| anchor[..2] < text[..2]);
        for (anchor, rule) in self.sorted[start..].iter().take_while(|(anchor, _)| anchor[..2] == text[..2]) {
            if text.starts_with(anchor) {
                each(*rule);
            }
        }
    }
}

/// The first place from `at` on where no letter or digit is. Sixteen bytes at once, with vector instructions.
fn end_of_word(text: &[u8], mut at: usize) -> usize {
    while let Some(stride) = text[at..].first_chunk::<16>()
        && stride.iter().fold(1, |all, byte| all & is_of_word(*byte)) == 1
    {
        at += 16;
    }
    at + text[at..].iter().take_while(|byte| is_of_word(**byte) == 1).count()
}

/// 1 for a letter or digit, else 0: without a branch.
#[inline]
const fn is_of_word(byte: u8) -> u8 {
    is_among(byte, b'0', 10) | is_among(byte | 0x20, b'a', 26)
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(u16::from_be_bytes([first, second]))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_word_ends_where_its_letters_and_digits_do(text in "[a-zA-Z0-9]{0,40}[-_./+: ]?[a-z0-9]{0,20}|[ -é]{0,40}") {
            let end = text.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len());
            proptest::prop_assert_eq!(end_of_word(text.as_bytes(), 0), end);
        }
    }

    #[test]
    fn every_anchor_is_found_where_a_word_begins() {
        let rules = Lazy::all();
        let anchors = Anchors::new(&rules);
        for (index, lazy) in rules.iter().enumerate() {
            for anchor in lazy.rule.anchors {
                let text = format!("a \"{anchor}\" b");
                let mut found = Vec::new();
                anchors.for_each(text.as_bytes(), 0..text.len(), |rule, at| found.push((rule, at)));
                assert!(found.contains(&(index, 3)), "{anchor}");
            }
        }
    }
}
