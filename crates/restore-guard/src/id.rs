use crate::{Error, Result, disk};
use backup_store::durable;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Fills an array from the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|source| Error::Random(source.to_string()))?;
    Ok(bytes)
}

/// Eight hexadecimal digits that keep two records of one second apart.
pub(crate) fn random_suffix() -> Result<String> {
    Ok(format!("{:08x}", u32::from_be_bytes(random()?)))
}

macro_rules! random_id {
    ($(#[$doc:meta])* $type:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// A new id of 128 random bits.
            ///
            /// # Errors
            /// [`Error::Random`], when the system has no random bytes.
            pub fn generate() -> Result<Self> {
                Ok(Self(format!("{:032x}", u128::from_be_bytes(random()?))))
            }

            /// Reads the id from its file; `None` where there is no such file.
            ///
            /// # Errors
            /// [`Error::Io`], and [`Error::InvalidId`] for a file with anything else in it.
            pub fn open(path: &Path) -> Result<Option<Self>> {
                disk::read_if_there(path)?.map(|text| text.trim_end().parse()).transpose()
            }

            /// Reads the id from its file, and makes both when there is no such file. Of several processes that do so
            /// at once, all get the same id.
            ///
            /// # Errors
            /// [`Error::Io`], and [`Error::InvalidId`] for a file with anything else in it.
            pub fn open_or_create(path: &Path) -> Result<Self> {
                if let Some(id) = Self::open(path)? {
                    return Ok(id);
                }
                let id = Self::generate()?;
                match durable::write_new(path, format!("{id}\n").as_bytes(), disk::PRIVATE) {
                    Ok(()) => Ok(id),
                    Err(backup_store::Error::FileExists(_)) => {
                        disk::read_if_there(path)?.unwrap_or_default().trim_end().parse()
                    }
                    Err(error) => Err(error.into()),
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = Error;
            fn from_str(value: &str) -> Result<Self> {
                let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if value.len() == 32 && value.bytes().all(is_hex) {
                    Ok(Self(value.to_owned()))
                } else {
                    Err(Error::InvalidId { noun: $noun, value: value.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(value: String) -> Result<Self> {
                value.parse()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

random_id!(
    /// Who writes: 32 hexadecimal digits, made once with the writer's home. It names the writer's chain of the audit
    /// trail; it proves nothing, only a signature does.
    WriterId,
    "writer id"
);
random_id!(
    /// Which context of a name this is: 32 hexadecimal digits, made when the context first claims its place in a store,
    /// so that a second context that happens to have the same name is told apart.
    OriginId,
    "origin id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exactly_thirty_two_lower_case_digits() {
        let id = WriterId::generate().unwrap();
        assert_eq!(id.as_str().parse::<WriterId>().unwrap(), id);
        assert_ne!(id, WriterId::generate().unwrap());
        for bad in ["", "0", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), &"../".repeat(11)[..32]] {
            assert!(bad.parse::<WriterId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_made_once_a_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("writer");
        for _ in 0..50 {
            let together = std::sync::Barrier::new(8);
            let ids: Vec<_> = std::thread::scope(|scope| {
                let make = || {
                    together.wait();
                    WriterId::open_or_create(&path).unwrap()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| id == &ids[0]));
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(WriterId::open(&path).unwrap(), None);
        let id = WriterId::open_or_create(&path).unwrap();
        assert_eq!(WriterId::open(&path).unwrap(), Some(id));
        std::fs::write(&path, "something else").unwrap();
        assert!(matches!(WriterId::open(&path), Err(Error::InvalidId { .. })));
        assert!(matches!(WriterId::open_or_create(&path), Err(Error::InvalidId { .. })));
    }
}
