use super::attributes;
use super::dir::Dir;
use super::identity::Identity;
use super::journal::{Held, KEPT};
use super::plan::{Carries, Plan};
use super::step::Step;
use super::swap::Spot;
use super::walk::{Walk, split};
use crate::{Error, Result};
use rustix::io::Errno;
use std::collections::BTreeSet;

/// Up to so many files or directories are made durable one by one: others have to wait for nothing of it. More of them
/// are faster with their whole file system.
pub(super) const ONE_BY_ONE: usize = 64;

/// The directories of a promotion, held open: where the live names are, and where what is staged or kept lies.
#[derive(Debug)]
pub(super) struct Ground {
    /// The live directory, or the one that it is in.
    pub(super) live: Dir,
    /// The directory of what is staged and kept, or the one that it is in.
    pub(super) kept: Dir,
    /// The name of what is staged and kept, where one directory takes the place of another.
    kept_name: Option<String>,
    /// Whether it lies in the journal.
    pub(super) is_in_journal: bool,
    carries: Carries,
}

impl Ground {
    /// Opens them where the plan says, before anything was moved.
    pub(super) fn planned(plan: &Plan) -> Result<Self> {
        Ok(Self {
            live: plan.live.open()?,
            kept: plan.staged.open()?,
            kept_name: plan.staged_name.clone(),
            is_in_journal: false,
            carries: plan.carries,
        })
    }

    /// Opens them where they are now: what is staged may have been taken into the journal.
    pub(super) fn find(held: &Held, plan: &Plan, is_surely_in_journal: bool) -> Result<Self> {
        let inside = held.dir.look(KEPT)?.map(|seen| seen.identity.inode);
        let taken_in = match plan.carries {
            Carries::Files => inside == Some(plan.staged.inode),
            Carries::Directory => is_surely_in_journal || inside.is_some(),
        };
        if is_surely_in_journal && !taken_in {
            return Err(Error::KeptMissing { path: plan.live() });
        }
        let live = plan.live.open()?;
        let carries = plan.carries;
        Ok(match (taken_in, carries) {
            (false, _) => Self { live, ..Self::planned(plan)? },
            (true, Carries::Directory) => Self {
                live,
                kept: held.dir.try_clone()?,
                kept_name: Some(KEPT.to_owned()),
                is_in_journal: true,
                carries,
            },
            (true, Carries::Files) => {
                let kept = held.dir.child(KEPT)?.ok_or_else(|| Error::KeptMissing { path: plan.live() })?;
                Self { live, kept, kept_name: None, is_in_journal: true, carries }
            }
        })
    }

    /// Moves what is staged into the journal, if both are on one file system; else it stays where it is.
    pub(super) fn take_in(self, held: &Held, plan: &Plan) -> Result<Self> {
        if self.is_in_journal {
            return Ok(self);
        }
        let staged = plan.staged();
        let (above, name) = Dir::parent_of(&staged)?;
        let inode = match plan.carries {
            Carries::Files => Some(plan.staged.inode),
            Carries::Directory => plan.steps.first().and_then(Step::before),
        };
        if above.look(&name)?.map(|seen| seen.identity.inode) != inode {
            return Err(Error::TargetChanged { path: staged, now: "another directory" });
        }
        let moved = match above.rename_new(&name, &held.dir, KEPT) {
            Err(error) if super::dir::is_unknown(error) => {
                match held.dir.look(KEPT)? {
                    // Nobody but the holder of the lock makes it.
                    None => above.rename_over(&name, &held.dir, KEPT),
                    Some(_) => Err(Errno::EXIST),
                }
            }
            moved => moved,
        };
        match moved {
            Ok(()) => {
                above.sync()?;
                held.dir.sync()?;
                Self::find(held, plan, false)
            }
            // Another file system, a mount point: it stays.
            Err(Errno::XDEV | Errno::BUSY) => Ok(self),
            Err(error) => Err(above.failed("move", &name)(error)),
        }
    }

    /// The ways to the two names of each step, through the directories of the plan and no others.
    pub(super) fn ways<'a>(&'a self, plan: &'a Plan) -> Ways<'a> {
        Ways { live: Walk::new(&self.live).expecting(&plan.directories), ..self.any_ways() }
    }

    /// The same through whatever directories have those names now.
    pub(super) fn any_ways(&self) -> Ways<'_> {
        Ways { ground: self, live: Walk::new(&self.live), kept: Walk::new(&self.kept) }
    }

    /// Makes the live directories that are missing, each the owner's alone, in order; those that a killed process made are
    /// looked at again, because it may not have come to do so.
    pub(super) fn make_missing(&self, plan: &Plan) -> Result<()> {
        let mut ways = self.ways(plan);
        for path in &plan.missing {
            let above = ways.live.parent_or_new(path)?;
            let name = split(path).1;
            above.make(name)?;
            if let Some(new) = above.child(name)? {
                attributes::make_private(&new, above, 0o700)?;
            }
        }
        Ok(())
    }

    /// Makes durable which names are in which directories.
    pub(super) fn sync(&self, plan: &Plan) -> Result<()> {
        let names = plan.steps.iter().map(|step| &step.path).chain(&plan.missing);
        let directories: BTreeSet<&str> = names.map(|path| split(path).0).collect();
        if directories.len() > ONE_BY_ONE {
            self.kept.sync_file_system()?;
            return self.live.sync_file_system();
        }
        let mut ways = self.any_ways();
        for directory in directories {
            let inside = if directory.is_empty() { String::new() } else { format!("{directory}/") };
            for walk in [&mut ways.live, &mut ways.kept] {
                if let Some(dir) = walk.parent(&inside)? {
                    dir.sync()?;
                }
            }
        }
        Ok(())
    }

    /// The name of a step in what is staged and kept.
    fn kept_name<'a>(&'a self, step: &'a Step) -> &'a str {
        match (self.carries, &self.kept_name) {
            (Carries::Directory, Some(name)) => name,
            _ => split(&step.path).1,
        }
    }
}

/// Leads to the two names of each step, in the order of the steps.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    ground: &'a Ground,
    pub(super) live: Walk<'a>,
    pub(super) kept: Walk<'a>,
}

impl Ways<'_> {
    /// What lies under the live name and under our own.
    pub(super) fn look(&mut self, step: &Step) -> Result<Both> {
        let live = match self.live.parent(&step.path)? {
            Some(dir) => Spot { dir, name: split(&step.path).1 }.look()?,
            None => None,
        };
        let ours = match self.kept.parent(&step.path)? {
            Some(dir) => Spot { dir, name: self.ground.kept_name(step) }.look()?,
            None => None,
        };
        Ok(Both { live, ours })
    }

    /// Both names, with the directories that they are in; those that are missing are made.
    pub(super) fn spots<'s>(&'s mut self, step: &'s Step) -> Result<(Spot<'s>, Spot<'s>)> {
        let live = self.live.parent_or_new(&step.path)?;
        let kept = self.kept.parent_or_new(&step.path)?;
        let ours = Spot { dir: kept, name: self.ground.kept_name(step) };
        Ok((ours, Spot { dir: live, name: split(&step.path).1 }))
    }
}

/// What lies under the two names of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both {
    pub(super) live: Option<Identity>,
    pub(super) ours: Option<Identity>,
}
