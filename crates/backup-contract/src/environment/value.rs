use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// A value of an env file. Any of them may be a secret, so none shows itself: `Debug` and `Display` print
/// `<redacted>`, and the memory is wiped when it is dropped.
#[derive(Clone)]
pub struct EnvValue(SecretString);

impl EnvValue {
    /// Takes a value.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The value itself, for a child's environment or a comparison; never for a message.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether it is the empty text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Display for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("<redacted>")
    }
}
