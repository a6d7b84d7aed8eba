use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Which names there are, in any order, in the space of two numbers: a list of a large database's files does not fit into
/// memory beside everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Names {
    pub(crate) count: u64,
    sum: u128,
}

impl Names {
    /// Adds a name. `/base/1`, `base/1` and `base/1/` are one: engines differ in that.
    pub(crate) fn add(&mut self, name: &[u8]) {
        let name = name.trim_ascii_start();
        let name = name.strip_prefix(b"./").unwrap_or(name);
        let from = name.iter().position(|byte| *byte != b'/').unwrap_or(name.len());
        let to = name.iter().rposition(|byte| *byte != b'/').map_or(from, |last| last + 1);
        let digest = Sha256::digest(name.get(from..to).unwrap_or_default());
        let (first, _) = digest.split_at(16);
        let number = first.iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the files of a tar")
            }
            fn visit_unit<E>(self) -> Result<Names, E> {
                Ok(Names::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let mut names = Names::default();
                while let Some(name) = seq.next_element::<String>()? {
                    names.add(name.as_bytes());
                }
                Ok(names)
            }
        }
        deserializer.deserialize_any(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Names {
        let mut all = Names::default();
        for name in names {
            all.add(name.as_bytes());
        }
        all
    }

    #[test]
    fn order_and_slashes_do_not_matter_and_names_do() {
        assert_eq!(of(&["/base/1", "/PG_VERSION", "/"]), of(&["PG_VERSION", "", "base/1/"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "c"]));
        assert_ne!(of(&["a", "a"]), of(&["a"]));
        assert_ne!(of(&["base/1"]), of(&["base1"]));
        let read: Names = serde_json::from_str(r#"["/a","b\u002fc"]"#).unwrap();
        assert_eq!(read, of(&["b/c", "a"]));
    }
}
