//! The WAL of a replay, decoded beside the copy: for a server that cannot run our own program as its restore command, because
//! it runs over other libraries, and that is to have neither the bucket nor its key.

use super::held::asked_for;
use super::restore::{Plan, Restore};
use super::settings::RestoreCommand;
use super::user::show_all;
use super::{Room, ScratchFault};
use crate::bucket::Root;
use crate::mirror::Mirror;
use crate::process::Variables;
use crate::several::several;
use crate::wal_get::{Segments, WalGet, WalSource, wal_get};
use crate::{Error, Result};
use std::fs;

/// The names that have to be there.
const DUE: &str = "due";
/// Brings a file, and tells an absence only of what was never to be there. Whatever else goes wrong ends with 126, which aborts
/// the recovery; any other code would be the end of the archive.
const COPY: &str = r#"if [ -f "$1/$2" ]; then cp "$1/$2" "$3" || exit 126; exit 0; fi; [ -r "$1/due" ] || exit 126; while read -r name; do [ "$name" != "$2" ] || exit 126; done < "$1/due"; exit 1"#;

/// How much room the decoded WAL takes.
pub(super) fn bytes(restore: &Restore<'_>, plan: &Plan<'_>) -> Result<u64> {
    let archive = &restore.bucket.archive;
    let count = asked_for(plan.backup, &plan.goal, archive)?.len() as u64;
    Ok(count.saturating_mul(archive.segment_size().bytes()))
}

/// What every segment of the archive is, as the backup says.
fn segments(restore: &Restore<'_>, plan: &Plan<'_>) -> Segments {
    let sentinel = plan.backup.sentinel.as_ref();
    Segments {
        size: restore.bucket.archive.segment_size(),
        system_identifier: sentinel.and_then(|sentinel| sentinel.system_identifier),
    }
}

/// Decodes the history of every timeline into the room's own place for WAL, and returns their names.
pub(super) fn histories(
    (restore, plan): (&Restore<'_>, &Plan<'_>),
    mirror: &Mirror,
    into: &Room,
    interrupted: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<String>> {
    let (store, root) = (mirror.store()?, Root::default());
    let sources = [WalSource { store: &store, root: &root, cipher: restore.cipher }];
    let (segments, dir) = (segments(restore, plan), into.wal());
    let names: Vec<_> =
        restore.bucket.archive.histories().map(|timeline| format!("{timeline}.history")).collect();
    several(&names, restore.threads, |name, _| {
        if interrupted() {
            return Err(ScratchFault::Interrupted.into());
        }
        match wal_get(&sources, name, &dir.join(name), segments) {
            WalGet::Found => Ok(()),
            WalGet::Failed(error) => Err(error),
            // It was there when the mirror was read.
            WalGet::Absent => {
                Err(Error::BadWal { name: name.clone(), why: "it is not there any more".into() })
            }
        }
    })?;
    Ok(names)
}

/// Puts beside the segments, which were decoded when they were read, the history of every timeline, so that the one that the
/// server begins has a number of its own; and says what has to be there.
pub(super) fn complete(
    restore: &Restore<'_>,
    plan: &Plan<'_>,
    mirror: &Mirror,
    into: &Room,
    interrupted: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    let archive = &restore.bucket.archive;
    let names = asked_for(plan.backup, &plan.goal, archive)?.into_iter().map(|name| name.to_string());
    let histories = histories((restore, plan), mirror, into, interrupted)?;
    let names: Vec<String> = names.chain(histories).collect();
    let dir = into.wal();
    let due = dir.join(DUE);
    fs::write(&due, names.join("\n") + "\n").map_err(Error::io("write", &due))?;
    match restore.user {
        Some(user) => show_all(&dir, user),
        None => Ok(()),
    }
}

/// What brings a decoded file, with nothing but a shell and `cp`.
pub(super) fn restore_command(room: &Room) -> RestoreCommand {
    let args = ["-c".into(), COPY.into(), "sh".into(), room.wal().into()].to_vec();
    RestoreCommand { program: "/bin/sh".into(), args, environment: Variables::new() }
}
