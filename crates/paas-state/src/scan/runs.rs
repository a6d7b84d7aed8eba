//! Long unbroken runs of the characters of tokens and base64.

use std::ops::Range;

/// The shortest run that is looked at, in bytes: that of an AWS access key id.
pub(super) const SHORTEST: usize = 20;

const IN_RUN: u8 = 1;
/// What hashes, UUIDs and dates are made of.
const HEX: u8 = 2;
/// What tokens have, and words and paths lack: digits and capitals.
const DRAWN: u8 = 4;

/// How many bytes of a run are looked at together.
const STRIDE: usize = 16;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "at is below 256")]
        let byte = at as u8;
        classes[at] = class_of(byte);
        at += 1;
    }
    classes
};

/// The classes of a byte, without a branch or a table: many bytes are looked at with vector instructions.
#[inline]
const fn class_of(byte: u8) -> u8 {
    let digit = is_among(byte, b'0', 10);
    let capital = is_among(byte, b'A', 26);
    let letter = is_among(byte | 0x20, b'a', 26);
    let hyphen = is_among(byte, b'-', 1);
    let mark = hyphen | is_among(byte, b'+', 1) | is_among(byte, b'/', 1) | is_among(byte, b'_', 1);
    let hex = digit | hyphen | is_among(byte, b'a', 6);
    ((digit | letter | mark) * IN_RUN) | (hex * HEX) | ((digit | capital) * DRAWN)
}

/// 1 for one of the `count` bytes from `first` on, else 0.
#[inline]
pub(super) const fn is_among(byte: u8, first: u8, count: u8) -> u8 {
    (byte.wrapping_sub(first) < count) as u8
}

const fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// A maximal run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) range: Range<usize>,
    /// Whether it holds nothing but lower-case hexadecimal digits and hyphens.
    pub(super) hex: bool,
    /// Whether it holds no digit and no capital: nobody draws twenty characters so.
    pub(super) plain: bool,
}

/// Calls `each` with every maximal run of at least [`SHORTEST`] bytes.
///
/// Only where a run of that length could end is looked at: from there back to the nearest byte that breaks it.
pub(super) fn for_each_run(text: &[u8], mut each: impl FnMut(Run)) {
    // The first index at which the next run, if it is long enough, can end.
    let mut probe = SHORTEST - 1;
    while let Some(window) = text.get(probe + 1 - SHORTEST..=probe) {
        if let Some(gap) = window.iter().rposition(|byte| class(*byte) == 0) {
            probe += gap + 1;
            continue;
        }
        let start = probe + 1 - SHORTEST;
        let (mut common, mut any) = (HEX, 0);
        let mut end = start;
        while let Some(stride) = text[end..].first_chunk::<STRIDE>() {
            let (mut of_all, mut of_some) = (u8::MAX, 0);
            for byte in stride {
                let class = class_of(*byte);
                of_all &= class;
                of_some |= class;
            }
            if of_all & IN_RUN == 0 {
                break;
            }
            common &= of_all;
            any |= of_some;
            end += STRIDE;
        }
        while let Some(byte) = text.get(end)
            && class(*byte) != 0
        {
            common &= class(*byte);
            any |= class(*byte);
            end += 1;
        }
        each(Run { range: start..end, hex: common != 0, plain: any & DRAWN == 0 });
        probe = end + SHORTEST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plainly(text: &[u8]) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut start = 0;
        for end in 0..=text.len() {
            if text.get(end).is_none_or(|byte| class(*byte) & IN_RUN == 0) {
                if end - start >= SHORTEST {
                    runs.push(Run {
                        range: start..end,
                        hex: text[start..end].iter().all(|byte| class(*byte) & HEX != 0),
                        plain: !text[start..end]
                            .iter()
                            .any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()),
                    });
                }
                start = end + 1;
            }
        }
        runs
    }

    #[test]
    fn a_byte_has_the_classes_of_its_kind() {
        for byte in 0..=u8::MAX {
            let mark = matches!(byte, b'+' | b'/' | b'-' | b'_');
            let in_run = byte.is_ascii_alphanumeric() || mark;
            let hex = matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
            let drawn = byte.is_ascii_digit() || byte.is_ascii_uppercase();
            let expected = (u8::from(in_run) * IN_RUN) | (u8::from(hex) * HEX) | (u8::from(drawn) * DRAWN);
            assert_eq!(class_of(byte), expected, "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn no_long_run_is_missed(text in "[a-g0-9 \".X-]{0,300}|([a-z0-9+/_-]{0,45}[ :.]){0,8}|([a-fA0-9+/_-]{0,220}[ :.]){0,4}") {
            let mut runs = Vec::new();
            for_each_run(text.as_bytes(), |run| runs.push(run));
            prop_assert_eq!(runs, plainly(text.as_bytes()));
        }
    }
}
