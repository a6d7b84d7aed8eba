use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How far a snapshot was proved, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every object is there, with its size.
    Stored,
    /// Every byte was read again and equals the record.
    Checksum,
    /// Decrypted or decoded: each file equals the manifest and is well-formed.
    Content,
    /// Restored to a scratch place and used there.
    Restore,
}

impl Level {
    /// All levels, weakest first.
    pub const ALL: [Self; 4] = [Self::Stored, Self::Checksum, Self::Content, Self::Restore];

    /// Whether evidence of this level is evidence of `asked` too.
    #[must_use]
    pub fn covers(self, asked: Self) -> bool {
        self >= asked
    }

    /// The level's name in commands and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Checksum => "checksum",
            Self::Content => "content",
            Self::Restore => "restore",
        }
    }
}

impl FromStr for Level {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == value)
            .ok_or_else(|| Error::Level(value.to_owned()))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_level_covers_the_weaker_ones_only() {
        for (i, strong) in Level::ALL.into_iter().enumerate() {
            for (j, asked) in Level::ALL.into_iter().enumerate() {
                assert_eq!(strong.covers(asked), i >= j);
            }
            assert_eq!(strong.to_string().parse::<Level>().unwrap(), strong);
        }
    }
}
