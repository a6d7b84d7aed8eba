use crate::fail_point::step;
use crate::{Error, Result};
use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory that is held open. What is done through it happens in it, whatever its path leads to meanwhile; names are
/// single components, and no symbolic link is followed.
#[derive(Debug)]
pub(crate) struct Handle {
    fd: OwnedFd,
    path: PathBuf,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Foreign(&'static str),
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Foreign("a symbolic link"),
            FileType::Fifo => Self::Foreign("a named pipe"),
            FileType::Socket => Self::Foreign("a socket"),
            _ => Self::Foreign("a device"),
        }
    }
}

/// What the system knows of a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) inode: u64,
    /// Modification: seconds and nanoseconds since 1970.
    pub(crate) modified: (i64, u32),
}

impl Found {
    /// Whether both are the same file, unchanged.
    pub(crate) fn same(&self, other: &Self) -> bool {
        (self.inode, self.size, self.modified) == (other.inode, other.size, other.modified)
    }
}

impl From<sys::Stat> for Found {
    fn from(stat: sys::Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode).into(),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            inode: stat.st_ino,
            modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or_default()),
        }
    }
}

/// A directory, or why there is none.
#[derive(Debug)]
pub(crate) enum Child {
    Directory(Handle),
    File,
    Missing,
}

/// Names an operation and its path in the system's error.
pub(crate) fn failed<E: Into<io::Error>>(
    operation: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(E) -> Error {
    move |source| Error::Io { operation, path: path.into(), source: source.into() }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Handle {
    /// Opens a directory by its path, in which links are followed: it is the operator's.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let fd = sys::open(shown, DIRECTORY, Mode::empty()).map_err(failed("open", shown))?;
        Ok(Self { fd, path: shown.to_owned() })
    }

    /// The directory that somebody else holds open.
    pub(crate) fn of(dir: BorrowedFd<'_>, path: &Path) -> Result<Self> {
        let fd = dir.try_clone_to_owned().map_err(failed("open", path))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    pub(crate) fn try_clone(&self) -> Result<Self> {
        let fd = self.fd.try_clone().map_err(failed("open", &self.path))?;
        Ok(Self { fd, path: self.path.clone() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What `name` is, if it is anything.
    pub(crate) fn look(&self, name: impl AsRef<OsStr>) -> Result<Option<Found>> {
        let name = name.as_ref();
        match sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed("look at", self.path.join(name))(error)),
        }
    }

    /// The directory `name`.
    pub(crate) fn child(&self, name: impl AsRef<OsStr>) -> Result<Child> {
        let name = name.as_ref();
        let path = self.path.join(name);
        match sys::openat(&self.fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(Child::Directory(Self { fd, path })),
            Err(Errno::NOENT) => Ok(Child::Missing),
            Err(error @ (Errno::NOTDIR | Errno::LOOP)) => match self.look(name)?.map(|found| found.kind) {
                Some(Kind::File) => Ok(Child::File),
                Some(Kind::Foreign(found)) => Err(Error::ForeignFile { path, found }),
                Some(Kind::Directory) => Err(failed("open", path)(error)),
                None => Ok(Child::Missing),
            },
            Err(error) => Err(failed("open", path)(error)),
        }
    }

    /// The directory `name`, made with `mode` if it is missing.
    pub(crate) fn child_or_new(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Child> {
        let name = name.as_ref();
        match self.child(name)? {
            Child::Missing => {}
            found => return Ok(found),
        }
        match step("mkdir", || sys::mkdirat(&self.fd, name, Mode::from_raw_mode(mode))) {
            Ok(()) | Err(Errno::EXIST) => self.child(name),
            Err(error) => Err(failed("create the directory", self.path.join(name))(error)),
        }
    }

    /// Opens the plain file `name` for reading; nothing when there is no such file, or a directory.
    pub(crate) fn open_file(&self, name: impl AsRef<OsStr>) -> Result<Option<File>> {
        let name = name.as_ref();
        let path = self.path.join(name);
        // A named pipe would block without NONBLOCK, which means nothing to a plain file.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match sys::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => {
                return match self.look(name)?.map(|found| found.kind) {
                    Some(Kind::Foreign(found)) => Err(Error::ForeignFile { path, found }),
                    Some(Kind::File) => Err(failed("open", path)(error)),
                    Some(Kind::Directory) | None => Ok(None),
                };
            }
        };
        match found(&file, &path)?.kind {
            Kind::File => Ok(Some(file)),
            Kind::Directory => Ok(None),
            Kind::Foreign(found) => Err(Error::ForeignFile { path, found }),
        }
    }

    /// Makes the file `name`, for its owner alone until its mode is set; it must not exist.
    pub(crate) fn new_file(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        step("create", || sys::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR))
            .map(File::from)
            .map_err(failed("create", self.path.join(name)))
    }

    /// Opens the file `name` to hold a lock on it; made if it is missing.
    pub(crate) fn lock_file(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        step("create", || sys::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR))
            .map(File::from)
            .map_err(failed("open", self.path.join(name)))
    }

    /// Moves `name` to `to`, atomically, unless that exists: then false, and nothing happened.
    pub(crate) fn publish_new(&self, name: &str, target: &Self, to: &OsStr) -> Result<bool> {
        let rename = || sys::renameat_with(&self.fd, name, &target.fd, to, RenameFlags::NOREPLACE);
        let published = match step("rename", rename) {
            // The file system knows no such rename: a second name for the file does the same.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return self.publish_link(name, target, to);
            }
            done => done,
        };
        match published {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(failed("publish", target.path.join(to))(error)),
        }
    }

    /// [`Handle::publish_new`] by a hard link.
    pub(crate) fn publish_link(&self, name: &str, target: &Self, to: &OsStr) -> Result<bool> {
        match step("link", || sys::linkat(&self.fd, name, &target.fd, to, AtFlags::empty())) {
            // If the first name stays, it is a leftover that is swept; the object is there.
            Ok(()) => {
                let _ = self.remove(name);
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(failed("publish", target.path.join(to))(error)),
        }
    }

    /// Moves `name` to `to`, atomically, in place of what is there.
    pub(crate) fn publish_over(&self, name: &str, target: &Self, to: &OsStr) -> Result<()> {
        step("rename", || sys::renameat(&self.fd, name, &target.fd, to))
            .map_err(failed("replace", target.path.join(to)))
    }

    /// Removes the file `name`; false when it was gone.
    pub(crate) fn remove(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        let name = name.as_ref();
        match step("unlink", || sys::unlinkat(&self.fd, name, AtFlags::empty())) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(failed("remove", self.path.join(name))(error)),
        }
    }

    /// Removes the directory `name` if it is empty; whether it did.
    pub(crate) fn remove_if_empty(&self, name: &str) -> bool {
        step("rmdir", || sys::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)).is_ok()
    }

    /// Makes the names in this directory durable.
    pub(crate) fn sync(&self) -> Result<()> {
        match step("fsync", || sys::fsync(&self.fd)) {
            // Some file systems cannot sync a directory and need not.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(failed("sync", &self.path)(error)),
        }
    }

    /// The names in it, in no order, without `.` and `..`.
    pub(crate) fn entries(&self) -> Result<sys::Dir> {
        sys::Dir::read_from(&self.fd).map_err(failed("list", &self.path))
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What the system knows of an open file.
pub(crate) fn found(file: &File, path: &Path) -> Result<Found> {
    sys::fstat(file).map(Found::from).map_err(failed("look at", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_hard_link_publishes_where_the_rename_is_missing() {
        let home = tempfile::tempdir().unwrap();
        let dir = Handle::open(home.path()).unwrap();
        fs::write(home.path().join("temp"), "new").unwrap();
        assert!(dir.publish_link("temp", &dir, OsStr::new("name")).unwrap());
        assert!(!home.path().join("temp").exists());
        fs::write(home.path().join("temp"), "newer").unwrap();
        assert!(!dir.publish_link("temp", &dir, OsStr::new("name")).unwrap(), "the name is taken");
        assert_eq!(fs::read(home.path().join("name")).unwrap(), b"new");
        assert_eq!(fs::read(home.path().join("temp")).unwrap(), b"newer", "its writer removes it");
    }

    #[test]
    fn what_was_opened_stays_what_it_was() {
        let home = tempfile::tempdir().unwrap();
        let (first, moved) = (home.path().join("first"), home.path().join("moved"));
        fs::create_dir(&first).unwrap();
        let dir = Handle::open(&first).unwrap();
        fs::rename(&first, &moved).unwrap();
        std::os::unix::fs::symlink("/etc", &first).unwrap();
        drop(dir.new_file("file").unwrap());
        assert!(moved.join("file").exists());
    }
}
