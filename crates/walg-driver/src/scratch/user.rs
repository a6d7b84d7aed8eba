//! Files for the user that the scratch server runs as: the server refuses to run as root.

use super::ScratchFault;
use crate::process::User;
use crate::{Error, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;

/// Gives a file, a directory or a link itself to a user.
pub(super) fn own(path: &Path, user: &User) -> Result<()> {
    lchown(path, Some(user.uid()), Some(user.gid())).map_err(Error::io("change the owner of", path))
}

/// Lets a user read a file or look into a directory that stays ours: what it runs can then not alter it.
pub(super) fn show(path: &Path, user: &User) -> Result<()> {
    let meta = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    if meta.is_symlink() {
        return Ok(());
    }
    lchown(path, None, Some(user.gid())).map_err(Error::io("change the group of", path))?;
    let mode = if meta.is_dir() { 0o750 } else { 0o640 };
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("set the mode of", path))
}

/// The same for a directory and everything below it, which nobody but us can write to.
pub(super) fn show_all(dir: &Path, user: &User) -> Result<()> {
    show(dir, user)?;
    walk(dir, &mut |path, _| show(path, user))
}

/// Refuses a directory that somebody else could put another one in the place of, between two of our looks: it and all above
/// it must be ours or root's, and nobody else may write to them but where only an owner may remove what is his, as in `/tmp`.
pub(super) fn must_be_ours(dir: &Path) -> Result<()> {
    const STICKY: u32 = 0o1000;
    let whole = dir.canonicalize().map_err(Error::io("look at", dir))?;
    let us = rustix::process::geteuid().as_raw();
    for above in whole.ancestors() {
        let meta = fs::metadata(above).map_err(Error::io("look at", above))?;
        let is_open = meta.mode() & 0o022 != 0 && meta.mode() & STICKY == 0;
        if is_open || ![0, us].contains(&meta.uid()) {
            return Err(ScratchFault::Exposed(above.to_owned()).into());
        }
    }
    Ok(())
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
