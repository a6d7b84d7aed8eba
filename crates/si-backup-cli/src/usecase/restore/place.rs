use crate::{CliError, Session};
use backup_contract::Subject;
use backup_store::durable;
use backup_store::fail_point::step;
use paas_state::{ContextDir, OWN_DIRECTORY};
use restore_guard::{Journal, MutationLock, Pending, Phase};
use std::ffi::OsStr;
use std::path::PathBuf;

/// Where the restores of a context's state are carried out: all of it in the context itself, so that whoever uses it sees
/// them, and on its file system, so that what is staged can be renamed.
#[derive(Debug)]
pub(in crate::usecase) struct LivePlace {
    /// The context.
    pub(in crate::usecase) context: ContextDir,
    own: PathBuf,
}

impl LivePlace {
    /// Opens the context.
    ///
    /// # Errors
    /// As for [`Session::open_context`].
    pub(in crate::usecase) fn open(session: &Session<'_>) -> Result<Self, CliError> {
        Ok(Self::of(session.open_context()?))
    }

    /// That of an opened context.
    pub(in crate::usecase) fn of(context: ContextDir) -> Self {
        let own = context.path().join(OWN_DIRECTORY);
        Self { context, own }
    }

    /// The context's mutation locks.
    pub(in crate::usecase) fn lock(&self) -> MutationLock {
        MutationLock::new(&self.own)
    }

    /// The journal of its restores.
    pub(in crate::usecase) fn journal(&self) -> Journal {
        Journal::new(self.own.join("restore").join(Subject::State.to_string()))
    }

    /// Where a snapshot is unpacked before it is promoted.
    pub(in crate::usecase) fn incoming(&self) -> PathBuf {
        self.own.join("restore").join("state.incoming")
    }

    /// What restores that were killed have left, of which no journal knows.
    pub(in crate::usecase) fn leftovers(&self) -> Vec<PathBuf> {
        let known = match self.journal().pending() {
            Ok(pending) => pending.map(|pending| pending.kept),
            // What it knows of cannot be known.
            Err(_) => Some(self.incoming()),
        };
        let is_ours = |name: &OsStr| {
            let text = name.to_string_lossy();
            text == "state.incoming"
                || text.starts_with(".state.incoming.si-backup-")
                // Of the mutation lock, which nobody shuts but who is alone at work here.
                || durable::is_temporary(name)
        };
        let dirs = [self.own.clone(), self.own.join("restore")];
        let entries = dirs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
        let ours = entries.filter(|entry| is_ours(&entry.file_name())).map(|entry| entry.path());
        ours.filter(|path| Some(path) != known.as_ref()).collect()
    }

    /// Removes them. Nothing that a journal knows of is among them.
    ///
    /// # Errors
    /// [`CliError::Io`].
    pub(in crate::usecase) fn sweep(&self) -> Result<(), CliError> {
        for path in self.leftovers() {
            let is_dir = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
            let remove = || if is_dir { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            step("remove", remove).map_err(|source| CliError::Io { operation: "remove", path, source })?;
        }
        Ok(())
    }

    /// The restore that stands half-way, where one does: nothing else may work on the state then.
    ///
    /// # Errors
    /// [`CliError::Guard`].
    pub(in crate::usecase) fn half_way(&self) -> Result<Option<Pending>, CliError> {
        let pending = self.journal().pending()?;
        // One that is being dropped is done: what is live is whole.
        Ok(pending.filter(|pending| !matches!(pending.phase, Phase::Moved | Phase::Undone | Phase::Dropping)))
    }

    /// Refuses to go on beside a restore that stands half-way.
    ///
    /// # Errors
    /// [`CliError::RestorePending`], [`CliError::Guard`].
    pub(in crate::usecase) fn refuse_half_way(&self) -> Result<(), CliError> {
        match self.half_way()? {
            None => Ok(()),
            Some(pending) => Err(CliError::RestorePending {
                id: pending.grant.id.to_string(),
                operator: pending.grant.operator,
                phase: pending.phase.word(),
            }),
        }
    }
}
