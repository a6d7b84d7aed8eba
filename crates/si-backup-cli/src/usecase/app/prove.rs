use crate::app::cluster_detail;
use crate::report::message_of;
use crate::shelf::reference;
use crate::usecase::prove::{About, Measured, Verification, millis, sign};
use crate::{AppBucket, AppShelf, CliError, Meter, Session};
use backup_contract::{CheckResult, Checksum, Level, Snapshot, SnapshotId};
use backup_store::Store;
use chrono::TimeDelta;
use paas_state::Watch;
use restore_guard::OriginId;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;
use walg_driver::bucket::{Backup, Bucket};
use walg_driver::scratch::Step;
use walg_driver::verify::{ContentCheck, Fingerprint, SegmentDigest};

/// How many objects are read at once.
pub(super) const AT_ONCE: usize = 4;

/// What a verification found, and of which bytes.
pub(super) struct Proved {
    pub(super) verification: Verification,
    /// By what the backup is recognised; none where nothing was read that could tell.
    pub(super) checksum: Option<Checksum>,
    /// The WAL that the backup needs, where it was decoded.
    pub(super) segments: Vec<SegmentDigest>,
    /// What was found wrong with what the backup is a delta of: that speaks against every delta of it.
    pub(super) bases: Vec<Accused>,
}

/// A backup that was read for the sake of another, and is not what it should be.
pub(super) struct Accused {
    pub(super) id: SnapshotId,
    pub(super) level: Level,
    pub(super) check: CheckResult,
}

impl Accused {
    pub(super) fn of(level: Level, id: &SnapshotId, check: &CheckResult) -> Self {
        Self { id: id.clone(), level, check: check.clone() }
    }
}

/// What proves backups of one bucket.
pub(super) struct Prover<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) bucket: &'a AppBucket,
    pub(super) catalogue: &'a Bucket,
    /// The fingerprints that were recorded, or computed meanwhile.
    pub(super) known: BTreeMap<SnapshotId, Checksum>,
}

impl<'a> Prover<'a> {
    pub(super) fn new(session: &'a Session<'a>, bucket: &'a AppBucket, shelf: &'a AppShelf) -> Self {
        let known = shelf.recorded();
        Self { session, bucket, catalogue: &shelf.bucket, known }
    }

    /// How many bytes a verification reads, as far as can be known before.
    pub(super) fn bytes(&self, backup: &Backup, level: Level) -> u64 {
        let links = || self.catalogue.chain(backup);
        let is_fingerprinted = |link: &&Backup| link.id == backup.id || !self.known.contains_key(&link.id);
        match level {
            Level::Stored => 0,
            Level::Checksum => links().filter(is_fingerprinted).map(|link| link.bytes).sum(),
            Level::Content | Level::Restore => links().map(|link| link.bytes).sum(),
        }
    }

    /// Proves a backup at a level: `stored`, `checksum` and `content`, one after the other until one fails.
    ///
    /// # Errors
    /// What kept the verification from being made, which says nothing about the backup.
    pub(super) fn prove(
        &mut self,
        backup: &Backup,
        level: Level,
        meter: &Meter<'_>,
    ) -> Result<Proved, CliError> {
        let clock = &*self.session.world.clock;
        let (began, started_at) = (clock.monotonic(), self.session.now());
        let mut found = Found::new(stored(backup));
        let checksum = self.known.get(&backup.id).copied();
        let checksum = match level {
            Level::Stored => checksum,
            _ if found.has_failed() => checksum,
            Level::Checksum => {
                let fingerprints = vec![(backup.id.clone(), self.fingerprint(backup, meter)?)];
                self.recognise(backup, &fingerprints, clock.monotonic().saturating_sub(began), &mut found)
            }
            Level::Content | Level::Restore => self.open(backup, meter, &mut found)?,
        };
        let took = clock.monotonic().saturating_sub(began);
        let finished_at = started_at + TimeDelta::from_std(took).unwrap_or_default();
        let Found { reached, checks, segments, bases } = found;
        Ok(Proved {
            verification: Verification { level: reached, checks, started_at, finished_at, accounted: None },
            checksum,
            segments,
            bases,
        })
    }

    /// Whether the WAL of a backup is that of its own cluster, where it can be read here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn wal_is_its_own(&self, backup: &Backup) -> Result<Option<CheckResult>, CliError> {
        if !self.bucket.cipher.is_readable() {
            return Ok(None);
        }
        Ok(Some(self.content(&|_| ControlFlow::Continue(())).first_pages(backup)?))
    }

    fn content<'c>(&'c self, read: &'c (dyn Fn(u64) -> ControlFlow<()> + Sync)) -> ContentCheck<'c> {
        ContentCheck {
            store: &*self.bucket.store,
            root: &self.bucket.root,
            cipher: &self.bucket.cipher,
            bucket: self.catalogue,
            clock: &*self.session.world.clock,
            threads: AT_ONCE,
            read,
        }
    }

    /// Reads everything that a restore of a backup needs, and decodes it. Returns by what it is recognised.
    fn open(
        &mut self,
        backup: &Backup,
        meter: &Meter<'_>,
        found: &mut Found,
    ) -> Result<Option<Checksum>, CliError> {
        let clock = &*self.session.world.clock;
        let read = |bytes| told(meter, bytes);
        let content = self.content(&read);
        let began = clock.monotonic();
        if let Some(shut) = content.shut(backup)? {
            // What these bytes are says their fingerprint; what they hold, nobody can say here.
            let fingerprints = vec![(backup.id.clone(), self.fingerprint(backup, meter)?)];
            let took = clock.monotonic().saturating_sub(began);
            let checksum = self.recognise(backup, &fingerprints, took, found);
            let error = walg_driver::Error::KeyDoesNotOpen(shut);
            return if found.has_failed() { Ok(checksum) } else { Err(error.into()) };
        }
        let content = content.run(backup)?;
        let took = clock.monotonic().saturating_sub(began);
        let checksum = self.recognise(backup, &content.fingerprints, took, found);
        // What other bytes decode to says nothing of those that were recorded.
        if !found.has_failed() {
            found.reached = Level::Content;
            found.checks.extend(content.checks);
            found.segments = content.segments;
            let faulty = content.bases.iter().filter(|(_, check)| !check.ok);
            found.bases.extend(faulty.map(|(id, check)| Accused::of(Level::Content, id, check)));
        }
        Ok(checksum)
    }

    /// Holds the fingerprints of what was read just now, the backup's own last, against those that were recorded. Returns the
    /// one that the backup goes by.
    fn recognise(
        &mut self,
        backup: &Backup,
        read: &[(SnapshotId, Checksum)],
        took: Duration,
        found: &mut Found,
    ) -> Option<Checksum> {
        found.reached = Level::Checksum;
        let check =
            |ok, detail| CheckResult { name: "fingerprint".into(), ok, detail, duration_ms: millis(took) };
        for (id, now) in read.iter().filter(|(id, _)| *id != backup.id) {
            let recorded = *self.known.entry(id.clone()).or_insert(*now);
            if recorded != *now {
                let check = check(false, changed(&format!("the fingerprint of '{id}'"), now, &recorded));
                found.bases.push(Accused::of(Level::Checksum, id, &check));
                // Whatever is recognised by the fingerprint of a parent is other than it was too.
                found.checks.push(check);
                return self.known.get(&backup.id).copied();
            }
        }
        let recorded = self.known.get(&backup.id).copied();
        let Some((_, now)) = read.iter().find(|(id, _)| *id == backup.id) else {
            found.reached = Level::Stored;
            found.checks.push(check(false, "something of it was deleted while it was read".into()));
            return recorded;
        };
        let (ok, detail) = match recorded {
            None => (true, format!("every byte read; recognised by {now} from now on")),
            Some(recorded) if recorded == *now => {
                (true, "every byte read, and the fingerprint is the recorded one".to_owned())
            }
            Some(recorded) => (false, changed("its fingerprint", now, &recorded)),
        };
        found.checks.push(check(ok, detail));
        recorded.or(Some(*now))
    }

    /// The fingerprint of a backup, and of those that it is a delta of where nobody has recorded theirs.
    fn fingerprint(&mut self, backup: &Backup, meter: &Meter<'_>) -> Result<Checksum, CliError> {
        let read = |bytes| told(meter, bytes);
        let mut parent = None;
        for id in backup.chain.iter().rev() {
            let is_asked = *id == backup.id;
            if let Some(known) = self.known.get(id).filter(|_| !is_asked) {
                parent = Some(*known);
                continue;
            }
            let link = self.catalogue.backup(id).unwrap_or(backup);
            let store = &*self.bucket.store;
            let found =
                Fingerprint::compute(store, &self.bucket.root, link, parent.as_ref(), AT_ONCE, &read)?
                    .checksum;
            if is_asked {
                return Ok(found);
            }
            self.known.insert(id.clone(), found);
            parent = Some(found);
        }
        Err(walg_driver::Error::NoSentinel(backup.id.clone()).into())
    }
}

/// What a verification has found so far.
struct Found {
    reached: Level,
    checks: Vec<CheckResult>,
    segments: Vec<SegmentDigest>,
    bases: Vec<Accused>,
}

impl Found {
    fn new(stored: CheckResult) -> Self {
        Self { reached: Level::Stored, checks: vec![stored], segments: Vec::new(), bases: Vec::new() }
    }

    fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| !check.ok)
    }
}

fn changed(what: &str, now: &Checksum, recorded: &Checksum) -> String {
    format!("{what} is {now}, and {recorded} was recorded: it was changed")
}

/// Tells a meter of bytes, which may be none, and asks it whether to go on.
pub(super) fn told(meter: &Meter<'_>, bytes: u64) -> ControlFlow<()> {
    meter.advanced(bytes);
    if meter.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Tells a meter of a step of a restore, and asks it whether to go on.
pub(super) fn told_step(meter: &Meter<'_>, step: Step) -> ControlFlow<()> {
    let Step::Fetching { bytes, of } = step else { return told(meter, 0) };
    meter.expects(of);
    told(meter, bytes)
}

/// Whether everything is there that a restore needs, as the catalogue has it.
fn stored(backup: &Backup) -> CheckResult {
    let problems: Vec<_> = backup.problems.iter().map(|problem| problem.detail.as_str()).collect();
    let detail = match problems.as_slice() {
        [] => format!("{} tars, the chain and the WAL from start to finish are listed", backup.parts.len()),
        problems => problems.join("; "),
    };
    CheckResult { name: "stored".into(), ok: problems.is_empty(), detail, duration_ms: 0 }
}

/// Signs what a verification found of a backup, and writes it into the control store. Returns where; none without a
/// fingerprint, because there is nothing then that evidence could be about.
pub(super) fn write_evidence(
    session: &Session<'_>,
    control: &dyn Store,
    origin: &OriginId,
    (snapshot, backup): (&Snapshot, &Backup),
    proved: &Proved,
    measured: Measured,
) -> Result<Option<String>, CliError> {
    let Some(checksum) = proved.checksum else { return Ok(None) };
    let details = details_of(&proved.segments).into_iter().chain(cluster_detail(backup));
    let details = details.chain(measured.details).collect();
    let about = About { snapshot: reference(snapshot), checksum, measured: Measured { details, ..measured } };
    sign(session, control, origin, about, &proved.verification).map(Some)
}

/// The digests of the WAL that was decoded: it is in no fingerprint, because a segment that is pushed again has other stored
/// bytes.
fn details_of(segments: &[SegmentDigest]) -> Map<String, Value> {
    if segments.is_empty() {
        return Map::new();
    }
    let told: Vec<_> = segments
        .iter()
        .map(|segment| {
            json!({ "segment": segment.name.to_string(), "sha256": Checksum::from_sha256(segment.sha256).to_string() })
        })
        .collect();
    Map::from_iter([("wal".to_owned(), Value::Array(told))])
}

/// What an error says of the backup itself; none where it could only not be looked at.
pub(super) fn fault_in(error: &CliError) -> Option<(Level, String)> {
    use backup_store::Error as StoreError;
    let CliError::Walg(walg) = error else { return None };
    let level = match walg {
        walg_driver::Error::NoSentinel(_) | walg_driver::Error::Store(StoreError::NotFound { .. }) => {
            Level::Stored
        }
        walg_driver::Error::Store(StoreError::Corrupt { .. }) => Level::Checksum,
        _ => return None,
    };
    Some((level, message_of(error)))
}
