use backup_store::Key;
use std::fmt;

/// Something that is wrong with a chain, or with its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrailFinding {
    /// A line, or a copy, that is no entry at all.
    Malformed {
        /// The entry that should be there.
        sequence: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The entry's bytes are not those of its digest.
    Changed {
        /// The entry that should be there.
        sequence: u64,
    },
    /// The entry is not chained to the one that is before it: one of them was exchanged.
    Unlinked {
        /// The later of the two.
        sequence: u64,
    },
    /// Entries are gone from the middle.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The entry stands behind later ones.
    Reordered {
        /// The entry.
        sequence: u64,
    },
    /// The entry stands there twice.
    Duplicated {
        /// The entry.
        sequence: u64,
    },
    /// The entry belongs to another chain.
    Foreign {
        /// The entry that should be there.
        sequence: u64,
        /// The chain that it belongs to: `<context>/<writer>`.
        chain: String,
    },
    /// A newer program wrote the entry; it was checked by its digest only.
    Newer {
        /// The entry.
        sequence: u64,
        /// The version of its format.
        version: u64,
    },
    /// The file ends in the middle of a line, as after a crash. The next append sets it aside and says so.
    TornTail {
        /// The entry that was begun.
        sequence: u64,
        /// How much of it there is, in bytes.
        bytes: u64,
    },
    /// The store holds later entries than the file: its end was cut off.
    Truncated {
        /// The last entry of the file.
        local: u64,
        /// The last copy in the store.
        stored: u64,
    },
    /// The store holds copies, and there is no file, or an empty one.
    Removed {
        /// The last copy in the store.
        stored: u64,
    },
    /// The copy is not the entry: the file was written anew, or the copy was.
    CopyDiffers {
        /// The entry.
        sequence: u64,
    },
    /// Copies are gone from the store, although later ones are there.
    CopyMissing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A copy lies under the number of another.
    CopyMisplaced {
        /// The number that its key has.
        sequence: u64,
        /// The number that the entry has.
        found: u64,
    },
    /// An object among the copies that is none.
    Stray {
        /// The object.
        key: Key,
    },
}

impl TrailFinding {
    /// The entry that it is about, or the first of them; `None` for an object that is no copy.
    #[must_use]
    pub const fn sequence(&self) -> Option<u64> {
        match self {
            Self::Malformed { sequence, .. }
            | Self::Changed { sequence }
            | Self::Unlinked { sequence }
            | Self::Missing { from: sequence, .. }
            | Self::Reordered { sequence }
            | Self::Duplicated { sequence }
            | Self::Foreign { sequence, .. }
            | Self::Newer { sequence, .. }
            | Self::TornTail { sequence, .. }
            | Self::CopyDiffers { sequence }
            | Self::CopyMissing { from: sequence, .. }
            | Self::CopyMisplaced { sequence, .. } => Some(*sequence),
            Self::Truncated { local, .. } => Some(local.saturating_add(1)),
            Self::Removed { .. } => Some(1),
            Self::Stray { .. } => None,
        }
    }

    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "trail-malformed",
            Self::Changed { .. } => "trail-changed",
            Self::Unlinked { .. } => "trail-unlinked",
            Self::Missing { .. } => "trail-missing",
            Self::Reordered { .. } => "trail-reordered",
            Self::Duplicated { .. } => "trail-duplicated",
            Self::Foreign { .. } => "trail-foreign",
            Self::Newer { .. } => "trail-newer",
            Self::TornTail { .. } => "trail-torn",
            Self::Truncated { .. } => "trail-truncated",
            Self::Removed { .. } => "trail-removed",
            Self::CopyDiffers { .. } => "trail-copy-differs",
            Self::CopyMissing { .. } => "trail-copy-missing",
            Self::CopyMisplaced { .. } => "trail-copy-misplaced",
            Self::Stray { .. } => "trail-stray",
        }
    }

    /// Whether a crash or a newer program explains it, so that nobody need have tampered.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::TornTail { .. } | Self::Newer { .. })
    }
}

impl fmt::Display for TrailFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |f: &mut fmt::Formatter<'_>, what: &str, from: u64, to: u64, rest: &str| {
            if from == to {
                write!(f, "{what} {from} is {rest}")
            } else {
                write!(f, "{what} {from} to {to} are {rest}")
            }
        };
        match self {
            Self::Malformed { sequence, reason } => {
                write!(f, "where entry {sequence} should be is no entry: {reason}")
            }
            Self::Changed { sequence } => write!(f, "entry {sequence} was changed: its digest is another"),
            Self::Unlinked { sequence } => {
                write!(f, "entry {sequence} is not chained to the entry before it: one was exchanged")
            }
            Self::Missing { from, to } => range(f, "entry", *from, *to, "missing"),
            Self::Reordered { sequence } => write!(f, "entry {sequence} stands behind later ones"),
            Self::Duplicated { sequence } => write!(f, "entry {sequence} stands there twice"),
            Self::Foreign { sequence, chain } => {
                write!(f, "where entry {sequence} should be is one of the chain {chain}")
            }
            Self::Newer { sequence, version } => {
                write!(f, "entry {sequence} has the newer format version {version}")
            }
            Self::TornTail { sequence, bytes } => {
                write!(f, "entry {sequence} was begun and not finished ({bytes} bytes)")
            }
            Self::Truncated { local, stored } => {
                write!(f, "the trail ends at entry {local}, but the store has copies up to {stored}")
            }
            Self::Removed { stored } => {
                write!(f, "the trail is gone, but the store has copies up to {stored}")
            }
            Self::CopyDiffers { sequence } => write!(f, "the store's copy of entry {sequence} is another"),
            Self::CopyMissing { from, to } => range(f, "the copy of entry", *from, *to, "missing"),
            Self::CopyMisplaced { sequence, found } => {
                write!(f, "the store's copy {sequence} holds entry {found}")
            }
            Self::Stray { key } => write!(f, "'{key}' is no copy of an entry"),
        }
    }
}
