//! Files that are on disk, whole, when a function returns: a power cut right after it takes nothing back, and one during
//! it leaves the old file or the new one, never a part.
//!
//! ```
//! use backup_store::durable;
//!
//! # let home = tempfile::tempdir()?;
//! let dir = home.path().join("a/b");
//! durable::create_dir_all(&dir, 0o700)?;
//! durable::write_new(&dir.join("settings"), b"one", 0o600)?;
//! durable::write_new(&dir.join("settings"), b"two", 0o600).unwrap_err();
//! durable::replace(&dir.join("settings"), b"three", 0o600)?;
//! assert_eq!(std::fs::read(dir.join("settings"))?, b"three");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::handle::{Child, Handle, failed};
use crate::temp::{PREFIX, Temp};
use crate::{Error, Result};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// Writes a file that must not exist yet. `mode` is exact, whatever the umask.
///
/// # Errors
/// [`Error::FileExists`]; [`Error::Io`] when the system refuses. Then there is no such file.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let (dir, name) = split(path)?;
    let temp = Temp::new(dir.try_clone()?)?;
    temp.fill(bytes, mode)?;
    if !temp.publish_new(&dir, name)? {
        return Err(Error::FileExists(path.to_owned()));
    }
    dir.sync()
}

/// Writes a file in place of the one that may be there. `mode` is exact, whatever the umask and the old file's mode.
///
/// A symbolic link at `path` is itself replaced, not what it points to.
///
/// # Errors
/// [`Error::Io`] when the system refuses. Then the old file is as it was; only when the directory could not be synced may
/// it already be the new one.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let (dir, name) = split(path)?;
    replace_below(&dir, name, bytes, mode)
}

/// [`replace`] in a directory that is held open, whatever its path leads to meanwhile. `path` is what errors name it by.
///
/// # Errors
/// [`Error::Io`] when the system refuses, as in [`replace`].
pub fn replace_in(dir: impl AsFd, path: &Path, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    replace_below(&Handle::of(dir.as_fd(), path)?, OsStr::new(name), bytes, mode)
}

fn replace_below(dir: &Handle, name: &OsStr, bytes: &[u8], mode: u32) -> Result<()> {
    let temp = Temp::new(dir.try_clone()?)?;
    temp.fill(bytes, mode)?;
    temp.publish_over(dir, name)?;
    dir.sync()
}

/// Makes the names in a directory durable: what was created, renamed or removed in it stays so.
///
/// # Errors
/// [`Error::Io`] when the system refuses.
pub fn sync_dir(path: &Path) -> Result<()> {
    Handle::open(path)?.sync()
}

/// Makes a directory and those above it that are missing, with `mode` less the umask; those that exist stay as they are.
///
/// # Errors
/// [`Error::Io`] when the system refuses, or when one of them is no directory.
pub fn create_dir_all(path: &Path, mode: u32) -> Result<()> {
    match Handle::open(path) {
        Ok(_) => return Ok(()),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(no_file_name(path));
    };
    create_dir_all(parent, mode)?;
    let parent = Handle::open(parent)?;
    match parent.child_or_new(name, mode)? {
        Child::Directory(new) => new.sync()?,
        Child::File | Child::Missing => {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(failed("create the directory", path)(source));
        }
    }
    parent.sync()
}

/// Whether a file is one that a writer of this module had not finished: what a killed process may leave beside its target.
#[must_use]
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

fn split(path: &Path) -> Result<(Handle, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((Handle::open(parent)?, name)),
        _ => Err(no_file_name(path)),
    }
}

fn no_file_name(path: &Path) -> Error {
    let source = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
    Error::Io { operation: "create", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_never_written_over() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        write_new(&path, b"first", 0o640).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        let refused = write_new(&path, b"second", 0o640).unwrap_err();
        assert!(matches!(&refused, Error::FileExists(found) if *found == path), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(home.path()), ["file"], "no temporary file stays");
    }

    #[test]
    fn a_replacement_changes_bytes_and_mode_and_leaves_a_links_target_alone() {
        let home = tempfile::tempdir().unwrap();
        let (path, target) = (home.path().join("file"), home.path().join("target"));
        fs::write(&target, b"theirs").unwrap();
        symlink(&target, &path).unwrap();
        replace(&path, b"ours", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours");
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        replace(&path, b"again", 0o644).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        assert_eq!(names(home.path()), ["file", "target"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind_and_names_the_path() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("taken")).unwrap();
        let refused = replace(&home.path().join("taken"), b"x", 0o600).unwrap_err();
        assert!(refused.to_string().contains("taken"), "{refused}");
        assert_eq!(names(home.path()), ["taken"]);
        let missing = write_new(&home.path().join("no/such/file"), b"x", 0o600).unwrap_err();
        assert!(matches!(missing, Error::Io { operation: "open", .. }), "{missing:?}");
        write_new(Path::new("/"), b"x", 0o600).unwrap_err();
    }

    #[test]
    fn missing_directories_are_made_and_others_kept() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("a/b/c");
        create_dir_all(&deep, 0o700).unwrap();
        create_dir_all(&deep, 0o755).unwrap();
        assert_eq!(fs::metadata(home.path().join("a")).unwrap().mode() & 0o7777, 0o700);
        fs::write(home.path().join("file"), b"").unwrap();
        create_dir_all(&home.path().join("file/below"), 0o700).unwrap_err();
        sync_dir(&deep).unwrap();
        sync_dir(&home.path().join("nowhere")).unwrap_err();
    }
}
