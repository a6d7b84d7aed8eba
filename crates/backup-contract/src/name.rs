use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes: a DNS label's length, far below what a file name or an object key may have.
const MAX_LEN: usize = 63;

/// Names become directory names and parts of object keys, so they are held to what is harmless in both.
fn check(noun: &'static str, value: &str) -> Result<()> {
    let reject = |reason| Err(Error::Name { noun, value: value.to_owned(), reason });
    match value.bytes().next() {
        None => return reject("it is empty"),
        Some(first) if !first.is_ascii_alphanumeric() => {
            return reject("it does not begin with a letter or digit");
        }
        Some(_) => {}
    }
    if value.len() > MAX_LEN {
        return reject("it is longer than 63 bytes");
    }
    if !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return reject("it holds a character other than letters, digits, '.', '_' and '-'");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "schema", schemars(extend("pattern" = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")))]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Takes a name of up to 63 letters, digits, `.`, `_` and `-` that begins with a letter or digit.
            ///
            /// # Errors
            /// [`Error::Name`] for anything else; so `..`, `a/b` and the empty text cannot become a path.
            pub fn new(value: impl Into<String>) -> Result<Self> {
                let value = value.into();
                check($noun, &value)?;
                Ok(Self(value))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = Error;
            fn from_str(value: &str) -> Result<Self> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(value: String) -> Result<Self> {
                Self::new(value)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of an si context: one private state, one series of backups.
    ContextName,
    "context name"
);
name!(
    /// The slug of an app of a context.
    AppSlug,
    "app slug"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_directory_are_rejected() {
        let long = "a".repeat(64);
        for bad in ["", ".", "..", "../x", "a/b", "-a", "_a", ".hidden", "a b", "a\0", "ä", "a\n", &long] {
            assert!(ContextName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["default", "a", "Prod-1", "a.b_c-d", "0", &long[..63]] {
            assert_eq!(ContextName::new(good).unwrap().as_str(), good);
        }
    }
}
