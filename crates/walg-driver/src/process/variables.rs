use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

/// The whole environment of a child: it sees these and nothing else.
///
/// A secret never shows itself here, and is replaced in what the child prints.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<OsString, Value>);

#[derive(Clone)]
enum Value {
    Plain(OsString),
    Secret(SecretString),
}

impl Variables {
    /// The shortest secret that is looked for in what a child prints, in bytes. Shorter ones would turn ordinary words into
    /// `<redacted>`.
    pub const SHORTEST_SECRET: usize = 6;

    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one that anybody may see; it takes the place of what the name had before.
    #[must_use]
    pub fn plain(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), Value::Plain(value.into()));
        self
    }

    /// With one that nobody may see; it takes the place of what the name had before.
    #[must_use]
    pub fn secret(mut self, name: impl Into<OsString>, value: impl Into<SecretString>) -> Self {
        self.0.insert(name.into(), Value::Secret(value.into()));
        self
    }

    /// With those of `other` too, which take the place of the same names here.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Without a name.
    #[must_use]
    pub fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.0.remove(name.as_ref());
        self
    }

    /// Those with names of a kind alone.
    #[must_use]
    pub fn only(mut self, is_kept: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|name, _| name.to_str().is_some_and(&is_kept));
        self
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.0.keys().map(OsString::as_os_str)
    }

    /// Whether a name is among them.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<OsStr>) -> bool {
        self.0.contains_key(name.as_ref())
    }

    /// A value that anybody may see.
    #[must_use]
    pub fn shown(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        match self.0.get(name.as_ref())? {
            Value::Plain(value) => Some(value),
            Value::Secret(_) => None,
        }
    }

    /// Every name with its value, for the child alone.
    pub(crate) fn exposed(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| match value {
            Value::Plain(value) => (&**name, &**value),
            Value::Secret(value) => (&**name, OsStr::new(value.expose_secret())),
        })
    }

    /// What must not be printed: the secrets, and the lines of those that have several, such as a key in armour.
    pub(super) fn to_redact(&self) -> Vec<&str> {
        let secrets = self.0.values().filter_map(|value| match value {
            Value::Secret(value) => Some(value.expose_secret()),
            Value::Plain(_) => None,
        });
        secrets
            .flat_map(|secret| std::iter::once(secret).chain(secret.lines().map(str::trim)))
            .filter(|text| text.len() >= Self::SHORTEST_SECRET)
            .collect()
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, value)| match value {
                Value::Plain(value) => (name, value.to_string_lossy()),
                Value::Secret(_) => (name, "<redacted>".into()),
            }))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let variables = Variables::new().plain("PGHOST", "db").secret("PGPASSWORD", "correct horse");
        assert_eq!(format!("{variables:?}"), r#"{"PGHOST": "db", "PGPASSWORD": "<redacted>"}"#);
        assert_eq!(variables.shown("PGPASSWORD"), None);
        assert_eq!(variables.shown("PGHOST"), Some(OsStr::new("db")));
    }

    #[test]
    fn what_comes_later_counts() {
        let variables = Variables::new().secret("A", "1").and(Variables::new().plain("A", "2")).without("B");
        assert_eq!(variables.exposed().collect::<Vec<_>>(), [(OsStr::new("A"), OsStr::new("2"))]);
    }

    #[test]
    fn each_line_of_a_key_is_one_to_look_for() {
        let variables = Variables::new().secret("KEY", "-----BEGIN\nabcdefgh\n\nxy").secret("PIN", "12345");
        assert_eq!(variables.to_redact(), ["-----BEGIN\nabcdefgh\n\nxy", "-----BEGIN", "abcdefgh"]);
    }
}
