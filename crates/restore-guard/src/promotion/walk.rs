use super::dir::Dir;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Finds the directories of relative paths below one that is held open. It holds open what leads to the last path only:
/// paths that come in order cost one opening a directory, and never more descriptors than they are deep.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    root: &'a Dir,
    /// The inodes that directories must have, by their paths.
    expected: Option<&'a BTreeMap<String, u64>>,
    /// Directories that are not entered, by inode.
    forbidden: Vec<u64>,
    /// Each with its path from the root.
    open: Vec<(String, Dir)>,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(root: &'a Dir) -> Self {
        Self { root, expected: None, forbidden: Vec::new(), open: Vec::new() }
    }

    /// The same walk, which enters only these directories, and those that have no entry.
    pub(super) const fn expecting(mut self, inodes: &'a BTreeMap<String, u64>) -> Self {
        self.expected = Some(inodes);
        self
    }

    /// The same walk, which enters none of these.
    pub(super) fn forbidding(mut self, inodes: impl IntoIterator<Item = u64>) -> Self {
        self.forbidden.extend(inodes);
        self
    }

    /// The directory of `path`; `None` when it is missing, or one above it.
    pub(super) fn parent(&mut self, path: &str) -> Result<Option<&Dir>> {
        self.descend(path, |_, _| Ok(false))
    }

    /// The directory of `path`; those that are missing are made, for their owner alone.
    pub(super) fn parent_or_new(&mut self, path: &str) -> Result<&Dir> {
        let root = self.root;
        match self.descend(path, |dir, name| dir.make(name).map(|_| true))? {
            Some(dir) => Ok(dir),
            None => Err(Error::TargetChanged { path: root.path().join(path), now: "its directory is gone" }),
        }
    }

    fn descend(
        &mut self,
        path: &str,
        mut make: impl FnMut(&Dir, &str) -> Result<bool>,
    ) -> Result<Option<&Dir>> {
        let parents = split(path).0;
        let is_on_the_way = |open: &str| {
            parents.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        while self.open.last().is_some_and(|(open, _)| !is_on_the_way(open)) {
            self.open.pop();
        }
        let there = self.open.last().map_or(0, |(open, _)| open.len());
        let rest = parents.get(there..).unwrap_or_default();
        for name in rest.split('/').filter(|name| !name.is_empty()) {
            let (above, dir) = self.open.last().map_or(("", self.root), |(path, dir)| (path.as_str(), dir));
            let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
            let child = match dir.child(name)? {
                None if make(dir, name)? => dir.child(name)?,
                child => child,
            };
            let Some(child) = child else { return Ok(None) };
            self.admit(&path, &child)?;
            self.open.push((path, child));
        }
        Ok(Some(self.open.last().map_or(self.root, |(_, dir)| dir)))
    }

    fn admit(&self, path: &str, dir: &Dir) -> Result<()> {
        let inode = dir.seen()?.identity.inode;
        let at = || dir.path().to_owned();
        if self.forbidden.contains(&inode) {
            return Err(Error::NotPromotable { path: at(), reason: "it is the restore's own directory" });
        }
        match self.expected.and_then(|expected| expected.get(path)) {
            Some(expected) if *expected != inode => {
                Err(Error::TargetChanged { path: at(), now: "another directory" })
            }
            _ => Ok(()),
        }
    }
}

/// A relative path as the path of its directory, empty for the root, and its name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
