//! What was fetched, held against what was recorded, and read to its end: all of it before anything is unpacked or replayed.

use super::ScratchFault;
use super::followed::{Followed, Way};
use super::questions::Said;
use super::target::Goal;
use crate::bucket::{Backup, Root};
use crate::codec::{Cipher, Compression};
use crate::mirror::{Mirror, MirrorWal};
use crate::several::several;
use crate::verify::hashed::Hashed;
use crate::verify::{SegmentDigest, key, tar};
use crate::wal::{Archive, BadSegment, Expected, History, SegmentName};
use crate::wal_get::Copied;
use crate::{Error, Result};
use backup_contract::{Checksum, SnapshotId};
use backup_store::DirStore;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How many faults of one check are told; the rest are counted.
const TOLD: usize = 5;

/// A mirror, and what is needed to read it.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) cipher: &'a Cipher,
    pub(super) threads: usize,
    /// Whether somebody wants no more of it.
    pub(super) interrupted: &'a (dyn Fn() -> bool + Sync),
}

/// Where segments are left decoded, under their names, and of how many that is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) dir: &'a Path,
    pub(super) first: usize,
}

impl Held<'_> {
    /// Whether the fingerprints of the bytes are those that were recorded, as far as any were.
    pub(super) fn fingerprints(&self, recorded: &BTreeMap<SnapshotId, Checksum>) -> Said {
        let found = &self.mirror.fingerprints;
        let other = found.iter().find_map(|(id, found)| {
            let recorded = recorded.get(id).filter(|recorded| **recorded != found.checksum)?;
            let found = found.checksum;
            Some(format!("the fingerprint of '{id}' is {found}, and {recorded} was recorded: it was changed"))
        });
        let known = found.iter().filter(|(id, _)| recorded.contains_key(id)).count();
        let links = found.len();
        match other {
            Some(changed) => (false, changed),
            None => (
                true,
                format!("of the very bytes that are unpacked: {known} of {links} in the chain were recorded"),
            ),
        }
    }

    /// Refuses a chain with tablespaces, by the sentinels that an engine is about to read.
    pub(super) fn refuse_tablespaces(&self) -> Result<()> {
        self.mirror.chain().iter().try_for_each(refuse_tablespaces)
    }

    /// Whether every tar is whole, and holds nothing that an engine would write elsewhere than where it is told to: an engine
    /// follows a link that an earlier entry has made.
    ///
    /// # Errors
    /// [`Error::KeyDoesNotOpen`], which says nothing of the tars.
    pub(super) fn tars(&self) -> Result<Said> {
        let store = self.mirror.store()?;
        for link in self.mirror.chain().iter().filter(|_| self.cipher.is_readable()) {
            if !key::opens(self.cipher, &store, &Root::default(), link)? {
                return Err(Error::KeyDoesNotOpen(link.id.clone()));
            }
        }
        let all: Vec<(&SnapshotId, &str)> = self
            .mirror
            .chain()
            .iter()
            .flat_map(|link| link.parts.iter().map(|part| (&link.id, &*part.name)))
            .collect();
        let faults = several(&all, self.threads, |(id, name), _| {
            self.go_on()?;
            let path = self.mirror.prefix().join(Root::default().part(id, name)?.as_str());
            let file = File::open(&path).map_err(Error::io("open", &path))?;
            Ok(match self.cipher.open(Compression::split(name).1, file).and_then(tar::read) {
                Ok(contents) => contents.astray.map(|astray| format!("'{name}' of {id}: {astray}")),
                Err(e) => Some(format!("'{name}' of {id}: {e}")),
            })
        })?;
        let faults: Vec<_> = faults.into_iter().flatten().collect();
        Ok(told(&faults, || {
            format!("{} tars decoded to the end: files and directories, and nothing else", all.len())
        }))
    }

    /// Whether each segment that the replay asks for decodes, page by page, as what its name says, and the digests of those
    /// that the backup itself needs. A restore command that finds one damaged aborts the recovery, which then tells nothing of
    /// the backup. What was decoded of the first of them is left for the server, so that nothing is decoded twice.
    ///
    /// # Errors
    /// What the records of sound WAL hold that must not be replayed here, and a target that is not among them.
    pub(super) fn wal(
        &self,
        backup: &Backup,
        goal: &Goal,
        archive: &Archive,
        left: Left<'_>,
    ) -> Result<(Said, Vec<SegmentDigest>)> {
        let names = asked_for(backup, goal, archive)?;
        let size = archive.segment_size();
        let way = Way::new(backup, goal)?;
        let found = self.followed((backup, &way), &names, archive, left)?;
        let (mut followed, mut faults): (Vec<Followed>, Vec<(SegmentName, String)>) =
            (Vec::new(), Vec::new());
        let mut digests = Vec::new();
        for (name, one) in names.iter().zip(found) {
            match one {
                Ok(one) => {
                    digests.extend(one.sha256.map(|sha256| SegmentDigest { name: *name, sha256 }));
                    followed.push(one);
                }
                Err(why) => faults.push((*name, why)),
            }
        }
        // What is damaged is not replayed at all.
        if faults.is_empty() {
            way.must_be_safe(&followed)?;
        }
        let texts: Vec<_> = faults.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        let mut said = told(&texts, || format!("{} segments decoded, page by page", names.len()));
        let finish = backup.span().map(|(_, finish)| finish);
        if let Some(((first, _), finish)) = faults.first().zip(finish)
            && let Some(number) = size.number(*first).filter(|number| *number > size.before(finish))
        {
            let _ = write!(
                said.1,
                "; the backup itself ends before it, at {finish}: what was written up to {} can be reached",
                size.start(number)
            );
        }
        Ok((said, digests))
    }

    /// What each of these segments holds, or what is wrong with it; in their order.
    pub(super) fn followed(
        &self,
        (backup, way): (&Backup, &Way<'_>),
        names: &[SegmentName],
        archive: &Archive,
        left: Left<'_>,
    ) -> Result<Vec<std::result::Result<Followed, String>>> {
        let system_identifier = backup.sentinel.as_ref().and_then(|sentinel| sentinel.system_identifier);
        let store = self.mirror.store()?;
        let numbered: Vec<_> = names.iter().enumerate().collect();
        let finish = backup.span().map(|(_, finish)| finish);
        several(&numbered, self.threads, |(at, name), _| {
            self.go_on()?;
            let first = History::of_first(name.timeline);
            let history = archive.history(name.timeline).unwrap_or(&first);
            let expected =
                Expected { name: **name, size: archive.segment_size(), history, system_identifier };
            let is_own = finish.is_some_and(|finish| {
                expected.size.number(**name).is_some_and(|number| number <= expected.size.before(finish))
            });
            self.segment(&store, (expected, is_own), way, (*at < left.first).then_some(left.dir))
        })
    }

    /// What a segment holds, or what is wrong with it when none of the objects that hold it is good.
    fn segment(
        &self,
        store: &DirStore,
        (expected, is_own): (Expected<'_>, bool),
        way: &Way<'_>,
        left: Option<&Path>,
    ) -> Result<std::result::Result<Followed, String>> {
        let mut fault = None;
        let name = expected.name.to_string();
        for meta in Root::default().wal_objects(store, &name)? {
            let path: PathBuf = self.mirror.prefix().join(meta.key.as_str());
            let file = File::open(&path).map_err(Error::io("open", &path))?;
            let plain = match self.cipher.open(Compression::split(meta.key.as_str()).1, file) {
                Ok(plain) => plain,
                Err(e) => {
                    fault = fault.or(Some(BadSegment::Read(e).to_string()));
                    continue;
                }
            };
            let follow = |plain: &mut dyn Read| {
                if !is_own {
                    return way.follow(plain, expected);
                }
                let mut hashed = Hashed::new(plain);
                let mut followed = way.follow(&mut hashed, expected)?;
                followed.sha256 = Some(hashed.finish());
                Ok(followed)
            };
            let followed = match left {
                Some(dir) => leaving(plain, &dir.join(&name), follow)?,
                None => follow(&mut { plain }),
            };
            match followed {
                Ok(followed) => return Ok(Ok(followed)),
                Err(bad) => fault = fault.or(Some(bad.to_string())),
            }
        }
        Ok(Err(fault.unwrap_or_else(|| "it is not there".into())))
    }

    fn go_on(&self) -> Result<()> {
        if (self.interrupted)() { Err(ScratchFault::Interrupted.into()) } else { Ok(()) }
    }
}

/// Reads something decoded, and leaves at `path` what was read, whole, where nothing is wrong with it.
fn leaving<T>(
    plain: impl Read,
    path: &Path,
    read: impl FnOnce(&mut dyn Read) -> std::result::Result<T, BadSegment>,
) -> Result<std::result::Result<T, BadSegment>> {
    let dir = path.parent().unwrap_or(path);
    let mut file = NamedTempFile::new_in(dir).map_err(Error::io("write in", dir))?;
    let mut content = Copied::new(plain, &mut file);
    let found = read(&mut content);
    if let Some(e) = content.refused.take() {
        return Err(Error::io("write", path)(e));
    }
    if found.is_ok() {
        file.persist(path).map_err(|e| Error::io("name", path)(e.error))?;
    }
    Ok(found)
}

/// The segments that a replay asks for, by the names under which it does.
pub(super) fn asked_for(backup: &Backup, goal: &Goal, archive: &Archive) -> Result<Vec<SegmentName>> {
    let MirrorWal::Until { timeline, end } = goal.wal() else { return Ok(Vec::new()) };
    let (start, finish) = backup.span().ok_or_else(|| Error::NoSentinel(backup.id.clone()))?;
    archive
        .along(timeline, start, end.max(finish))
        .ok_or_else(|| Error::NotRestorable { id: backup.id.clone(), why: "its WAL is not whole".into() })
}

/// Refuses a backup with tablespaces.
pub(super) fn refuse_tablespaces(backup: &Backup) -> Result<()> {
    let spaces = backup.sentinel.as_ref().map(|sentinel| &sentinel.tablespaces);
    let Some(spaces) = spaces.filter(|spaces| !spaces.is_empty()) else { return Ok(()) };
    let places: Vec<_> = spaces.iter().map(|(oid, place)| format!("{oid} in '{place}'")).collect();
    Err(ScratchFault::Tablespaces { id: backup.id.clone(), places: places.join(", ") }.into())
}

fn told(faults: &[String], good: impl FnOnce() -> String) -> Said {
    let named = faults.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    match faults.len() {
        0 => (true, good()),
        count if count <= TOLD => (false, named),
        count => (false, format!("{named}; and {} more", count - TOLD)),
    }
}
