//! Which values keep what their names promise.

use super::names::Promise;
use super::references::is_reference;

/// How a value is tied to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// A field of a document or a variable: `"name": "value"`, `NAME=value`, a line `name: value`.
    Field,
    /// A colon or blank in the middle of a sentence: `name: value`.
    Prose,
}

/// Whether a value is what its name promises.
pub(super) fn keeps(promise: Promise, tie: Tie, value: &[u8]) -> bool {
    if value.len() > 16 * 1024 {
        return false;
    }
    if (promise, tie) == (Promise::Password, Tie::Field)
        && (6..32).contains(&value.len())
        && value.iter().all(u8::is_ascii_digit)
    {
        return true;
    }
    if is_reference(value) {
        return false;
    }
    match (promise, tie) {
        (Promise::Auth, _) => false,
        (Promise::Password, Tie::Field) => value.len() >= 3,
        (Promise::Secret, Tie::Field) => {
            looks_drawn(value) || (value.len() >= 6 && !is_name_of_a_secret(value) && !value.contains(&b' '))
        }
        (Promise::Token, Tie::Field) => looks_drawn(value) || (is_long_word(value) && !value.contains(&b' ')),
        (Promise::Password, Tie::Prose) => value.len() >= 6 && has_mixture(value) && !value.contains(&b' '),
        (_, Tie::Prose) => value.len() >= 12 && has_mixture(value) && looks_drawn(value),
    }
}

/// `db-password`, `shop.webhook.secret`, `my-app-secret`: lower-case words of which one speaks of a secret.
fn is_name_of_a_secret(value: &[u8]) -> bool {
    let part = |byte: &u8| matches!(byte, b'-' | b'_' | b'.' | b'/');
    value.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || part(byte))
        && value.iter().any(part)
        && value
            .split(part)
            .all(|word| word.len() < 16 && word.iter().filter(|byte| byte.is_ascii_digit()).count() <= 2)
}

fn is_long_word(value: &[u8]) -> bool {
    value.len() >= 12 && value.iter().all(u8::is_ascii_alphabetic) && bits_per_byte(value) >= 3.0
}

/// At least two of: lower case, upper case, digits, other; and a digit or a capital after the first letter.
fn has_mixture(value: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| usize::from(value.iter().any(test));
    let kinds = has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit);
    kinds >= 2 && value[1..].iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// Long enough, without blanks, of mixed kinds, and not repetitive: what a generator of secrets gives.
fn looks_drawn(value: &[u8]) -> bool {
    value.len() >= 8
        && !value.contains(&b' ')
        && has_mixture(value)
        && !is_name_of_a_secret(value)
        && bits_per_byte(value) >= if value.len() >= 20 { 3.0 } else { 2.25 }
}

/// The Shannon entropy of a value's bytes.
pub(super) fn bits_per_byte(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let len = f64::from(u32::try_from(value.len()).unwrap_or(u32::MAX)).max(1.0);
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / len)
        .map(|p| -p * p.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_no_secrets() {
        for (promise, tie, value, expected) in [
            (Promise::Password, Tie::Field, "hunter2", true),
            (Promise::Password, Tie::Field, "swordfish", true),
            (Promise::Password, Tie::Prose, "unchanged;", false),
            (Promise::Password, Tie::Prose, "authentication", false),
            (Promise::Secret, Tie::Field, "shop-webhook-secret", false),
            (Promise::Secret, Tie::Field, "swordfish", true),
            (Promise::Token, Tie::Field, "bearer", false),
            (Promise::Token, Tie::Field, "a1b2c3d4e5f6", true),
            (Promise::Token, Tie::Prose, "expired", false),
        ] {
            assert_eq!(keeps(promise, tie, value.as_bytes()), expected, "{promise:?} {tie:?} {value}");
        }
    }
}
