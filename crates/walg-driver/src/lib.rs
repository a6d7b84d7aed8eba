//! Databases in WAL-G compatible buckets: to be made, understood, verified and brought back up.
//!
//! What is here so far understands a bucket: [`bucket`] is its catalogue, [`wal`] its archive, both read from the objects
//! alone, and [`verify`] recognises the bytes of a backup. The names of engines are here too; nothing drives them yet.
//!
//! ```no_run
//! use backup_store::DirStore;
//! use walg_driver::Cipher;
//! use walg_driver::bucket::{Bucket, Root};
//!
//! let store = DirStore::open("/srv/backups/shop")?;
//! let bucket = Bucket::read(&store, &Root::default(), &Cipher::None)?;
//! for backup in &bucket.backups {
//!     let reach = backup.reach.last().map(|reach| reach.end);
//!     println!("{}: restorable {}, up to {reach:?}", backup.id, backup.restorable());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bucket;
mod codec;
mod error;
pub mod verify;
pub mod wal;

pub use codec::{Cipher, Compression, SodiumKey};
pub use error::{Error, Result};

use std::fmt;
use std::str::FromStr;

/// Which program makes and unpacks base backups. All of them speak the same bucket layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// This very binary, run as a process of its own.
    Embedded,
    /// `wal-g`, the reference.
    WalG,
    /// `walrus`, which interoperates with it.
    Walrus,
}

impl EngineKind {
    /// The engine's name in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::WalG => "wal-g",
            Self::Walrus => "walrus",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the name of an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an engine; there are 'embedded', 'wal-g' and 'walrus'")]
pub struct UnknownEngine(String);

impl FromStr for EngineKind {
    type Err = UnknownEngine;
    fn from_str(name: &str) -> std::result::Result<Self, UnknownEngine> {
        [Self::Embedded, Self::WalG, Self::Walrus]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownEngine(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for kind in [EngineKind::Embedded, EngineKind::WalG, EngineKind::Walrus] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("pgbackrest".parse::<EngineKind>().is_err());
    }
}
