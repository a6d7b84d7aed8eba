//! Finding rows: by group, and by id within a group.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{BuildHasher, Hash, RandomState};

use crate::error::Error;
use crate::point::{Place, number};
use crate::snapshot::{Kind, Snapshot};

/// The group of each row, as its place among the groups' names in order.
pub(crate) fn group_ranks<Id>(snapshots: &[Snapshot<Id>]) -> Vec<u32> {
    let mut names: Vec<&str> = Vec::new();
    let mut found: HashMap<&str, u32> = HashMap::new();
    let mut groups: Vec<u32> = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots {
        let name = snapshot.group();
        // Rows of one group mostly follow each other.
        let group = match groups.last() {
            Some(&last) if names[last as usize] == name => last,
            _ => *found.entry(name).or_insert_with(|| {
                names.push(name);
                number(names.len() - 1)
            }),
        };
        groups.push(group);
    }
    let mut sorted: Vec<u32> = (0..number(names.len())).collect();
    sorted.sort_unstable_by_key(|&group| names[group as usize]);
    let mut ranks = vec![0; names.len()];
    for (rank, &group) in sorted.iter().enumerate() {
        ranks[group as usize] = number(rank);
    }
    for group in &mut groups {
        *group = ranks[*group as usize];
    }
    groups
}

/// The row of each row's parent, all found in the order of the input, which is kinder to the processor's caches than the
/// order of time. An id that a group has twice is an error.
pub(crate) fn parents<Id: Eq + Hash + Display>(
    snapshots: &[Snapshot<Id>],
    groups: &[u32],
) -> Result<Vec<Option<Place>>, Error> {
    let mut rows = Rows::new(snapshots, groups);
    for (row, snapshot) in snapshots.iter().enumerate() {
        if rows.insert(number(row)).is_some() {
            return Err(Error::DuplicateId {
                group: snapshot.group().to_owned(),
                id: snapshot.id().to_string(),
            });
        }
    }
    let parent = |(row, snapshot): (usize, &Snapshot<Id>)| match snapshot.kind() {
        Kind::Full => None,
        Kind::Delta => snapshot.parent().and_then(|id| rows.find(groups[row], id)).map(Place::new),
    };
    Ok(snapshots.iter().enumerate().map(parent).collect())
}

/// A hash table that holds nothing but row numbers: a quarter of what a map from ids would take.
struct Rows<'s, Id> {
    snapshots: &'s [Snapshot<Id>],
    groups: &'s [u32],
    hasher: RandomState,
    /// A part of the hash, and the row; half of the places stay free.
    places: Vec<(u32, Option<Place>)>,
}

impl<'s, Id: Eq + Hash> Rows<'s, Id> {
    fn new(snapshots: &'s [Snapshot<Id>], groups: &'s [u32]) -> Self {
        let places = vec![(0, None); (snapshots.len() * 2).next_power_of_two()];
        Self { snapshots, groups, hasher: RandomState::new(), places }
    }

    /// Another row of this group and id, if there is one.
    fn insert(&mut self, row: u32) -> Option<u32> {
        let (group, id) = (self.groups[row as usize], self.snapshots[row as usize].id());
        let (tag, place) = self.look_up(group, id);
        let there = self.places[place].1.map(Place::get);
        self.places[place] = (tag, Some(Place::new(row)));
        there
    }

    fn find(&self, group: u32, id: &Id) -> Option<u32> {
        let (_, place) = self.look_up(group, id);
        self.places[place].1.map(Place::get)
    }

    /// The place of this group and id, or the free one where they belong.
    fn look_up(&self, group: u32, id: &Id) -> (u32, usize) {
        let hash = self.hasher.hash_one((group, id));
        #[expect(clippy::cast_possible_truncation, reason = "a part of the hash is wanted")]
        let (tag, start) = ((hash >> 32) as u32, hash as usize);
        let mask = self.places.len() - 1;
        let mut place = start & mask;
        while let (other, Some(row)) = self.places[place] {
            let row = row.get() as usize;
            if other == tag && self.groups[row] == group && self.snapshots[row].id() == id {
                break;
            }
            place = (place + 1) & mask;
        }
        (tag, place)
    }
}
