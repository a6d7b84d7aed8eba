//! Why a snapshot is kept or not, and what would have to change.

use std::fmt::{self, Display};

use chrono::{DateTime, TimeDelta, Utc};

use crate::decide::{self, Moments};
use crate::period::Tier;
use crate::plan::{Decision, Outcome, Plan};
use crate::point::{Link, Point};
use crate::policy::{Count, Counts};
use crate::reason::Reason;
use crate::slots;
use crate::snapshot::Kind;

/// The full answer on one snapshot.
#[derive(Debug, Clone)]
pub struct Explanation<'p, Id> {
    decision: Decision<'p, Id>,
    endings: Vec<(Reason, Ending)>,
    remedies: Vec<Remedy>,
}

/// What would end a reason to keep a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// So many newer snapshots in slots of this tier.
    NewerSlots {
        /// The tier.
        tier: Tier,
        /// How many.
        count: u32,
    },
    /// The tier has no limit: only another policy.
    OtherPolicy,
    /// Time alone: the reason holds up to this moment.
    After(DateTime<Utc>),
    /// A newer restorable snapshot.
    NewerRestorable,
    /// A newer verified snapshot.
    NewerVerified,
    /// A newer restorable snapshot that leaves the window.
    NewerAnchor,
    /// Taking the pin away.
    Unpin,
    /// That the snapshot of this row goes, and every other one that needs it.
    ChildGoes(usize),
}

/// What would keep a snapshot that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// So many slots in this tier.
    RaiseCount {
        /// The tier.
        tier: Tier,
        /// The least count that keeps it.
        to: u32,
    },
    /// A recovery window at least this long.
    WidenWindow(TimeDelta),
    /// A pin.
    Pin,
}

impl Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerSlots { tier, count: 1 } => write!(f, "one newer {tier} slot is filled"),
            Self::NewerSlots { tier, count } => write!(f, "{count} newer {tier} slots are filled"),
            Self::OtherPolicy => f.write_str("the policy changes"),
            Self::After(time) => write!(f, "{} has passed", time.format("%Y-%m-%dT%H:%M:%SZ")),
            Self::NewerRestorable => f.write_str("a newer restorable snapshot exists"),
            Self::NewerVerified => f.write_str("a newer verified snapshot exists"),
            Self::NewerAnchor => f.write_str("a newer restorable snapshot has left the recovery window"),
            Self::Unpin => f.write_str("its pin is taken away"),
            Self::ChildGoes(row) => write!(f, "row {} no longer needs it", row + 1),
        }
    }
}

impl Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RaiseCount { tier, to } => write!(f, "{to} {tier}"),
            Self::WidenWindow(to) if to.num_days() < 2 => {
                write!(f, "a recovery window of {} hours", to.num_hours() + 1)
            }
            Self::WidenWindow(to) => write!(f, "a recovery window of {} days", to.num_days() + 1),
            Self::Pin => f.write_str("a pin"),
        }
    }
}

impl<'p, Id> Explanation<'p, Id> {
    /// What was decided.
    #[must_use]
    pub fn decision(&self) -> Decision<'p, Id> {
        self.decision
    }

    /// For a kept one: each reason, and what would end it. It goes when all have ended.
    #[must_use]
    pub fn endings(&self) -> &[(Reason, Ending)] {
        &self.endings
    }

    /// What would end a reason, for a person, with ids in place of rows.
    #[must_use]
    pub fn say_ending(&self, ending: Ending) -> String
    where
        Id: Display,
    {
        match ending {
            Ending::ChildGoes(row) => {
                format!("{} no longer needs it", self.decision.plan().snapshots()[row].id())
            }
            other => other.to_string(),
        }
    }

    /// For one that goes: what would keep it, each alone.
    #[must_use]
    pub fn remedies(&self) -> &[Remedy] {
        &self.remedies
    }
}

/// Explains the decision on one row of a plan.
///
/// ```
/// use chrono::TimeDelta;
/// use retention::{Counts, Policy, Remedy, Snapshot, Tier, explain, plan};
///
/// let policy = Policy::new(Counts::default().daily(1))?.with_recovery_window(TimeDelta::zero())?;
/// let plan = plan(
///     [
///         Snapshot::full("monday", "2026-11-23T02:00:00Z".parse().unwrap()),
///         Snapshot::full("tuesday", "2026-11-24T02:00:00Z".parse().unwrap()),
///     ],
///     &policy,
///     "2026-11-24T12:00:00Z".parse().unwrap(),
/// )?;
/// let monday = explain(&plan, 0);
/// assert!(monday.remedies().contains(&Remedy::RaiseCount { tier: Tier::Daily, to: 2 }));
/// # Ok::<(), retention::Error>(())
/// ```
///
/// # Panics
///
/// When the plan has no such row.
#[must_use]
pub fn explain<Id>(plan: &Plan<Id>, row: usize) -> Explanation<'_, Id> {
    let decision = plan.decision(row);
    let endings = decision.reasons().map(|reason| (reason, ending(&decision, reason))).collect();
    let remedies = if decision.outcome() == Outcome::Keep { Vec::new() } else { remedies(&decision) };
    Explanation { decision, endings, remedies }
}

fn ending<Id>(decision: &Decision<'_, Id>, reason: Reason) -> Ending {
    let (policy, time) = (decision.plan().policy(), decision.snapshot().time());
    let after = |length| Ending::After(time.checked_add_signed(length).unwrap_or(DateTime::<Utc>::MAX_UTC));
    match reason {
        Reason::Slot { tier, rank, .. } | Reason::Oldest { tier, rank, .. } => {
            match policy.counts().get(tier) {
                Count::Keep(n) => Ending::NewerSlots { tier, count: (n.get() + 1).saturating_sub(rank) },
                Count::All | Count::None => Ending::OtherPolicy,
            }
        }
        Reason::InWindow => after(policy.recovery_window()),
        Reason::Suspect => after(policy.recovery_window().max(policy.incomplete_grace())),
        Reason::IncompleteRecent => after(policy.incomplete_grace()),
        Reason::Future => Ending::After(time),
        Reason::Anchor => Ending::NewerAnchor,
        Reason::ParentOfKept { child } => Ending::ChildGoes(child),
        Reason::LastVerified => Ending::NewerVerified,
        Reason::Newest => Ending::NewerRestorable,
        Reason::Pinned => Ending::Unpin,
    }
}

fn remedies<Id>(decision: &Decision<'_, Id>) -> Vec<Remedy> {
    let plan = decision.plan();
    let snapshot = decision.snapshot();
    let mut remedies = count_remedies(decision);
    if snapshot.is_complete() {
        let age = plan.now().signed_duration_since(snapshot.time());
        // A window of no length is none.
        remedies.push(Remedy::WidenWindow(age.max(TimeDelta::seconds(1))));
    }
    remedies.push(Remedy::Pin);
    remedies
}

/// For each tier the least count that keeps it: its rank when that tier alone has no limit.
fn count_remedies<Id>(decision: &Decision<'_, Id>) -> Vec<Remedy> {
    let plan = decision.plan();
    let moments = Moments::of(plan.policy(), plan.now());
    let Some(rows) = plan.groups().find(|rows| rows.iter().any(|&row| row as usize == decision.row())) else {
        return Vec::new();
    };
    let point = |&row: &u32| {
        let snapshot = &plan.snapshots()[row as usize];
        let link = if snapshot.kind() == Kind::Full { Link::Full } else { Link::Missing };
        Point::new(snapshot.time(), link, snapshot.marks())
    };
    let points: Vec<Point> = rows.iter().map(point).collect();
    let candidates = decide::candidates(&points, &moments);
    let is_this = |at: u32| rows[at as usize] as usize == decision.row();
    if !candidates.iter().any(|&at| is_this(at)) {
        return Vec::new();
    }
    let least = |tier| {
        let counts: Counts = plan.policy().counts().with(tier, Count::All);
        let policy = plan.policy().clone().with_counts(counts).ok()?;
        let mut rank = None;
        slots::fill(&points, &candidates, &policy, |filled| {
            if filled.tier == tier && is_this(filled.point) {
                rank.get_or_insert(filled.rank);
            }
        });
        Some(Remedy::RaiseCount { tier, to: rank? })
    };
    Tier::ALL.into_iter().filter_map(least).collect()
}

impl<Id: Display> Display for Explanation<'_, Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = &self.decision;
        let id = decision.snapshot().id();
        match decision.outcome() {
            Outcome::Keep => {
                write!(f, "{id} is kept")?;
                for (reason, ending) in &self.endings {
                    let ending = self.say_ending(*ending);
                    write!(f, "\n  {}: {}; until {ending}", reason.rule(), decision.say(*reason))?;
                }
                return Ok(());
            }
            Outcome::Drop => write!(f, "{id} goes")?,
            Outcome::ExpiredLocked { until } => write!(f, "{id} has expired, and is locked until {until}")?,
        }
        if let Some(reason) = decision.drop_reason() {
            write!(f, ": {}", decision.say_drop(reason))?;
        }
        f.write_str("\n  would be kept by ")?;
        for (at, remedy) in self.remedies.iter().enumerate() {
            let between = if at == 0 { "" } else { ", or " };
            write!(f, "{between}{remedy}")?;
        }
        Ok(())
    }
}
