//! A live directory, what is staged for it, and ways to tell what became of them.

use crate::{Grant, Growth, Journal, Permit, Plan, Promoted, Protected, Result, Resumed, Undone, Writes};
use backup_contract::{Checksum, ContextName, SnapshotId, Subject};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_464_900, 0).unwrap()
}

pub(crate) fn permit() -> Permit {
    Permit::for_tests(Grant {
        context: ContextName::new("default").unwrap(),
        subject: Subject::State,
        id: SnapshotId::state(now(), 7),
        checksum: Checksum::from_sha256([5; 32]),
        operator: "ada@host-1".into(),
        evidence: None,
        request: Checksum::from_sha256([6; 32]),
        granted_at: now(),
        valid_until: now() + TimeDelta::minutes(15),
    })
}

/// More calls than any promotion of these tests makes.
pub(crate) const MANY: u64 = 1000;

pub(crate) fn is_full() -> bool {
    std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1")
}

/// A directory in memory where there is one: nothing is measured here that a disk would change.
pub(crate) fn temp() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Files,
    Directory,
    /// A directory where none is.
    NewDirectory,
    /// Files with the journal on another file system: what is staged stays where it is.
    InPlace,
}

/// Everything that is known of an entry: mode, owner, group, extended attributes, content.
pub(crate) type Entry = (u32, u32, u32, BTreeMap<String, Vec<u8>>, Vec<u8>);
pub(crate) type Tree = BTreeMap<String, Entry>;

/// One promotion's places.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) root: PathBuf,
    pub(crate) kind: Kind,
}

pub(crate) fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn set_extended(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty()).unwrap();
}

/// An access list as the kernel keeps it: user 1234 may read.
pub(crate) fn access_list() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 1234), (4, 4, u32::MAX), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, bits, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

impl World {
    pub(crate) fn new(root: &Path, kind: Kind) -> Self {
        let world = Self { root: root.to_owned(), kind };
        let (live, staged) = (world.live(), world.staged());
        if kind == Kind::NewDirectory {
            fs::create_dir_all(root).unwrap();
        } else {
            write(&live.join("a.json"), "old a", 0o640);
            set_extended(&live.join("a.json"), "user.note", b"ours");
            set_extended(&live.join("a.json"), "system.posix_acl_access", &access_list());
            write(&live.join("events.jsonl"), "{\"n\":1}\n{\"n\":2}\n", 0o600);
            write(&live.join("other/mine.txt"), "nobody's business", 0o644);
            write(&live.join("sub/old.json"), "to be put away", 0o600);
            write(&live.join("sub/both.json"), "old both", 0o604);
            fs::set_permissions(&live, fs::Permissions::from_mode(0o750)).unwrap();
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(live.join("a.json"), Some(1234), Some(1235)).unwrap();
                std::os::unix::fs::chown(&live, Some(1234), Some(1235)).unwrap();
            }
        }
        write(&staged.join("a.json"), "the new a, longer", 0o600);
        write(&staged.join("events.jsonl"), "{\"n\":0}\n", 0o600);
        write(&staged.join("new.json"), "new", 0o644);
        write(&staged.join("sub/both.json"), "new both", 0o600);
        write(&staged.join("deep/er/new.json"), "new and deep", 0o600);
        write(&staged.join("deep/new.json"), "new", 0o600);
        world
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.root.join("live")
    }

    pub(crate) fn staged(&self) -> PathBuf {
        match self.kind {
            Kind::Files | Kind::InPlace => self.live().join(".si-backup/staged"),
            Kind::Directory | Kind::NewDirectory => self.root.join("staged"),
        }
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::new(match self.kind {
            Kind::Files => self.live().join(".si-backup/restore/state"),
            Kind::Directory | Kind::NewDirectory => self.root.join("restore/app"),
            // Made beside the world by whoever makes the world.
            Kind::InPlace => fs::read_to_string(self.root.join("elsewhere")).unwrap().into(),
        })
    }

    pub(crate) fn protected() -> Vec<Protected> {
        [
            "a.json",
            "events.jsonl",
            "new.json",
            "sub/old.json",
            "sub/both.json",
            "deep/er/new.json",
            "deep/new.json",
            "none",
        ]
        .map(|path| Protected {
            path: path.into(),
            growth: if path == "events.jsonl" { Growth::Grows } else { Growth::Any },
        })
        .into()
    }

    pub(crate) fn plan(&self) -> Result<Plan> {
        match self.kind {
            Kind::Files | Kind::InPlace => Plan::files(&self.live(), &self.staged(), &Self::protected()),
            Kind::Directory | Kind::NewDirectory => Plan::directory(&self.live(), &self.staged()),
        }
    }

    pub(crate) fn promote(&self) -> Result<Promoted> {
        self.journal().promote(&self.plan()?, permit(), now())
    }

    pub(crate) fn undo(&self) -> Result<Undone> {
        self.journal().undo(Writes::Refuse, now())
    }

    pub(crate) fn resume(&self) -> Result<Resumed> {
        self.journal().resume(now())
    }

    /// What is live, without what is this software's own.
    pub(crate) fn seen(&self) -> Tree {
        tree(&self.live())
    }

    /// What is live after a promotion that went well.
    pub(crate) fn expected(&self, old: &Tree) -> Tree {
        let staged = tree(&self.staged());
        let mut new = old.clone();
        if self.kind == Kind::NewDirectory {
            return staged;
        }
        if self.kind == Kind::Directory {
            let mut new = staged;
            new.insert(String::new(), old[""].clone());
            return new;
        }
        let root = &old[""];
        for Protected { path, .. } in Self::protected() {
            match (staged.get(&path), old.get(&path)) {
                (Some(came), Some(was)) => {
                    let mut entry = was.clone();
                    entry.4.clone_from(&came.4);
                    new.insert(path, entry);
                }
                (Some(came), None) => {
                    // Its owner is its directory's.
                    new.insert(path, (0o600, root.1, root.2, BTreeMap::new(), came.4.clone()));
                }
                (None, _) => {
                    new.remove(&path);
                }
            }
        }
        for made in ["deep", "deep/er"] {
            new.insert(made.into(), (0o700, root.1, root.2, BTreeMap::new(), Vec::new()));
        }
        new
    }
}

/// A whole directory; itself under the empty path. Nothing where there is none.
pub(crate) fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    visit(root, String::new(), &mut found);
    found
}

fn visit(path: &Path, name: String, found: &mut Tree) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let content = if meta.is_dir() {
        Vec::new()
    } else if meta.is_symlink() {
        fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
    } else {
        fs::read(path).unwrap()
    };
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let child = entry.file_name().into_string().unwrap();
            if child != ".si-backup" {
                let name = if name.is_empty() { child } else { format!("{name}/{child}") };
                visit(&entry.path(), name, found);
            }
        }
    }
    found.insert(name, (meta.mode() & 0o7777, meta.uid(), meta.gid(), extended(path), content));
}

fn extended(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 65536];
    let Ok(length) = rustix::fs::llistxattr(path, names.as_mut_slice()) else { return BTreeMap::new() };
    let names = String::from_utf8(names[..length].to_vec()).unwrap();
    let value = |name: &str| {
        let mut value = vec![0; 65536];
        let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).unwrap();
        value[..length].to_vec()
    };
    names.split('\0').filter(|name| !name.is_empty()).map(|name| (name.to_owned(), value(name))).collect()
}

/// The names in a directory.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Adds lines to the live log.
pub(crate) fn append(world: &World, lines: &str) {
    let log = world.live().join("events.jsonl");
    let mut file = OpenOptions::new().append(true).create(true).open(log).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}
