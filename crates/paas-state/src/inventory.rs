use crate::layout::{self, Class, OptionalTree, PROTECTED, Shape};
use crate::path::MAX_PATH;
use crate::{ContextDir, Result, StatePath};
use backup_contract::{Finding, Place, Severity};
use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata, MetadataExt};
use std::collections::{HashMap, HashSet};

/// Everything that a context holds: each entry with what becomes of it and why, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The entries, in the order of their paths. A directory that is left out whole is one entry.
    pub entries: Vec<Entry>,
    /// Links, sockets, foreign files and the like. Those of severity error stand in the way of a backup.
    pub findings: Vec<Finding>,
    /// Entries that are taken by their name and cannot be read as a plain file.
    unreadable: HashSet<String>,
}

/// One file of a context, or one directory that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path within the context; a directory's ends in `/`. Names that are not UTF-8 are shown with `\u{fffd}`.
    pub path: String,
    /// What becomes of it.
    pub class: Class,
    /// Why.
    pub reason: &'static str,
    /// Its length in bytes; 0 for a directory.
    pub bytes: u64,
}

/// A file that a backup takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) path: StatePath,
    pub(crate) class: Class,
    pub(crate) shape: Shape,
}

impl Inventory {
    /// Walks a context through directory handles, following no link.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when a directory cannot be read. What is merely wrong is a finding.
    pub fn take(context: &ContextDir, asked: &[OptionalTree]) -> Result<Self> {
        let owner = context.dir().dir_metadata().map_err(|e| context.io("read", "", e))?.uid();
        let mut walk = Walk {
            context,
            asked,
            owner,
            entries: Vec::new(),
            findings: Vec::new(),
            unreadable: HashSet::new(),
        };
        walk.directory(context.dir(), "")?;
        let Walk { mut entries, mut findings, unreadable, .. } = walk;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        findings.extend(case_collisions(&entries));
        Ok(Self { entries, findings, unreadable })
    }

    /// The files that a backup takes, in the order in which it takes them; without those that cannot be read as plain
    /// files, of which a finding speaks.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        let readable = |entry: &&Entry| entry.class.is_taken() && !self.unreadable.contains(&entry.path);
        let mut taken: Vec<_> = self
            .entries
            .iter()
            .filter(readable)
            .filter_map(|entry| {
                let path = StatePath::new(entry.path.clone()).ok()?;
                let shape = layout::shape_of(path.as_str());
                Some(Taken { path, class: entry.class, shape })
            })
            .collect();
        let rank = |t: &Taken| (t.class, t.shape == Shape::Log);
        taken.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.path.cmp(&b.path)));
        taken
    }

    /// Whether another inventory of the same context names the same protected files.
    pub(crate) fn protects_the_same_as(&self, other: &Self) -> bool {
        let protected = |inventory: &Self| -> Vec<String> {
            let entries = inventory.entries.iter().filter(|entry| entry.class == Class::Protected);
            entries.map(|entry| entry.path.clone()).collect()
        };
        protected(self) == protected(other)
    }

    /// Protected files that do not exist. To si that is an empty store, and so it is recorded.
    #[must_use]
    pub fn absent(&self) -> Vec<&'static str> {
        PROTECTED.into_iter().filter(|path| !self.entries.iter().any(|entry| entry.path == *path)).collect()
    }

    /// The bytes that a backup takes, as far as the inventory knows.
    #[must_use]
    pub fn bytes_taken(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.class.is_taken()).map(|entry| entry.bytes).sum()
    }
}

struct Walk<'a> {
    context: &'a ContextDir,
    asked: &'a [OptionalTree],
    owner: u32,
    entries: Vec<Entry>,
    findings: Vec<Finding>,
    unreadable: HashSet<String>,
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Dir, at: &str) -> Result<()> {
        for item in dir.entries().map_err(|e| self.context.io("list", at, e))? {
            let item = item.map_err(|e| self.context.io("list", at, e))?;
            let os_name = item.file_name();
            let path = match (at, os_name.to_string_lossy()) {
                ("", name) => name.into_owned(),
                (_, name) => format!("{at}/{name}"),
            };
            let meta = match dir.symlink_metadata(&os_name) {
                Ok(meta) => meta,
                // Gone since it was listed: as good as never there.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(self.context.io("look at", &path, e)),
            };
            if meta.is_dir() {
                self.check_owner_and_mode(&path, &meta);
                match layout::judge_directory(&path, self.asked) {
                    Some(v) => self.entries.push(Entry {
                        path: path + "/",
                        class: v.class,
                        reason: v.reason,
                        bytes: 0,
                    }),
                    None if path.len() > MAX_PATH => self.too_deep(path),
                    None => match dir.open_dir_nofollow(&os_name) {
                        Ok(sub) => self.directory(&sub, &path)?,
                        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                        Err(e) => return Err(self.context.io("open", &path, e)),
                    },
                }
            } else {
                self.file(path, os_name.to_str().is_some(), &meta);
            }
        }
        Ok(())
    }

    /// No path below it is one that a bundle can hold.
    fn too_deep(&mut self, path: String) {
        self.findings.push(Finding::new(
            "odd-name",
            Severity::Error,
            Place::of(&path),
            format!("has a path longer than {MAX_PATH} bytes"),
            "move it up, or remove it",
        ));
        let reason = "its path is too long for a bundle";
        self.entries.push(Entry { path: path + "/", class: Class::Unexpected, reason, bytes: 0 });
    }

    fn file(&mut self, path: String, is_utf8: bool, meta: &Metadata) {
        let verdict = layout::judge_file(&path, self.asked);
        // What nobody would take cannot harm a backup; say it, but let the backup pass.
        let severity = if verdict.class.is_taken() { Severity::Error } else { Severity::Warning };
        let mut odd = |code, detail: &str, hint: &str| {
            self.findings.push(Finding::new(code, severity, Place::of(&path), detail, hint));
        };
        let mut usable = true;
        if meta.is_symlink() {
            odd("symlink", "is a symbolic link", "put the file itself there; links are not followed");
            usable = false;
        } else if !meta.is_file() {
            odd("not-a-file", "is a socket, pipe or device", "remove it; a context holds plain files");
            usable = false;
        } else if meta.nlink() > 1 {
            odd("hard-link", "has a second name elsewhere", "copy it to a file of its own and replace it");
        }
        if !is_utf8 || StatePath::new(path.clone()).is_err() {
            odd("odd-name", "has a name that no bundle can hold", "rename or remove it");
            usable = false;
        }
        if !usable {
            self.unreadable.insert(path.clone());
        }
        if meta.is_file() {
            self.check_owner_and_mode(&path, meta);
        }
        self.entries.push(Entry { path, class: verdict.class, reason: verdict.reason, bytes: meta.len() });
    }

    fn check_owner_and_mode(&mut self, path: &str, meta: &Metadata) {
        if meta.uid() != self.owner {
            let taken = !meta.is_dir() && layout::judge_file(path, self.asked).class.is_taken();
            self.findings.push(Finding::new(
                "foreign-owner",
                if taken { Severity::Error } else { Severity::Warning },
                Place::of(path),
                format!("belongs to user {}, the context to user {}", meta.uid(), self.owner),
                "give it to the user who runs si (chown), after finding out who wrote it",
            ));
        }
        let mode = meta.mode() & 0o777;
        if mode & 0o077 != 0 {
            self.findings.push(Finding::new(
                "mode-too-open",
                Severity::Warning,
                Place::of(path),
                format!("is open to others (mode {mode:04o})"),
                format!("chmod {} '{path}'", if meta.is_dir() { "700" } else { "600" }),
            ));
        }
    }
}

/// Two names that are one on a file system without case could not both be unpacked there, and a bundle with them is
/// refused when it is read: so it must not be made.
fn case_collisions(entries: &[Entry]) -> Vec<Finding> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let mut findings = Vec::new();
    for entry in entries.iter().filter(|entry| entry.class.is_taken()) {
        if let Some(other) = seen.insert(entry.path.to_lowercase(), &entry.path) {
            findings.push(Finding::new(
                "case-collision",
                Severity::Error,
                Place::of(&entry.path),
                format!("differs from '{other}' in case only"),
                "rename one of the two",
            ));
        }
    }
    findings
}
