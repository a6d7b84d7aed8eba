use super::dir::Dir;
use super::identity::EntryKind;
use crate::Result;
use backup_contract::Checksum;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// By what it is recognised that nobody has written into a directory: the names, inodes, lengths and times of everything
/// in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TreeStamp {
    digest: Checksum,
    /// The newest modification in it.
    newest: (i64, u32),
}

impl TreeStamp {
    /// Of everything below `dir`.
    pub(super) fn of(dir: &Dir) -> Result<Self> {
        let (mut hash, mut newest) = (Sha256::new(), (i64::MIN, 0));
        visit(dir, Path::new(""), &mut |path, seen| {
            let identity = seen.identity;
            hash.update(path.as_os_str().as_bytes());
            hash.update([0]);
            hash.update(identity.inode.to_le_bytes());
            if identity.kind != EntryKind::Directory {
                hash.update(identity.size.to_le_bytes());
                hash.update(identity.modified.0.to_le_bytes());
                hash.update(identity.modified.1.to_le_bytes());
            }
            newest = newest.max(identity.modified);
        })?;
        Ok(Self { digest: Checksum::from_sha256(hash.finalize().into()), newest })
    }

    /// What was written below `dir` since the stamp; `None` when nothing was. Where only something is gone, or older, the
    /// list is empty.
    pub(super) fn written_since(&self, dir: &Dir) -> Result<Option<Vec<String>>> {
        if Self::of(dir)? == *self {
            return Ok(None);
        }
        let mut files = Vec::new();
        visit(dir, Path::new(""), &mut |path, seen| {
            if seen.identity.kind != EntryKind::Directory && seen.identity.modified > self.newest {
                files.push(path.display().to_string());
            }
        })?;
        Ok(Some(files))
    }
}

fn visit(dir: &Dir, at: &Path, see: &mut impl FnMut(&PathBuf, super::identity::Seen)) -> Result<()> {
    for name in dir.names()? {
        let Some(seen) = dir.look(&name)? else { continue };
        let path = at.join(&name);
        see(&path, seen);
        if seen.identity.kind == EntryKind::Directory
            && let Some(child) = dir.child(&name)?
        {
            visit(&child, &path, see)?;
        }
    }
    Ok(())
}
