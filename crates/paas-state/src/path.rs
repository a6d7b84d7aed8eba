use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The longest path, in bytes.
pub(crate) const MAX_PATH: usize = 1024;
/// The longest part of a path, in bytes: what file systems take.
const MAX_PART: usize = 255;

/// A path within a context: relative, of normal parts, in UTF-8, written with `/`.
///
/// What a bundle may name is decided here, before any file system sees it:
///
/// ```
/// use paas_state::StatePath;
///
/// assert!(StatePath::new("events/audit.jsonl").is_ok());
/// for rejected in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\\b", "a\nb"] {
///     assert!(StatePath::new(rejected).is_err(), "{rejected:?}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct StatePath(String);

impl StatePath {
    /// Takes a path apart and rejects what could lead elsewhere.
    ///
    /// # Errors
    /// [`Error::Path`], with the rule that it breaks.
    pub fn new(path: impl Into<String>) -> Result<Self> {
        let path = path.into();
        match reason_against(&path) {
            None => Ok(Self(path)),
            Some(reason) => Err(Error::Path { path, reason }),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories above it, outermost first, and its file name.
    pub fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (dirs, name) = self.0.rsplit_once('/').map_or((None, self.0.as_str()), |(d, n)| (Some(d), n));
        (dirs.into_iter().flat_map(|dirs| dirs.split('/')), name)
    }

    /// How it is compared on a file system that does not tell upper from lower case.
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

fn reason_against(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > MAX_PATH {
        return Some("it is longer than 1,024 bytes");
    }
    if path.starts_with('/') {
        return Some("it is absolute");
    }
    if path.contains('\\') {
        return Some("it holds a backslash");
    }
    if path.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("it has an empty part"),
        "." | ".." => Some("it has a part that leads elsewhere"),
        part if part.len() > MAX_PART => Some("it has a part longer than 255 bytes"),
        _ => None,
    })
}

impl TryFrom<String> for StatePath {
    type Error = Error;
    fn try_from(path: String) -> Result<Self> {
        Self::new(path)
    }
}

impl From<StatePath> for String {
    fn from(path: StatePath) -> Self {
        path.0
    }
}

impl AsRef<Path> for StatePath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for StatePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn a_path_splits_into_directories_and_name() {
        let path = StatePath::new("a/b/c.json").unwrap();
        let (dirs, name) = path.split();
        assert_eq!((dirs.collect::<Vec<_>>(), name), (vec!["a", "b"], "c.json"));
        let path = StatePath::new("c.json").unwrap();
        assert_eq!(path.split().0.count(), 0);
    }

    proptest! {
        #[test]
        fn an_accepted_path_stays_below_its_directory(text in r"[a-b./\\\x00-\x1f]{0,12}|.{0,20}") {
            if let Ok(path) = StatePath::new(text) {
                prop_assert!(Path::new(path.as_str()).components().all(|c| matches!(c, Component::Normal(_))));
            }
        }
    }
}
