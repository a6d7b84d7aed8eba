//! From snapshots in any order to points by group, newest first.

use std::fmt::Display;
use std::hash::Hash;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::index;
use crate::point::{Link, Place, Point, number};
use crate::snapshot::{Kind, Marks, Snapshot};

/// What is needed of a row to sort it and to decide on it: copied out, because snapshots are large and lie in another order.
struct Key {
    row: u32,
    group: u32,
    time: DateTime<Utc>,
    kind: Kind,
    marks: Marks,
}

impl Key {
    fn point(&self, parents: &[Option<Place>], numbers: &[u32]) -> Point {
        let link = match (self.kind, parents[self.row as usize]) {
            (Kind::Full, _) => Link::Full,
            (Kind::Delta, Some(parent)) => Link::Parent(numbers[parent.get() as usize]),
            (Kind::Delta, None) => Link::Missing,
        };
        Point::new(self.time, link, self.marks)
    }
}

/// All points, by group, newest first.
pub(crate) struct Sorted {
    pub(crate) order: Vec<u32>,
    pub(crate) points: Vec<Point>,
    /// The row of each row's parent.
    pub(crate) parents: Vec<Option<Place>>,
    /// How many each group has.
    pub(crate) groups: Vec<usize>,
}

/// What it needs on the way it gives back before anything is decided.
pub(crate) fn sorted<Id: Ord + Hash + Display>(
    snapshots: &[Snapshot<Id>],
    now: DateTime<Utc>,
) -> Result<Sorted, Error> {
    let groups = index::group_ranks(snapshots);
    let parents = index::parents(snapshots, &groups)?;
    let keys = in_order(snapshots, &groups, now);
    drop(groups);
    let groups: Vec<usize> = keys.chunk_by(|a, b| a.group == b.group).map(<[Key]>::len).collect();
    // Where each row stands in its group.
    let mut numbers = vec![0_u32; snapshots.len()];
    for keys in keys.chunk_by(|a, b| a.group == b.group) {
        for (at, key) in keys.iter().enumerate() {
            numbers[key.row as usize] = number(at);
        }
    }
    let order = keys.iter().map(|key| key.row).collect();
    // Taken apart while they are turned into points, which then lie where the keys did.
    let points = keys.into_iter().map(|key| key.point(&parents, &numbers)).collect();
    Ok(Sorted { order, points, parents, groups })
}

/// Rows by group, newest first; of equal times the greater id comes first.
fn in_order<Id: Ord>(snapshots: &[Snapshot<Id>], groups: &[u32], now: DateTime<Utc>) -> Vec<Key> {
    let key = |(row, snapshot): (usize, &Snapshot<Id>)| Key {
        row: number(row),
        group: groups[row],
        time: snapshot.time(),
        kind: snapshot.kind(),
        marks: snapshot.marks_at(now),
    };
    let mut keys: Vec<Key> = snapshots.iter().enumerate().map(key).collect();
    keys.sort_unstable_by(|a, b| {
        (a.group, b.time)
            .cmp(&(b.group, a.time))
            .then_with(|| snapshots[b.row as usize].id().cmp(snapshots[a.row as usize].id()))
    });
    keys
}
