//! A plan: every snapshot kept or let go, each with its reasons.

use std::fmt::Display;
use std::hash::Hash;

use chrono::{DateTime, Utc};

use crate::decide::{self, Ruling};
use crate::error::Error;
use crate::found::{Found, Gone};
use crate::period::Tier;
use crate::point::{Chain, Place};
use crate::policy::Policy;
use crate::reason::{DropReason, Reason};
use crate::snapshot::Snapshot;
use crate::sort::{Sorted, sorted};

/// Decides on every snapshot. The same snapshots in any order, the same policy and the same `now` give the same plan.
///
/// Time: one sort, and each snapshot, chain link and lock a fixed number of times.
pub fn plan<Id: Ord + Hash + Display>(
    snapshots: impl IntoIterator<Item = Snapshot<Id>>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Plan<Id>, Error> {
    Plan::new(snapshots.into_iter().collect(), policy, now)
}

/// What is to become of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
    /// The policy lets it go, an object lock does not.
    ExpiredLocked {
        /// Until when.
        until: DateTime<Utc>,
    },
}

/// How many snapshots have which outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// They stay.
    pub kept: usize,
    /// They go.
    pub dropped: usize,
    /// The policy lets them go, a lock does not.
    pub blocked_by_lock: usize,
}

/// A plan over snapshots, which it holds in the order in which they were given: row `i` is the `i`th of them.
#[derive(Debug, Clone)]
pub struct Plan<Id> {
    snapshots: Vec<Snapshot<Id>>,
    verdicts: Vec<Verdict>,
    /// The row that each row needs.
    parents: Vec<Option<Place>>,
    /// The reasons of all rows, one after the other.
    reasons: Vec<Found>,
    /// Rows by group, newest first.
    order: Vec<u32>,
    policy: Policy,
    now: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy)]
struct Verdict {
    chain: Chain,
    drop: Option<Gone>,
    /// Where its reasons begin; they end where the next row's begin.
    reasons: u32,
}

impl<Id: Ord + Hash + Display> Plan<Id> {
    fn new(snapshots: Vec<Snapshot<Id>>, policy: &Policy, now: DateTime<Utc>) -> Result<Self, Error> {
        // A row may have a dozen reasons, and those are numbered too.
        if snapshots.len() > (u32::MAX / 16) as usize {
            return Err(Error::TooMany { count: snapshots.len() });
        }
        let Sorted { order, points, parents, groups } = sorted(&snapshots, now)?;
        let mut ruling = Ruling {
            chains: Vec::with_capacity(points.len()),
            drops: Vec::with_capacity(points.len()),
            reasons: Vec::new(),
        };
        let mut begin = 0;
        for count in groups {
            let group = begin..begin + count;
            begin += count;
            let told = ruling.reasons.len();
            decide::decide(&points[group.clone()], policy, now, &mut ruling);
            name_rows(&mut ruling, group.start, told, &order[group]);
        }
        drop(points);
        let Ruling { chains, drops, reasons } = ruling;
        let mut verdicts = vec![Verdict { chain: Chain::Whole, drop: None, reasons: 0 }; snapshots.len()];
        for ((chain, drop), &row) in chains.into_iter().zip(drops).zip(&order) {
            verdicts[row as usize] = Verdict { chain, drop, reasons: 0 };
        }
        let reasons = by_row(&reasons, &mut verdicts);
        Ok(Self { snapshots, verdicts, parents, reasons, order, policy: policy.clone(), now })
    }
}

/// Turns numbers of points into rows, in what was decided on a group's `rows`.
fn name_rows(ruling: &mut Ruling, first_drop: usize, first_reason: usize, rows: &[u32]) {
    for drop in ruling.drops[first_drop..].iter_mut().flatten() {
        *drop = drop.in_rows(rows);
    }
    for (point, reason) in &mut ruling.reasons[first_reason..] {
        *point = rows[*point as usize];
        *reason = reason.in_rows(rows);
    }
}

/// Puts the reasons of each row together, in the order in which they were found.
fn by_row(found: &[(u32, Found)], verdicts: &mut [Verdict]) -> Vec<Found> {
    for (row, _) in found {
        verdicts[*row as usize].reasons += 1;
    }
    let mut begin = 0;
    for verdict in verdicts.iter_mut() {
        let count = verdict.reasons;
        verdict.reasons = begin;
        begin += count;
    }
    // `Found::Pinned` only fills the places until the real ones are in.
    let mut reasons = vec![Found::Pinned; found.len()];
    for (row, reason) in found {
        let next = &mut verdicts[*row as usize].reasons;
        reasons[*next as usize] = *reason;
        *next += 1;
    }
    // Each begin has moved to its end, which is the next one's begin.
    let mut begin = 0;
    for verdict in verdicts {
        begin = std::mem::replace(&mut verdict.reasons, begin);
    }
    reasons
}

impl<Id> Plan<Id> {
    /// The decisions, in the order of the input.
    #[must_use]
    pub fn decisions(&self) -> impl ExactSizeIterator<Item = Decision<'_, Id>> {
        (0..self.snapshots.len()).map(|row| Decision { plan: self, row })
    }

    /// The decision on row `row` of the input.
    ///
    /// # Panics
    ///
    /// When the input had no such row.
    #[must_use]
    pub fn decision(&self, row: usize) -> Decision<'_, Id> {
        assert!(row < self.snapshots.len(), "row {row} of {}", self.snapshots.len());
        Decision { plan: self, row }
    }

    /// The row of a snapshot.
    #[must_use]
    pub fn find(&self, group: &str, id: &Id) -> Option<usize>
    where
        Id: Eq,
    {
        self.snapshots.iter().position(|snapshot| snapshot.id() == id && snapshot.group() == group)
    }

    /// What cannot be restored, for a report: interrupted ones, and orphans.
    pub fn unrestorable(&self) -> impl Iterator<Item = Decision<'_, Id>> {
        self.decisions().filter(|decision| !decision.chain().is_restorable())
    }

    /// What is to be deleted, in the order in which that may be interrupted anywhere: a delta goes before what it needs.
    #[must_use]
    pub fn deletions(&self) -> Vec<Decision<'_, Id>> {
        let goes = |row: u32| self.decision(row as usize).outcome() == Outcome::Drop;
        self.children_first(goes).into_iter().map(|row| self.decision(row as usize)).collect()
    }

    /// The wanted rows, each before the one that it needs, else in order.
    pub(crate) fn children_first(&self, wanted: impl Fn(u32) -> bool) -> Vec<u32> {
        let parent = |row: u32| self.parent(row as usize).filter(|&parent| wanted(parent));
        let mut children = vec![0_u32; self.snapshots.len()];
        for &row in self.order.iter().filter(|&&row| wanted(row)) {
            if let Some(parent) = parent(row) {
                children[parent as usize] += 1;
            }
        }
        let mut rows = Vec::new();
        let mut placed = vec![false; self.snapshots.len()];
        for &leaf in self.order.iter().filter(|&&row| wanted(row)) {
            let mut next = (children[leaf as usize] == 0 && !placed[leaf as usize]).then_some(leaf);
            while let Some(row) = next {
                placed[row as usize] = true;
                rows.push(row);
                next = parent(row).filter(|&parent| {
                    children[parent as usize] -= 1;
                    children[parent as usize] == 0
                });
            }
        }
        // Rings of parents have no leaf: in any order.
        rows.extend(self.order.iter().filter(|&&row| wanted(row) && !placed[row as usize]));
        rows
    }

    /// The rows of each group, newest first.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        let group = |row: u32| self.snapshots[row as usize].group();
        self.order.chunk_by(move |&a, &b| group(a) == group(b))
    }

    pub(crate) fn parent(&self, row: usize) -> Option<u32> {
        self.parents[row].map(Place::get)
    }

    /// The snapshots that the plan is over, in the order of the input.
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot<Id>] {
        &self.snapshots
    }

    /// The snapshots back.
    #[must_use]
    pub fn into_snapshots(self) -> Vec<Snapshot<Id>> {
        self.snapshots
    }

    /// The policy that it follows.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The time that it was made for.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// How many snapshots have which outcome.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for decision in self.decisions() {
            match decision.outcome() {
                Outcome::Keep => summary.kept += 1,
                Outcome::Drop => summary.dropped += 1,
                Outcome::ExpiredLocked { .. } => summary.blocked_by_lock += 1,
            }
        }
        summary
    }

    /// How many snapshots hold a slot of a tier.
    #[must_use]
    pub fn copies(&self, tier: Tier) -> usize {
        let holds = |reason: &Reason| match reason {
            Reason::Slot { tier: of, .. } | Reason::Oldest { tier: of, .. } => *of == tier,
            _ => false,
        };
        self.decisions().filter(|decision| decision.reasons().any(|reason| holds(&reason))).count()
    }

    /// Rows by group, newest first.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }
}

/// What was decided on one snapshot.
#[derive(Debug)]
pub struct Decision<'p, Id> {
    plan: &'p Plan<Id>,
    row: usize,
}

impl<Id> Clone for Decision<'_, Id> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Id> Copy for Decision<'_, Id> {}

impl<'p, Id> Decision<'p, Id> {
    pub(crate) fn plan(&self) -> &'p Plan<Id> {
        self.plan
    }

    /// Its row in the input, from 0.
    #[must_use]
    pub fn row(&self) -> usize {
        self.row
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &'p Snapshot<Id> {
        &self.plan.snapshots[self.row]
    }

    /// What is to become of it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.is_kept() {
            return Outcome::Keep;
        }
        match self.snapshot().lock() {
            Some(until) if until > self.plan.now => Outcome::ExpiredLocked { until },
            _ => Outcome::Drop,
        }
    }

    /// Whether it stays.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.found().is_empty()
    }

    /// Every reason to keep it; none when the policy lets it go.
    #[must_use]
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = Reason> + Clone + use<'p, Id> {
        let (zone, time) = (self.plan.policy.time_zone(), self.snapshot().time());
        self.found().iter().map(move |found| found.told(zone, time))
    }

    fn found(&self) -> &'p [Found] {
        let begin = self.plan.verdicts[self.row].reasons as usize;
        let end = self
            .plan
            .verdicts
            .get(self.row + 1)
            .map_or(self.plan.reasons.len(), |next| next.reasons as usize);
        &self.plan.reasons[begin..end]
    }

    /// Why the policy lets it go, when it does.
    #[must_use]
    pub fn drop_reason(&self) -> Option<DropReason> {
        self.plan.verdicts[self.row].drop.map(Gone::told)
    }

    /// Whether it can be restored: it and everything it needs are there.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.plan.verdicts[self.row].chain
    }
}

impl<Id: Display> Decision<'_, Id> {
    /// A reason in words, other snapshots named by their ids.
    #[must_use]
    pub fn say(&self, reason: Reason) -> String {
        match reason {
            Reason::ParentOfKept { child } => format!("{} needs it", self.plan.snapshots[child].id()),
            other => other.to_string(),
        }
    }

    /// Why it is let go in words, other snapshots named by their ids.
    #[must_use]
    pub fn say_drop(&self, reason: DropReason) -> String {
        match reason {
            DropReason::Displaced { tier, by } => {
                format!("{} holds its {tier} slot", self.plan.snapshots[by].id())
            }
            other => other.to_string(),
        }
    }
}
