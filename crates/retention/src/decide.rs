//! The decision on one group: which of its points are kept, and why.

use chrono::{DateTime, TimeDelta, Utc};

use crate::found::{Found, Gone};
use crate::period::{self, Tier};
use crate::point::{Chain, Link, Point, chains, number};
use crate::policy::Policy;
use crate::slots::{self, How, Periods};
use crate::snapshot::Marks;

/// What was decided on the points of one group after the other. Numbers in reasons are numbers of points.
#[derive(Default)]
pub(crate) struct Ruling {
    /// Whether each point can be restored.
    pub(crate) chains: Vec<Chain>,
    /// Every reason to keep a point; a point without one is let go.
    pub(crate) reasons: Vec<(u32, Found)>,
    /// Why the others are let go.
    pub(crate) drops: Vec<Option<Gone>>,
}

/// The moments that a policy derives from now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    /// The recovery window's first moment; none without a window.
    pub(crate) window_start: Option<DateTime<Utc>>,
    suspect_start: DateTime<Utc>,
    incomplete_start: DateTime<Utc>,
    /// The last moment that is believed.
    pub(crate) believed: DateTime<Utc>,
}

impl Moments {
    pub(crate) fn of(policy: &Policy, now: DateTime<Utc>) -> Self {
        let before = |length| now.checked_sub_signed(length).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let window = policy.recovery_window();
        Self {
            window_start: (window > TimeDelta::zero()).then(|| before(window)),
            // Without a window a suspect one would go at once, before anybody could look at it.
            suspect_start: before(window.max(policy.incomplete_grace())),
            incomplete_start: before(policy.incomplete_grace()),
            believed: now.checked_add_signed(policy.future_tolerance()).unwrap_or(DateTime::<Utc>::MAX_UTC),
        }
    }
}

/// What a point is to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Dated beyond the tolerance.
    Future,
    Incomplete,
    Suspect,
    Sound,
}

fn standing(point: &Point, moments: &Moments) -> Standing {
    if point.time > moments.believed {
        Standing::Future
    } else if point.marks.has(Marks::INCOMPLETE) {
        Standing::Incomplete
    } else if point.marks.has(Marks::SUSPECT) {
        Standing::Suspect
    } else {
        Standing::Sound
    }
}

/// The numbers of the points that may fill slots, newest first: sound full snapshots.
pub(crate) fn candidates(points: &[Point], moments: &Moments) -> Vec<u32> {
    slots::numbers_where(points, |at| is_candidate(&points[at], moments))
}

pub(crate) fn is_candidate(point: &Point, moments: &Moments) -> bool {
    point.link() == Link::Full && standing(point, moments) == Standing::Sound
}

/// Decides on the points of one group, newest first, and adds what it decides to what was decided on others.
pub(crate) fn decide(points: &[Point], policy: &Policy, now: DateTime<Utc>, ruling: &mut Ruling) {
    let moments = Moments::of(policy, now);
    let begin = ruling.chains.len();
    ruling.chains.extend(chains(points));
    let chains = &ruling.chains[begin..];
    let candidates = candidates(points, &moments);
    let mut keep = Keep { kept: vec![false; points.len()], reasons: &mut ruling.reasons };

    slots::fill(points, &candidates, policy, |filled| {
        let (tier, rank) = (filled.tier, filled.rank);
        let reason = match filled.how {
            How::Represents => Found::Slot { tier, rank },
            How::Oldest => Found::Oldest { tier, rank },
        };
        keep.add(filled.point as usize, reason);
    });
    keep_by_age(points, &moments, chains, &mut keep);
    keep_last_good(points, &moments, chains, &mut keep);
    for (at, point) in points.iter().enumerate() {
        if point.marks.has(Marks::PINNED) {
            keep.add(at, Found::Pinned);
        }
    }
    keep_parents(points, &mut keep);

    ruling.drops.resize(begin + points.len(), None);
    let drops = &mut ruling.drops[begin..];
    explain_candidates(points, &candidates, policy, &keep.kept, drops);
    for (at, point) in points.iter().enumerate() {
        if !keep.kept[at] && drops[at].is_none() {
            drops[at] = Some(match (standing(point, &moments), chains[at]) {
                (Standing::Incomplete, _) => Gone::Incomplete,
                (_, chain) if !chain.is_restorable() => Gone::Unrestorable(chain),
                (Standing::Suspect, _) => Gone::Suspect,
                (Standing::Sound | Standing::Future, _) => Gone::DeltaBehindWindow,
            });
        }
    }
}

struct Keep<'r> {
    kept: Vec<bool>,
    reasons: &'r mut Vec<(u32, Found)>,
}

impl Keep<'_> {
    fn add(&mut self, at: usize, reason: Found) {
        self.kept[at] = true;
        self.reasons.push((number(at), reason));
    }
}

/// The recovery window and its anchor; the incomplete, the suspect and the future ones.
fn keep_by_age(points: &[Point], moments: &Moments, chains: &[Chain], keep: &mut Keep<'_>) {
    for (at, point) in points.iter().enumerate() {
        let reason = match standing(point, moments) {
            Standing::Future => Some(Found::Future),
            Standing::Incomplete => {
                (point.time > moments.incomplete_start).then_some(Found::IncompleteRecent)
            }
            Standing::Suspect => (point.time >= moments.suspect_start).then_some(Found::Suspect),
            Standing::Sound => {
                moments.window_start.is_some_and(|start| point.time >= start).then_some(Found::InWindow)
            }
        };
        if let Some(reason) = reason {
            keep.add(at, reason);
        }
    }
    let Some(start) = moments.window_start else { return };
    let anchor = (0..points.len()).find(|&at| {
        points[at].time <= start
            && chains[at].is_restorable()
            && standing(&points[at], moments) == Standing::Sound
    });
    if let Some(anchor) = anchor {
        keep.add(anchor, Found::Anchor);
    }
}

/// The newest restorable one and the newest verified one. Suspect ones count only where there is nothing better.
fn keep_last_good(points: &[Point], moments: &Moments, chains: &[Chain], keep: &mut Keep<'_>) {
    let newest = |verified: bool| {
        let newest_of = |wanted| {
            (0..points.len()).find(|&at| {
                chains[at].is_restorable()
                    && standing(&points[at], moments) == wanted
                    && (!verified || points[at].marks.has(Marks::VERIFIED))
            })
        };
        newest_of(Standing::Sound).or_else(|| newest_of(Standing::Suspect))
    };
    if let Some(at) = newest(false) {
        keep.add(at, Found::Newest);
    }
    if let Some(at) = newest(true) {
        keep.add(at, Found::LastVerified);
    }
}

/// Everything that a kept one needs, down to its full snapshot; each point is visited once.
///
/// One that a lock holds stays as well, kept or not, and without its parent it would turn into an orphan.
fn keep_parents(points: &[Point], keep: &mut Keep<'_>) {
    let mut needed = vec![false; points.len()];
    for start in 0..points.len() {
        if !keep.kept[start] && !points[start].marks.has(Marks::LOCKED) {
            continue;
        }
        let mut child = start;
        while let Link::Parent(parent) = points[child].link() {
            let parent = parent as usize;
            if needed[parent] {
                break;
            }
            needed[parent] = true;
            keep.add(parent, Found::ParentOfKept { child: number(child) });
            child = parent;
        }
    }
}

/// Says of each candidate that is let go whether a newer one took its periods, or newer ones filled the tiers.
fn explain_candidates(
    points: &[Point],
    candidates: &[u32],
    policy: &Policy,
    kept: &[bool],
    drops: &mut [Option<Gone>],
) {
    if candidates.iter().all(|&at| kept[at as usize]) {
        return;
    }
    let mut tiers: Vec<(Tier, Periods)> = policy
        .counts()
        .used()
        .filter(|(tier, _)| *tier != Tier::Last)
        .map(|(tier, _)| (tier, Periods::new(tier)))
        .collect();
    // Who represents the finest tier's period now.
    let mut by = 0;
    for &at in candidates {
        let at = at as usize;
        let clock = period::wall_clock(policy.time_zone(), points[at].time);
        let mut represents = None;
        for (place, (tier, periods)) in tiers.iter_mut().enumerate() {
            if periods.begins_with(clock) {
                represents = Some(*tier);
                if place == 0 {
                    by = at;
                }
            }
        }
        if kept[at] {
            continue;
        }
        drops[at] = Some(match (represents, tiers.first()) {
            (Some(tier), _) => Gone::BeyondCounts { tier },
            (None, Some((tier, _))) => Gone::Displaced { tier: *tier, by: number(by) },
            (None, None) => Gone::BeyondCounts { tier: Tier::Last },
        });
    }
}
