//! What an engine has unpacked, looked at; and whose fault it is where it could not.

use super::inspect::{Copied, inspect};
use super::questions::Said;
use super::restore::{Plan, Restore};
use crate::mirror::Mirror;
use crate::process::Status;
use crate::{Error, Result};
use std::fs::File;
use std::path::Path;

/// The exit codes of what was found and cannot be run, and of what lacks a library or is not there: that is how a shell and a
/// loader say that an engine cannot be started at all.
const NOT_STARTED: [i32; 2] = [126, 127];
/// How many faults are told.
const TOLD: usize = 5;

impl Restore<'_> {
    /// Has the engine unpack what was fetched. Why it could not, where that is wrong with the backup.
    ///
    /// # Errors
    /// What says nothing of the backup: no such engine, one that was killed or stopped, a disk that ran full.
    pub(super) fn unpack(&self, plan: &Plan<'_>, mirror: &Mirror, into: &Path) -> Result<Option<String>> {
        match self.engine.unpack(mirror.prefix(), &plan.backup.id, into) {
            Ok(()) => Ok(None),
            // Everything lay on this machine: what it could not do with it is wrong with the backup, or with the key.
            Err(Error::Stopped { program, status: status @ Status::Exited(code), said })
                if !NOT_STARTED.contains(&code) =>
            {
                self.must_have_had_room(into, &said)?;
                Ok(Some(format!("{program} {status}: {said}")))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether what an engine left is a cluster of the version and the identity that the backup says, with every file of its list.
pub(super) fn looked_at(plan: &Plan<'_>, mirror: &Mirror, data: &Path) -> Result<Said> {
    let list = mirror.prefix().join(format!("basebackups_005/{}/files_metadata.json", plan.backup.id));
    let list = File::open(list).ok();
    let has_list = list.is_some();
    let sentinel = plan.backup.sentinel.as_ref();
    let system_identifier = sentinel.and_then(|sentinel| sentinel.system_identifier);
    let faults = inspect(data, Copied { major: plan.programs.major, system_identifier }, list)?;
    Ok(match faults.as_slice() {
        [] if has_list => (true, "every file of the backup's list is there".into()),
        [] => (true, "what a cluster needs is there; the backup has no list of files".into()),
        _ => (false, faults.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ")),
    })
}
