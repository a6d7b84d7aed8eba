//! What stands in the way of restoring each backup: pure, over what was read.
//!
//! A backup needs the tars of its whole chain, but only the WAL from its own start to its own finish.

use super::backup::{Backup, BackupProblem, ProblemCode};
use super::layout::segment_of;
use super::parts::{self, Expected, Part, PartFault};
use super::sentinel::{BadSentinel, Sentinel};
use crate::wal::Archive;
use backup_contract::SnapshotId;
use std::collections::{BTreeMap, BTreeSet};

/// What was read of one backup.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) sentinel: Result<Sentinel, BadSentinel>,
    /// Why the metadata cannot be used; nothing when it can, or is not there.
    pub(super) metadata_fault: Option<BadSentinel>,
    pub(super) files: Files,
    pub(super) has_metadata: bool,
    pub(super) parts: Vec<Part>,
    pub(super) bytes: u64,
}

/// What the list of files says of the tars.
#[derive(Debug)]
pub(super) enum Files {
    /// There is no such object.
    Missing,
    /// It cannot be read, and why.
    Unreadable(String),
    /// The tars that it names.
    Tars(Vec<String>),
}

/// Judges all backups of a bucket.
pub(super) fn judge(raw: BTreeMap<SnapshotId, Raw>, archive: &Archive) -> Vec<Backup> {
    let links: BTreeMap<SnapshotId, Link> =
        raw.iter().map(|(id, one)| (id.clone(), link(one, of_itself(one), &raw))).collect();
    let mut backups: Vec<Backup> = raw
        .into_iter()
        .map(|(id, one)| {
            let (chain, problems) = follow(&id, &links);
            let timeline = segment_of(&id).map(|segment| segment.timeline);
            let mut backup = Backup {
                sentinel: one.sentinel.ok(),
                parts: one.parts,
                has_metadata: one.has_metadata,
                has_files_metadata: !matches!(one.files, Files::Missing),
                bytes: one.bytes,
                timeline,
                chain,
                reach: Vec::new(),
                problems,
                id,
            };
            wal(&mut backup, archive);
            backup
        })
        .collect();
    backups.sort_by(|a, b| {
        let order = |backup: &Backup| (backup.time(), backup.span());
        order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
    });
    backups
}

/// A link of a chain: a backup, and what it is a delta of.
struct Link {
    /// The parent, where there is one and it is there.
    parent: Option<SnapshotId>,
    /// What is wrong with the backup's objects, and between it and its parent. Its WAL is not looked at: a delta of it does
    /// not need that.
    problems: Vec<BackupProblem>,
}

fn problem(code: ProblemCode, detail: impl Into<String>) -> BackupProblem {
    BackupProblem { code, detail: detail.into() }
}

/// What is wrong with a backup's own objects.
fn of_itself(raw: &Raw) -> Vec<BackupProblem> {
    let mut problems = Vec::new();
    if let Some(fault) = &raw.metadata_fault {
        problems
            .push(problem(ProblemCode::MetadataUnreadable, format!("its metadata cannot be used: {fault}")));
    }
    let sentinel = match &raw.sentinel {
        Ok(sentinel) => sentinel,
        Err(fault) => {
            problems.push(problem(
                ProblemCode::SentinelUnreadable,
                format!("its sentinel cannot be used: {fault}"),
            ));
            return problems;
        }
    };
    if sentinel.finish.is_some_and(|finish| finish < sentinel.start) {
        problems.push(problem(ProblemCode::WrongOrder, "it ends before it begins"));
    }
    let expected = match (&raw.files, &sentinel.tars) {
        (Files::Tars(tars), _) | (_, Some(tars)) if !tars.is_empty() => Expected::Named(tars.clone()),
        (Files::Unreadable(why), _) => {
            let detail = format!("its list of files cannot be used: {why}");
            problems.push(problem(ProblemCode::FilesMetadataUnreadable, detail));
            Expected::Numbered
        }
        // Sentinels that tell a time come from engines that write this object, unless they were told not to.
        (Files::Missing, _) if !sentinel.without_files_metadata && sentinel.finished_at.is_some() => {
            problems.push(problem(ProblemCode::FilesMetadataMissing, "its list of files is missing"));
            Expected::Numbered
        }
        _ => Expected::Numbered,
    };
    problems.extend(parts::check(&raw.parts, &expected).into_iter().map(|fault| {
        let code = match fault {
            PartFault::Unlisted(_) => ProblemCode::PartUnlisted,
            _ => ProblemCode::PartMissing,
        };
        problem(code, fault.to_string())
    }));
    problems
}

/// Finds the parent of a backup, and holds the two against each other.
fn link(one: &Raw, mut problems: Vec<BackupProblem>, all: &BTreeMap<SnapshotId, Raw>) -> Link {
    let Ok(sentinel) = &one.sentinel else { return Link { parent: None, problems } };
    let Some(delta) = &sentinel.delta else { return Link { parent: None, problems } };
    let parent = delta.parent.parse().ok().and_then(|id: SnapshotId| all.get_key_value(&id));
    let Some((id, parent)) = parent else {
        let detail = format!("its parent '{}' is not there", delta.parent);
        problems.push(problem(ProblemCode::ParentMissing, detail));
        return Link { parent: None, problems };
    };
    if let Ok(theirs) = &parent.sentinel {
        if let Some(start) = delta.start.filter(|start| *start != theirs.start) {
            let detail = format!(
                "it is a delta of a backup that began at {start}, and '{id}' began at {}",
                theirs.start
            );
            problems.push(problem(ProblemCode::ParentMismatch, detail));
        }
        if theirs.start >= sentinel.start {
            let detail = format!(
                "it began at {}, no later than its parent '{id}' at {}",
                sentinel.start, theirs.start
            );
            problems.push(problem(ProblemCode::WrongOrder, detail));
        }
        if let (Some(own), Some(other)) = (sentinel.system_identifier, theirs.system_identifier)
            && own != other
        {
            let detail = format!("it is of the cluster {own}, and its parent '{id}' of {other}");
            problems.push(problem(ProblemCode::WrongServer, detail));
        }
    }
    Link { parent: Some(id.clone()), problems }
}

/// Follows the chain of a backup up to its full, and tells what is wrong on the way.
fn follow(id: &SnapshotId, links: &BTreeMap<SnapshotId, Link>) -> (Vec<SnapshotId>, Vec<BackupProblem>) {
    let mut chain = vec![id.clone()];
    let mut problems = links.get(id).map(|link| link.problems.clone()).unwrap_or_default();
    let mut met = BTreeSet::from([id]);
    let mut at = links.get(id).and_then(|link| link.parent.as_ref());
    while let Some(ancestor) = at {
        if !met.insert(ancestor) {
            problems.push(problem(ProblemCode::ChainBroken, format!("its chain comes back to '{ancestor}'")));
            break;
        }
        chain.push(ancestor.clone());
        let link = links.get(ancestor);
        problems.extend(link.into_iter().flat_map(|link| &link.problems).map(|found| {
            problem(ProblemCode::ChainBroken, format!("in its chain, at '{ancestor}': {}", found.detail))
        }));
        at = link.and_then(|link| link.parent.as_ref());
    }
    (chain, problems)
}

/// Whether a backup's own WAL is there, and how far the archive leads from it.
fn wal(backup: &mut Backup, archive: &Archive) {
    let (Some((start, finish)), Some(segment)) = (backup.span(), segment_of(&backup.id)) else { return };
    let size = archive.segment_size();
    if size.number(segment) != Some(size.at(start)) {
        let detail = format!("it began at {start}, which is not in the segment that its name says");
        backup.problems.push(problem(ProblemCode::NameMismatch, detail));
    }
    if finish < start {
        return;
    }
    match archive.missing(segment.timeline, start, finish) {
        None => backup.reach = archive.reach(segment.timeline, start, finish),
        Some(hole) => {
            let names: Vec<_> = hole.named.iter().map(ToString::to_string).collect();
            let more = hole.count.saturating_sub(names.len() as u64);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let detail = format!(
                "the archive lacks {}{more} of the WAL from its start to its finish",
                names.join(", ")
            );
            backup.problems.push(problem(ProblemCode::WalMissing, detail));
        }
    }
}
