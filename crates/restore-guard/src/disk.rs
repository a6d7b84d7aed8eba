//! The few things that are done to local files besides the trail.

use crate::{Error, Result};
use std::io::ErrorKind;
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

/// The directory that a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
