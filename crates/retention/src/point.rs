//! The form in which one group's snapshots are decided on: numbered, newest first, without ids.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};

use crate::snapshot::{Kind, Marks};

/// A snapshot without its id. Its number is its place in the group, newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) time: DateTime<Utc>,
    /// What a delta needs, where it is in the list.
    parent: Option<Place>,
    kind: Kind,
    pub(crate) marks: Marks,
}

impl Point {
    pub(crate) fn new(time: DateTime<Utc>, link: Link, marks: Marks) -> Self {
        let (kind, parent) = match link {
            Link::Full => (Kind::Full, None),
            Link::Parent(parent) => (Kind::Delta, Some(Place::new(parent))),
            Link::Missing => (Kind::Delta, None),
        };
        Self { time, parent, kind, marks }
    }

    pub(crate) fn link(&self) -> Link {
        match (self.kind, self.parent) {
            (Kind::Full, _) => Link::Full,
            (Kind::Delta, Some(parent)) => Link::Parent(parent.get()),
            (Kind::Delta, None) => Link::Missing,
        }
    }
}

/// A row, or the number of a point, where there may be none: four bytes as an `Option` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU32);

impl Place {
    /// A plan refuses far fewer than could not be told apart.
    pub(crate) fn new(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    pub(crate) fn get(self) -> u32 {
        self.0.get() - 1
    }
}

/// What a snapshot needs to be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Full,
    Parent(u32),
    /// A delta whose parent is not in the list.
    Missing,
}

/// Whether a snapshot and everything it needs are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Chain {
    /// It can be restored.
    Whole,
    /// It was interrupted, or is still being written.
    Incomplete,
    /// Something it needs was interrupted, or is still being written.
    ParentIncomplete,
    /// Something it needs is not in the list: an orphan.
    ParentMissing,
    /// Its parents lead back to itself, so no full snapshot is at the end: an orphan.
    Cyclic,
}

impl Chain {
    /// Whether it can be restored.
    #[must_use]
    pub fn is_restorable(self) -> bool {
        self == Self::Whole
    }
}

/// Follows every chain to its full snapshot, each link once.
pub(crate) fn chains(points: &[Point]) -> Vec<Chain> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Known(Chain),
    }
    let mut seen = vec![Seen::Not; points.len()];
    let mut way: Vec<u32> = Vec::new();
    for start in 0..points.len() {
        let mut at = start;
        let mut below = loop {
            match seen[at] {
                Seen::Known(chain) => break chain,
                Seen::OnTheWay => break Chain::Cyclic,
                Seen::Not => {}
            }
            match points[at].link() {
                Link::Full => {
                    let chain = own(points[at]).unwrap_or(Chain::Whole);
                    seen[at] = Seen::Known(chain);
                    break chain;
                }
                Link::Missing => {
                    let chain = own(points[at]).unwrap_or(Chain::ParentMissing);
                    seen[at] = Seen::Known(chain);
                    break chain;
                }
                Link::Parent(parent) => {
                    seen[at] = Seen::OnTheWay;
                    way.push(number(at));
                    at = parent as usize;
                }
            }
        };
        while let Some(child) = way.pop() {
            let child = child as usize;
            let from_parent = if below == Chain::Incomplete { Chain::ParentIncomplete } else { below };
            below = own(points[child]).unwrap_or(from_parent);
            seen[child] = Seen::Known(below);
        }
    }
    seen.into_iter()
        .map(|seen| match seen {
            Seen::Known(chain) => chain,
            Seen::Not | Seen::OnTheWay => Chain::Cyclic,
        })
        .collect()
}

fn own(point: Point) -> Option<Chain> {
    point.marks.has(Marks::INCOMPLETE).then_some(Chain::Incomplete)
}

/// A plan refuses more points than this can number, so nothing is cut off.
pub(crate) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(links: &[Link]) -> Vec<Point> {
        let marks = Marks::default();
        links.iter().map(|&link| Point::new(DateTime::UNIX_EPOCH, link, marks)).collect()
    }

    #[test]
    fn a_chain_is_as_whole_as_what_is_below_it() {
        let links = [Link::Parent(1), Link::Parent(2), Link::Full, Link::Parent(4), Link::Missing];
        let chains = chains(&points(&links));
        assert_eq!(
            chains,
            [Chain::Whole, Chain::Whole, Chain::Whole, Chain::ParentMissing, Chain::ParentMissing]
        );
    }

    #[test]
    fn a_ring_of_parents_ends() {
        let links = [Link::Parent(1), Link::Parent(2), Link::Parent(1), Link::Parent(3)];
        assert_eq!(chains(&points(&links)), [Chain::Cyclic; 4]);
    }

    #[test]
    fn an_incomplete_parent_is_told_from_a_missing_one() {
        let mut points = points(&[Link::Parent(1), Link::Parent(2), Link::Full]);
        points[2].marks = Marks::INCOMPLETE;
        assert_eq!(chains(&points), [Chain::ParentIncomplete, Chain::ParentIncomplete, Chain::Incomplete]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let count = 300_000;
        let mut links: Vec<Link> = (1..=count).map(Link::Parent).collect();
        links.push(Link::Full);
        assert!(chains(&points(&links)).iter().all(|chain| chain.is_restorable()));
    }
}
