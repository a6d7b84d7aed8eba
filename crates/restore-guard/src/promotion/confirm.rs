use super::dir::Dir;
use super::identity::Identity;
use super::journal::{Held, Journal};
use super::plan::{Carries, Plan};
use super::record::{Phase, Record};
use super::step::Step;
use crate::{Error, Result};
use chrono::{DateTime, Utc};

impl Journal {
    /// Ends a restore that is done, or undone: what was kept is removed, and there is no way back. Killed, it is finished
    /// by [`Journal::resume`] or by calling it again.
    ///
    /// # Errors
    /// [`Error::NoRestore`]; [`Error::RestorePhase`], when it is half done; [`Error::RestoreRunning`], [`Error::Io`].
    pub fn confirm(&self, now: DateTime<Utc>) -> Result<()> {
        let none = || Error::NoRestore(self.path().to_owned());
        let held = self.hold()?.ok_or_else(none)?;
        let Some((record, plan)) = held.read()? else {
            return if held.has_record()? { held.clear() } else { Err(none()) };
        };
        match record.phase {
            Phase::Moved | Phase::Undone | Phase::Dropping => {}
            phase => return Err(Error::RestorePhase { phase: phase.word(), asked: "confirmed" }),
        }
        let record = Record { phase: Phase::Dropping, since: now, ..record };
        held.write_record(&record)?;
        drop_kept(&held, &plan, &record)
    }
}

/// Removes what was kept, and then the journal's own files.
pub(super) fn drop_kept(held: &Held, plan: &Plan, record: &Record) -> Result<()> {
    if !record.is_in_journal
        && let Some(above) = plan.staged().parent()
        && let Some(dir) = Dir::open_if_there(above)?
    {
        let staged = plan.staged();
        let name = staged.file_name().unwrap_or_default();
        let ours: Vec<u64> = match plan.carries {
            Carries::Files => vec![plan.staged.inode],
            Carries::Directory => {
                let of = |step: &Step| [step.incoming, step.outgoing];
                plan.steps.iter().flat_map(of).flatten().map(|it: Identity| it.inode).collect()
            }
        };
        // Somebody else's by now: it stays.
        if dir.look(name)?.is_some_and(|seen| ours.contains(&seen.identity.inode)) {
            dir.remove_all(name)?;
            dir.sync()?;
        }
    }
    held.clear()
}
