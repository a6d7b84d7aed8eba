//! From keys to files: walking down from the root one component at a time, so that nothing leads out of it.

use super::DirStore;
use crate::handle::{Child, Found, Handle, failed};
use crate::{Key, ObjectMeta, Result, Version};
use chrono::DateTime;
use std::fs::File;
use std::io;
use std::path::Path;

/// The store's own directory.
pub(super) const OWN: &str = ".si-store";

/// Where a key's object is or would be: an open directory, and a name in it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) dir: Handle,
    pub(super) name: &'a str,
}

/// What is known of a file as an object.
///
/// Inodes are used again, and two modifications can fall into one tick of the kernel's clock; an upload therefore gives
/// its file a random fraction of the second. Together they tell incarnations apart.
pub(super) fn meta(key: &Key, found: &Found) -> ObjectMeta {
    let (seconds, nanoseconds) = found.modified;
    ObjectMeta {
        key: key.clone(),
        size: found.size,
        modified: DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default(),
        version: Some(Version::new(format!("{:x}-{seconds:x}-{nanoseconds:x}", found.inode))),
    }
}

/// The directories of a path of parts and the name at its end.
pub(super) fn split(path: &str) -> (impl Iterator<Item = &str>, &str) {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    (above.split('/').filter(|part| !part.is_empty()), name)
}

/// The directory that `parts` lead to from `root`; `None` when one is missing, or an object.
pub(super) fn descend<'a>(root: &Handle, parts: impl Iterator<Item = &'a str>) -> Result<Option<Handle>> {
    let mut dir = root.try_clone()?;
    for part in parts {
        match dir.child(part)? {
            Child::Directory(below) => dir = below,
            Child::File | Child::Missing => return Ok(None),
        }
    }
    Ok(Some(dir))
}

/// Like [`descend`], making what is missing; all directories on the way, the deepest last, or the path of the file that
/// is in the way.
pub(super) fn descend_or_make<'a>(
    root: &Handle,
    parts: impl Iterator<Item = &'a str>,
) -> Result<std::result::Result<Vec<Handle>, std::path::PathBuf>> {
    let mut chain = vec![root.try_clone()?];
    for part in parts {
        let Some(dir) = chain.last() else { break };
        let path = dir.path().join(part);
        match dir.child_or_new(part, 0o700)? {
            Child::Directory(below) => chain.push(below),
            Child::File => return Ok(Err(path)),
            Child::Missing => {
                return Err(failed("create the directory", path)(io::Error::from(io::ErrorKind::NotFound)));
            }
        }
    }
    Ok(Ok(chain))
}

/// Syncs directories from the deepest up: also those that were there, for their maker may have died before it could.
pub(super) fn sync_up(chain: &[Handle]) -> Result<()> {
    chain.iter().rev().try_for_each(Handle::sync)
}

/// Removes the directories of `parts` that are empty, from the deepest up.
pub(super) fn prune<'a>(root: &Handle, parts: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut steps = Vec::new();
    let mut dir = root.try_clone()?;
    for part in parts {
        let Child::Directory(below) = dir.child(part)? else { break };
        steps.push((std::mem::replace(&mut dir, below), part));
    }
    for (above, part) in steps.iter().rev() {
        if !above.remove_if_empty(part) {
            break;
        }
    }
    Ok(())
}

impl DirStore {
    /// Where the object of a key would be; `None` when its directory is missing.
    pub(super) fn find<'a>(&self, key: &'a Key) -> Result<Option<Place<'a>>> {
        let (above, name) = split(key.as_str());
        Ok(descend(&self.root, above)?.map(|dir| Place { dir, name }))
    }

    /// A directory of the store's own, if it is there.
    pub(super) fn own(&self, name: &str) -> Result<Option<Handle>> {
        descend(&self.root, [OWN, name].into_iter())
    }

    /// A directory of the store's own, made if it is missing.
    pub(super) fn own_or_make(&self, name: &str) -> Result<Handle> {
        self.own_chain([OWN, name].into_iter())?.pop().map_or_else(|| self.root.try_clone(), Ok)
    }

    pub(super) fn own_chain<'a>(&self, parts: impl Iterator<Item = &'a str>) -> Result<Vec<Handle>> {
        descend_or_make(&self.root, parts)?
            .map_err(|path| failed("open", path)(io::Error::from(io::ErrorKind::NotADirectory)))
    }

    /// Holds out everybody else who publishes, locks or deletes.
    pub(super) fn alone(&self) -> Result<File> {
        self.hold(File::lock)
    }

    /// Holds out those who lock or delete, but not others who publish.
    pub(super) fn among_writers(&self) -> Result<File> {
        self.hold(File::lock_shared)
    }

    fn hold(&self, lock: fn(&File) -> io::Result<()>) -> Result<File> {
        const NAME: &str = "mutex";
        let own = self.own_chain([OWN].into_iter())?.pop().map_or_else(|| self.root.try_clone(), Ok)?;
        let file = own.lock_file(NAME)?;
        loop {
            match lock(&file) {
                Ok(()) => return Ok(file),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("lock", own.path().join(NAME))(error)),
            }
        }
    }

    /// Removes directories above a key that its deletion left empty, so that they neither slow down listings nor are in
    /// the way of another key. Nothing depends on it.
    pub(super) fn prune(&self, key: &Key) {
        let _ = prune(&self.root, split(key.as_str()).0);
    }

    /// Where, as a path, for people.
    pub(super) fn path_of(&self, key: &Key) -> std::path::PathBuf {
        self.path.join(Path::new(key.as_str()))
    }
}
