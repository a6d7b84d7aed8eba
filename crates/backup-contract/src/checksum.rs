use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The SHA-256 by which a snapshot's bytes are recognised, written `sha256:<64 hexadecimal digits>`.
///
/// Of a state snapshot it is the digest of the encrypted bundle; of a database snapshot its fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("pattern" = r"^sha256:[0-9a-f]{64}$")))]
#[serde(try_from = "String", into = "String")]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum whose SHA-256 is given.
    #[must_use]
    pub const fn from_sha256(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The 32 bytes of the SHA-256.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits without the algorithm's name.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.to_string()["sha256:".len()..].to_owned()
    }
}

impl FromStr for Checksum {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        let invalid = || Error::Checksum(value.to_owned());
        let hex = value.strip_prefix("sha256:").ok_or_else(invalid)?.as_bytes();
        if hex.len() != 64 {
            return Err(invalid());
        }
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (digit(pair[0]).ok_or_else(invalid)?, digit(pair[1]).ok_or_else(invalid)?);
            *byte = high << 4 | low;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Checksum {
    type Error = Error;
    fn try_from(value: String) -> Result<Self> {
        value.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_parses_again(digest: [u8; 32]) {
            let checksum = Checksum::from_sha256(digest);
            prop_assert_eq!(checksum.to_string().parse::<Checksum>().unwrap(), checksum);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<Checksum>();
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let hex = "0".repeat(64);
        for bad in [
            hex.clone(),
            format!("sha512:{hex}"),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{}F", &hex[1..]),
        ] {
            assert!(bad.parse::<Checksum>().is_err(), "{bad}");
        }
    }
}
