use super::carry::{Carry, carry};
use super::ground::{Ground, Ways};
use super::identity::Identity;
use super::journal::{Held, Journal, KEPT, VERSION, WAY_BACK};
use super::plan::{Carries, Plan};
use super::record::{MoveBack, Phase, Record, WayBack};
use super::step::Step;
use super::swap::{Spot, is_done, settle, swap};
use super::walk::split;
use crate::{Error, Result};
use backup_contract::{Finding, Place, Severity};
use chrono::{DateTime, Utc};

/// What becomes of that which was written to live files since they were promoted, when the promotion is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Nothing is undone then.
    Refuse,
    /// It goes with the files, and is kept with them until the undo is confirmed.
    Discard,
}

/// A promotion that was taken back, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// How many steps had been done, and were taken back.
    pub steps: usize,
    /// The logs that were put back with the lines that were added since.
    pub carried: Vec<String>,
    /// What somebody wrote while the files were put back, and is kept; directories that are no longer empty.
    pub findings: Vec<Finding>,
}

impl Journal {
    /// Puts back everything that a promotion has replaced, from whatever point it has come to. Lines that were added to
    /// append-only logs since go along.
    ///
    /// What it takes away is kept until [`Journal::confirm`], as what the promotion replaced was. Killed, it is finished
    /// by [`Journal::resume`] or by calling it again.
    ///
    /// # Errors
    /// [`Error::NoRestore`]; [`Error::LiveChanged`], when files were written since and `writes` is [`Writes::Refuse`];
    /// [`Error::KeptMissing`]; [`Error::RestorePhase`], when it is being confirmed; [`Error::RestoreRunning`],
    /// [`Error::Io`].
    pub fn undo(&self, writes: Writes, now: DateTime<Utc>) -> Result<Undone> {
        let none = || Error::NoRestore(self.path().to_owned());
        let held = self.hold()?.ok_or_else(none)?;
        let (record, plan) = held.read()?.ok_or_else(none)?;
        back(&held, record, &plan, writes, now)
    }
}

/// Takes back what is done.
pub(super) fn back(
    held: &Held,
    record: Record,
    plan: &Plan,
    writes: Writes,
    now: DateTime<Utc>,
) -> Result<Undone> {
    let previous = match record.phase {
        Phase::Prepared => {
            // Nothing live was touched, so whatever has become of that stands in no way.
            let is_in_journal = held.dir.look(KEPT)?.is_some();
            held.write_record(&Record { phase: Phase::Undone, since: now, is_in_journal, ..record })?;
            return Ok(Undone { steps: 0, carried: Vec::new(), findings: Vec::new() });
        }
        Phase::Moving | Phase::Moved => None,
        Phase::Undoing => Some(held.read_back()?.ok_or_else(|| Error::JournalMalformed {
            path: held.dir.path_of(WAY_BACK),
            reason: "it is gone".to_owned(),
        })?),
        Phase::Undone => return Ok(Undone { steps: 0, carried: Vec::new(), findings: Vec::new() }),
        Phase::Dropping => {
            return Err(Error::RestorePhase { phase: record.phase.word(), asked: "undone" });
        }
    };
    let ground = Ground::find(held, plan, record.is_in_journal)?;
    let way = plan_back(&ground, plan, &record, previous.as_ref(), writes)?;
    held.write(WAY_BACK, &way)?;
    let record = Record { phase: Phase::Undoing, since: now, is_in_journal: ground.is_in_journal, ..record };
    held.write_record(&record)?;

    let mut findings = Vec::new();
    let mut ways = ground.any_ways();
    for back in &way.moves {
        let Some(step) = plan.steps.get(back.step) else { continue };
        let (ours, live) = places(&ground, &mut ways, step, back)?;
        let before = back.before.map(|it| it.inode);
        let came = swap(ours, live, before)?;
        let is_as_seen = match back.live {
            None => came.is_none(),
            Some(seen) => seen.is_still(came.as_ref()),
        };
        if !is_as_seen {
            findings.push(written_meanwhile(step));
        }
    }
    remove_made(&ground, plan, &mut findings)?;
    ground.sync(plan)?;
    held.write_record(&Record { phase: Phase::Undone, since: now, ..record })?;
    let carried = |back: &MoveBack| {
        back.carried.as_ref()?;
        Some(plan.steps.get(back.step)?.path.clone())
    };
    Ok(Undone { steps: way.moves.len(), carried: way.moves.iter().filter_map(carried).collect(), findings })
}

/// Our own name and the live one, for the way back.
fn places<'s>(
    ground: &'s Ground,
    ways: &'s mut Ways<'_>,
    step: &'s Step,
    back: &'s MoveBack,
) -> Result<(Spot<'s>, Spot<'s>)> {
    let (ours, live) = ways.spots(step)?;
    Ok(match &back.carried {
        Some(name) => (Spot { dir: &ground.kept, name }, live),
        None => (ours, live),
    })
}

/// Finds out which steps were done, and what is put back for each. Live files are only read; what a kill left in the
/// middle of a step is put in order.
fn plan_back(
    ground: &Ground,
    plan: &Plan,
    record: &Record,
    previous: Option<&WayBack>,
    writes: Writes,
) -> Result<WayBack> {
    let mut way = WayBack {
        version: VERSION,
        generation: previous.map_or(1, |way| way.generation.saturating_add(1)),
        moves: Vec::new(),
    };
    let mut changed = Vec::new();
    let mut missing = None;
    let mut ways = match writes {
        Writes::Refuse => ground.ways(plan),
        Writes::Discard => ground.any_ways(),
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let earlier = previous.and_then(|way| way.moves.iter().find(|back| back.step == index));
        if let Some(earlier) = earlier {
            let before = earlier.before.map(|it| it.inode);
            let (ours, live) = places(ground, &mut ways, step, earlier)?;
            settle(ours, live, before)?;
            if is_done(ours, before)? {
                way.moves.push(earlier.clone());
                continue;
            }
        } else {
            let there = ways.look(step)?;
            if there.ours.map(|it| it.inode) == step.before()
                && there.ours.map(|it| it.inode) != there.live.map(|it| it.inode)
            {
                // Not done; and its directories, which may be missing, are not made for it.
                settle_if_there(&mut ways, step)?;
                continue;
            }
            let (ours, live) = ways.spots(step)?;
            settle(ours, live, step.before())?;
            if !is_done(ours, step.before())? {
                continue;
            }
        }
        let there = ways.look(step)?;
        if step.outgoing.is_some() && there.ours.is_none() && missing.is_none() {
            missing = Some(step);
        }
        let mut back = MoveBack { step: index, carried: None, before: there.ours, live: there.live };
        let is_given_up = earlier.is_some_and(|earlier| match earlier.live {
            None => there.live.is_none(),
            Some(seen) => seen.is_still(there.live.as_ref()),
        });
        let mut written = Vec::new();
        if !is_incoming(ground, step, record, there.live.as_ref(), &mut written)? {
            let name = format!(".si-carried-{}-{index}", way.generation);
            match carry_log(ground, &mut ways, step, there.live, &name)? {
                Carry::Grown(new) => (back.carried, back.before) = (Some(name), Some(new)),
                Carry::NoLog if plan.carries == Carries::Files => written.push(step.path.clone()),
                Carry::NoLog | Carry::Unchanged => {}
            }
        }
        if !is_given_up {
            changed.append(&mut written);
        }
        way.moves.push(back);
    }
    if let Some(step) = missing.filter(|_| writes == Writes::Refuse) {
        return Err(Error::KeptMissing { path: plan.live.path.join(&step.path) });
    }
    if !changed.is_empty() && writes == Writes::Refuse {
        let more = changed.len().saturating_sub(SHOWN);
        changed.truncate(SHOWN);
        return Err(Error::LiveChanged { files: changed, more });
    }
    Ok(way)
}

/// How many changed files an error names.
const SHOWN: usize = 20;

/// Puts in order what a kill left in the middle of a step, where its directories are there.
fn settle_if_there(ways: &mut Ways<'_>, step: &Step) -> Result<()> {
    if ways.live.parent(&step.path)?.is_none() || ways.kept.parent(&step.path)?.is_none() {
        return Ok(());
    }
    let (ours, live) = ways.spots(step)?;
    settle(ours, live, step.before())
}

/// Whether what is live is what came in, not written since. Of a directory, what was written is added to `written`.
fn is_incoming(
    ground: &Ground,
    step: &Step,
    record: &Record,
    live: Option<&Identity>,
    written: &mut Vec<String>,
) -> Result<bool> {
    let Some(incoming) = &step.incoming else { return Ok(live.is_none()) };
    let is_same = incoming.is_still(live);
    let Some(tree) = &record.tree else { return Ok(is_same) };
    if !is_same {
        written.push(step.path.clone());
        return Ok(false);
    }
    let Some(dir) = ground.live.child(&step.path)? else { return Ok(false) };
    let Some(files) = tree.written_since(&dir)? else { return Ok(true) };
    written.extend(files);
    if written.is_empty() {
        written.push(step.path.clone());
    }
    Ok(false)
}

fn carry_log(
    ground: &Ground,
    ways: &mut Ways<'_>,
    step: &Step,
    live: Option<Identity>,
    name: &str,
) -> Result<Carry> {
    let (Some(log), Some(live)) = (step.log, live) else { return Ok(Carry::NoLog) };
    let file = split(&step.path).1;
    let Some(dir) = ways.live.parent(&step.path)? else { return Ok(Carry::NoLog) };
    let old = ways.kept.parent(&step.path)?.map(|dir| Spot { dir, name: file });
    carry(Spot { dir, name: file }, live, step.incoming, log, old, Spot { dir: &ground.kept, name })
}

/// Removes the directories that were made for what came in, the deepest first, as far as they are empty.
fn remove_made(ground: &Ground, plan: &Plan, findings: &mut Vec<Finding>) -> Result<()> {
    for path in plan.missing.iter().rev() {
        let mut ways = ground.any_ways();
        let Some(dir) = ways.live.parent(path)? else { continue };
        let name = split(path).1;
        if !dir.remove_empty(name)? && dir.look(name)?.is_some() {
            let detail = "it was made by the restore, and holds something else now";
            let hint = "remove it if nobody needs what is in it";
            findings.push(Finding::new("directory-stays", Severity::Info, Place::of(path), detail, hint));
        }
    }
    Ok(())
}

fn written_meanwhile(step: &Step) -> Finding {
    let detail = "somebody wrote to it while it was taken back; what was there is kept";
    let hint = "look at it where it is kept before you confirm, and find out who writes there";
    Finding::new("changed-meanwhile", Severity::Warning, Place::of(&step.path), detail, hint)
}
