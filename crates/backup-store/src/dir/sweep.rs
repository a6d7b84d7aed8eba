//! What writers that died have left in the store's directory for uploads.

use super::DirStore;
use crate::handle::{Kind, failed, found};
use crate::{Leftover, Result};
use chrono::{DateTime, Utc};
use std::fs::TryLockError;

impl DirStore {
    /// The uploads that no living writer holds; with a time, those last written to before it, removed.
    pub(super) fn dead_uploads(&self, remove_before: Option<DateTime<Utc>>) -> Result<Vec<Leftover>> {
        let Some(tmp) = self.own("tmp")? else { return Ok(Vec::new()) };
        let mut dead = Vec::new();
        for entry in tmp.entries()? {
            let entry = entry.map_err(failed("list", tmp.path()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            // Published or dropped meanwhile, or nothing of ours.
            let Some(file) = tmp.open_file(name.as_str())? else { continue };
            // A writer locks its file alone; a new one that finds this lock in its way takes another name.
            match file.try_lock_shared() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => {
                    return Err(failed("lock", tmp.path().join(name))(error));
                }
            }
            let is = found(&file, &tmp.path().join(&name))?;
            // Only what still has this name; an upload that ended between opening and locking has another, or none.
            if !tmp.look(name.as_str())?.is_some_and(|there| there.kind == Kind::File && there.same(&is)) {
                continue;
            }
            let (seconds, nanoseconds) = is.modified;
            let modified = DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default();
            if let Some(before) = remove_before {
                if modified >= before {
                    continue;
                }
                tmp.remove(name.as_str())?;
            }
            dead.push(Leftover { name, bytes: is.size, modified });
        }
        dead.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(dead)
    }
}
