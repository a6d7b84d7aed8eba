use crate::{Error, Result, WriterPublicKey, disk, id};
use backup_store::durable;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The key with which a writer signs its evidence. It is wiped from memory when it is dropped, and `Debug` shows the
/// public half only.
///
/// On disk it is PKCS#8 in PEM, so that `openssl pkey -in FILE` reads it and `openssl genpkey -algorithm ed25519` makes
/// one.
pub struct WriterKey(SigningKey);

impl WriterKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Random`], when the system has no random bytes.
    pub fn generate() -> Result<Self> {
        Ok(Self(SigningKey::from_bytes(&id::random()?)))
    }

    /// Makes a new key and writes it to a new file with mode 0600, durable when this returns.
    ///
    /// # Errors
    /// `file-exists`: a key is never overwritten. Whatever keeps the file from being written.
    pub fn create(path: &Path) -> Result<Self> {
        let key = Self::generate()?;
        // Version 1 of PKCS#8, without the public key: that is the one that every OpenSSL reads.
        let pem = KeypairBytes { secret_key: key.0.to_bytes(), public_key: None }
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| Error::InvalidSigningKey(path.to_owned()))?;
        durable::write_new(path, pem.as_bytes(), disk::PRIVATE)?;
        Ok(key)
    }

    /// Reads the key from its file.
    ///
    /// # Errors
    /// [`Error::KeyExposed`], when group or others may read or write the file; [`Error::InvalidSigningKey`], when it
    /// holds something else; [`Error::Io`], when it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        /// More than any such key has; keeps a wrong path from filling the memory.
        const LIMIT: usize = 16 * 1024;
        let file = std::fs::File::open(path).map_err(disk::io("read", path))?;
        // Of the opened file, not of the path, which may lead elsewhere by now.
        let mode = file.metadata().map_err(disk::io("read", path))?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Error::KeyExposed { path: path.to_owned(), mode });
        }
        // As long as it can get, so that no copy of it is left behind by growing.
        let mut pem = Zeroizing::new(String::with_capacity(LIMIT));
        file.take(LIMIT as u64).read_to_string(&mut pem).map_err(disk::io("read", path))?;
        SigningKey::from_pkcs8_pem(&pem).map(Self).map_err(|_| Error::InvalidSigningKey(path.to_owned()))
    }

    /// The half that others need to believe this writer.
    #[must_use]
    pub fn public(&self) -> WriterPublicKey {
        WriterPublicKey::new(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for WriterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_key_is_private_and_reads_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("signing-key.pem");
        let key = WriterKey::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(WriterKey::open(&path).unwrap().public(), key.public());
        assert!(matches!(WriterKey::create(&path), Err(Error::Store(backup_store::Error::FileExists(_)))));
        assert_eq!(WriterKey::open(&path).unwrap().public(), key.public());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("signing-key.pem");
        WriterKey::create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o610, 0o644] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = WriterKey::open(&path).unwrap_err();
            assert!(matches!(error, Error::KeyExposed { mode: found, .. } if found == mode));
            assert!(error.hint().unwrap().contains("chmod 600"));
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("signing-key.pem");
        let key = WriterKey::create(&path).unwrap();
        let pem = std::fs::read_to_string(&path).unwrap();
        let secret = pem.lines().nth(1).unwrap();
        assert!(!format!("{key:?} {key:#?}").contains(secret));
        // A damaged key is not repeated in the error either.
        std::fs::write(&path, pem.replace("PRIVATE", "PRIVATO")).unwrap();
        let error = WriterKey::open(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret));
    }
}
