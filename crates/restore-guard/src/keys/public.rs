use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The DER of a `SubjectPublicKeyInfo` (RFC 8410) up to the 32 bytes of an ed25519 key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The public half of a writer's key, written `ed25519:<base64 of its 32 bytes>`.
///
/// ```
/// use restore_guard::{WriterKey, WriterPublicKey};
///
/// let public = WriterKey::generate()?.public();
/// assert_eq!(public.to_string().parse::<WriterPublicKey>()?, public);
/// for rejected in [
///     "",
///     "ed25519:",
///     "ed25519:AAAA",                                             // not 32 bytes
///     "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",     // a point of small order: signs anything
///     "age1qqqq",
/// ] {
///     assert!(rejected.parse::<WriterPublicKey>().is_err(), "{rejected:?}");
/// }
/// # Ok::<(), restore_guard::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WriterPublicKey(VerifyingKey);

impl WriterPublicKey {
    pub(crate) const fn new(key: VerifyingKey) -> Self {
        Self(key)
    }

    /// By what envelopes name this key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        let mut spki = Sha256::new_with_prefix(SPKI_PREFIX);
        spki.update(self.0.as_bytes());
        KeyId(format!("sha256:{:x}", spki.finalize()))
    }

    /// The key as `openssl` reads it: a `SubjectPublicKeyInfo` in PEM.
    ///
    /// # Errors
    /// [`Error::InvalidPublicKey`], should the key have no such form.
    pub fn to_pem(&self) -> Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| Error::InvalidPublicKey {
            value: self.to_string(),
            reason: "it cannot be written as PEM",
        })
    }

    /// Whether `signature` was made over `message` by this key. Strict: neither weak keys nor a second spelling of a
    /// signature are accepted.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

impl FromStr for WriterPublicKey {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        let reject = |reason| Error::InvalidPublicKey { value: value.to_owned(), reason };
        let base64 =
            value.strip_prefix("ed25519:").ok_or_else(|| reject("it does not begin with 'ed25519:'"))?;
        let bytes = STANDARD.decode(base64).map_err(|_| reject("it is not base64"))?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| reject("it is not 32 bytes long"))?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| reject("it is no point of the curve"))?;
        if key.is_weak() {
            return Err(reject("it is a weak key, for which anybody can sign"));
        }
        Ok(Self(key))
    }
}

impl TryFrom<String> for WriterPublicKey {
    type Error = Error;
    fn try_from(value: String) -> Result<Self> {
        value.parse()
    }
}

impl From<WriterPublicKey> for String {
    fn from(key: WriterPublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for WriterPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for WriterPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a writer's key in an envelope: `sha256:` and the SHA-256 of the key's `SubjectPublicKeyInfo` in DER, as
/// `openssl pkey -pubin -outform DER | sha256sum` computes it.
///
/// A hint for choosing the key, never a proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
