use super::identity::Seen;
use crate::{Error, Result, disk};
use backup_store::fail_point;
use rustix::fs::{self as sys, AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A directory that is held open. What is done through it happens in it, whatever its path leads to meanwhile; names are
/// single components, and no symbolic link is followed.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A system call that changes something: with a fail point on either side.
pub(super) fn change<T>(
    what: &'static str,
    act: impl FnOnce() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    #[cfg(test)]
    super::tests::fault::point()?;
    fail_point::step(what, act)
}

/// Whether an errno says that the file system does not know the call.
pub(super) fn is_unknown(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

impl Dir {
    /// Opens a directory; its last component is no link.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::open_if_there(path)?.ok_or_else(|| disk::io("open", path)(std::io::ErrorKind::NotFound.into()))
    }

    /// The directory, if there is one.
    pub(super) fn open_if_there(path: &Path) -> Result<Option<Self>> {
        match sys::open(path, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path: path.to_owned() })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(disk::io("open", path)(error.into())),
        }
    }

    /// Opens the parent of `path`, and gives the last component.
    pub(super) fn parent_of(path: &Path) -> Result<(Self, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(parent), Some(name)) = (path.parent(), name) else {
            return Err(Error::NotPromotable { path: path.to_owned(), reason: "it has no name in UTF-8" });
        };
        Ok((Self::open(parent)?, name.to_owned()))
    }

    pub(super) fn try_clone(&self) -> Result<Self> {
        let fd = self.fd.try_clone().map_err(disk::io("open", &self.path))?;
        Ok(Self { fd, path: self.path.clone() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn path_of(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    /// What the directory itself is.
    pub(super) fn seen(&self) -> Result<Seen> {
        sys::fstat(&self.fd).map(Seen::from).map_err(|e| self.failed("look at", ".")(e))
    }

    /// What `name` is, if it is anything.
    pub(super) fn look(&self, name: impl AsRef<OsStr>) -> Result<Option<Seen>> {
        let name = name.as_ref();
        match sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("look at", name)(error)),
        }
    }

    /// The directory `name`, if there is anything; an error when that is something else.
    pub(super) fn child(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>> {
        let name = name.as_ref();
        match sys::openat(&self.fd, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path: self.path.join(name) })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                Err(Error::NotPromotable { path: self.path_of(name), reason: "it is no directory" })
            }
            Err(error) => Err(self.failed("open", name)(error)),
        }
    }

    /// The directory above this one.
    pub(super) fn above(&self) -> Result<Self> {
        let fd = sys::openat(&self.fd, "..", DIRECTORY, Mode::empty())
            .map_err(|e| self.failed("open", "..")(e))?;
        Ok(Self { fd, path: self.path.join("..") })
    }

    /// Opens the plain file `name` for reading.
    pub(super) fn open_file(&self, name: &str) -> Result<File> {
        // A named pipe would block without NONBLOCK, which means nothing to a plain file.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        sys::openat(&self.fd, name, flags, Mode::empty())
            .map(File::from)
            .map_err(|e| self.failed("open", name)(e))
    }

    /// Makes the file `name`, for its owner alone; it must not exist.
    pub(super) fn new_file(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        change("create", || sys::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR))
            .map(File::from)
            .map_err(|e| self.failed("create", name)(e))
    }

    /// Opens the file `name` to hold a lock on it; made if it is missing.
    pub(super) fn lock_file(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        change("create", || sys::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR))
            .map(File::from)
            .map_err(|e| self.failed("open", name)(e))
    }

    /// Makes the directory `name`, for its owner alone; one that is there stays as it is. Whether it was made.
    pub(super) fn make(&self, name: &str) -> Result<bool> {
        match change("mkdir", || sys::mkdirat(&self.fd, name, Mode::RWXU)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(self.failed("create the directory", name)(error)),
        }
    }

    /// Removes the directory `name`; false when it is gone, or not empty.
    pub(super) fn remove_empty(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        let name = name.as_ref();
        match change("rmdir", || sys::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(self.failed("remove", name)(error)),
        }
    }

    /// Removes the entry `name`, which is no directory; false when it was gone.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        let name = name.as_ref();
        match change("unlink", || sys::unlinkat(&self.fd, name, AtFlags::empty())) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.failed("remove", name)(error)),
        }
    }

    /// Removes `name` and everything below it. Links are removed, not followed.
    pub(super) fn remove_all(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        if !self.look(name)?.is_some_and(|seen| seen.identity.kind == super::EntryKind::Directory) {
            return self.remove(name).map(drop);
        }
        if let Some(dir) = self.child(name)? {
            for entry in dir.names()? {
                dir.remove_all(&entry)?;
            }
        }
        self.remove_empty(name).map(drop)
    }

    /// The names in it, in order.
    pub(super) fn names(&self) -> Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in sys::Dir::read_from(&self.fd).map_err(|e| self.failed("list", ".")(e))? {
            let entry = entry.map_err(|e| self.failed("list", ".")(e))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes the names in this directory durable.
    pub(super) fn sync(&self) -> Result<()> {
        match change("fsync", || sys::fsync(&self.fd)) {
            // Some file systems cannot sync a directory and need not.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(self.failed("sync", ".")(error)),
        }
    }

    /// Makes everything durable that was written to the file system of this directory.
    pub(super) fn sync_file_system(&self) -> Result<()> {
        change("syncfs", || sys::syncfs(&self.fd)).map_err(|e| self.failed("sync", ".")(e))
    }

    /// Both names change places, atomically.
    pub(super) fn exchange(&self, name: &str, other: &Self, to: &str) -> rustix::io::Result<()> {
        change("exchange", || sys::renameat_with(&self.fd, name, &other.fd, to, RenameFlags::EXCHANGE))
    }

    /// Moves `name` to `to`, which must not be there.
    pub(super) fn rename_new(&self, name: &str, other: &Self, to: &str) -> rustix::io::Result<()> {
        change("rename", || sys::renameat_with(&self.fd, name, &other.fd, to, RenameFlags::NOREPLACE))
    }

    /// Moves `name` to `to`, in place of what is there.
    pub(super) fn rename_over(&self, name: &str, other: &Self, to: &str) -> rustix::io::Result<()> {
        change("rename", || sys::renameat(&self.fd, name, &other.fd, to))
    }

    /// Gives `name` a second name, which must not be there. A symbolic link is itself linked.
    pub(super) fn link(&self, name: &str, other: &Self, to: &str) -> rustix::io::Result<()> {
        change("link", || sys::linkat(&self.fd, name, &other.fd, to, AtFlags::empty()))
    }

    /// Names an operation and the entry in the system's error.
    pub(super) fn failed<N: AsRef<OsStr>>(
        &self,
        operation: &'static str,
        name: N,
    ) -> impl FnOnce(Errno) -> Error + use<N> {
        let name = name.as_ref();
        let path = if name == "." { self.path.clone() } else { self.path.join(name) };
        move |error| Error::Io { operation, path, source: error.into() }
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Gives an open file or directory an owner.
pub(super) fn set_owner(file: impl AsFd, (user, group): (u32, u32)) -> rustix::io::Result<()> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    change("chown", || sys::fchown(file, Some(user), Some(group)))
}

/// Gives an open file or directory its permission bits, whatever the umask.
pub(super) fn set_mode(file: impl AsFd, mode: u32) -> rustix::io::Result<()> {
    change("chmod", || sys::fchmod(file, Mode::from_raw_mode(mode)))
}
