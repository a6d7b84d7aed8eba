//! JSON that is swept without being parsed.

use super::context;
use super::sweep::{Found, Spot, Sweeper};
use std::ops::Range;

/// Tells of everything in raw JSON (or in what was meant to be) that is or may be a secret. Strings with escapes are
/// swept without them too; their finds have the range of the whole string.
pub(super) fn sweep(sweeper: &Sweeper, text: &[u8], tell: &mut dyn FnMut(Spot)) {
    sweeper.sweep(text, tell);
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text[at..]) {
        let string = string_around(text, at + found, at);
        let plain = unescape(&text[string.clone()]);
        if is_key(text, string.end) {
            tell(Spot::Maybe(string.start));
        }
        sweeper.sweep(&plain, &mut |spot| {
            tell(match spot {
                Spot::Found(found) => Spot::Found(Found { range: string.clone(), ..found }),
                Spot::Maybe(_) => Spot::Maybe(string.start),
            });
        });
        // The raw sweep judged the value of a telling name with its escapes; the parser sees it without.
        if name_before(text, string.start).is_some_and(|name| context::field(name, &plain).is_some()) {
            tell(Spot::Maybe(string.start));
        }
        at = string.end.max(at + found + 2).min(text.len());
    }
}

/// Whether anything in raw JSON is worth parsing for.
pub(super) fn is_suspicious(sweeper: &Sweeper, text: &[u8]) -> bool {
    let mut suspicious = false;
    sweep(sweeper, text, &mut |_| suspicious = true);
    suspicious
}

/// The content of the string that holds the backslash at `at`. Nothing before `floor` is looked at.
fn string_around(text: &[u8], at: usize, floor: usize) -> Range<usize> {
    let start = memchr::memrchr2(b'"', b'\n', &text[floor..at]).map_or(floor, |quote| floor + quote + 1);
    let mut end = at;
    while let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &text[end.min(text.len())..]) {
        end += found;
        if text[end] != b'\\' {
            return start..end;
        }
        end += 2;
    }
    start..text.len()
}

fn is_key(text: &[u8], end: usize) -> bool {
    let after = text.get(end + 1..).unwrap_or_default();
    text.get(end) == Some(&b'"') && after.trim_ascii_start().first() == Some(&b':')
}

/// The name of the field whose value is the string that begins at `start`.
fn name_before(text: &[u8], start: usize) -> Option<&[u8]> {
    let before = text[..start.checked_sub(1)?].trim_ascii_end().strip_suffix(b":")?;
    let name = before.trim_ascii_end().strip_suffix(b"\"")?;
    Some(&name[memchr::memrchr2(b'"', b'\n', name).map_or(0, |quote| quote + 1)..])
}

/// A JSON string's content without its escapes. What is no valid escape stays as it is.
pub(super) fn unescape(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        plain.extend(&rest[..at]);
        let escape = &rest[at + 1..];
        let (byte, len) = match escape.first() {
            Some(b'n') => (b'\n', 1),
            Some(b'r') => (b'\r', 1),
            Some(b't') => (b'\t', 1),
            Some(b'b') => (8, 1),
            Some(b'f') => (12, 1),
            Some(byte @ (b'"' | b'\\' | b'/')) => (*byte, 1),
            Some(b'u') => match code_unit(&escape[1..]) {
                Some(unit) => {
                    let character = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
                    let mut utf8 = [0; 4];
                    plain.extend(character.encode_utf8(&mut utf8).as_bytes());
                    rest = &escape[5..];
                    continue;
                }
                None => (b'\\', 0),
            },
            _ => (b'\\', 0),
        };
        plain.push(byte);
        rest = &escape[len..];
    }
    plain.extend(rest);
    plain
}

fn code_unit(digits: &[u8]) -> Option<u16> {
    let digits = digits.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escapes_are_undone(text in "\\PC{0,40}|[\"\\\\/\n\t\u{1}a]{0,20}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(&json.as_bytes()[1..json.len() - 1]), text.as_bytes());
        }

        #[test]
        fn anything_can_be_unescaped(bytes in prop::collection::vec(prop::sample::select(&b"\\u0041nx\"9"[..]), 0..30)) {
            unescape(&bytes);
        }
    }
}
