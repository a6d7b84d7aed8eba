//! Which names a bundle may hold, one by one and together.

use crate::manifest::MAX_FILES;
use crate::seal::FILES;
use crate::{BundleFault, Error, StatePath, layout};
use std::collections::BTreeSet;
use std::ops::Bound;

/// The most that the names of all files and of their directories may take together, in bytes.
const MAX_NAMES: usize = 64 * 1024 * 1024;

/// The names so far: each of them once, also where case does not count, and none of them a directory of another.
#[derive(Default)]
pub(crate) struct Names {
    /// In lower case, and with `\0` for `/`, so that what lies below a name follows it directly.
    folded: BTreeSet<String>,
    last: String,
    /// How many files and directories there are.
    entries: usize,
    bytes: usize,
}

impl Names {
    pub(crate) fn accept(&mut self, name: &str) -> Result<StatePath, BundleFault> {
        let refuse =
            |reason: &str| BundleFault::EntryName { name: name.to_owned(), reason: reason.to_owned() };
        let Some(rest) = name.strip_prefix(FILES) else {
            return Err(refuse(&format!("it is not below '{FILES}'")));
        };
        let path = StatePath::new(rest).map_err(|e| match e {
            Error::Path { reason, .. } => refuse(reason),
            other => refuse(&other.to_string()),
        })?;
        if !layout::may_be_in_a_bundle(&path) {
            return Err(refuse("no backup takes such a file"));
        }
        self.count(rest);
        if self.bytes > MAX_NAMES || self.entries > MAX_FILES {
            return Err(refuse("there are more files than any context has"));
        }
        rest.clone_into(&mut self.last);
        let folded = path.folded().replace('/', "\0");
        let here = folded.as_str();
        let before = self.folded.range::<str, _>((Bound::Unbounded, Bound::Excluded(here))).next_back();
        let after = self.folded.range::<str, _>((Bound::Excluded(here), Bound::Unbounded)).next();
        if before.is_some_and(|before| is_below(&folded, before))
            || after.is_some_and(|after| is_below(after, &folded))
        {
            return Err(refuse("it is a file and a directory at once"));
        }
        if self.folded.insert(folded) { Ok(path) } else { Err(BundleFault::Duplicate(name.to_owned())) }
    }

    /// Counts a file, and the directories that the file before was not in: what unpacking makes and remembers.
    fn count(&mut self, path: &str) {
        let common = path.bytes().zip(self.last.bytes()).take_while(|(a, b)| a == b).count();
        let new = path.bytes().enumerate().skip(common).filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        for length in new.chain([path.len()]) {
            self.entries += 1;
            self.bytes += length;
        }
    }
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('\0'))
}
