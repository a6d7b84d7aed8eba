use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest key, in bytes: what S3 allows.
const MAX_KEY: usize = 1024;
/// The longest part of a key, in bytes: what a file name may have, less room for the suffix of a temporary name.
const MAX_PART: usize = 240;
/// Where a store keeps what is its own; no object may be there, so that objects can be copied between any two stores.
const RESERVED: &str = ".si-store";

/// The name of an object: parts joined by `/`.
///
/// ```
/// use backup_store::Key;
///
/// let key = Key::new("state/default/state-20261123T201500Z-1a2b3c4d/snapshot.json")?;
/// assert_eq!(key.parts().last(), Some("snapshot.json"));
///
/// for rejected in [
///     "",                     // no key
///     " ",                    // white space alone
///     "/state",               // an empty part
///     "state//x",
///     "state/",
///     "state/../../etc",      // a part that leads elsewhere
///     "state/./x",
///     "state/a\nb",           // a control character
///     "state\\x",             // another system's separator
///     ".si-store/locks/x",    // where a store keeps what is its own
/// ] {
///     assert!(Key::new(rejected).is_err(), "{rejected:?}");
/// }
/// assert!(Key::new("x".repeat(241)).is_err(), "a part longer than a file name may be");
/// assert!(Key::new("x/".repeat(512) + "x").is_err(), "longer than 1,024 bytes");
/// # Ok::<(), backup_store::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// Takes a key apart and rejects what no object may be named.
    ///
    /// # Errors
    /// [`Error::InvalidKey`], with the rule that it breaks.
    pub fn new(key: impl Into<String>) -> Result<Self> {
        let key = key.into();
        match reason_against(&key) {
            None => Ok(Self(key)),
            Some(reason) => Err(Error::InvalidKey { key, reason }),
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, in order; never empty.
    #[must_use]
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

fn reason_against(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    // The SDK of S3 takes such a name for none.
    if key.trim().is_empty() {
        return Some("it is white space alone");
    }
    if key.len() > MAX_KEY {
        return Some("it is longer than 1,024 bytes");
    }
    if key.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    if key.contains(['\u{fffe}', '\u{ffff}']) {
        return Some("it holds a character that no XML can carry");
    }
    if key.contains('\\') {
        return Some("it holds a backslash");
    }
    if key.split('/').next() == Some(RESERVED) {
        return Some("'.si-store' is the store's own");
    }
    key.split('/').find_map(|part| match part {
        "" => Some("it has an empty part"),
        "." | ".." => Some("it has a part that leads elsewhere"),
        _ if part.len() > MAX_PART => Some("it has a part longer than 240 bytes"),
        _ => None,
    })
}

impl FromStr for Key {
    type Err = Error;
    fn from_str(key: &str) -> Result<Self> {
        Self::new(key)
    }
}

impl TryFrom<String> for Key {
    type Error = Error;
    fn try_from(key: String) -> Result<Self> {
        Self::new(key)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the keys of a listing begin with: nothing, or whole parts.
///
/// A prefix of whole parts cannot list `state/default-2/…` when `state/default` was meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Prefix(Option<Key>);

impl Prefix {
    /// Every object of the store.
    #[must_use]
    pub const fn all() -> Self {
        Self(None)
    }

    /// The objects below `parts`, written as a key is (a closing `/` is allowed).
    ///
    /// # Errors
    /// [`Error::InvalidKey`] as for [`Key::new`].
    pub fn new(parts: &str) -> Result<Self> {
        Key::new(parts.strip_suffix('/').unwrap_or(parts)).map(|key| Self(Some(key)))
    }

    /// The whole parts that it names; `None` for every object.
    #[must_use]
    pub fn as_key(&self) -> Option<&Key> {
        self.0.as_ref()
    }

    /// Whether `key` lies below it.
    #[must_use]
    pub fn holds(&self, key: &Key) -> bool {
        self.0.as_ref().is_none_or(|prefix| {
            key.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// The key of an object below it.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] when the two together are no key.
    pub fn join(&self, rest: &str) -> Result<Key> {
        match &self.0 {
            Some(prefix) => Key::new(format!("{prefix}/{rest}")),
            None => Key::new(rest),
        }
    }
}

impl fmt::Display for Prefix {
    /// With a closing `/`, as S3 takes it; empty for every object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |key| write!(f, "{key}/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_holds_whole_parts_only() {
        let prefix = Prefix::new("state/default").unwrap();
        assert!(prefix.holds(&Key::new("state/default/x").unwrap()));
        assert!(!prefix.holds(&Key::new("state/default-2/x").unwrap()));
        assert!(!prefix.holds(&Key::new("state/default").unwrap()));
        assert_eq!(prefix, Prefix::new("state/default/").unwrap());
        assert_eq!(prefix.to_string(), "state/default/");
    }

    proptest! {
        #[test]
        fn an_accepted_key_stays_below_its_root(text in r"[a-z./\\\x00-\x1f-]{0,40}|.{0,40}") {
            if let Ok(key) = Key::new(text.clone()) {
                prop_assert_eq!(key.as_str(), &text);
                prop_assert!(key.parts().all(|part| !matches!(part, "" | "." | "..")));
                prop_assert!(!text.chars().any(|c| c.is_control() || c == '\\'));
                prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
            }
        }
    }
}
