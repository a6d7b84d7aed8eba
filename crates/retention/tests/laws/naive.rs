//! The rules once more: slow, obvious, and written without looking at how the crate does it.
//!
//! Periods are texts that chrono formats, sets are searched from end to end, chains are walked again for each question.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use retention::{Count, Counting, Kind, Policy, Snapshot, Tier};

pub(crate) type Snap = Snapshot<u32>;

/// For each kept id of a group, "rule slot rank" of every reason.
pub(crate) type Kept = BTreeMap<u32, BTreeSet<String>>;

/// What one group of snapshots keeps.
pub(crate) fn keep(group: &[Snap], policy: &Policy, now: DateTime<Utc>) -> Kept {
    let mut kept = Kept::new();
    let mut add = |snap: &Snap, reason: String| {
        kept.entry(*snap.id()).or_default().insert(reason);
    };
    let world = World { group, policy, now };

    for (snap, reason) in world.slots() {
        add(snap, reason);
    }
    let window = policy.recovery_window();
    for snap in group {
        if world.is_future(snap) {
            add(snap, "future".into());
        } else if !snap.is_complete() {
            if world.age(snap) < policy.incomplete_grace() {
                add(snap, "incomplete-recent".into());
            }
        } else if snap.is_suspect() {
            if world.age(snap) <= window.max(policy.incomplete_grace()) {
                add(snap, "suspect".into());
            }
        } else if window > TimeDelta::zero() && world.age(snap) <= window {
            add(snap, "recovery-window".into());
        }
        if snap.is_pinned() {
            add(snap, "pinned".into());
        }
    }
    if window > TimeDelta::zero()
        && let Some(anchor) = newest(group.iter().filter(|s| world.is_sound(s) && world.age(s) >= window))
    {
        add(anchor, "recovery-window".into());
    }
    for (rule, wanted) in [("newest", false), ("last-verified", true)] {
        let fits = |s: &&Snap| s.is_verified() || !wanted;
        let best = newest(group.iter().filter(fits).filter(|s| world.is_sound(s)));
        let second = newest(
            group
                .iter()
                .filter(fits)
                .filter(|s| s.is_suspect() && !world.is_future(s) && world.is_restorable(s)),
        );
        if let Some(snap) = best.or(second) {
            add(snap, rule.into());
        }
    }
    // Parents, until nothing is added any more.
    loop {
        let before = kept.clone();
        for child in group {
            let stays = kept.contains_key(child.id()) || child.lock().is_some_and(|until| until > now);
            if let (true, Some(parent)) = (stays, world.parent(child)) {
                kept.entry(*parent.id()).or_default().insert("parent-of-kept".into());
            }
        }
        if kept == before {
            return kept;
        }
    }
}

struct World<'a> {
    group: &'a [Snap],
    policy: &'a Policy,
    now: DateTime<Utc>,
}

fn newest<'a>(snaps: impl Iterator<Item = &'a Snap>) -> Option<&'a Snap> {
    snaps.max_by_key(|s| (s.time(), *s.id()))
}

impl World<'_> {
    fn age(&self, snap: &Snap) -> TimeDelta {
        self.now - snap.time()
    }

    fn is_future(&self, snap: &Snap) -> bool {
        self.age(snap) < -self.policy.future_tolerance()
    }

    fn parent(&self, snap: &Snap) -> Option<&Snap> {
        if snap.kind() == Kind::Full {
            return None;
        }
        self.group.iter().find(|other| Some(other.id()) == snap.parent())
    }

    fn is_restorable(&self, snap: &Snap) -> bool {
        let mut at = snap;
        for _ in 0..=self.group.len() {
            if !at.is_complete() {
                return false;
            }
            if at.kind() == Kind::Full {
                return true;
            }
            match self.parent(at) {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false // round and round
    }

    fn is_sound(&self, snap: &Snap) -> bool {
        self.is_restorable(snap) && !snap.is_suspect() && !self.is_future(snap)
    }

    fn period(&self, tier: Tier, snap: &Snap) -> String {
        let local = snap.time().with_timezone(&self.policy.time_zone());
        let pattern = match tier {
            Tier::Last => return format!("{:?} {:010}", snap.time(), snap.id()),
            Tier::Hourly => "%Y-%m-%dT%H",
            Tier::Daily => "%Y-%m-%d",
            Tier::Weekly => "%G-W%V",
            Tier::Monthly => "%Y-%m",
            Tier::Yearly => "%Y",
        };
        local.format(pattern).to_string()
    }

    fn slots(&self) -> Vec<(&Snap, String)> {
        let able: Vec<&Snap> = self
            .group
            .iter()
            .filter(|s| s.kind() == Kind::Full && s.is_complete() && !s.is_suspect() && !self.is_future(s))
            .collect();
        let oldest = able.iter().copied().min_by_key(|s| (s.time(), *s.id()));
        let mut found: Vec<(&Snap, String)> = Vec::new();
        for tier in Tier::ALL {
            let slots = match self.policy.counts().get(tier) {
                Count::None => continue,
                Count::Keep(n) => n.get() as usize,
                Count::All => usize::MAX,
            };
            let exclusive = self.policy.counting() == Counting::Exclusive;
            let taken: Vec<u32> =
                if exclusive { found.iter().map(|(s, _)| *s.id()).collect() } else { Vec::new() };
            // Of each period its newest; of those the newest first.
            let periods: BTreeSet<String> = able.iter().map(|s| self.period(tier, s)).collect();
            let mut heads: Vec<&Snap> = periods
                .iter()
                .filter_map(|p| newest(able.iter().copied().filter(|s| self.period(tier, s) == *p)))
                .collect();
            heads.sort_by_key(|s| std::cmp::Reverse((s.time(), *s.id())));
            let mut filled: Vec<&Snap> =
                heads.into_iter().filter(|s| !taken.contains(s.id())).take(slots).collect();
            let represents = filled.len();
            let has_oldest_rule = !exclusive || slots != usize::MAX;
            if let Some(oldest) = oldest
                && has_oldest_rule
                && represents < slots
                && !taken.contains(oldest.id())
                && !filled.iter().any(|s| s.id() == oldest.id())
            {
                filled.push(oldest);
            }
            for (at, snap) in filled.into_iter().enumerate() {
                let rule = if at < represents { tier.as_str() } else { "oldest" };
                let slot = if tier == Tier::Last { String::new() } else { self.period(tier, snap) };
                found.push((snap, format!("{rule} {slot} {}", at + 1)));
            }
        }
        found
    }
}
