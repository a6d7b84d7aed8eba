use super::dir::Dir;
use crate::{Error, Result, disk};
use std::path::Path;

/// Whether the file system of a directory, or of the one that it will be made in, has room for so many bytes, for this
/// user.
///
/// # Errors
/// [`Error::NoSpace`]; [`Error::Io`].
pub fn require_space(directory: &Path, bytes: u64) -> Result<()> {
    let there = directory.ancestors().find(|path| path.as_os_str().is_empty() || path.exists());
    let there = there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = std::fs::canonicalize(there).map_err(disk::io("open", there))?;
    require_space_in(&Dir::open(&real)?, bytes)
}

pub(super) fn require_space_in(dir: &Dir, bytes: u64) -> Result<()> {
    let found = rustix::fs::fstatvfs(dir).map_err(dir.failed("look at", "."))?;
    let available = found.f_bavail.saturating_mul(found.f_frsize);
    if available < bytes {
        return Err(Error::NoSpace { path: dir.path().to_owned(), needed: bytes, available });
    }
    Ok(())
}
