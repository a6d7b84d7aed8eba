//! Keys, and the names in the bucket that stand for them.

use super::Shared;
use crate::{Error, Key, Result};

/// The longest name in a bucket, in bytes.
const MAX_NAME: usize = 1024;
/// What the store keeps for itself, below its prefix.
const OWN: &str = ".si-store/";
/// What conditional writes are tried with.
const TRIAL: &str = ".si-store/conditional-put";

/// What a name in the bucket is.
#[derive(Debug)]
pub(super) enum Named {
    Object(Key),
    /// The store's own, or an empty object with a closing `/`, as consoles make them to show a folder.
    Nothing,
    Foreign(Error),
}

impl Shared {
    /// The name of an object in the bucket.
    pub(super) fn name(&self, key: &Key) -> Result<String> {
        let name = format!("{}{key}", self.prefix);
        if name.len() > MAX_NAME {
            return Err(Error::InvalidKey {
                key: key.to_string(),
                reason: "with the prefix of the store it is longer than 1,024 bytes",
            });
        }
        Ok(name)
    }

    /// What a name that was listed stands for.
    pub(super) fn named(&self, name: &str, size: u64) -> Named {
        let foreign = |why: String| {
            Named::Foreign(Error::ForeignObject { name: name.to_owned(), store: self.location.clone(), why })
        };
        let Some(key) = name.strip_prefix(&self.prefix) else {
            return foreign("it is not below the prefix that was listed".to_owned());
        };
        if key.starts_with(OWN) || (size == 0 && (key.is_empty() || key.ends_with('/'))) {
            return Named::Nothing;
        }
        match Key::new(key) {
            Ok(key) => Named::Object(key),
            Err(Error::InvalidKey { reason, .. }) => foreign(reason.to_owned()),
            Err(error) => foreign(error.to_string()),
        }
    }

    /// The name of the object with which conditional writes are tried.
    pub(super) fn trial(&self) -> String {
        format!("{}{TRIAL}", self.prefix)
    }
}
