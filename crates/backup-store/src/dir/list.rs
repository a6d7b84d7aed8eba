//! Listing in the order of keys, a directory at a time.

use super::tree::{OWN, descend, meta};
use crate::handle::{Child, Handle, Kind, failed};
use crate::{Error, Key, ObjectMeta, Prefix, Result};
use rustix::fs::FileType;
use std::cmp::Ordering;
use std::io;

/// How many bytes of names of one directory are held at once. A directory with more is read again for the next ones, so
/// that memory is bounded whatever the number of objects.
const PAGE: usize = 48 * 1024 * 1024;

/// The names of a directory that come next, in the order of the keys they stand for: a directory sorts as its name with the
/// `/` that follows it in every key below (`a-b`, `a.json`, `a/x`).
#[derive(Debug, Default)]
struct Page {
    bytes: Vec<u8>,
    names: Vec<Name>,
    next: usize,
    /// Whether there are names behind these.
    more: bool,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    start: u32,
    length: u16,
}

/// Which names a page leaves out.
#[derive(Debug, Clone, Copy)]
enum Floor<'a> {
    None,
    /// Those up to this one.
    Behind(&'a [u8]),
    /// Those with no key behind this one.
    After(&'a [u8]),
}

impl Floor<'_> {
    fn admits(self, name: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::Behind(last) => name > last,
            Self::After(key) => name > key || (name.ends_with(b"/") && key.starts_with(name)),
        }
    }
}

impl Page {
    fn read(dir: &Handle, floor: Floor<'_>, budget: usize) -> Result<Self> {
        let mut page = Self::default();
        let mut ceiling: Option<Vec<u8>> = None;
        let mut name = Vec::new();
        for entry in dir.entries()? {
            let entry = entry.map_err(failed("list", dir.path()))?;
            name.clear();
            name.extend_from_slice(entry.file_name().to_bytes());
            if name == b"." || name == b".." {
                continue;
            }
            if is_directory(dir, &name, entry.file_type())? {
                name.push(b'/');
            }
            if !floor.admits(&name) || ceiling.as_ref().is_some_and(|ceiling| name > *ceiling) {
                continue;
            }
            if page.bytes.len() + name.len() > budget && page.names.len() > 1 {
                page.sort();
                ceiling = Some(page.keep_half());
                if ceiling.as_ref().is_some_and(|ceiling| name > *ceiling) {
                    continue;
                }
            }
            page.push(&name);
        }
        page.sort();
        Ok(page)
    }

    fn push(&mut self, name: &[u8]) {
        // Both fit: a page is some megabytes, a name at most 256 bytes.
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(name);
        self.names.push(Name { start, length });
    }

    fn get(&self, name: Name) -> &[u8] {
        let start = name.start as usize;
        self.bytes.get(start..start + usize::from(name.length)).unwrap_or_default()
    }

    fn sort(&mut self) {
        let mut names = std::mem::take(&mut self.names);
        names.sort_unstable_by(|a, b| self.get(*a).cmp(self.get(*b)));
        self.names = names;
    }

    /// Drops the later half, and returns the last name that stays.
    fn keep_half(&mut self) -> Vec<u8> {
        let mut half = Self { more: true, ..Self::default() };
        for name in self.names.iter().take(self.names.len().div_ceil(2)) {
            half.push(self.get(*name));
        }
        *self = half;
        self.last().unwrap_or_default().to_vec()
    }

    fn last(&self) -> Option<&[u8]> {
        self.names.last().map(|name| self.get(*name))
    }

    fn advance(&mut self) -> Option<Name> {
        let name = self.names.get(self.next).copied();
        self.next += 1;
        name
    }
}

/// Whether a name is a directory's; asked for only where the directory does not say it.
fn is_directory(dir: &Handle, name: &[u8], kind: FileType) -> Result<bool> {
    use std::os::unix::ffi::OsStrExt as _;
    if kind != FileType::Unknown {
        return Ok(kind == FileType::Directory);
    }
    let found = dir.look(std::ffi::OsStr::from_bytes(name))?;
    Ok(found.is_some_and(|found| found.kind == Kind::Directory))
}

#[derive(Debug)]
struct Level {
    dir: Handle,
    page: Page,
    /// How long the key of the directory is, with its `/`.
    above: usize,
}

/// The objects below a prefix, lazily.
#[derive(Debug)]
pub(super) struct Listing {
    levels: Vec<Level>,
    /// The key of the deepest directory, with its `/`.
    above: String,
    /// The key to begin behind, until it is passed.
    after: Option<String>,
    budget: usize,
}

impl Listing {
    pub(super) fn begin(root: &Handle, prefix: &Prefix, after: Option<&Key>) -> Result<Self> {
        Self::with_budget(root, prefix, after, PAGE)
    }

    fn with_budget(root: &Handle, prefix: &Prefix, after: Option<&Key>, budget: usize) -> Result<Self> {
        let mut listing = Self {
            levels: Vec::new(),
            above: prefix.to_string(),
            after: after.map(|key| key.as_str().to_owned()),
            budget,
        };
        let parts = listing.above.clone();
        let start = descend(root, parts.split('/').filter(|part| !part.is_empty()))?;
        if let Some(dir) = start {
            listing.enter(dir)?;
        }
        Ok(listing)
    }

    /// Goes down into the directory whose key is `self.above`.
    fn enter(&mut self, dir: Handle) -> Result<()> {
        let floor = match self.after.as_deref() {
            None => Floor::None,
            Some(after) => match after.strip_prefix(self.above.as_str()) {
                Some(rest) => Floor::After(rest.as_bytes()),
                // Wholly behind the key, or wholly before it.
                None => match self.above.as_str().cmp(after) {
                    Ordering::Greater => Floor::None,
                    Ordering::Less | Ordering::Equal => return Ok(()),
                },
            },
        };
        let page = Page::read(&dir, floor, self.budget)?;
        self.levels.push(Level { dir, page, above: self.above.len() });
        Ok(())
    }

    fn step(&mut self) -> Result<Option<ObjectMeta>> {
        while let Some(level) = self.levels.last_mut() {
            self.above.truncate(level.above);
            let Some(name) = level.page.advance() else {
                if level.page.more
                    && let Some(last) = level.page.last().map(<[u8]>::to_vec)
                {
                    level.page.more = false;
                    level.page = Page::read(&level.dir, Floor::Behind(&last), self.budget)?;
                } else {
                    self.levels.pop();
                }
                continue;
            };
            let bytes = level.page.get(name);
            let at_root = self.above.is_empty();
            let Ok(text) = std::str::from_utf8(bytes) else {
                return Err(foreign(&level.dir, &String::from_utf8_lossy(bytes)));
            };
            if let Some(below) = text.strip_suffix('/') {
                if at_root && below == OWN {
                    continue;
                }
                let child = match level.dir.child(below) {
                    Ok(Child::Directory(child)) => child,
                    Ok(Child::File | Child::Missing) => continue,
                    Err(error) if at_root && is_lost_and_found(below, &error) => continue,
                    Err(error) => return Err(error),
                };
                self.above.push_str(text);
                self.enter(child)?;
            } else {
                let Ok(key) = Key::new(format!("{}{text}", self.above)) else {
                    return Err(foreign(&level.dir, text));
                };
                // Deleted meanwhile: not seen.
                let Some(found) = level.dir.look(text)? else { continue };
                match found.kind {
                    Kind::File => return Ok(Some(meta(&key, &found))),
                    Kind::Directory => {}
                    Kind::Foreign(found) => {
                        return Err(Error::ForeignFile { path: level.dir.path().join(text), found });
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Iterator for Listing {
    type Item = Result<ObjectMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

fn foreign(dir: &Handle, name: &str) -> Error {
    Error::ForeignFile { path: dir.path().join(name), found: "a name that no key has" }
}

/// A store at the root of an ext4 file system has a directory that is root's alone, and holds no object.
fn is_lost_and_found(name: &str, error: &Error) -> bool {
    name == "lost+found"
        && matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DirStore, PutOptions, Store as _, put_bytes};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Makes the files of keys, but for those that clash with one made before.
    fn plant(root: &Path, keys: &BTreeSet<String>) -> BTreeSet<String> {
        keys.iter()
            .filter(|key| {
                let path = root.join(key);
                path.parent().is_some_and(|parent| std::fs::create_dir_all(parent).is_ok())
                    && !path.exists()
                    && std::fs::write(&path, b"").is_ok()
            })
            .cloned()
            .collect()
    }

    fn keys(root: &Path, prefix: &str, after: Option<&str>, budget: usize) -> Vec<String> {
        let root = Handle::open(root).unwrap();
        let prefix = if prefix.is_empty() { Prefix::all() } else { Prefix::new(prefix).unwrap() };
        let after = after.map(|key| Key::new(key).unwrap());
        Listing::with_budget(&root, &prefix, after.as_ref(), budget)
            .unwrap()
            .map(|meta| meta.unwrap().key.to_string())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Whatever the keys, the prefix, where it begins and how little is held at once: the keys, in order.
        #[test]
        fn a_listing_is_the_sorted_keys(
            wanted in proptest::collection::btree_set("[a-b.!/~-]{1,6}", 0..40),
            prefix in "[ab.-]{0,2}(/[ab])?",
            after in proptest::option::of("[a-b.!/~-]{1,6}"),
            budget in 1_usize..60,
        ) {
            let home = tempfile::tempdir().unwrap();
            let wanted = wanted.into_iter().filter(|key| Key::new(key.clone()).is_ok()).collect();
            let made = plant(home.path(), &wanted);
            let prefix = if Key::new(prefix.clone()).is_ok() { prefix } else { String::new() };
            let after = after.filter(|key| Key::new(key.clone()).is_ok());
            let expected: Vec<String> = made
                .into_iter()
                .filter(|key| prefix.is_empty() || key.starts_with(&format!("{prefix}/")))
                .filter(|key| after.as_ref().is_none_or(|after| key > after))
                .collect();
            prop_assert_eq!(keys(home.path(), &prefix, after.as_deref(), budget), expected);
        }
    }

    #[test]
    fn foreign_things_are_errors_and_the_stores_own_is_not_seen() {
        let home = tempfile::tempdir().unwrap();
        let store = DirStore::open(home.path()).unwrap();
        put_bytes(&store, &Key::new("a").unwrap(), b"", &PutOptions::default()).unwrap();
        put_bytes(&store, &Key::new("c/d").unwrap(), b"", &PutOptions::default()).unwrap();
        std::os::unix::fs::symlink("/etc", home.path().join("b")).unwrap();
        std::fs::write(home.path().join("c/new\nline"), b"").unwrap();
        let seen: Vec<_> = store
            .list(&Prefix::all(), None)
            .unwrap()
            .map(|meta| meta.map_or_else(|error| error.code().to_owned(), |meta| meta.key.to_string()))
            .collect();
        assert_eq!(seen, ["a", "foreign-file", "c/d", "foreign-file"]);
    }
}
