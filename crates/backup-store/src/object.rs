use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    /// `sha256:<64 hexadecimal digits>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One incarnation of a key, as S3 knows it: what is deleted and written again has another version.
///
/// Opaque: only the store that made it understands it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(String);

impl Version {
    /// The version that a store calls `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The store's own spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a stored object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its name.
    pub key: crate::Key,
    /// Its length in bytes.
    pub size: u64,
    /// When the store says that it was last written. Never a reason to keep or drop anything: a copy has another.
    pub modified: DateTime<Utc>,
    /// Which incarnation of the key this is; `None` where the store has no versions.
    pub version: Option<Version>,
}

/// Who may lift a lock before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Whoever has a special permission.
    Governance,
    /// Nobody.
    Compliance,
}

/// A promise that an object is not deleted before a time. It can be extended, never shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lock {
    /// Who may lift it.
    pub mode: LockMode,
    /// The first moment at which the object may be deleted.
    pub until: DateTime<Utc>,
}

impl Lock {
    /// The lock that results from asking for `asked` where this one is held, or `None` when it cannot be had without
    /// taking something away: a shorter time or a weaker mode for something more of the other.
    #[must_use]
    pub fn extended_by(self, asked: Self) -> Option<Self> {
        if self.covers(asked) {
            Some(self)
        } else if asked.covers(self) {
            Some(asked)
        } else {
            None
        }
    }

    /// Whether it is at least as strong and at least as long.
    fn covers(self, other: Self) -> bool {
        let is_strong = |lock: Self| lock.mode == LockMode::Compliance;
        is_strong(self) >= is_strong(other) && self.until >= other.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(mode: LockMode, until: i64) -> Lock {
        Lock { mode, until: DateTime::from_timestamp(until, 0).unwrap() }
    }

    #[test]
    fn locks_only_ever_grow() {
        use LockMode::{Compliance, Governance};
        let held = lock(Governance, 100);
        assert_eq!(held.extended_by(lock(Governance, 99)), Some(held));
        assert_eq!(held.extended_by(lock(Governance, 101)), Some(lock(Governance, 101)));
        assert_eq!(held.extended_by(lock(Compliance, 100)), Some(lock(Compliance, 100)));
        assert_eq!(held.extended_by(lock(Compliance, 99)), None, "shorter");
        let strong = lock(Compliance, 100);
        assert_eq!(strong.extended_by(lock(Governance, 101)), None, "weaker");
        assert_eq!(strong.extended_by(lock(Governance, 50)), Some(strong));
    }
}
