use super::TrailFinding;
use super::append::Trail;
use super::chain::{ChainReport, Checker};
use super::entry::digest_of;
use crate::{Error, Result, WriterId, objects};
use backup_contract::{Checksum, ContextName};
use backup_store::{Key, ObjectMeta, Prefix, Store};
use std::collections::{BTreeMap, BTreeSet};

fn prefix(context: &ContextName, writer: &WriterId) -> Result<Prefix> {
    Ok(Prefix::new(&format!("audit/{context}/{writer}"))?)
}

/// Where the copy of an entry lies.
pub(super) fn copy_key(context: &ContextName, writer: &WriterId, sequence: u64) -> Result<Key> {
    Ok(prefix(context, writer)?.join(&format!("{sequence:012}.json"))?)
}

/// The number of a copy, by its key.
pub(super) fn sequence_of(key: &Key) -> Option<u64> {
    let mut parts = key.parts().skip(3);
    let digits = parts.next()?.strip_suffix(".json")?;
    let is_number = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?.filter(|sequence| *sequence > 0 && parts.next().is_none())
}

/// The copies of a chain behind the number `after`, in order, and what lies among them.
pub(super) fn list_copies<'a>(
    store: &'a dyn Store,
    context: &ContextName,
    writer: &WriterId,
    after: u64,
) -> Result<impl Iterator<Item = backup_store::Result<ObjectMeta>> + 'a> {
    let after = if after == 0 { None } else { Some(copy_key(context, writer, after)?) };
    Ok(store.list(&prefix(context, writer)?, after.as_ref())?)
}

/// Reads a copy; `None` when it is not there (any more). One that is too long is no entry.
pub(super) fn read_copy(store: &dyn Store, key: &Key) -> Result<Option<Vec<u8>>> {
    match objects::get(store, key) {
        Ok(line) => Ok(Some(line)),
        Err(Error::Store(backup_store::Error::NotFound { .. })) => Ok(None),
        Err(Error::Store(backup_store::Error::TooLarge { .. })) => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    }
}

/// The copies of a chain.
struct Copies {
    lines: BTreeMap<u64, Vec<u8>>,
    /// What lies among them and is none.
    strays: Vec<TrailFinding>,
}

impl Copies {
    fn read(store: &dyn Store, context: &ContextName, writer: &WriterId) -> Result<Self> {
        let mut copies = Self { lines: BTreeMap::new(), strays: Vec::new() };
        for meta in list_copies(store, context, writer, 0)? {
            let key = meta?.key;
            match sequence_of(&key) {
                Some(sequence) => {
                    copies.lines.extend(read_copy(store, &key)?.map(|line| (sequence, line)));
                }
                None => copies.strays.push(TrailFinding::Stray { key }),
            }
        }
        Ok(copies)
    }

    fn last(&self) -> u64 {
        self.lines.last_key_value().map_or(0, |(last, _)| *last)
    }

    /// Holds the digests of the file's lines against the copies.
    fn differences(&self, digests: &BTreeMap<u64, Checksum>) -> Vec<TrailFinding> {
        let mut findings = Vec::new();
        let mut gap: Option<(u64, u64)> = None;
        for (&sequence, digest) in digests.range(..=self.last()) {
            match (self.lines.get(&sequence), &mut gap) {
                (Some(copy), _) if digest_of(copy) != *digest => {
                    findings.push(TrailFinding::CopyDiffers { sequence });
                }
                (Some(_), _) => {}
                (None, Some((_, to))) if to.saturating_add(1) == sequence => *to = sequence,
                (None, gap) => {
                    let before = gap.replace((sequence, sequence));
                    findings.extend(before.map(|(from, to)| TrailFinding::CopyMissing { from, to }));
                }
            }
        }
        findings.extend(gap.map(|(from, to)| TrailFinding::CopyMissing { from, to }));
        findings
    }
}

impl Trail {
    /// As [`Trail::verify`], and holds every entry against the store's copy of it: a cut, removed or rewritten file is
    /// found, and so is a changed or missing copy. Entries that have no copy yet are counted, not found wrong.
    ///
    /// Reads every copy.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Store`], when the store is away.
    pub fn verify_against(&self, store: &dyn Store) -> Result<ChainReport> {
        // The copies first: what is appended and published meanwhile is then in the file.
        let copies = Copies::read(store, self.context(), self.writer())?;
        let mut digests = BTreeMap::new();
        let mut report = self.check(|sequence, digest| {
            digests.entry(sequence).or_insert(digest);
        })?;
        let stored = copies.last();
        if stored > report.last {
            report.findings.push(match report.last {
                0 => TrailFinding::Removed { stored },
                local => TrailFinding::Truncated { local, stored },
            });
        }
        report.findings.extend(copies.differences(&digests));
        report.findings.extend(copies.strays);
        report.findings.sort_by_key(TrailFinding::sequence);
        report.stored = Some(stored);
        Ok(report)
    }
}

/// Reads the store's copies of a chain and holds them against each other.
///
/// # Errors
/// [`Error::Store`], when the store is away.
pub fn chain_of(store: &dyn Store, context: &ContextName, writer: &WriterId) -> Result<ChainReport> {
    let copies = Copies::read(store, context, writer)?;
    let mut checker = Checker::new(context, writer);
    for (sequence, line) in &copies.lines {
        if let Some(found) = checker.feed(line, *sequence).filter(|found| found != sequence) {
            checker.findings.push(TrailFinding::CopyMisplaced { sequence: *sequence, found });
        }
    }
    checker.findings.extend(copies.strays);
    let mut report = checker.finish();
    report.stored = Some(report.last);
    Ok(report)
}

/// The writers that have copies of a chain in the store.
///
/// # Errors
/// [`Error::Store`], when the store is away.
pub fn writers_of(store: &dyn Store, context: &ContextName) -> Result<BTreeSet<WriterId>> {
    let below = Prefix::new(&format!("audit/{context}"))?;
    let mut writers = BTreeSet::new();
    let mut after: Option<Key> = None;
    // From each writer straight to the next: a long chain is not listed.
    while let Some(meta) = store.list(&below, after.as_ref())?.next() {
        let key = meta?.key;
        let writer: Option<WriterId> = key.parts().nth(2).and_then(|part| part.parse().ok());
        after = Some(match writer {
            Some(writer) if writers.insert(writer.clone()) => {
                prefix(context, &writer)?.join("999999999999.json")?
            }
            _ => key,
        });
    }
    Ok(writers)
}

/// Verifies all chains of a context: the own one against its copies, those of other writers by their copies. The own
/// one comes first.
///
/// # Errors
/// [`Error::Io`]; [`Error::Store`], when the store is away.
pub fn verify_context(store: &dyn Store, own: &Trail) -> Result<Vec<ChainReport>> {
    let mut reports = vec![own.verify_against(store)?];
    for writer in writers_of(store, own.context())?.iter().filter(|writer| *writer != own.writer()) {
        reports.push(chain_of(store, own.context(), writer)?);
    }
    Ok(reports)
}
