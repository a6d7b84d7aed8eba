//! Reasons in the form in which a plan holds them: a third of the size of those that it tells of.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::period::{self, Tier};
use crate::point::Chain;
use crate::reason::{DropReason, Reason};

/// A reason to keep a snapshot. The slot is left out: it follows from the tier and the snapshot's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Slot { tier: Tier, rank: u32 },
    Oldest { tier: Tier, rank: u32 },
    InWindow,
    Anchor,
    ParentOfKept { child: u32 },
    LastVerified,
    Pinned,
    Newest,
    IncompleteRecent,
    Suspect,
    Future,
}

impl Found {
    /// With the row of another snapshot where it had its number.
    pub(crate) fn in_rows(self, rows: &[u32]) -> Self {
        match self {
            Self::ParentOfKept { child } => Self::ParentOfKept { child: rows[child as usize] },
            other => other,
        }
    }

    /// The reason that it is for a snapshot of this time.
    pub(crate) fn told(self, zone: Tz, time: DateTime<Utc>) -> Reason {
        let slot = |tier| period::slot(tier, period::wall_clock(zone, time));
        match self {
            Self::Slot { tier, rank } => Reason::Slot { tier, slot: slot(tier), rank },
            Self::Oldest { tier, rank } => Reason::Oldest { tier, slot: slot(tier), rank },
            Self::InWindow => Reason::InWindow,
            Self::Anchor => Reason::Anchor,
            Self::ParentOfKept { child } => Reason::ParentOfKept { child: child as usize },
            Self::LastVerified => Reason::LastVerified,
            Self::Pinned => Reason::Pinned,
            Self::Newest => Reason::Newest,
            Self::IncompleteRecent => Reason::IncompleteRecent,
            Self::Suspect => Reason::Suspect,
            Self::Future => Reason::Future,
        }
    }
}

/// A reason to let a snapshot go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Displaced { tier: Tier, by: u32 },
    BeyondCounts { tier: Tier },
    DeltaBehindWindow,
    Incomplete,
    Suspect,
    Unrestorable(Chain),
}

impl Gone {
    /// With the row of another snapshot where it had its number.
    pub(crate) fn in_rows(self, rows: &[u32]) -> Self {
        match self {
            Self::Displaced { tier, by } => Self::Displaced { tier, by: rows[by as usize] },
            other => other,
        }
    }

    pub(crate) fn told(self) -> DropReason {
        match self {
            Self::Displaced { tier, by } => DropReason::Displaced { tier, by: by as usize },
            Self::BeyondCounts { tier } => DropReason::BeyondCounts { tier },
            Self::DeltaBehindWindow => DropReason::DeltaBehindWindow,
            Self::Incomplete => DropReason::Incomplete,
            Self::Suspect => DropReason::Suspect,
            Self::Unrestorable(chain) => DropReason::Unrestorable(chain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_of_them_stay_small() {
        assert_eq!(size_of::<Found>(), 8);
        assert_eq!(size_of::<Option<Gone>>(), 8);
    }
}
