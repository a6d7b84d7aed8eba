use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which program makes the backups of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EngineKind {
    /// `walrus`, linked into this program.
    Embedded,
    /// The reference, written in Go.
    WalG,
    /// `walrus` as a program of its own.
    Walrus,
}

impl EngineKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Embedded, Self::WalG, Self::Walrus];

    /// The name in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::WalG => "wal-g",
            Self::Walrus => "walrus",
        }
    }

    /// Whether its code is `walrus`, wherever that runs.
    #[must_use]
    pub const fn is_walrus(self) -> bool {
        matches!(self, Self::Embedded | Self::Walrus)
    }
}

impl FromStr for EngineKind {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == value)
            .ok_or_else(|| Error::Engine(value.to_owned()))
    }
}

impl TryFrom<String> for EngineKind {
    type Error = Error;
    fn try_from(value: String) -> Result<Self> {
        value.parse()
    }
}

impl From<EngineKind> for String {
    fn from(kind: EngineKind) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
