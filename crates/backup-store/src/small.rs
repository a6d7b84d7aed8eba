use crate::{Error, Key, PutOptions, Result, Store, Stored, Version};
use std::io::{Read as _, Write as _};

/// Writes an object that is in memory already.
///
/// # Errors
/// As for [`Store::create`] and [`Upload::finish`](crate::Upload::finish).
pub fn put_bytes(store: &dyn Store, key: &Key, bytes: &[u8], options: &PutOptions) -> Result<Stored> {
    let options = PutOptions { size_hint: Some(bytes.len() as u64), ..options.clone() };
    let mut upload = store.create(key, &options)?;
    upload.write_all(bytes).map_err(|error| Error::from_io(error, "write", key.as_str()))?;
    upload.finish()
}

/// Reads an object into memory, up to `limit` bytes.
///
/// Nothing is compared with a record; [`read_checked`](crate::read_checked) does that.
///
/// # Errors
/// [`Error::TooLarge`] beyond the limit; otherwise as for [`Store::open`].
pub fn read_bytes(store: &dyn Store, key: &Key, version: Option<&Version>, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store
        .open(key, version, 0)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Error::from_io(error, "read", key.as_str()))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { key: key.clone(), limit });
    }
    Ok(bytes)
}
