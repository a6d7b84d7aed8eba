use super::fingerprint::ObjectDigest;
use crate::{Error, Result};
use backup_store::{Key, Store};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::ops::ControlFlow;

/// How much is read at once of what nobody decodes any more, in bytes.
const AT_ONCE: usize = 128 * 1024;

/// An object as it is stored, hashed while somebody decodes it: what is decoded is what is recognised.
pub(super) struct Digested<'a> {
    key: Key,
    inner: Box<dyn Read + Send + 'a>,
    hash: Sha256,
    size: u64,
    read: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
}

impl<'a> Digested<'a> {
    /// Opens an object. `read` is told of its bytes as they pass, and decides whether to go on.
    pub(super) fn open(
        store: &'a dyn Store,
        key: &Key,
        read: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    ) -> backup_store::Result<Self> {
        let inner = store.open(key, None, 0)?;
        Ok(Self { key: key.clone(), inner, hash: Sha256::new(), size: 0, read })
    }

    /// The digest of the whole object: a decoder that found a fault has left the rest of it unread.
    pub(super) fn finish(mut self) -> Result<ObjectDigest> {
        let mut buffer = vec![0; AT_ONCE];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    return Err(Error::Store(backup_store::Error::from_io(e, "read", self.key.as_str())));
                }
            }
        }
        Ok(ObjectDigest { key: self.key, size: self.size, sha256: self.hash.finalize().into() })
    }
}

impl Read for Digested<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.size += count as u64;
        if (self.read)(count as u64).is_break() {
            return Err(backup_store::Error::Interrupted("reading a backup").into_io());
        }
        Ok(count)
    }
}
