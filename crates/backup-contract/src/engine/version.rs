use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The version of an engine: `3.0.9`, `v3.0.9`, or as `wal-g --version` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EngineVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

impl EngineVersion {
    /// A version.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }
}

impl FromStr for EngineVersion {
    type Err = Error;

    /// Takes the first word that is a version, as in `wal-g version v3.0.9 a1b2c3d` or `walrus 0.4.1`.
    fn from_str(text: &str) -> Result<Self> {
        let version = |word: &str| {
            let mut numbers = word.strip_prefix('v').unwrap_or(word).split(['.', '-', '+']);
            let mut number = || numbers.next()?.parse().ok();
            Some(Self { major: number()?, minor: number()?, patch: number()? })
        };
        text.split_whitespace().find_map(version).ok_or_else(|| Error::EngineVersion(text.to_owned()))
    }
}

impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engines_print_is_read() {
        for (text, version) in [
            ("wal-g version v3.0.9\ta1b2c3d\t2026.01.01_10:00:00\tPostgreSQL", (3, 0, 9)),
            ("wal-g version v2.0.1", (2, 0, 1)),
            ("walrus 0.4.1", (0, 4, 1)),
            ("v3.0.10-rc1", (3, 0, 10)),
        ] {
            let (major, minor, patch) = version;
            assert_eq!(text.parse::<EngineVersion>().unwrap(), EngineVersion::new(major, minor, patch));
        }
        for bad in ["", "wal-g version devel", "3.0", "-1.2.3", "99999.0.0"] {
            assert!(bad.parse::<EngineVersion>().is_err(), "{bad}");
        }
        assert!(EngineVersion::new(3, 0, 10) > EngineVersion::new(3, 0, 9));
    }
}
