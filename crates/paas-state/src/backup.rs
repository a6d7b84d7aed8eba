//! A backup of a state: inventory, secret scan, stable read, bundle, record.

use crate::blocks::{Blocks, Spare};
use crate::encryption::Recipients;
use crate::inspect::{Inspected, inspect};
use crate::inventory::Inventory;
use crate::layout::{OptionalTree, PROTECTED, Shape};
use crate::manifest::{AllowedSecret, FileEntry, LeftOut, MANIFEST_FORMAT, MANIFEST_VERSION, Manifest};
use crate::open::objection;
use crate::record::{RECORD_FORMAT, RECORD_VERSION, bundle_key, record_key};
use crate::scan::{AllowList, Allowances, Scanner};
use crate::seal::{Header, NextBlock, Sealer};
use crate::stable::{self, Patience, Source};
use crate::{ContextDir, Error, Record, Result, StatePath, VaultPrints, Watch};
use backup_contract::{Checksum, Finding, Place, Severity, SnapshotId};
use backup_store::{Clock, PutOptions, Store, put_bytes};
use chrono::{DateTime, TimeDelta, Utc};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// How often a backup is begun again because a log was cut or replaced beneath it.
const TRIES: u32 = 3;

/// What is to be backed up, and how its reading is followed.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The context.
    pub context: &'a ContextDir,
    /// The optional trees that are taken too.
    pub with: &'a [OptionalTree],
    /// Reviewed exceptions of the secret scan.
    pub allow: &'a AllowList,
    /// How patiently a busy context is read.
    pub patience: &'a Patience,
    /// For the pauses between two rounds of reading, and for measuring.
    pub clock: &'a dyn Clock,
    /// Who follows the work.
    pub watch: &'a dyn Watch,
}

/// What becomes of the bytes, and what is said of them.
#[derive(Debug, Clone)]
pub struct Sealing<'a> {
    /// Who can open the bundle.
    pub recipients: &'a Recipients,
    /// The snapshot's name.
    pub id: &'a SnapshotId,
    /// When the backup began, by the caller's clock.
    pub started_at: DateTime<Utc>,
    /// The context's origin.
    pub origin: Option<String>,
    /// The host's name.
    pub host: &'a str,
    /// The program, with its version.
    pub tool: &'a str,
    /// Whether the mutation lock is shut.
    pub suspect: bool,
    /// How many threads may compress.
    pub workers: u32,
}

/// What a backup would take: the dry run.
#[derive(Debug)]
pub struct Inspection {
    /// Every entry of the context, with what becomes of it.
    pub inventory: Inventory,
    /// The files that would be taken, as they were read.
    pub files: Vec<FileEntry>,
    /// Everything found, of all severities.
    pub findings: Vec<Finding>,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Backup {
    /// What was stored, as the store describes it.
    pub record: Record,
    /// What it holds.
    pub manifest: Manifest,
    /// What was found and did not stand in the way.
    pub findings: Vec<Finding>,
}

impl Reading<'_> {
    /// Reads everything as a backup would, and stores nothing.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::LogConflict`], [`Error::Io`], [`Error::Stopped`]. Secrets and the like are findings.
    pub fn inspect(&self) -> Result<Inspection> {
        let (inventory, sources) = self.settle()?;
        let pass = self.pass_over(&inventory, sources, &mut |_, _, next| {
            while next()?.is_some() {}
            Ok(())
        })?;
        Ok(Inspection { inventory, files: pass.files, findings: pass.findings })
    }

    /// Makes a backup: bundle, then record. When it fails, nothing is visible in the store.
    ///
    /// # Errors
    /// [`Error::Blocked`] with every finding that stands in the way; [`Error::Busy`]; [`Error::LogConflict`] when a log
    /// was replaced again and again; [`Error::Store`]; [`Error::Stopped`].
    pub fn back_up(&self, store: &dyn Store, sealing: &Sealing<'_>) -> Result<Backup> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_back_up(store, sealing) {
                Err(Error::LogConflict { .. }) if tries < TRIES => {}
                done => return done,
            }
        }
    }

    fn try_back_up(&self, store: &dyn Store, sealing: &Sealing<'_>) -> Result<Backup> {
        let began = self.clock.monotonic();
        let (inventory, sources) = self.settle()?;
        let plain_bytes = inventory.bytes_taken();
        let context = self.context.name();
        let key = bundle_key(context, sealing.id)?;
        let upload =
            Counted { inner: store.create(&key, &PutOptions { lock: None, size_hint: None })?, bytes: 0 };
        let mut sealer = Sealer::new(upload, sealing.recipients, plain_bytes, sealing.workers)?;
        let mut pass =
            self.pass_over(&inventory, sources, &mut |path, header, next| sealer.file(path, header, next))?;
        if pass.findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(Error::Blocked(pass.findings));
        }
        let (vault, findings) = look_at_vault(self.context, sealing.origin.as_deref());
        pass.findings.extend(findings);
        let manifest = Manifest {
            format: MANIFEST_FORMAT.into(),
            version: MANIFEST_VERSION,
            id: sealing.id.clone(),
            context: context.clone(),
            read_at: sealing.started_at,
            tool: sealing.tool.to_owned(),
            with: self.with.to_vec(),
            absent: absent_from(&pass.files)?,
            left_out: left_out(&inventory),
            files: pass.files,
            allowed: pass.allowed,
            vault,
        };
        let text = manifest.to_json()?;
        let Counted { inner: mut upload, bytes: length } = sealer.finish(&text, &manifest)?;
        if let Some(fault) = objection(&manifest, text.len() as u64, length) {
            return Err(Error::Blocked(vec![Finding::new(
                "unreadable-bundle",
                Severity::Error,
                Place::of("."),
                format!("gives a bundle that would be refused when it is read: {fault}"),
                "leave out the tree that it is in, or move out of the context what si did not put there",
            )]));
        }
        upload.flush().map_err(crate::seal::writing)?;
        if self.watch.stop() {
            return Err(Error::Stopped);
        }
        let stored = upload.finish()?;
        let took = self.clock.monotonic().saturating_sub(began);
        let record = Record {
            format: RECORD_FORMAT.into(),
            version: RECORD_VERSION,
            id: sealing.id.clone(),
            context: context.clone(),
            origin: sealing.origin.clone(),
            checksum: Checksum::from_sha256(stored.digest.0),
            bytes: stored.meta.size,
            started_at: sealing.started_at,
            finished_at: sealing.started_at + TimeDelta::from_std(took).unwrap_or_default(),
            host: sealing.host.to_owned(),
            tool: sealing.tool.to_owned(),
            recipients: sealing.recipients.count(),
            suspect: sealing.suspect,
        };
        put_bytes(store, &record_key(context, sealing.id)?, &record.to_json()?, &PutOptions::default())?;
        Ok(Backup { record, manifest, findings: pass.findings })
    }

    /// The inventory, and what it names, read or fixed consistently.
    ///
    /// A protected file that came or went between the two belongs to another generation than the rest: then both are
    /// taken again.
    fn settle(&self) -> Result<(Inventory, Vec<Source>)> {
        let mut inventory = Inventory::take(self.context, self.with)?;
        for _ in 0..self.patience.rounds.max(2) {
            let sources = stable::collect(self.context, inventory.taken(), self.clock, self.patience)
                .map_err(|e| match e {
                    Error::Blocked(more) => Error::Blocked([inventory.findings.clone(), more].concat()),
                    other => other,
                })?;
            // The optional trees are not walked again: what is in them does not change together with the stores.
            if Inventory::take(self.context, &[])?.protects_the_same_as(&inventory) {
                return Ok((inventory, sources));
            }
            inventory = Inventory::take(self.context, self.with)?;
        }
        Err(Error::Busy { path: self.context.path().to_owned(), tries: self.patience.rounds })
    }

    /// Reads every file that is taken, once, and hands its bytes to `each`.
    fn pass_over(&self, inventory: &Inventory, sources: Vec<Source>, each: &mut Each<'_>) -> Result<Pass> {
        let mut tools = Tools { scanner: Scanner::new(), spare: Spare::default() };
        let mut pass = Pass { files: Vec::new(), findings: inventory.findings.clone(), allowed: Vec::new() };
        let mut allowances = self.allow.begin();
        for mut source in sources {
            if self.watch.stop() {
                return Err(Error::Stopped);
            }
            let Some((entry, inspected)) = self.one(&mut source, &mut tools, each)? else { continue };
            pass.take(entry, inspected, &mut allowances);
        }
        pass.findings.extend(allowances.unused());
        pass.allowed = allowances.into_used();
        Ok(pass)
    }

    fn one(
        &self,
        source: &mut Source,
        tools: &mut Tools,
        each: &mut Each<'_>,
    ) -> Result<Option<(FileEntry, Inspected)>> {
        let (path, class, shape) = (source.path.clone(), source.class, source.shape);
        let read = source.read(self.context, |stamp, size, data| {
            self.stream(&path, shape, Header { size, mtime: stamp.mtime }, data, tools, each)
        })?;
        let Some((stamp, size, inspected)) = read else { return Ok(None) };
        let entry = FileEntry {
            path,
            class,
            shape,
            size,
            mode: stamp.mode,
            mtime: DateTime::from_timestamp(stamp.mtime, 0).unwrap_or_default(),
            sha256: inspected.sha256.clone(),
            lines: (shape == Shape::Log).then_some(inspected.lines),
            malformed_lines: inspected.malformed_lines,
        };
        Ok(Some((entry, inspected)))
    }

    /// Whether it was reading the file that failed, or writing the bundle.
    fn blame(&self, path: &StatePath, e: io::Error) -> Error {
        if self.watch.stop() {
            return Error::Stopped;
        }
        match e.downcast::<ReadFailed>() {
            Ok(ReadFailed(e)) => self.context.io("read", path.as_str(), e),
            Err(e) => crate::seal::writing(e),
        }
    }

    fn stream(
        &self,
        path: &StatePath,
        shape: Shape,
        header: Header,
        data: &mut dyn Read,
        tools: &mut Tools,
        each: &mut Each<'_>,
    ) -> Result<Inspected> {
        let Tools { scanner, spare } = tools;
        let ((), inspected) = inspect(shape, header.size, Some(scanner), |feed| {
            let mut blocks = Blocks::new(data, shape == Shape::Log);
            let mut next = || {
                if self.watch.stop() {
                    return Err(io::Error::other("stopped on request"));
                }
                let block = spare.next_block(&mut blocks).map_err(|e| io::Error::other(ReadFailed(e)))?;
                if let Some(block) = &block {
                    self.watch.advanced(block.len() as u64);
                    feed(Arc::clone(block));
                }
                Ok(block)
            };
            each(path, header, &mut next).map_err(|e| self.blame(path, e))
        })?;
        if inspected.bytes != header.size {
            return Err(Error::LogConflict { path: self.context.path().join(path), what: "cut short" });
        }
        Ok(inspected)
    }
}

/// Takes the bytes of one file.
type Each<'a> = dyn FnMut(&StatePath, Header, &mut NextBlock<'_>) -> io::Result<()> + 'a;

/// What every file is read with.
struct Tools {
    scanner: Scanner,
    spare: Spare,
}

/// What one pass over the files found.
struct Pass {
    files: Vec<FileEntry>,
    findings: Vec<Finding>,
    allowed: Vec<AllowedSecret>,
}

impl Pass {
    fn take(&mut self, entry: FileEntry, inspected: Inspected, allowances: &mut Allowances<'_>) {
        let path = entry.path.as_str();
        for hit in &inspected.hits {
            if !allowances.allow(path, hit) {
                self.findings.push(hit.finding(path));
            }
        }
        if inspected.malformed_lines > 0 {
            self.findings.push(Finding::new(
                "malformed-line",
                Severity::Warning,
                Place::of(path).line(inspected.first_malformed.unwrap_or(1)),
                format!("has {} torn or malformed line(s), the first one here", inspected.malformed_lines),
                "nothing need be done: the lines are kept as they are",
            ));
        }
        if let Some(why) = inspected.not_json
            && entry.class == crate::Class::Optional
        {
            self.findings.push(Finding::new(
                "malformed-json",
                Severity::Info,
                Place::of(path),
                format!("is not JSON: {why}"),
                "nothing need be done: it is kept as it is",
            ));
        }
        self.files.push(entry);
    }
}

/// The names of the vault's keys with their fingerprints. A backup is made without them too: a restore of it can then compare
/// less.
fn look_at_vault(context: &ContextDir, origin: Option<&str>) -> (Option<VaultPrints>, Option<Finding>) {
    let Some(origin) = origin else { return (None, None) };
    match VaultPrints::read(context, origin) {
        Ok(prints) => (prints, None),
        Err(e) => {
            let finding = Finding::new(
                "vault-unreadable",
                Severity::Warning,
                Place::of("vault"),
                format!(
                    "could not be looked at ({e}): a restore of this backup cannot tell whether its secrets have changed"
                ),
                "let the user that makes backups read it; it is in no backup, only the names of its keys are",
            );
            (None, Some(finding))
        }
    }
}

/// Protected files that did not exist when they were read, which may differ from what the inventory saw.
fn absent_from(files: &[FileEntry]) -> Result<Vec<StatePath>> {
    let is_there = |path: &str| files.iter().any(|file| file.path.as_str() == path);
    PROTECTED.into_iter().filter(|path| !is_there(path)).map(StatePath::new).collect()
}

fn left_out(inventory: &Inventory) -> Vec<LeftOut> {
    inventory
        .entries
        .iter()
        .filter(|entry| !entry.class.is_taken())
        .map(|entry| LeftOut {
            path: entry.path.clone(),
            class: entry.class,
            reason: entry.reason.to_owned(),
        })
        .collect()
}

/// Counts what is written.
struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Marks an error of reading, in a stream whose other errors are of writing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ReadFailed(io::Error);
