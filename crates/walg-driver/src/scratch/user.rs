//! Files for the user that the scratch server runs as: the server refuses to run as root.

use super::ScratchFault;
use crate::process::User;
use crate::{Error, Result};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

/// Gives a file, a directory or a link itself to a user.
pub(super) fn own(path: &Path, user: &User) -> Result<()> {
    lchown(path, Some(user.uid()), Some(user.gid())).map_err(Error::io("change the owner of", path))
}

/// Gives a directory and everything below it to a user.
pub(super) fn own_all(dir: &Path, user: &User) -> Result<()> {
    walk(dir, &mut |path, _| own(path, user))?;
    own(dir, user)
}

/// Refuses a path that a user cannot come to.
pub(super) fn must_reach(path: &Path, user: &User) -> Result<()> {
    for above in path.ancestors().filter(|above| !above.as_os_str().is_empty()) {
        let meta = fs::metadata(above).map_err(Error::io("look at", above))?;
        let enters = match (meta.uid() == user.uid(), meta.gid() == user.gid()) {
            (true, _) => 0o100,
            (_, true) => 0o010,
            _ => 0o001,
        };
        if meta.mode() & enters == 0 {
            return Err(ScratchFault::Unreachable { path: above.to_owned(), uid: user.uid() }.into());
        }
    }
    Ok(())
}

/// Everything below a directory; no link is followed.
pub(super) fn walk(dir: &Path, each: &mut dyn FnMut(&Path, fs::FileType) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io("list", dir))?);
        each(&path, kind)?;
        if kind.is_dir() {
            walk(&path, each)?;
        }
    }
    Ok(())
}
