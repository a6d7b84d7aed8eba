use super::append::Trail;
use super::copies::{copy_key, list_copies, read_copy, sequence_of};
use super::entry::sequence_in;
use super::tail;
use crate::{Error, Result, disk, objects};
use backup_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// How many of the newest copies are looked for at first.
const WINDOW: u64 = 64;

/// What a publication did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// How many entries were copied now.
    pub copied: u64,
    /// The last entry of the trail, which now has a copy; 0 for an empty trail.
    pub last: u64,
    /// How many lines were no entries, and so were not copied: [`Trail::verify`] says what they are.
    pub damaged: u64,
}

impl Trail {
    /// Copies the entries that have no copy in the store yet. Doing so again, or in several processes at once, is the
    /// same as doing it once; usually it takes one listing, one read and one write.
    ///
    /// # Errors
    /// [`Error::Store`], when the store is away: the trail is as good as before, and the next publication catches up.
    /// [`Error::TrailBehind`] and [`Error::TrailDiverged`], when the copies are not those of this trail.
    pub fn publish(&self, store: &dyn Store) -> Result<Published> {
        let (from, published) = self.newest_copies(store, self.last()?)?;
        // Asked again, because others append and publish meanwhile.
        let last = self.last()?;
        let newest = published.last().copied();
        if let Some(stored) = newest.filter(|stored| *stored > last) {
            return Err(Error::TrailBehind { local: last, stored });
        }
        // A gap further back is filled too, as far as the listing went.
        let first = (from + 1..=last)
            .find(|sequence| !published.contains(sequence))
            .unwrap_or(last.saturating_add(1));
        let (lines, damaged) = self.lines_from(first.min(newest.unwrap_or(first)), last)?;
        if let Some((sequence, line)) = newest.and_then(|newest| lines.get_key_value(&newest)) {
            self.compare(store, *sequence, line)?;
        }
        let mut count = 0;
        for (sequence, line) in lines.range(first..).filter(|(sequence, _)| !published.contains(sequence)) {
            match objects::put(store, &copy_key(self.context(), self.writer(), *sequence)?, line) {
                Ok(()) => count += 1,
                Err(Error::Store(backup_store::Error::AlreadyExists { .. })) => {
                    self.compare(store, *sequence, line)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Published { copied: count, last, damaged })
    }

    /// The numbers of the copies behind a number up to which all are there; entries are copied in order.
    fn newest_copies(&self, store: &dyn Store, last: u64) -> Result<(u64, BTreeSet<u64>)> {
        let mut window = WINDOW;
        loop {
            let from = last.saturating_sub(window);
            let mut published = BTreeSet::new();
            for meta in list_copies(store, self.context(), self.writer(), from)? {
                published.extend(sequence_of(&meta?.key));
            }
            if from == 0 || published.contains(&(from + 1)) {
                return Ok((from, published));
            }
            window = window.saturating_mul(8);
        }
    }

    /// The number of the last entry; 0 without one.
    fn last(&self) -> Result<u64> {
        let Some(file) = self.open_shared()? else { return Ok(0) };
        let length = file.metadata().map_err(disk::io("read", self.path()))?.len();
        let mut last = None;
        tail::lines_back(&file, length, |line| {
            last = sequence_in(line);
            last.is_none()
        })
        .map_err(disk::io("read", self.path()))?;
        Ok(last.unwrap_or(0))
    }

    /// The lines of the entries `from` to `to`, and how many lines among them are no entries.
    fn lines_from(&self, from: u64, to: u64) -> Result<(BTreeMap<u64, Vec<u8>>, u64)> {
        let mut lines = BTreeMap::new();
        let mut damaged = 0;
        if from > to {
            return Ok((lines, damaged));
        }
        let Some(file) = self.open_shared()? else { return Ok((lines, damaged)) };
        let length = file.metadata().map_err(disk::io("read", self.path()))?.len();
        let found =
            tail::lines_back(&file, length, |line| sequence_in(line).is_none_or(|sequence| sequence > from))
                .map_err(disk::io("read", self.path()))?;
        for line in found {
            match sequence_in(&line) {
                Some(sequence) if (from..=to).contains(&sequence) => {
                    lines.insert(sequence, line);
                }
                Some(_) => {}
                None => damaged += 1,
            }
        }
        Ok((lines, damaged))
    }

    fn compare(&self, store: &dyn Store, sequence: u64, line: &[u8]) -> Result<()> {
        let key = copy_key(self.context(), self.writer(), sequence)?;
        match read_copy(store, &key)? {
            Some(copy) if copy != line => Err(Error::TrailDiverged { key, sequence }),
            _ => Ok(()),
        }
    }
}
