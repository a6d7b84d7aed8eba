//! Small JSON records in a store.

use crate::{Error, Result};
use backup_store::{Key, PutOptions, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest record that is written or read, in bytes. A record is a few kilobytes; the limit keeps a planted object
/// from filling the memory.
pub(crate) const LIMIT: u64 = 1024 * 1024;

/// Writes an object once.
pub(crate) fn put(store: &dyn Store, key: &Key, bytes: &[u8]) -> Result<()> {
    let size = bytes.len() as u64;
    if size > LIMIT {
        return Err(Error::TooLong { what: "record", bytes: size, limit: LIMIT });
    }
    backup_store::put_bytes(store, key, bytes, &PutOptions::default())?;
    Ok(())
}

/// Reads an object whole.
pub(crate) fn get(store: &dyn Store, key: &Key) -> Result<Vec<u8>> {
    Ok(backup_store::read_bytes(store, key, None, LIMIT)?)
}

pub(crate) fn to_json(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec(value).map_err(|source| Error::Encode { what, source })?;
    json.push(b'\n');
    Ok(json)
}

pub(crate) fn malformed(key: &Key, what: &'static str, reason: impl Into<String>) -> Error {
    Error::Malformed { key: key.clone(), what, reason: reason.into() }
}

/// Reads a record with a `version`, and refuses one that is newer than `supported` before looking at the rest.
pub(crate) fn read_record<T: DeserializeOwned>(
    store: &dyn Store,
    key: &Key,
    what: &'static str,
    supported: u64,
) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let bytes = match get(store, key) {
        Err(Error::Store(error @ backup_store::Error::TooLarge { .. })) => {
            return Err(malformed(key, what, error.to_string()));
        }
        bytes => bytes?,
    };
    let Version { version } =
        serde_json::from_slice(&bytes).map_err(|error| malformed(key, what, error.to_string()))?;
    match version {
        0 => Err(malformed(key, what, "there is no format version 0")),
        found if found > supported => Err(Error::NewerFormat { place: key.to_string(), found, supported }),
        _ => serde_json::from_slice(&bytes).map_err(|error| malformed(key, what, error.to_string())),
    }
}
