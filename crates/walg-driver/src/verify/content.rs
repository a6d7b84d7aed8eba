use super::control::Control;
use super::digested::Digested;
use super::fingerprint::{Fingerprint, ObjectDigest};
use super::hashed::Hashed;
use super::key;
use super::tar;
use crate::bucket::{Backup, Bucket, Lists, Root, lists_of};
use crate::codec::{Cipher, Compression};
use crate::several::several;
use crate::wal::{BadSegment, Expected, SegmentName, check_first_page, check_pages};
use crate::{Error, Result};
use backup_contract::{CheckResult, Checksum, SnapshotId};
use backup_store::{Clock, Key, Store};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// How many faults of one check are told; the rest are counted.
const TOLD: usize = 5;

/// What a verification at level `content` needs.
#[derive(Clone, Copy)]
pub struct ContentCheck<'a> {
    /// Where the bucket is.
    pub store: &'a dyn Store,
    /// Where in that.
    pub root: &'a Root,
    /// What opens its objects.
    pub cipher: &'a Cipher,
    /// Its catalogue.
    pub bucket: &'a Bucket,
    /// For measuring.
    pub clock: &'a dyn Clock,
    /// How many objects are read at once.
    pub threads: usize,
    /// Is told of stored bytes as they pass, and decides whether to go on.
    pub read: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
}

/// What a verification at level `content` found.
#[derive(Debug, Clone)]
pub struct Content {
    /// What was asked, and the answers.
    pub checks: Vec<CheckResult>,
    /// Those of the checks that are about what the backup is a delta of.
    pub bases: Vec<(SnapshotId, CheckResult)>,
    /// The fingerprint of each backup of the chain, the full first, of the very bytes that were decoded; those behind an
    /// object that is not there are not known.
    pub fingerprints: Vec<(SnapshotId, Checksum)>,
    /// The WAL that the backup needs, as it was decoded: the same segment pushed again has other stored bytes.
    pub segments: Vec<SegmentDigest>,
}

/// A WAL segment as it was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentDigest {
    /// Its name.
    pub name: SegmentName,
    /// The SHA-256 of what it holds.
    pub sha256: [u8; 32],
}

/// Why something of a backup is not what it should be, or could not be asked.
enum Fault {
    /// It is not.
    Wrong(String),
    /// It could not be asked.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<backup_store::Error> for Fault {
    fn from(error: backup_store::Error) -> Self {
        match error {
            backup_store::Error::NotFound { key, .. } => Self::Wrong(format!("'{key}' is not there")),
            error => Self::Failed(error.into()),
        }
    }
}

impl ContentCheck<'_> {
    /// Decodes every tar of a backup's chain and all the WAL that it needs, to the end, and holds it against what the
    /// bucket says of it.
    ///
    /// # Errors
    /// [`Error::NotReadable`] when the bucket is encrypted in a way that only an engine can undo: that is not a failure of
    /// the backup; [`Error::Store`] when the store cannot be read. What is wrong with the backup is an answer.
    pub fn run(&self, backup: &Backup) -> Result<Content> {
        if !self.cipher.is_readable() {
            return Err(Error::NotReadable(backup.id.clone()));
        }
        let mut checks = Vec::new();
        let mut segments = Vec::new();
        let catalogue = backup.problems.iter().map(|problem| problem.detail.clone()).collect();
        checks.push(
            self.asked("catalogue", "everything that a restore needs is listed".into(), || Ok(catalogue))?,
        );
        let (mut links, mut bases) = (Vec::new(), Vec::new());
        for link in self.bucket.chain(backup) {
            let id = &link.id;
            let name = if *id == backup.id { "tars".to_owned() } else { format!("tars of {id}") };
            let said = format!(
                "{} decoded to the end, with the files of their list",
                count(link.parts.len(), "tar")
            );
            let mut decoded = None;
            let check = self.asked(&name, said, || {
                let tars = decoded.insert(self.tars(link)?);
                Ok(std::mem::take(&mut tars.faults))
            })?;
            if *id != backup.id {
                bases.push((id.clone(), check.clone()));
            }
            checks.push(check);
            links.extend(decoded.map(|tars| (link, tars)));
        }
        let control = links.first_mut().and_then(|(_, tars)| tars.control.take());
        let said = "of the cluster and version that the sentinel says".into();
        checks.push(self.asked("pg-control", said, || Ok(control_faults(backup, control)))?);
        let said = "each segment from start to finish decoded, page by page".into();
        checks.push(self.asked("wal", said, || self.wal(backup, &mut segments))?);
        Ok(Content { checks, bases, fingerprints: self.recognise(links)?, segments })
    }

    /// The fingerprints of a chain whose objects were read, the full first.
    fn recognise(&self, links: Vec<(&Backup, Tars)>) -> Result<Vec<(SnapshotId, Checksum)>> {
        let mut found: Vec<(SnapshotId, Checksum)> = Vec::new();
        for (link, mut tars) in links.into_iter().rev() {
            let covered = Fingerprint::covers(self.root, link)?;
            let objects: Option<Vec<_>> = covered.iter().map(|key| tars.digests.remove(key)).collect();
            let parent = found.last().map(|(_, checksum)| *checksum);
            let is_first = link.chain.len() == 1;
            let Some(objects) = objects.filter(|_| link.sentinel.is_some() && (is_first || parent.is_some()))
            else {
                break;
            };
            let fingerprint = Fingerprint::of(self.root, link, objects, parent.as_ref())?;
            found.push((link.id.clone(), fingerprint.checksum));
        }
        Ok(found)
    }

    /// Of a backup's chain, one of which no tar at all begins as what the key opens: it was made with another one, or in the
    /// clear, and what its bytes hold cannot be said with this one.
    ///
    /// # Errors
    /// [`Error::Store`]
    pub fn shut(&self, backup: &Backup) -> Result<Option<SnapshotId>> {
        if !self.cipher.is_readable() {
            return Ok(None);
        }
        for link in self.bucket.chain(backup) {
            if !key::opens(self.cipher, self.store, self.root, link)? {
                return Ok(Some(link.id.clone()));
            }
        }
        Ok(None)
    }

    fn asked(
        &self,
        name: &str,
        said: String,
        ask: impl FnOnce() -> std::result::Result<Vec<String>, Error>,
    ) -> Result<CheckResult> {
        let began = self.clock.monotonic();
        let faults = ask()?;
        let told = faults.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
        let more = faults.len().saturating_sub(TOLD);
        let detail = match (faults.len(), more) {
            (0, _) => said,
            (_, 0) => told,
            _ => format!("{told}; and {more} more"),
        };
        let took = self.clock.monotonic().saturating_sub(began).as_millis();
        let duration_ms = u64::try_from(took).unwrap_or(u64::MAX);
        Ok(CheckResult { name: name.to_owned(), ok: faults.is_empty(), detail, duration_ms })
    }

    /// Reads everything of one backup, and holds its tars against its list of files.
    fn tars(&self, backup: &Backup) -> Result<Tars> {
        let mut tars = Tars::default();
        let lists = match self.lists(backup, &mut tars.digests) {
            Ok(lists) => lists.unwrap_or_default(),
            Err(Fault::Wrong(why)) => {
                tars.faults.push(why);
                Lists::default()
            }
            Err(Fault::Failed(error)) => return Err(error),
        };
        let corrupt = lists.corrupt.iter();
        tars.faults.extend(
            corrupt.map(|path| format!("'{path}' had corrupt pages when it was pushed, its engine says")),
        );
        let read = several(&backup.parts, self.threads, |part, _| self.tar(&backup.id, &part.name))?;
        for (part, (contents, digest)) in backup.parts.iter().zip(read) {
            tars.digests.extend(digest.map(|digest| (digest.key.clone(), digest)));
            let is_control = Compression::split(&part.name).0 == "pg_control.tar";
            let contents = match contents {
                Ok(contents) => contents,
                Err(why) => {
                    if is_control {
                        tars.control = Some(Err(why.clone()));
                    }
                    tars.faults.push(format!("'{}': {why}", part.name));
                    continue;
                }
            };
            let listed = lists.tars.iter().find(|(name, _)| part.is_listed_as(name));
            if let Some((_, names)) = listed.filter(|(_, names)| *names != contents.names) {
                let (has, of) = (contents.names.count, names.count);
                let why = if has == of { "other files than" } else { "not the files of" };
                tars.faults.push(format!("'{}' holds {why} its list: {has} instead of {of}", part.name));
            }
            if is_control {
                tars.control = Some(contents.control.ok_or_else(|| "its tar does not hold it".into()));
            }
        }
        Ok(tars)
    }

    /// The files of each tar as the list of files names them; `None` where the engine wrote none.
    fn lists(
        &self,
        backup: &Backup,
        digests: &mut BTreeMap<Key, ObjectDigest>,
    ) -> std::result::Result<Option<Lists>, Fault> {
        if !backup.has_files_metadata() {
            return Ok(None);
        }
        let key = self.root.files_metadata(&backup.id).map_err(Error::from)?;
        let mut stored = self.stored(&key)?;
        let lists = match lists_of(&mut stored) {
            Ok(lists) => Ok(Some(lists)),
            Err(e) if e.is_io() => {
                return Err(backup_store::Error::from_io(e.into(), "read", key.as_str()).into());
            }
            Err(e) => Err(Fault::Wrong(format!("the list of files cannot be used: {e}"))),
        };
        digests.insert(key, stored.finish()?);
        lists
    }

    /// What a tar holds, or what is wrong with it, and by what its bytes are recognised, where it is there.
    fn tar(
        &self,
        id: &SnapshotId,
        name: &str,
    ) -> Result<(std::result::Result<tar::Contents, String>, Option<ObjectDigest>)> {
        let key = self.root.part(id, name)?;
        let mut stored = match self.stored(&key) {
            Ok(stored) => stored,
            Err(Fault::Wrong(why)) => return Ok((Err(why), None)),
            Err(Fault::Failed(error)) => return Err(error),
        };
        let opened = self.cipher.open(Compression::split(name).1, &mut stored);
        let contents = match opened.and_then(tar::read).map_err(fault_of) {
            Ok(contents) => Ok(contents),
            Err(Fault::Wrong(why)) => Err(why),
            Err(Fault::Failed(error)) => return Err(error),
        };
        Ok((contents, Some(stored.finish()?)))
    }

    /// Whether the WAL that a backup needs begins, segment by segment, as that of its own cluster: the names do not say of which
    /// it is, and an older cluster may have left the same ones in the bucket. Reads the first page of each.
    ///
    /// # Errors
    /// [`Error::Store`]
    pub fn first_pages(&self, backup: &Backup) -> Result<CheckResult> {
        let said = "each segment from start to finish begins as one of this cluster".into();
        self.asked("wal", said, || {
            self.segments(backup, |plain, expected| check_first_page(plain, expected))
                .map(|(_, faults)| faults)
        })
    }

    /// What is wrong with the WAL from a backup's start to its finish.
    fn wal(&self, backup: &Backup, segments: &mut Vec<SegmentDigest>) -> Result<Vec<String>> {
        let (digests, faults) = self.segments(backup, |plain, expected| {
            let mut hashed = Hashed::new(plain);
            check_pages(&mut hashed, expected)?;
            Ok(SegmentDigest { name: expected.name, sha256: hashed.finish() })
        })?;
        *segments = digests;
        Ok(faults)
    }

    /// Reads the segments from a backup's start to its finish; what is wrong with those that cannot be read so.
    fn segments<T>(
        &self,
        backup: &Backup,
        read: impl Fn(&mut dyn Read, Expected<'_>) -> std::result::Result<T, BadSegment>,
    ) -> Result<(Vec<T>, Vec<String>)> {
        let Some(((start, finish), timeline)) = backup.span().zip(backup.timeline) else {
            return Ok((Vec::new(), vec!["where it began is not known".into()]));
        };
        let system_identifier = backup.sentinel.as_ref().and_then(|sentinel| sentinel.system_identifier);
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        let Some((history, names)) = self.bucket.archive.needed(timeline, start, finish) else {
            return Ok((found, vec!["some of it is not in the archive".into()]));
        };
        let size = self.bucket.archive.segment_size();
        for name in names {
            match self.segment(Expected { name, size, history, system_identifier }, &read) {
                Ok(one) => found.push(one),
                Err(Fault::Wrong(why)) => faults.push(format!("{name}: {why}")),
                Err(Fault::Failed(error)) => return Err(error),
            }
        }
        Ok((found, faults))
    }

    fn segment<T>(
        &self,
        expected: Expected<'_>,
        read: impl Fn(&mut dyn Read, Expected<'_>) -> std::result::Result<T, BadSegment>,
    ) -> std::result::Result<T, Fault> {
        for compression in Compression::ALL {
            let object = format!("{}{}", expected.name, compression.ending());
            let key = self.root.wal(&object).map_err(Error::from)?;
            let stored = match self.stored(&key) {
                Ok(stored) => stored,
                Err(Fault::Wrong(_)) => continue,
                Err(failed) => return Err(failed),
            };
            let mut plain = self.cipher.open(compression, stored).map_err(fault_of)?;
            return read(&mut plain, expected).map_err(|bad| match bad {
                BadSegment::Read(e) => fault_of(e),
                bad => Fault::Wrong(bad.to_string()),
            });
        }
        Err(Fault::Wrong("it is not there".into()))
    }

    fn stored(&self, key: &Key) -> std::result::Result<Digested<'_>, Fault> {
        Ok(Digested::open(self.store, key, self.read)?)
    }
}

/// What was read of one backup.
#[derive(Default)]
struct Tars {
    faults: Vec<String>,
    /// The control file, or why it is not to be had; none where no tar should hold it.
    control: Option<std::result::Result<Vec<u8>, String>>,
    digests: BTreeMap<Key, ObjectDigest>,
}

/// What is wrong with the control file.
fn control_faults(backup: &Backup, control: Option<std::result::Result<Vec<u8>, String>>) -> Vec<String> {
    let bytes = match control {
        Some(Ok(bytes)) => bytes,
        Some(Err(why)) => return vec![why],
        None => return vec!["there is no tar of pg_control".into()],
    };
    let Some(control) = Control::parse(&bytes) else {
        return vec!["its checksum is not that of its bytes".into()];
    };
    let Some(sentinel) = &backup.sentinel else { return Vec::new() };
    let mut faults = Vec::new();
    if let Some(system) = sentinel.system_identifier.filter(|system| *system != control.system_identifier) {
        faults.push(format!(
            "it is of the cluster {}, and the sentinel of {system}",
            control.system_identifier
        ));
    }
    if let Some(version) = sentinel.pg_version.filter(|version| control.fits(*version) == Some(false)) {
        faults.push(format!(
            "no server of version {version} writes control files of version {}",
            control.version
        ));
    }
    if let Some(timeline) = backup.timeline.filter(|timeline| *timeline != control.timeline) {
        faults.push(format!("it is of timeline {}, and the backup of {timeline}", control.timeline));
    }
    faults
}

/// What a reader failed with: the store's own errors say nothing of the object, every other one does.
fn fault_of(error: io::Error) -> Fault {
    match error.downcast::<backup_store::Error>() {
        Ok(error) => error.into(),
        Err(error) => Fault::Wrong(error.to_string()),
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
