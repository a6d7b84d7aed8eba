use super::attributes;
use super::dir::{Dir, change};
use super::ground::{Ground, ONE_BY_ONE};
use super::identity::Identity;
use super::journal::{Held, Journal, VERSION};
use super::plan::{Carries, Plan, is_inside, real, real_but_last};
use super::record::{Phase, Record};
use super::space::require_space_in;
use super::step::Step;
use super::swap::swap;
use super::tree::TreeStamp;
use crate::gate::What;
use crate::{Error, Permit, Result, disk};
use backup_contract::{Finding, Place, Severity};
use chrono::{DateTime, Utc};
use rustix::fs as sys;
use std::fs::File;
use std::path::Path;

/// A promotion that is done and durable. What it replaced is kept until it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// How many steps it had.
    pub steps: usize,
    /// What was found on the way that the plan did not know: files that somebody changed meanwhile. They are kept.
    pub findings: Vec<Finding>,
}

impl Journal {
    /// Carries out a plan, which uses the permit up.
    ///
    /// Until the first step nothing live is touched, and an error leaves no restore behind; from then on an error, or the
    /// end of the process, leaves one that [`Journal::resume`] finishes and [`Journal::undo`] takes back.
    ///
    /// ```
    /// # use {chrono::{DateTime, Utc}, restore_guard::{Journal, Permit, Plan, Promoted, Result}};
    /// fn once(journal: &Journal, plan: &Plan, permit: Permit, now: DateTime<Utc>) -> Result<Promoted> {
    ///     journal.promote(plan, permit, now)
    /// }
    /// ```
    ///
    /// Without a permit there is no promotion, and with one there is one:
    ///
    /// ```compile_fail
    /// # use {chrono::{DateTime, Utc}, restore_guard::{Journal, Permit, Plan, Promoted, Result}};
    /// fn without(journal: &Journal, plan: &Plan, now: DateTime<Utc>) -> Result<Promoted> {
    ///     journal.promote(plan, now)
    /// }
    /// ```
    ///
    /// ```compile_fail
    /// # use {chrono::{DateTime, Utc}, restore_guard::{Journal, Permit, Plan, Promoted, Result}};
    /// fn twice(journal: &Journal, plan: &Plan, permit: Permit, now: DateTime<Utc>) -> Result<Promoted> {
    ///     journal.promote(plan, permit, now)?;
    ///     journal.promote(plan, permit, now)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::PermitExpired`], [`Error::RestorePending`], [`Error::RestoreRunning`]; [`Error::TargetChanged`], when live
    /// or staged files are not what was planned for; [`Error::NotPromotable`], also for another directory or another place
    /// than the permit is for; [`Error::AttributeLost`], [`Error::NoSpace`], [`Error::Io`].
    pub fn promote(&self, plan: &Plan, permit: Permit, now: DateTime<Utc>) -> Result<Promoted> {
        let held = self.hold_or_make()?;
        if let Some((record, _)) = held.read()? {
            return Err(Error::RestorePending {
                journal: self.path().to_owned(),
                operator: record.grant.operator,
                begun_at: record.begun_at,
                phase: record.phase.word(),
            });
        }
        let (grant, what) = permit.use_up(now)?;
        if held.has_record()? {
            // The rest of one that was being confirmed: its plan is gone, and a new one would be taken for it.
            held.clear()?;
        }
        held.sweep()?;
        plan.check()?;
        let ground = Ground::planned(plan)?;
        if let Some(what) = &what {
            check_permitted(plan, &ground, what)?;
        }
        check_places(&held, plan, &ground)?;
        check_as_planned(&held, plan, &ground)?;
        let steps = STEP_BYTES.saturating_mul(plan.steps.len() as u64);
        require_space_in(
            &held.dir,
            JOURNAL_BYTES.saturating_add(steps).saturating_add(2 * plan.note_bytes()),
        )?;
        let tree = prepare(plan, &ground)?;

        let record = Record {
            version: VERSION,
            phase: Phase::Prepared,
            begun_at: now,
            since: now,
            grant,
            plan: held.write_plan(plan)?,
            is_in_journal: false,
            tree,
        };
        held.write_record(&record)?;
        forward(&held, record, plan, ground, now)
    }

    /// Goes on with what a killed process left: finishes a promotion that was begun, or an undo, or the removal of what
    /// was kept. One that is already done is left as it is.
    ///
    /// # Errors
    /// [`Error::NoRestore`]; [`Error::TargetChanged`], when nothing live was touched yet and it is not what was planned
    /// for any more; [`Error::LiveChanged`], as [`Journal::undo`]; [`Error::RestoreRunning`], [`Error::Io`].
    pub fn resume(&self, now: DateTime<Utc>) -> Result<Resumed> {
        let none = || Error::NoRestore(self.path().to_owned());
        let held = self.hold()?.ok_or_else(none)?;
        let Some((record, plan)) = held.read()? else {
            if held.has_record()? {
                held.clear()?;
                return Ok(Resumed::Confirmed);
            }
            return Err(none());
        };
        match record.phase {
            Phase::Prepared => {
                let ground = Ground::find(&held, &plan, record.is_in_journal)?;
                check_as_planned(&held, &plan, &ground)?;
                forward(&held, record, &plan, ground, now).map(Resumed::Promoted)
            }
            Phase::Moving => {
                let ground = Ground::find(&held, &plan, record.is_in_journal)?;
                forward(&held, record, &plan, ground, now).map(Resumed::Promoted)
            }
            Phase::Moved => Ok(Resumed::Promoted(Promoted { steps: plan.steps.len(), findings: Vec::new() })),
            Phase::Undoing | Phase::Undone => {
                super::undo::back(&held, record, &plan, super::Writes::Refuse, now).map(Resumed::Undone)
            }
            Phase::Dropping => super::confirm::drop_kept(&held, &plan, &record).map(|()| Resumed::Confirmed),
        }
    }
}

/// What [`Journal::resume`] has finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// The promotion.
    Promoted(Promoted),
    /// The undo.
    Undone(super::Undone),
    /// The removal of what was kept.
    Confirmed,
}

/// What a journal and one step of it take at most, with names of ordinary length; each is written twice at most.
const JOURNAL_BYTES: u64 = 256 * 1024;
const STEP_BYTES: u64 = 2 * 1024;

/// Only what was proved is promoted, and only to where the trail says.
fn check_permitted(plan: &Plan, ground: &Ground, what: &What) -> Result<()> {
    let inode = match plan.carries {
        Carries::Files => Some(plan.staged.inode),
        Carries::Directory => plan.steps.first().and_then(Step::before),
    };
    let planned = inode.map(|inode| Ok::<_, Error>((ground.kept.seen()?.device, inode))).transpose()?;
    if what.staged.is_none() || planned != what.staged {
        let reason = "it is not the directory that was proved";
        return Err(Error::NotPromotable { path: plan.staged(), reason });
    }
    let permitted = match plan.carries {
        Carries::Files => real(&what.target)?,
        Carries::Directory => real_but_last(&what.target)?,
    };
    if permitted != plan.live() {
        let reason = "the permission is for another place";
        return Err(Error::NotPromotable { path: plan.live(), reason });
    }
    Ok(())
}

/// Nothing of what is moved may hold the journal, or the other.
fn check_places(held: &Held, plan: &Plan, ground: &Ground) -> Result<()> {
    let device = ground.live.seen()?.device;
    let of_step = |id: fn(&Step) -> Option<Identity>| plan.steps.first().and_then(id).map(|it| it.inode);
    let moved = match plan.carries {
        Carries::Files => [Some(plan.staged.inode), None],
        Carries::Directory => [of_step(|step| step.incoming), of_step(|step| step.outgoing)],
    };
    for inode in moved.into_iter().flatten() {
        if is_inside(&held.dir, inode, device)? {
            let path = held.dir.path().to_owned();
            return Err(Error::NotPromotable { path, reason: "the journal is in what is to be moved" });
        }
    }
    Ok(())
}

/// Whether both sides are what the plan was made for.
fn check_as_planned(held: &Held, plan: &Plan, ground: &Ground) -> Result<()> {
    let mut ways = ground.ways(plan);
    ways.live = ways.live.forbidding([plan.staged.inode, held.dir.seen()?.identity.inode]);
    let changed = |path: &str, now| Error::TargetChanged { path: plan.live.path.join(path), now };
    for step in &plan.steps {
        let there = ways.look(step)?;
        if step.incoming.map_or(there.ours.is_some(), |planned| !planned.is_still(there.ours.as_ref())) {
            return Err(changed(&step.path, "staged otherwise"));
        }
        if !is_outgoing(step, there.live.as_ref()) {
            let now = if there.live.is_some() { "another file, or written since" } else { "gone" };
            return Err(changed(&step.path, now));
        }
    }
    for directory in &plan.missing {
        if ways.live.parent(&format!("{directory}/"))?.is_some() {
            return Err(changed(directory, "a directory that was made since"));
        }
    }
    Ok(())
}

/// Whether what was live is what the plan says. A log may have grown since.
fn is_outgoing(step: &Step, there: Option<&Identity>) -> bool {
    match (&step.outgoing, step.log) {
        (None, _) => there.is_none(),
        (Some(planned), None) => planned.is_still(there),
        (Some(planned), Some(_)) => planned.has_grown_to(there),
    }
}

/// Gives what comes in the attributes of what it replaces, and makes it durable. Live data is only read.
fn prepare(plan: &Plan, ground: &Ground) -> Result<Option<TreeStamp>> {
    let one_by_one = plan.steps.len() <= ONE_BY_ONE && plan.carries == Carries::Files;
    let mut ways = ground.ways(plan);
    let mut tree = None;
    for step in plan.steps.iter().filter(|step| step.incoming.is_some()) {
        if plan.carries == Carries::Directory {
            tree = Some(prepare_directory(plan, step, ground)?);
            continue;
        }
        let name = super::walk::split(&step.path).1;
        let Some(from) = ways.kept.parent(&step.path)? else { continue };
        let new = from.open_file(name)?;
        check_is(&new, step.incoming, &from.path_of(name))?;
        match ways.live.parent(&step.path)? {
            Some(dir) if step.outgoing.is_some() => {
                let path = dir.path_of(name);
                let old = dir.open_file(name)?;
                check_is(&old, step.outgoing, &path)?;
                attributes::copy(&old, &new, &path)?;
            }
            Some(dir) => attributes::make_private(&new, dir, 0o600)?,
            None => attributes::make_private(&new, &ground.live, 0o600)?,
        }
        if one_by_one {
            sync_file(&new, &from.path_of(name))?;
        }
    }
    if one_by_one {
        ground.sync(plan)?;
    } else {
        ground.kept.sync_file_system()?;
    }
    Ok(tree)
}

fn prepare_directory(plan: &Plan, step: &Step, ground: &Ground) -> Result<TreeStamp> {
    let name = plan.staged_name.as_deref().unwrap_or_default();
    let gone = |path: std::path::PathBuf| Error::TargetChanged { path, now: "gone" };
    let new = ground.kept.child(name)?.ok_or_else(|| gone(plan.staged()))?;
    let same = |dir: &Dir, planned: Option<Identity>| {
        Ok::<_, Error>(Some(dir.seen()?.identity.inode) == planned.map(|it| it.inode))
    };
    if !same(&new, step.incoming)? {
        return Err(Error::TargetChanged { path: plan.staged(), now: "another directory" });
    }
    if step.outgoing.is_some() {
        let old = ground.live.child(&step.path)?.ok_or_else(|| gone(plan.live()))?;
        if !same(&old, step.outgoing)? {
            return Err(Error::TargetChanged { path: plan.live(), now: "another directory" });
        }
        attributes::copy(&old, &new, old.path())?;
    }
    TreeStamp::of(&new)
}

/// The file that was opened must be the one that was planned for.
fn check_is(file: &File, planned: Option<Identity>, path: &Path) -> Result<()> {
    let seen: super::identity::Seen =
        sys::fstat(file).map_err(|e| disk::io("look at", path)(e.into()))?.into();
    if planned.is_some_and(|planned| planned.inode == seen.identity.inode) {
        return Ok(());
    }
    Err(Error::TargetChanged { path: path.to_owned(), now: "another file" })
}

pub(super) fn sync_file(file: &File, path: &Path) -> Result<()> {
    change("fsync", || sys::fsync(file)).map_err(|e| disk::io("sync", path)(e.into()))
}

/// Does the steps that are not done.
fn forward(
    held: &Held,
    mut record: Record,
    plan: &Plan,
    mut ground: Ground,
    now: DateTime<Utc>,
) -> Result<Promoted> {
    if record.phase == Phase::Prepared {
        ground = ground.take_in(held, plan)?;
        record = Record { phase: Phase::Moving, since: now, is_in_journal: ground.is_in_journal, ..record };
        held.write_record(&record)?;
    }
    ground.make_missing(plan)?;
    let mut findings = Vec::new();
    let mut ways = ground.ways(plan);
    for step in &plan.steps {
        let (ours, live) = ways.spots(step)?;
        let came = swap(ours, live, step.before())?;
        if !is_outgoing(step, came.as_ref()) {
            findings.push(changed_meanwhile(step, came.is_some()));
        }
    }
    ground.sync(plan)?;
    held.write_record(&Record { phase: Phase::Moved, since: now, ..record })?;
    Ok(Promoted { steps: plan.steps.len(), findings })
}

fn changed_meanwhile(step: &Step, is_kept: bool) -> Finding {
    let detail = if is_kept {
        "somebody changed it between the plan and the restore; what was there is kept"
    } else {
        "somebody removed it between the plan and the restore"
    };
    let hint = "look at it where it is kept before you confirm, and find out who writes there";
    Finding::new("changed-meanwhile", Severity::Warning, Place::of(&step.path), detail, hint)
}
