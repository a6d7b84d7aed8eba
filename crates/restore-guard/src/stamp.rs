//! How a moment is written in the name of a record: to the second, UTC, sorting as text.

use chrono::{DateTime, NaiveDateTime, Utc};

const FORMAT: &str = "%Y%m%dT%H%M%SZ";

pub(crate) fn write(at: DateTime<Utc>) -> String {
    at.format(FORMAT).to_string()
}

/// The moment of a stamp; `None` for any other spelling.
pub(crate) fn read(text: &str) -> Option<DateTime<Utc>> {
    let at = NaiveDateTime::parse_from_str(text, FORMAT).ok()?.and_utc();
    (write(at) == text).then_some(at)
}

/// The random end of a record's name.
pub(crate) fn is_suffix(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
