//! The few things that are done to local files besides the trail.

use crate::{Error, Result};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The mode of every file that this crate makes.
pub(crate) const PRIVATE: u32 = 0o600;

/// An I/O error with its operation and path.
pub(crate) fn io<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> Error + use<'a> {
    move |source| Error::Io { operation, path: path.to_owned(), source }
}

/// The text of a file; `None` when there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

/// Whether a file that was opened is the one that has its name; `named` is what has it now, from `metadata`, or from
/// `symlink_metadata` where no link may have it.
pub(crate) fn is_still(file: &File, path: &Path, named: std::io::Result<Metadata>) -> Result<bool> {
    let opened = file.metadata().map_err(io("look at", path))?;
    match named {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io("look at", path)(error)),
    }
}

/// The directory that a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
