//! Whether the lines of a log are JSON.
//!
//! The judge is `serde_json`, which is also what reads the lines later. Lines of the shape in which si writes its events,
//! which are nearly all, are known to be JSON by a look that takes two thirds of its time; whatever that look does not
//! accept goes to the judge, so it can only be slow, and never differ.

use serde::de::IgnoredAny;

/// What is known of the lines of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// How many there are. A last one without a newline counts.
    pub(crate) lines: u64,
    /// How many are not one complete JSON value each.
    pub(crate) malformed: u64,
    /// The first of them, counted from 1.
    pub(crate) first_malformed: Option<u64>,
}

/// Looks at each line of a block, exactly as `serde_json` would: an empty line is malformed.
pub(crate) fn check_lines(block: &[u8]) -> Report {
    let mut found = Report::default();
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
    is_plain(line) || serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Whether a line is, without blanks, an object of texts, whole numbers and such objects, none of them empty: then it is
/// JSON (RFC 8259). One that is not may be JSON all the same.
fn is_plain(line: &[u8]) -> bool {
    // Control characters are allowed nowhere. All of them are looked for at once, with vector instructions.
    let has_control = || line.iter().fold(0, |found, byte| found | u8::from(*byte < b' ')) != 0;
    line.first() == Some(&b'{') && !has_control() && end_of_members(line, 1) == Some(line.len())
}

/// Where the object ends whose first member begins at `at`.
fn end_of_members(line: &[u8], mut at: usize) -> Option<usize> {
    let mut open = 1_u32;
    loop {
        at = end_of_text(line, at)?;
        if *line.get(at)? != b':' {
            return None;
        }
        at += 1;
        at = match line.get(at)? {
            b'"' => end_of_text(line, at)?,
            b'0'..=b'9' => end_of_number(line, at)?,
            b'{' => {
                open += 1;
                at += 1;
                continue;
            }
            _ => return None,
        };
        while *line.get(at)? == b'}' {
            at += 1;
            open -= 1;
            if open == 0 {
                return Some(at);
            }
        }
        if line[at] != b',' {
            return None;
        }
        at += 1;
    }
}

/// Where the number without sign, fraction and exponent ends that begins at `at`. A zero stands alone.
fn end_of_number(line: &[u8], at: usize) -> Option<usize> {
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits == 1 || line[at] != b'0').then_some(at + digits)
}

/// Where the text ends that begins at `at` with its quote. It holds no control characters, as is known by now.
fn end_of_text(line: &[u8], at: usize) -> Option<usize> {
    if *line.get(at)? != b'"' {
        return None;
    }
    let mut at = at + 1;
    loop {
        while let Some(word) = line.get(at..).and_then(<[u8]>::first_chunk) {
            let marks = quotes_and_escapes(u64::from_le_bytes(*word));
            if marks != 0 {
                at += marks.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match line.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match line.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            _ => at += 1,
        }
    }
}

/// The highest bit of the first byte that is `"` or `\`, and perhaps of bytes behind it: eight bytes at once.
fn quotes_and_escapes(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let zeros = |word: u64| word.wrapping_sub(EACH) & !word & (EACH << 7);
    zeros(word ^ (EACH * 0x22)) | zeros(word ^ (EACH * 0x5c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plainly(block: &[u8]) -> Report {
        let text = block.strip_suffix(b"\n").unwrap_or(block);
        let lines: Vec<_> =
            if block.is_empty() { vec![] } else { text.split(|byte| *byte == b'\n').collect() };
        let bad = |line: &&[u8]| serde_json::from_slice::<IgnoredAny>(line).is_err();
        Report {
            lines: lines.len() as u64,
            malformed: lines.iter().filter(|line| bad(line)).count() as u64,
            first_malformed: lines.iter().position(bad).map(|index| index as u64 + 1),
        }
    }

    /// An object as si writes events, with up to three bytes replaced, put in or taken out.
    fn near_an_event() -> impl Strategy<Value = Vec<u8>> {
        let text = "\"([a-z :é]|\\\\[\"\\\\/bfnrtu0x]|\\\\u00e9){0,20}\"";
        let number = "-?[0-9]{1,3}(\\.[0-9])?";
        let value = prop_oneof![6 => text, 2 => number, 1 => "true|null|\\{\\}|\\[1\\]|"];
        let object = |value: BoxedStrategy<String>| {
            prop::collection::vec((text, value), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            })
        };
        let nested = prop_oneof![4 => value.boxed(), 1 => object(text.boxed())];
        let byte = prop::sample::select(&b"\"\\{}[]:,-0 1u\t\x1f\x7f\xff"[..]);
        let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..3, byte), 0..4);
        (object(nested.boxed()), edits).prop_map(|(line, edits)| {
            let mut line = line.into_bytes();
            for (at, kind, byte) in edits {
                let at = at.index(line.len() + 1);
                match kind {
                    0 => line.insert(at, byte),
                    1 if at < line.len() => line[at] = byte,
                    _ if at < line.len() => drop(line.remove(at)),
                    _ => {}
                }
            }
            line
        })
    }

    #[test]
    fn the_quick_look_knows_events() {
        for log in si_backup_tests::EventLog::ALL {
            let mut lines = si_backup_tests::EventLines::new(log, "default", &[], &[], 1);
            let mut text = Vec::new();
            (0..1_000).for_each(|_| lines.push_line(&mut text));
            let known = text.split(|byte| *byte == b'\n').filter(|line| is_plain(line)).count();
            assert!(known > 950, "{}: {known} of 1000", log.path());
        }
        assert!(is_plain(br#"{"a":0,"b":{"c":{"d":10}},"e":"\"\\"}"#));
        assert!(is_plain(&[br#"{"a":"#.repeat(10_000), b"1".to_vec(), b"}".repeat(10_000)].concat()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn every_line_counts(block in "([\\[{\"a:1,}\\]]{0,6}\n?|\\{\"a\":[0-9]\\}\n|\n){0,12}") {
            prop_assert_eq!(check_lines(block.as_bytes()), plainly(block.as_bytes()));
        }

        /// What the quick look accepts, the judge accepts: near and beside the shape that it knows.
        #[test]
        fn the_quick_look_never_differs(line in near_an_event()) {
            let judged = serde_json::from_slice::<IgnoredAny>(&line).is_ok();
            prop_assert!(judged || !is_plain(&line), "{}", String::from_utf8_lossy(&line));
            prop_assert_eq!(is_json(&line), judged);
        }

        #[test]
        fn any_bytes_can_be_checked(block: Vec<u8>) {
            prop_assert_eq!(check_lines(&block), plainly(&block));
        }
    }

    #[test]
    fn torn_and_empty_lines_are_malformed() {
        let report = check_lines(b"{}\n{\"a\":\n\n[1]\n{\"b\"");
        assert_eq!(report, Report { lines: 5, malformed: 3, first_malformed: Some(2) });
        assert_eq!(check_lines(b""), Report::default());
    }
}
