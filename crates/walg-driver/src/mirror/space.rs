use crate::{Error, Result};
use std::path::Path;

/// How many bytes an unprivileged process may still write where `path` is; of a path that does not exist yet, the
/// nearest directory above it counts.
///
/// # Errors
/// [`Error::Io`] when the system does not say.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let there = path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there).map_err(|e| Error::io("look at the disk of", there)(e.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Refuses what would fill a disk.
pub(crate) fn must_fit(path: &Path, need: u64, have: u64) -> Result<()> {
    if need <= have { Ok(()) } else { Err(Error::NoSpace { path: path.to_owned(), need, have }) }
}
