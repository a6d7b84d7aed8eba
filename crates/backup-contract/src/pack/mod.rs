//! Add-on packs: compose fragments that make an app fit its profile.
//!
//! A fragment adds services, volumes and networks to a project and overrides none. It is text for people: comments say
//! why each thing is as it is. The same parameters always give the same text, and the text holds no secret.
//!
//! ```
//! use backup_contract::pack::{Pack, SupabaseWalg};
//!
//! let mut walg = SupabaseWalg::default();
//! walg.image = "supabase/postgres:15.8.1.085".parse()?;
//! let fragment = walg.render();
//! assert!(fragment.contains("supabase-walg-backup:"));
//!
//! assert_eq!("databasus".parse::<Pack>()?, Pack::Databasus);
//! assert!("supabase/postgres:latest".parse::<backup_contract::pack::PinnedImage>().is_err());
//! # Ok::<(), backup_contract::pack::PackError>(())
//! ```

mod databasus;
mod fit;
mod parameter;
mod set;
mod text;
mod walg;

pub use databasus::{Databasus, Relay};
pub use parameter::{ContainerPath, HostPath, Key, PinnedImage, Prefix, SlotName, Word};
pub use walg::{Data, Receiver, SupabaseWalg};

use std::fmt;
use std::str::FromStr;
use thiserror::Error as ThisError;

/// An add-on pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pack {
    /// Backup, restore and, where it is asked for, a receiver of WAL.
    SupabaseWalg,
    /// Databasus, which nobody reaches from outside.
    Databasus,
}

impl Pack {
    /// Every pack that there is.
    pub const ALL: [Self; 2] = [Self::SupabaseWalg, Self::Databasus];

    /// Its name in profiles and commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SupabaseWalg => "supabase-walg",
            Self::Databasus => "databasus",
        }
    }
}

impl FromStr for Pack {
    type Err = PackError;
    fn from_str(value: &str) -> Result<Self, PackError> {
        Self::ALL
            .into_iter()
            .find(|pack| pack.as_str() == value)
            .ok_or_else(|| PackError::Unknown(value.to_owned()))
    }
}

impl fmt::Display for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A pack, or a parameter of one, that there cannot be.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum PackError {
    /// Not the name of a pack.
    #[error("there is no add-on pack '{0}'")]
    Unknown(String),
    /// Not the name of a parameter of the pack.
    #[error("the add-on pack {pack} has no parameter '{name}'; it has {known}")]
    NoParameter {
        /// The pack.
        pack: Pack,
        /// The rejected name.
        name: String,
        /// Those that it has.
        known: String,
    },
    /// A text that is not what the parameter takes.
    #[error("'{value}' is not {noun}: {reason}")]
    Parameter {
        /// What it was to be.
        noun: &'static str,
        /// The rejected text.
        value: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
}

impl PackError {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "invalid-pack",
            Self::NoParameter { .. } | Self::Parameter { .. } => "invalid-pack-parameter",
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "write 'supabase-walg' or 'databasus'",
            Self::NoParameter { .. } => "write it like image=supabase/postgres:15.8.1.085",
            Self::Parameter { .. } => {
                "fragments are made of plain names, pinned images and whole paths; edit the text for more"
            }
        }
    }
}
