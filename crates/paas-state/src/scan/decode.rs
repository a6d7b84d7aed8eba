//! Base64 without knowing where it begins: the stretches of a run that decode to text.

use std::ops::Range;

/// The shortest stretch that is looked at, in groups of four characters.
const SHORTEST: usize = 4;

const NONE: u8 = 0xff;

/// Both alphabets at once: standard (`+/`) and URL-safe (`-_`).
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at: u8 = 0;
    while at < 64 {
        values[alphabet[at as usize] as usize] = at;
        at += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

const fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')
}

fn group(four: &[u8]) -> [u8; 3] {
    let bits = four.iter().fold(0_u32, |bits, byte| bits << 6 | u32::from(VALUES[usize::from(*byte)] & 63));
    let [_, a, b, c] = bits.to_be_bytes();
    [a, b, c]
}

fn is_text_group(four: &[u8]) -> bool {
    four.len() == 4 && group(four).into_iter().all(is_text)
}

/// Calls `each` with every stretch of a run that decodes to at least twelve bytes of text: where it is in the run, and
/// the text.
pub(super) fn for_each_text(run: &[u8], mut each: impl FnMut(Range<usize>, &[u8])) {
    for phase in 0..4.min(run.len()) {
        let groups = &run[phase..];
        let whole = groups.len() / 4;
        let at = |index: usize| &groups[4 * index..4 * index + 4];
        // A stretch of four groups holds one of every fourth; the others need not be looked at.
        let mut probe = SHORTEST - 1;
        while probe < whole {
            if !is_text_group(at(probe)) {
                probe += SHORTEST;
                continue;
            }
            let mut start = probe;
            while start > 0 && is_text_group(at(start - 1)) {
                start -= 1;
            }
            let mut end = probe + 1;
            while end < whole && is_text_group(at(end)) {
                end += 1;
            }
            if end - start >= SHORTEST {
                let (range, text) = decode(groups, start, end);
                each(phase + range.start..phase + range.end, &text);
            }
            probe = end + SHORTEST;
        }
    }
}

/// The text of the groups from `start` to `end`, and of what follows them in part.
fn decode(groups: &[u8], start: usize, end: usize) -> (Range<usize>, Vec<u8>) {
    let mut text = Vec::with_capacity(3 * (end - start) + 2);
    for four in groups[4 * start..4 * end].chunks_exact(4) {
        text.extend(group(four));
    }
    let rest = &groups[4 * end..groups.len().min(4 * end + 4)];
    let mut last = [b'A'; 4];
    last[..rest.len()].copy_from_slice(rest);
    let decoded = group(&last);
    let known = rest.len() * 3 / 4;
    let more = decoded[..known].iter().take_while(|byte| is_text(**byte)).count();
    text.extend(&decoded[..more]);
    (4 * start..4 * end + if more > 0 { rest.len() } else { 0 }, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_is_found_whatever_stands_before_it(before in "[a-zA-Z0-9_]{0,9}", text in "[ -~]{16,120}") {
            for encoded in si_backup_tests::base64_of(text.as_bytes()) {
                let run = before.clone() + encoded.trim_end_matches('=');
                let mut found = false;
                for_each_text(run.as_bytes(), |_, decoded| {
                    found |= memchr::memmem::find(decoded, text.as_bytes()).is_some();
                });
                prop_assert!(found, "{run}");
            }
        }
    }

    #[test]
    fn what_is_no_base64_of_text_gives_nothing() {
        for run in [
            "da92b52b07b709232ab623ff2284a4422cff516a",
            "srv/apps/billing_service/current",
            "refs/heads/release/2026-q1",
        ] {
            for_each_text(run.as_bytes(), |range, _| panic!("{run}: {range:?}"));
        }
    }
}
