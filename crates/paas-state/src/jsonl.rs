//! Whether the lines of a log are JSON.

use serde::de::IgnoredAny;

/// What is known of the lines of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// How many there are. A last one without a newline counts.
    pub(crate) lines: u64,
    /// How many are not one complete JSON value each.
    pub(crate) malformed: u64,
    /// The first of them, counted from 1.
    pub(crate) first_malformed: Option<u64>,
}

/// Looks at each line of a block, exactly as `serde_json` would: an empty line is malformed.
pub(crate) fn check_lines(block: &[u8]) -> Lines {
    let mut found = Lines::default();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', block).chain((block.last() != Some(&b'\n')).then_some(block.len()))
    {
        if start == block.len() {
            break;
        }
        found.lines += 1;
        if !is_json(&block[start..end]) {
            found.malformed += 1;
            found.first_malformed.get_or_insert(found.lines);
        }
        start = end + 1;
    }
    found
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}
