//! Until when object locks have to last.

use chrono::{DateTime, TimeDelta, Utc};

use crate::decide::Moments;
use crate::period;
use crate::plan::{Decision, Outcome, Plan};
use crate::policy::Count;
use crate::reason::{Reason, Rule};

/// How locks are to be set.
///
/// The promise: when [`lock_horizons`] is asked, and followed, at least once every `margin`, then no snapshot is without
/// a lock while the policy keeps it. A lock also covers what is left of the snapshot's time in its tier, less one period of
/// the tier at most, so that a host that is lost, or taken over, leaves its snapshots locked about as long as the policy
/// meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locking {
    /// Added to every lock; longer than the longest time between two runs.
    pub margin: TimeDelta,
    /// How far ahead a lock reaches where the policy sets no end: pinned snapshots, tiers without a limit.
    pub open_ended: TimeDelta,
}

impl Default for Locking {
    /// A margin of 3 days, and 30 days where there is no end.
    fn default() -> Self {
        Self { margin: TimeDelta::days(3), open_ended: TimeDelta::days(30) }
    }
}

/// Until when one snapshot's lock has to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LockHorizon {
    /// Never before the lock that it has: locks are not shortened.
    pub until: DateTime<Utc>,
    /// The rule that asks for the most.
    pub rule: Rule,
    /// What is to be done.
    pub step: LockStep,
}

/// What is to be done to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum LockStep {
    /// It has none, or one that has run out.
    Set,
    /// It has one that ends too early.
    Extend,
    /// It has one that lasts.
    Enough,
}

/// Until when each row of the plan has to be locked; none for what the policy lets go.
///
/// A new snapshot is locked for the tier that it fills first. When it moves on to a coarser tier, the next asking extends
/// the lock. With shared counting, where a new snapshot fills its week and month at once, a coarser tier counts from the
/// end of that period on: before, any newer snapshot takes its place.
#[must_use]
pub fn lock_horizons<Id>(plan: &Plan<Id>, locking: &Locking) -> Vec<Option<LockHorizon>> {
    let mut needs: Vec<Option<(DateTime<Utc>, Rule)>> =
        plan.decisions().map(|decision| own_need(&decision, locking)).collect();
    add_anchors(plan, locking, &mut needs);
    // Children first, so that one step carries what all of them need.
    for row in plan.children_first(|_| true) {
        let of_child = match plan.decision(row as usize).outcome() {
            Outcome::Keep => needs[row as usize].map(|(until, _)| until),
            Outcome::ExpiredLocked { until } => Some(until),
            Outcome::Drop => None,
        };
        if let (Some(until), Some(parent)) = (of_child, plan.parent(row as usize)) {
            raise(&mut needs[parent as usize], until, Rule::ParentOfKept);
        }
    }
    let horizon = |(row, need): (usize, Option<(DateTime<Utc>, Rule)>)| {
        need.map(|(until, rule)| {
            horizon(add(until, locking.margin), rule, plan.snapshots()[row].lock(), plan.now())
        })
    };
    needs.into_iter().enumerate().map(horizon).collect()
}

/// The lock of one row: what [`lock_horizons`] says of it. Ask for all rows at once where more than one is wanted.
///
/// ```
/// use chrono::TimeDelta;
/// use retention::{LockStep, Locking, Policy, Snapshot, lock_horizon, plan};
///
/// let now = "2026-11-24T02:00:00Z".parse().unwrap();
/// let policy = Policy::baseline().with_recovery_window(TimeDelta::zero())?;
/// let plan = plan([Snapshot::full("new", now)], &policy, now)?;
/// let horizon = lock_horizon(&plan, 0, &Locking::default()).unwrap();
/// // Seven days for the daily tier, three of margin.
/// assert_eq!(horizon.until.to_rfc3339(), "2026-12-04T00:00:00+00:00");
/// assert_eq!(horizon.step, LockStep::Set);
/// # Ok::<(), retention::Error>(())
/// ```
#[must_use]
pub fn lock_horizon<Id>(plan: &Plan<Id>, row: usize, locking: &Locking) -> Option<LockHorizon> {
    lock_horizons(plan, locking).get(row).copied().flatten()
}

fn horizon(until: DateTime<Utc>, rule: Rule, lock: Option<DateTime<Utc>>, now: DateTime<Utc>) -> LockHorizon {
    match lock {
        Some(lock) if lock >= until => LockHorizon { until: lock, rule, step: LockStep::Enough },
        Some(lock) if lock > now => LockHorizon { until, rule, step: LockStep::Extend },
        _ => LockHorizon { until, rule, step: LockStep::Set },
    }
}

fn add(time: DateTime<Utc>, length: TimeDelta) -> DateTime<Utc> {
    time.checked_add_signed(length).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn raise(need: &mut Option<(DateTime<Utc>, Rule)>, until: DateTime<Utc>, rule: Rule) {
    if need.is_none_or(|(now, _)| now < until) {
        *need = Some((until, rule));
    }
}

/// What the snapshot needs for its own sake, parents and anchors aside.
fn own_need<Id>(decision: &Decision<'_, Id>, locking: &Locking) -> Option<(DateTime<Utc>, Rule)> {
    let plan = decision.plan();
    let (policy, now) = (plan.policy(), plan.now());
    let time = decision.snapshot().time();
    let mut need = None;
    let mut finest = true;
    for reason in decision.reasons() {
        let until = match reason {
            Reason::Slot { tier, rank, .. } | Reason::Oldest { tier, rank, .. } => {
                let is_over = period::is_over(tier, policy.time_zone(), time, now);
                let counts = std::mem::take(&mut finest) || is_over;
                match policy.counts().get(tier) {
                    _ if !counts => now,
                    Count::Keep(n) => {
                        let ahead = (n.get() + 1).saturating_sub(rank).max(1);
                        period::start_of_later(tier, policy.time_zone(), now, ahead)
                    }
                    Count::All | Count::None => add(now, locking.open_ended),
                }
            }
            Reason::InWindow => add(time, policy.recovery_window()),
            Reason::Suspect => add(time, policy.recovery_window().max(policy.incomplete_grace())),
            Reason::IncompleteRecent => add(time, policy.incomplete_grace()),
            Reason::Pinned => add(now, locking.open_ended),
            Reason::Future => time,
            // The next one of its kind may take these over at any moment.
            Reason::Newest | Reason::LastVerified | Reason::Anchor | Reason::ParentOfKept { .. } => now,
        };
        // A reason that holds now asks for a lock now, even where its time is about to run out.
        raise(&mut need, until.max(now), reason.rule());
    }
    need
}

/// An anchor is needed until the next restorable snapshot leaves the window.
fn add_anchors<Id>(plan: &Plan<Id>, locking: &Locking, needs: &mut [Option<(DateTime<Utc>, Rule)>]) {
    let moments = Moments::of(plan.policy(), plan.now());
    for rows in plan.groups() {
        let mut next = None;
        for &row in rows {
            let decision = plan.decision(row as usize);
            let snapshot = decision.snapshot();
            if decision.reasons().any(|reason| reason == Reason::Anchor) {
                let until = next.map_or_else(
                    || add(plan.now(), locking.open_ended),
                    |next| add(next, plan.policy().recovery_window()),
                );
                raise(&mut needs[row as usize], until, Rule::RecoveryWindow);
            }
            let is_sound = decision.chain().is_restorable() && !snapshot.is_suspect();
            if is_sound && snapshot.time() <= moments.believed {
                next = Some(snapshot.time());
            }
        }
    }
}
