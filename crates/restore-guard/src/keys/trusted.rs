use crate::{KeyId, Result, WriterPublicKey};
use std::collections::BTreeMap;

/// The keys whose evidence counts: those that the settings or the recovery sheet name, and no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedWriters(BTreeMap<KeyId, WriterPublicKey>);

impl TrustedWriters {
    /// Trusts exactly these keys.
    pub fn new(keys: impl IntoIterator<Item = WriterPublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.key_id(), key)).collect())
    }

    /// Trusts the keys of a setting, each written `ed25519:<base64>`.
    ///
    /// # Errors
    /// [`Error::InvalidPublicKey`](crate::Error::InvalidPublicKey), for the first that is none.
    pub fn parse<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        keys.into_iter().map(str::parse).collect::<Result<Vec<_>>>().map(Self::new)
    }

    /// Whether this very key is trusted.
    #[must_use]
    pub fn contains(&self, key: &WriterPublicKey) -> bool {
        self.0.get(&key.key_id()) == Some(key)
    }

    /// Whether nobody is trusted, and so no evidence counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The trusted keys, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &WriterPublicKey)> {
        self.0.iter()
    }

    /// The trusted key of this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<(&KeyId, &WriterPublicKey)> {
        self.0.iter().find(|(key_id, _)| key_id.as_str() == id)
    }
}

impl FromIterator<WriterPublicKey> for TrustedWriters {
    fn from_iter<T: IntoIterator<Item = WriterPublicKey>>(keys: T) -> Self {
        Self::new(keys)
    }
}
