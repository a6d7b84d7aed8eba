use crate::bucket::{Backup, Root};
use crate::codec::{Cipher, Compression};
use crate::{Error, Result};
use backup_store::{Error as StoreError, Store};
use std::io::{self, Read as _};

/// Whether a key opens a backup: at least one of its tars begins as what was encrypted with it. A backup of which nothing
/// can be opened was made with another key, or is not what it was; its fingerprint says which.
///
/// # Errors
/// [`Error::Store`]
pub fn opens(cipher: &Cipher, store: &dyn Store, root: &Root, backup: &Backup) -> Result<bool> {
    for part in &backup.parts {
        let stored = match store.open(&root.part(&backup.id, &part.name)?, None, 0) {
            // What is missing is found by those who look for everything.
            Err(StoreError::NotFound { .. }) => return Ok(true),
            stored => stored?,
        };
        let first =
            cipher.open(Compression::split(&part.name).1, stored).and_then(|mut plain| read_one(&mut plain));
        match first {
            Ok(()) => return Ok(true),
            Err(e) => {
                // What is wrong with the object itself is what another one is tried for.
                if let Ok(error) = e.downcast::<StoreError>() {
                    return Err(Error::Store(error));
                }
            }
        }
    }
    Ok(backup.parts.is_empty())
}

fn read_one(plain: &mut dyn io::Read) -> io::Result<()> {
    plain.take(1).read_to_end(&mut Vec::with_capacity(1)).map(drop)
}
