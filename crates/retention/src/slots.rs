//! Filling slots: exclusive and shared counting.

use chrono::NaiveDateTime;

use crate::period::{self, Tier};
use crate::point::{Point, number};
use crate::policy::{Count, Counting, Policy};

/// One filled slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    pub(crate) point: u32,
    pub(crate) tier: Tier,
    pub(crate) rank: u32,
    pub(crate) how: How,
}

/// In what role a snapshot came to its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// The newest of its period.
    Represents,
    /// The oldest of all, for want of periods.
    Oldest,
}

/// Fills the slots of every tier from `candidates` (numbers of points, newest first), and tells of each.
pub(crate) fn fill(points: &[Point], candidates: &[u32], policy: &Policy, mut tell: impl FnMut(Filled)) {
    let mut taken = match policy.counting() {
        Counting::Exclusive => Taken::Once(vec![false; candidates.len()]),
        Counting::Shared => Taken::Often,
    };
    for (tier, count) in policy.counts().used() {
        fill_tier(points, candidates, policy, tier, count, &mut taken, &mut tell);
    }
}

/// Which candidates are no longer to be had.
enum Taken {
    /// A snapshot fills one tier only.
    Once(Vec<bool>),
    /// A snapshot may fill every tier.
    Often,
}

impl Taken {
    fn is_free(&self, place: usize) -> bool {
        match self {
            Self::Once(taken) => !taken[place],
            Self::Often => true,
        }
    }

    fn take(&mut self, place: usize) {
        if let Self::Once(taken) = self {
            taken[place] = true;
        }
    }
}

fn fill_tier(
    points: &[Point],
    candidates: &[u32],
    policy: &Policy,
    tier: Tier,
    count: Count,
    taken: &mut Taken,
    tell: &mut impl FnMut(Filled),
) {
    let wall_clock = |point: u32| period::wall_clock(policy.time_zone(), points[point as usize].time);
    let mut periods = Periods::new(tier);
    let mut rank = 0;
    for (place, &point) in candidates.iter().enumerate() {
        if count.is_filled_by(rank) {
            return;
        }
        let at = wall_clock(point);
        let how = if periods.begins_with(at) {
            How::Represents
        } else if place + 1 == candidates.len() && wants_oldest(policy.counting(), count) {
            How::Oldest
        } else {
            continue;
        };
        // A period whose representative fills a finer tier counts as seen, not as filled.
        if taken.is_free(place) {
            taken.take(place);
            rank += 1;
            tell(Filled { point, tier, rank, how });
        }
    }
}

/// With unlimited slots Borg has no oldest rule, restic does.
fn wants_oldest(counting: Counting, count: Count) -> bool {
    match (counting, count) {
        (_, Count::None) | (Counting::Exclusive, Count::All) => false,
        (_, Count::Keep(_)) | (Counting::Shared, Count::All) => true,
    }
}

/// Tells the first snapshot of each period of a tier, going from the newest to the oldest.
///
/// Periods mostly only get earlier. But where clocks go back, the wall clock shows an hour, or even a date, twice with
/// another between; each still counts once.
pub(crate) struct Periods {
    tier: Tier,
    /// The earliest periods seen, at most as many as a clock change may jump over.
    seen: Vec<i64>,
    earliest: i64,
}

impl Periods {
    /// Clocks have gone back by a day at most, which is 24 of the finest periods.
    const JUMP: i64 = 26;

    pub(crate) fn new(tier: Tier) -> Self {
        Self { tier, seen: Vec::new(), earliest: i64::MAX }
    }

    /// Whether this one is the first seen of its period.
    pub(crate) fn begins_with(&mut self, at: NaiveDateTime) -> bool {
        if self.tier == Tier::Last {
            return true;
        }
        let period = period::number(self.tier, at);
        if period < self.earliest {
            self.earliest = period;
            self.seen.retain(|seen| seen - period < Self::JUMP);
        } else if self.seen.contains(&period) {
            return false;
        }
        self.seen.push(period);
        true
    }
}

/// The numbers of the points that may fill slots, newest first.
pub(crate) fn numbers_where(points: &[Point], wanted: impl Fn(usize) -> bool) -> Vec<u32> {
    (0..points.len()).filter(|&at| wanted(at)).map(number).collect()
}
