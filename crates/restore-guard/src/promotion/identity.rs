use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

/// By what an entry of a directory is recognised: while it exists no other has its inode, wherever it is moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What it is.
    pub kind: EntryKind,
    /// Its inode.
    pub inode: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Its modification: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A link, a device, a socket, a pipe.
    Other,
}

impl Identity {
    /// Whether `now` is the same entry, not written since. Of a directory only the inode counts: what is in it is looked
    /// at by itself.
    pub(super) fn is_still(&self, now: Option<&Self>) -> bool {
        now.is_some_and(|now| match self.kind {
            EntryKind::Directory => (now.kind, now.inode) == (self.kind, self.inode),
            _ => now == self,
        })
    }

    /// Whether `now` is the same file, at least as long: a log to which lines were appended.
    pub(super) fn has_grown_to(&self, now: Option<&Self>) -> bool {
        now.is_some_and(|now| (now.kind, now.inode) == (self.kind, self.inode) && now.size >= self.size)
    }
}

/// What the system knows of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) identity: Identity,
    /// Only compared within one boot: a disk may have another number after the next.
    pub(super) device: u64,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// Whether it has several names.
    pub(super) is_linked: bool,
}

impl From<Stat> for Seen {
    fn from(stat: Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        let identity = Identity {
            kind,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or_default()),
        };
        Self {
            identity,
            device: stat.st_dev,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            is_linked: stat.st_nlink > 1,
        }
    }
}
