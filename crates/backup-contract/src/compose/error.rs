use thiserror::Error as ThisError;

/// A text that is not a compose project as this crate reads one. No value of the text is ever repeated.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum ComposeError {
    /// More bytes than a compose file may have.
    #[error("{file}: {bytes} bytes are more than the {limit} that a compose file may have")]
    TooLarge {
        /// The file, as the caller named it.
        file: String,
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("{file}: byte {offset} is not UTF-8")]
    NotUtf8 {
        /// The file, as the caller named it.
        file: String,
        /// The first byte that is none, counted from 0.
        offset: usize,
    },
    /// Not well-formed, or larger once its aliases are written out than any compose file is.
    #[error("{file}:{line}:{column}: {reason}")]
    Malformed {
        /// The file, as the caller named it.
        file: String,
        /// Counted from 1; 0 where it is not known.
        line: u64,
        /// Counted from 1; 0 where it is not known.
        column: u64,
        /// What is wrong, in words of this crate.
        reason: &'static str,
    },
    /// Well-formed, and not what compose takes at this place.
    #[error("{file}: {pointer} {reason}")]
    Shape {
        /// The file, as the caller named it.
        file: String,
        /// An RFC 6901 pointer.
        pointer: String,
        /// What compose takes there.
        reason: &'static str,
    },
    /// No file was given.
    #[error("there is no compose file to read")]
    NoFile,
}

impl ComposeError {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "compose-too-large",
            Self::NotUtf8 { .. } => "compose-not-utf8",
            Self::Malformed { .. } => "compose-malformed",
            Self::Shape { .. } => "compose-shape",
            Self::NoFile => "compose-no-file",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "name the compose files of the release, not something else",
            Self::NotUtf8 { .. } => "save the file as UTF-8",
            Self::Malformed { .. } | Self::Shape { .. } => {
                "'docker compose config --quiet' says more about what compose does not take"
            }
            Self::NoFile => "name the compose files of the release in the app's runner",
        }
    }
}
