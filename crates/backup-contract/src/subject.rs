use crate::{AppSlug, Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is backed up.
///
/// Written `state` or `app:<slug>`, in commands as in object keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("pattern" = r"^(state|app:[A-Za-z0-9][A-Za-z0-9._-]{0,62})$")))]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// The private state of the context.
    State,
    /// The `PostgreSQL` database of one app.
    App(AppSlug),
}

impl FromStr for Subject {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        match value.strip_prefix("app:") {
            Some(slug) => Ok(Self::App(AppSlug::new(slug)?)),
            None if value == "state" => Ok(Self::State),
            None => Err(Error::Subject(value.to_owned())),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = Error;
    fn try_from(value: String) -> Result<Self> {
        value.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State => f.write_str("state"),
            Self::App(slug) => write!(f, "app:{slug}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_parses_again() {
        for text in ["state", "app:shop", "app:a.b"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in ["", "State", "app", "app:", "app:../x", "db:shop", "state "] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?}");
        }
    }
}
