//! Secrets that their surroundings give away: fields and variables with a telling name, headers, and URLs.

use super::hit::{Secret, Value};
use super::names::{self, Promise, promise};
use super::references::is_reference;
use super::sweep::{Found, Spot};
use super::values::{Tie, bits_per_byte, keeps};
use memchr::memmem::Finder;
use std::ops::Range;
use std::sync::LazyLock;

/// The longest value, and the longest part of a URL, that is looked at, in bytes.
const LONGEST_BARE: usize = 4 * 1024;

/// The end of the name of a field that holds the value of the variable named beside it.
static VALUE_FIELD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"alue\""));

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Judges the name around the word at `at`, and its value; says from where to go on.
pub(super) fn word(text: &[u8], at: usize, wraps: u8, tell: &mut dyn FnMut(Spot)) -> usize {
    let end = at + text[at..].iter().take(names::LONGEST).take_while(|byte| is_name(**byte)).count();
    let next = end.max(at + 1);
    let mut start = at;
    while start > 0 && is_name(text[start - 1]) && at - start < names::LONGEST {
        start -= 1;
    }
    // Most words stand in a sentence, and nothing ties a value to them.
    match text.get(end) {
        None => return next,
        Some(b' ' | b'\t') if !matches!(text.get(blanks(text, end)), Some(b':' | b'=')) => {
            let word = &text[start..end];
            if !word.starts_with(b"--") && !word.eq_ignore_ascii_case(b"bearer") {
                return next;
            }
        }
        _ => {}
    }
    let bare = text[start..end].trim_ascii();
    let dashes = bare.iter().take_while(|byte| **byte == b'-').count();
    let name = bare[dashes..].strip_suffix(b".").unwrap_or(&bare[dashes..]);
    if name.is_empty() {
        return next;
    }
    if names_authorization(name) {
        header(text, end, wraps, tell);
        return next;
    }
    if name.eq_ignore_ascii_case(b"bearer") {
        bearer(text, end, wraps, tell);
        return next;
    }
    let Some(after) = separator(text, end, dashes == 2) else { return next };
    match value_after(text, start, after) {
        Candidate::None => {}
        Candidate::Nested => {
            if promise(name).is_some() {
                tell(Spot::Maybe(at));
            }
        }
        Candidate::Sibling => {
            let around = &text[start.saturating_sub(256)..text.len().min(end + 256)];
            if VALUE_FIELD.find(around).is_some() && promise(name).is_some() {
                tell(Spot::Maybe(at));
            }
        }
        Candidate::Value(range, tie) => {
            if let Some(secret) = named(name, tie, &text[range.clone()], wraps) {
                tell(Spot::Found(Found { range, secret, by_context: true }));
            }
        }
    }
    next
}

/// The secret that a field's name and value make, if they do, and where it is in the value.
pub(super) fn field(name: &[u8], value: &[u8]) -> Option<(Range<usize>, Secret)> {
    if names_authorization(name) {
        let range = credentials(value, 0)?;
        let value = Value(value[range.clone()].to_vec());
        return Some((range, Secret { kind: "authorization-header", value, public: 0, wraps: 0 }));
    }
    Some((0..value.len(), named(name, Tie::Field, value, 0)?))
}

fn names_authorization(name: &[u8]) -> bool {
    const WORD: &[u8] = b"authorization";
    name.len().checked_sub(WORD.len()).is_some_and(|at| name[at..].eq_ignore_ascii_case(WORD))
}

fn named(name: &[u8], tie: Tie, value: &[u8], wraps: u8) -> Option<Secret> {
    // References are by far the commonest values, and quicker to tell than names. Digits are for `keeps` to judge.
    if is_reference(value) && !value.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let promise = promise(name)?;
    let kind = if promise == Promise::Auth {
        is_user_and_password(value).then_some("registry-auth")?
    } else {
        keeps(promise, tie, value).then_some(())?;
        if is_aws_secret(name, value) { "aws-secret-access-key" } else { "named-secret" }
    };
    Some(Secret { kind, value: Value(value.to_vec()), public: 0, wraps })
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html>: forty characters of base64.
fn is_aws_secret(name: &[u8], value: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let has = |part: &[u8]| memchr::memmem::find(&name, part).is_some();
    value.len() == 40
        && has(b"secret")
        && (has(b"aws") || has(b"access"))
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// What ties a name to what follows it.
struct After {
    /// Where the value may begin.
    at: usize,
    /// The closing quote of the name.
    quoted: bool,
    sign: Sign,
}

#[derive(PartialEq, Eq)]
enum Sign {
    Colon,
    Equals,
    Blank,
    /// A comma or closing brace: the name is itself a value.
    None,
}

fn blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

fn separator(text: &[u8], end: usize, is_option: bool) -> Option<After> {
    let mut at = end;
    while text.get(at) == Some(&b'\\') {
        at += 1;
    }
    let quoted = matches!(text.get(at), Some(b'"' | b'\'' | b'`'));
    if quoted {
        at += 1;
    }
    if text.get(at) == Some(&b']') {
        at += 1;
    }
    let after = blanks(text, at);
    let sign = match text.get(after)? {
        b':' | b'=' => {
            let sign = if text[after] == b':' { Sign::Colon } else { Sign::Equals };
            let mut at = after + 1;
            // `:=`, `==`, `=>`
            while matches!(text.get(at), Some(b'=' | b'>')) {
                at += 1;
            }
            return Some(After { at: blanks(text, at), quoted, sign });
        }
        b',' | b'}' if quoted => Sign::None,
        _ if is_option && after > at => Sign::Blank,
        _ => return None,
    };
    Some(After { at: after, quoted, sign })
}

enum Candidate {
    None,
    /// An array or object.
    Nested,
    /// The name is a value; the secret may stand in the field beside it.
    Sibling,
    Value(Range<usize>, Tie),
}

fn value_after(text: &[u8], name: usize, after: After) -> Candidate {
    let After { at, quoted, sign } = after;
    if sign == Sign::None {
        return Candidate::Sibling;
    }
    let mut open = at;
    while text.get(open) == Some(&b'\\') {
        open += 1;
    }
    let quote = match text.get(open) {
        Some(quote @ (b'"' | b'\'' | b'`')) => Some(*quote),
        Some(b'[' | b'{') if quoted && sign == Sign::Colon => return Candidate::Nested,
        Some(_) => None,
        None => return Candidate::None,
    };
    let is_field = quoted || sign != Sign::Colon || begins_line(text, name);
    let (range, whole_line) = match quote {
        Some(quote) => (quoted_value(text, open + 1, quote), true),
        None => bare_value(text, at, sign == Sign::Colon && is_field),
    };
    if range.is_empty() {
        return Candidate::None;
    }
    // `name: value` in a line of its own is a field, and more words after the value make it a sentence.
    let tie = if is_field && whole_line { Tie::Field } else { Tie::Prose };
    Candidate::Value(range, tie)
}

/// Whether nothing but blanks, quotes and list marks stand before a name in its line.
fn begins_line(text: &[u8], name: usize) -> bool {
    let mut before = name;
    while before > 0 && matches!(text[before - 1], b' ' | b'\t' | b'-') {
        before -= 1;
    }
    before == 0 || matches!(text[before - 1], b'\n' | b'\r' | b'"' | b'\'')
}

/// What stands before the closing quote; without one, as far as a value without quotes goes.
fn quoted_value(text: &[u8], start: usize, quote: u8) -> Range<usize> {
    let reach = &text[start..text.len().min(start + LONGEST_BARE)];
    let mut escaped = false;
    for (index, byte) in reach.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            // In text that was itself quoted, the closing quote is behind a backslash.
            b'\\' if reach.get(index + 1) == Some(&quote) && start >= 2 && text[start - 2] == b'\\' => {
                return start..start + index;
            }
            b'\\' => escaped = true,
            byte if *byte == quote => return start..start + index,
            _ => {}
        }
    }
    bare_value(text, start, false).0
}

/// A value without quotes, and whether it is all that the line holds (or its sign needs no such proof).
fn bare_value(text: &[u8], start: usize, to_line_end: bool) -> (Range<usize>, bool) {
    let reach = &text[start..text.len().min(start + LONGEST_BARE)];
    let mut end = 0;
    let mut depth = 0_u32;
    while let Some(byte) = reach.get(end) {
        match byte {
            b'{' | b'(' if end > 0 && (reach[end - 1] == b'$' || depth > 0) => depth += 1,
            b'}' | b')' if depth > 0 => depth -= 1,
            b'\n' | b'\r' | b'"' | b'\'' | b'`' => break,
            b' ' | b'\t' | b',' | b';' | b'&' | b')' | b'}' | b']' | b'\\' | b'|' if depth == 0 => break,
            _ => {}
        }
        end += 1;
    }
    if reach.first() == Some(&b'<')
        && let Some(close) = memchr::memchr2(b'>', b'\n', reach)
        && reach[close] == b'>'
    {
        end = close + 1;
    }
    let rest = &reach[end..];
    let line = &rest[..memchr::memchr2(b'\n', b'"', rest).unwrap_or(rest.len())];
    let line = line.trim_ascii();
    let whole = !to_line_end || line.is_empty() || line.starts_with(b"#") || line == b",";
    (start..start + end, whole)
}

/// `Authorization: <scheme> <credentials>`: RFC 9110, section 11.6.2, and what vendors made of it.
fn header(text: &[u8], name_end: usize, wraps: u8, tell: &mut dyn FnMut(Spot)) {
    let sign = skip(text, name_end, b"\"'\\ \t]");
    if !matches!(text.get(sign), Some(b':' | b'=')) {
        return;
    }
    if let Some(range) = credentials(text, skip(text, sign, b":=>\"'\\ \t[{")) {
        tell_of("authorization-header", range, text, wraps, tell);
    }
}

fn skip(text: &[u8], mut at: usize, marks: &[u8]) -> usize {
    while text.get(at).is_some_and(|byte| marks.contains(byte)) {
        at += 1;
    }
    at
}

/// The credentials in a header's value that begins at `start`.
fn credentials(text: &[u8], mut start: usize) -> Option<Range<usize>> {
    let mut end = credentials_end(text, start);
    let mut scheme = &b""[..];
    if end - start < 16 && text.get(end) == Some(&b' ') {
        scheme = &text[start..end];
        start = skip(text, end, b" \t");
        end = credentials_end(text, start);
    }
    let value = &text[start..end];
    let is_secret = if scheme.eq_ignore_ascii_case(b"basic") {
        is_user_and_password(value)
    } else {
        value.len() >= 8 && !is_reference(value) && is_varied(value)
    };
    is_secret.then_some(start..end)
}

/// `Bearer <token>` without its header's name: RFC 6750.
fn bearer(text: &[u8], name_end: usize, wraps: u8, tell: &mut dyn FnMut(Spot)) {
    let start = blanks(text, name_end);
    let end = credentials_end(text, start);
    let value = &text[start..end];
    if value.len() >= 20 && !is_reference(value) && is_varied(value) {
        tell_of("authorization-header", start..end, text, wraps, tell);
    }
}

fn credentials_end(text: &[u8], start: usize) -> usize {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-._~+/=:${}".contains(byte);
    start + text[start..text.len().min(start + LONGEST_BARE)].iter().take_while(is_part).count()
}

fn is_varied(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit) && bits_per_byte(value) >= 2.5
}

/// Whether base64 of `user:password`, of which the password is no reference.
fn is_user_and_password(value: &[u8]) -> bool {
    use base64::Engine;
    let engine = &base64::engine::general_purpose::STANDARD_NO_PAD;
    let Ok(decoded) = engine.decode(value.strip_suffix(b"==").or(value.strip_suffix(b"=")).unwrap_or(value))
    else {
        return false;
    };
    let Some(colon) = memchr::memchr(b':', &decoded) else { return false };
    std::str::from_utf8(&decoded).is_ok_and(|text| !text.contains(char::is_control))
        && !is_reference(&decoded[colon + 1..])
}

/// `scheme://user:password@host`: RFC 3986, section 3.2.1. `at` is that of `://`.
pub(super) fn url(text: &[u8], at: usize, wraps: u8, tell: &mut dyn FnMut(Spot)) {
    let start = at + 3;
    let reach = &text[start..text.len().min(start + LONGEST_BARE)];
    let ends = |byte: &u8| matches!(byte, b'/' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | 0..=b' ');
    let authority = &reach[..reach.iter().position(ends).unwrap_or(reach.len())];
    let Some(host) = memchr::memrchr(b'@', authority) else { return };
    let Some(colon) = memchr::memchr(b':', &authority[..host]) else { return };
    let password = &authority[colon + 1..host];
    if at > 0 && text[at - 1].is_ascii_alphanumeric() && !is_reference(password) {
        tell_of("url-password", start + colon + 1..start + host, text, wraps, tell);
    }
}

fn tell_of(kind: &'static str, range: Range<usize>, text: &[u8], wraps: u8, tell: &mut dyn FnMut(Spot)) {
    let secret = Secret { kind, value: Value(text[range.clone()].to_vec()), public: 0, wraps };
    tell(Spot::Found(Found { range, secret, by_context: true }));
}
