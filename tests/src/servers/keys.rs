use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// The credentials of one server, made when it starts; nobody else's, ever.
#[derive(Clone)]
pub struct AccessKeys {
    /// The public half.
    pub id: String,
    /// The half that no output may show.
    pub secret: String,
}

impl AccessKeys {
    /// New ones.
    #[must_use]
    pub fn random() -> Self {
        let mut random = crate::Random::new(RandomState::new().build_hasher().finish());
        let mut text = |len| random.alnum(len);
        let (id, secret) = (text(20), text(40));
        Self { id, secret }
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKeys(<redacted>)")
    }
}
