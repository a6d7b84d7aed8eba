//! Why a snapshot is kept, or not: as data. Text is made here too, in `Display`, and nowhere else.

use std::fmt;

use crate::period::{Slot, Tier};
use crate::point::Chain;

/// The name of a rule, as rows and reports write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Rule {
    /// One of the newest.
    Last,
    /// Represents its hour.
    Hourly,
    /// Represents its day.
    Daily,
    /// Represents its ISO week.
    Weekly,
    /// Represents its month.
    Monthly,
    /// Represents its year.
    Yearly,
    /// The oldest there is, while a tier has slots left.
    Oldest,
    /// Lies in the recovery window, or is its anchor.
    RecoveryWindow,
    /// A kept snapshot needs it.
    ParentOfKept,
    /// The newest verified one of its group.
    LastVerified,
    /// Somebody wants it kept.
    Pinned,
    /// The newest restorable one of its group.
    Newest,
    /// Incomplete, and young enough to be still on its way.
    IncompleteRecent,
    /// Suspect, and in the recovery window.
    Suspect,
    /// Dated in the future.
    Future,
}

impl Rule {
    /// The name that rows use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::Oldest => "oldest",
            Self::RecoveryWindow => "recovery-window",
            Self::ParentOfKept => "parent-of-kept",
            Self::LastVerified => "last-verified",
            Self::Pinned => "pinned",
            Self::Newest => "newest",
            Self::IncompleteRecent => "incomplete-recent",
            Self::Suspect => "suspect",
            Self::Future => "future",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Tier> for Rule {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Last => Self::Last,
            Tier::Hourly => Self::Hourly,
            Tier::Daily => Self::Daily,
            Tier::Weekly => Self::Weekly,
            Tier::Monthly => Self::Monthly,
            Tier::Yearly => Self::Yearly,
        }
    }
}

/// One reason to keep a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It fills a slot.
    Slot {
        /// Of this tier.
        tier: Tier,
        /// The period it represents; `last` has none.
        slot: Option<Slot>,
        /// Its place in the tier, 1 for the newest.
        rank: u32,
    },
    /// It is the oldest, and the tier has slots left.
    Oldest {
        /// The tier with slots left.
        tier: Tier,
        /// The period it lies in.
        slot: Option<Slot>,
        /// Its place in the tier.
        rank: u32,
    },
    /// It lies in the recovery window.
    InWindow,
    /// It is the newest restorable one at or before the window's start.
    Anchor,
    /// A kept snapshot needs it.
    ParentOfKept {
        /// The row of the newest kept one that names it as its parent.
        child: usize,
    },
    /// It is the newest verified one of its group.
    LastVerified,
    /// Somebody wants it kept.
    Pinned,
    /// It is the newest restorable one of its group.
    Newest,
    /// It is incomplete, and young enough to be still on its way.
    IncompleteRecent,
    /// It is suspect, and in the recovery window.
    Suspect,
    /// It is dated in the future.
    Future,
}

impl Reason {
    /// The rule by its name.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::Slot { tier, .. } => (*tier).into(),
            Self::Oldest { .. } => Rule::Oldest,
            Self::InWindow | Self::Anchor => Rule::RecoveryWindow,
            Self::ParentOfKept { .. } => Rule::ParentOfKept,
            Self::LastVerified => Rule::LastVerified,
            Self::Pinned => Rule::Pinned,
            Self::Newest => Rule::Newest,
            Self::IncompleteRecent => Rule::IncompleteRecent,
            Self::Suspect => Rule::Suspect,
            Self::Future => Rule::Future,
        }
    }

    /// The slot that it fills.
    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Self::Slot { slot, .. } | Self::Oldest { slot, .. } => *slot,
            _ => None,
        }
    }

    /// Its place in the tier, 1 for the newest.
    #[must_use]
    pub fn rank(&self) -> Option<u32> {
        match self {
            Self::Slot { rank, .. } | Self::Oldest { rank, .. } => Some(*rank),
            _ => None,
        }
    }
}

/// For a person. Rows that it mentions are counted from 1; [`PlanRow`](crate::PlanRow) has the ids.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot { tier, slot: Some(slot), rank } => write!(f, "{tier} {slot}, number {rank}"),
            Self::Slot { tier, slot: None, rank } => write!(f, "{tier}, number {rank}"),
            Self::Oldest { tier, .. } => write!(f, "the oldest, and {tier} has slots left"),
            Self::InWindow => f.write_str("in the recovery window"),
            Self::Anchor => f.write_str("anchor: the recovery window's first moments need it"),
            Self::ParentOfKept { child } => write!(f, "row {} needs it", child + 1),
            Self::LastVerified => f.write_str("the newest verified one"),
            Self::Pinned => f.write_str("pinned"),
            Self::Newest => f.write_str("the newest restorable one"),
            Self::IncompleteRecent => f.write_str("incomplete, may still be on its way"),
            Self::Suspect => f.write_str("suspect, in the recovery window; fills no slot"),
            Self::Future => f.write_str("dated in the future; fills no slot"),
        }
    }
}

/// Why a snapshot is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// A newer one represents every period that it lies in.
    Displaced {
        /// The finest tier of the policy.
        tier: Tier,
        /// The row that represents its period there.
        by: usize,
    },
    /// It represents a period, but newer ones fill all slots.
    BeyondCounts {
        /// The coarsest tier in which it represents one.
        tier: Tier,
    },
    /// A delta: it fills no slot, and lies behind the recovery window.
    DeltaBehindWindow,
    /// Incomplete, and too old to be still on its way.
    Incomplete,
    /// Suspect, and behind the recovery window.
    Suspect,
    /// It lies behind the recovery window and cannot be restored: what it needs is not there.
    Unrestorable(Chain),
}

impl DropReason {
    /// A stable name for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Displaced { .. } => "displaced",
            Self::BeyondCounts { .. } => "beyond-counts",
            Self::DeltaBehindWindow => "delta-behind-window",
            Self::Incomplete => "incomplete",
            Self::Suspect => "suspect",
            Self::Unrestorable(_) => "orphan",
        }
    }
}

/// For a person.
impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Displaced { tier, by } => write!(f, "row {} holds its {tier} slot", by + 1),
            Self::BeyondCounts { tier } => write!(f, "newer ones fill all {tier} slots"),
            Self::DeltaBehindWindow => f.write_str("a delta behind the recovery window"),
            Self::Incomplete => f.write_str("incomplete, and too old to be still on its way"),
            Self::Suspect => f.write_str("suspect, and behind the recovery window"),
            Self::Unrestorable(Chain::Cyclic) => f.write_str("cannot be restored: its parents form a ring"),
            Self::Unrestorable(Chain::ParentIncomplete) => {
                f.write_str("cannot be restored: a parent is incomplete")
            }
            Self::Unrestorable(_) => f.write_str("cannot be restored: a parent is missing"),
        }
    }
}
