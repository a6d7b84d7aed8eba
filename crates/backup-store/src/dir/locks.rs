//! Until when objects are not to be deleted, in files beside them. Read freely; written under the store's mutex.

use super::DirStore;
use super::tree::{OWN, descend, descend_or_make, prune, split, sync_up};
use super::upload::held_temp;
use crate::handle::failed;
use crate::{Error, Key, Lock, Result};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::io::{self, Read as _};

const FORMAT: u32 = 1;
/// Far more than a record is long.
const MAX_RECORD: u64 = 4096;

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    #[serde(flatten)]
    lock: Lock,
}

/// Where the lock of a key is, below the store's own directory.
///
/// `x` is locked in `x.json`, so a directory that is called so too has to give way: `x.json/y` is in `x.json%/y.json`.
fn record_of(key: &Key) -> String {
    let mut path = String::from("locks");
    let mut parts = key.parts().peekable();
    while let Some(part) = parts.next() {
        path.push('/');
        path.push_str(part);
        if parts.peek().is_none() {
            path.push_str(".json");
        } else if part.trim_end_matches('%').strip_suffix(".json").is_some() {
            path.push('%');
        }
    }
    path
}

impl DirStore {
    pub(super) fn read_lock(&self, key: &Key) -> Result<Option<Lock>> {
        let path = record_of(key);
        let (above, name) = split(&path);
        let Some(dir) = descend(&self.root, [OWN].into_iter().chain(above))? else { return Ok(None) };
        let Some(file) = dir.open_file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_RECORD).read_to_end(&mut bytes).map_err(failed("read", dir.path().join(name)))?;
        let malformed = |reason| Error::Malformed { key: key.clone(), what: "lock", reason };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        if record.format != FORMAT {
            return Err(malformed(format!("its format {} is not {FORMAT}", record.format)));
        }
        Ok(Some(record.lock))
    }

    /// Writes a lock, or a longer one. Held: the mutex, alone.
    pub(super) fn extend_lock(&self, key: &Key, asked: Lock) -> Result<()> {
        let lock = match self.read_lock(key)? {
            None => asked,
            Some(held) => match held.extended_by(asked) {
                Some(lock) if lock == held => return Ok(()),
                Some(lock) => lock,
                None => return Err(Error::Locked { key: key.clone(), lock: held }),
            },
        };
        let path = record_of(key);
        let (above, name) = split(&path);
        let chain = descend_or_make(&self.root, [OWN].into_iter().chain(above))?
            .map_err(|path| failed("open", path)(io::Error::from(io::ErrorKind::NotADirectory)))?;
        let Some(dir) = chain.last() else { return Ok(()) };
        let bytes = serde_json::to_vec(&Record { format: FORMAT, lock })
            .map_err(|error| failed("write", dir.path().join(name))(io::Error::from(error)))?;
        let temp = held_temp(self)?;
        temp.fill(&bytes, 0o600)?;
        temp.publish_over(dir, OsStr::new(name))?;
        sync_up(&chain)
    }

    /// Removes the lock of an object that is not there. Held: the mutex.
    pub(super) fn remove_lock(&self, key: &Key) -> Result<()> {
        let path = record_of(key);
        let (above, name) = split(&path);
        let Some(own) = descend(&self.root, [OWN].into_iter())? else { return Ok(()) };
        let Some(dir) = descend(&own, above)? else { return Ok(()) };
        if dir.remove(name)? {
            dir.sync()?;
        }
        Ok(())
    }

    /// Removes directories that [`DirStore::remove_lock`] left empty. Held: the mutex, alone.
    pub(super) fn prune_locks(&self, key: &Key) {
        let path = record_of(key);
        if let Ok(Some(own)) = descend(&self.root, [OWN].into_iter()) {
            let _ = prune(&own, split(&path).0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_record_is_in_the_way_of_another(
            a in "[a%]?(\\.json)?%{0,2}(/[a%]?(\\.json)?%{0,2}){0,2}",
            b in "[a%]?(\\.json)?%{0,2}(/[a%]?(\\.json)?%{0,2}){0,2}",
        ) {
            if let (Ok(a), Ok(b)) = (Key::new(a), Key::new(b)) {
                let (x, y) = (record_of(&a), record_of(&b));
                prop_assert!(a == b || x != y);
                let below = format!("{y}/");
                prop_assert!(!below.starts_with(&format!("{x}/")) || a == b, "{x} is above {y}");
            }
        }
    }
}
