use crate::layout::{Class, OptionalTree, PROTECTED, Shape};
use crate::{Error, Result, StatePath, VaultPrints};
use backup_contract::{Accounted, ContextName, SnapshotId};
use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// The newest format version of a manifest that this software writes and understands.
pub const MANIFEST_VERSION: u32 = 1;
/// What a manifest calls itself.
pub const MANIFEST_FORMAT: &str = "si-backup/state-manifest";

/// The longest manifest that is written, or read into memory, in bytes.
pub(crate) const MAX_MANIFEST: u64 = 64 * 1024 * 1024;
/// The most files, with the directories that they lie in, that a bundle may hold.
pub(crate) const MAX_FILES: usize = 250_000;
/// The most things in a list of a manifest that is short by its nature.
const FEW: usize = 64;

/// What a bundle holds: its last entry, sealed with the files that it describes.
///
/// Unknown fields of a newer minor revision are ignored; another `version` is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Manifest {
    /// Always [`MANIFEST_FORMAT`].
    pub format: String,
    /// The format version.
    pub version: u32,
    /// The snapshot that it belongs to.
    pub id: SnapshotId,
    /// The context that was read.
    pub context: ContextName,
    /// When reading began.
    pub read_at: DateTime<Utc>,
    /// The program that wrote it, with its version.
    pub tool: String,
    /// The optional trees that were asked for.
    #[serde(deserialize_with = "few")]
    pub with: Vec<OptionalTree>,
    /// Every file of the bundle, in the order of its entries.
    pub files: Vec<FileEntry>,
    /// Protected files that did not exist: to si, empty stores.
    #[serde(deserialize_with = "few")]
    pub absent: Vec<StatePath>,
    /// What the context held besides, and why it was left out. A directory's path ends in `/`.
    pub left_out: Vec<LeftOut>,
    /// The reviewed exceptions of the secret scan that this backup relied on.
    pub allowed: Vec<AllowedSecret>,
    /// The names of the vault's keys with fingerprints of their values. `None` where there was no vault, where it could not
    /// be read, and in backups of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultPrints>,
}

/// Reads a list that is short by its nature, and no more of it than that: what takes two bytes in a text may take fifty
/// in memory, and anyone can make a manifest.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<T>, D::Error> {
    struct Few<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {FEW}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == FEW {
                    return Err(A::Error::invalid_length(FEW + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Few(PhantomData))
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileEntry {
    /// Its path within the context.
    pub path: StatePath,
    /// Why it was taken.
    pub class: Class,
    /// How it is read and checked.
    pub shape: Shape,
    /// Its length in bytes.
    pub size: u64,
    /// Its permission bits when it was read; in the archive they are 0600.
    pub mode: u32,
    /// When it was last changed, to the second.
    pub mtime: DateTime<Utc>,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// How many lines a log has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// How many lines of a log are no JSON: torn or malformed when they were read, and kept as they were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub malformed_lines: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Something that a context held and a bundle does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// Its path within the context.
    pub path: String,
    /// What became of it.
    pub class: Class,
    /// Why.
    pub reason: String,
}

/// A reviewed exception of the secret scan, recorded where it was used. Holds no value, only its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AllowedSecret {
    /// The file that holds the value.
    pub path: String,
    /// The kind of secret that the scan took it for.
    pub kind: String,
    /// The SHA-256 of the value, as `sha256:<hex>`.
    pub digest: String,
    /// Why it is no secret, or may be in a backup, in the reviewer's words.
    pub reason: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Newer`]; [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        check_format(bytes, MANIFEST_FORMAT, MANIFEST_VERSION, "manifest")?;
        serde_json::from_slice(bytes).map_err(|e| Error::malformed("manifest", &e))
    }

    /// The text of the manifest, as a bundle holds it.
    ///
    /// # Errors
    /// [`Error::Malformed`], never in practice: every field can be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Malformed { what: "manifest".into(), reason: e.to_string() })?;
        text.push(b'\n');
        Ok(text)
    }

    /// The bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The entry of a path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path.as_str() == path)
    }

    /// What it says of each of the [`PROTECTED`] files: that it is in the bundle, that it was not there, or nothing.
    #[must_use]
    pub fn accounted(&self) -> Accounted {
        let mut accounted = Accounted { held: 0, absent: 0, missing: 0 };
        for path in PROTECTED {
            let count = if self.file(path).is_some() {
                &mut accounted.held
            } else if self.absent.iter().any(|absent| absent.as_str() == path) {
                &mut accounted.absent
            } else {
                &mut accounted.missing
            };
            *count += 1;
        }
        accounted
    }
}

/// Reads format and version alone, so that a newer document is told from a broken one.
pub(crate) fn check_format(bytes: &[u8], format: &str, known: u32, what: &'static str) -> Result<()> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|e| Error::malformed(what, &e))?;
    if head.format != format {
        return Err(Error::malformed(what, &format_args!("it calls itself '{}'", head.format)));
    }
    if head.version == 0 || head.version > known {
        return Err(Error::Newer { what, version: head.version, known });
    }
    Ok(())
}

#[cfg(test)]
impl Manifest {
    pub(crate) fn example() -> Self {
        Self {
            format: MANIFEST_FORMAT.into(),
            version: MANIFEST_VERSION,
            id: "state-20261123T201500Z-1a2b3c4d".parse().unwrap(),
            context: ContextName::new("default").unwrap(),
            read_at: DateTime::UNIX_EPOCH,
            tool: "si-backup 0.1.0".into(),
            with: vec![],
            files: vec![],
            absent: vec![],
            left_out: vec![],
            allowed: vec![],
            vault: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_as_it_was_written() {
        let manifest = Manifest::example();
        assert_eq!(Manifest::parse(&manifest.to_json().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn each_protected_file_is_accounted_for_or_missing() {
        let path = |text: &str| StatePath::new(text).unwrap();
        let file = |text: &str| FileEntry {
            path: path(text),
            class: Class::Protected,
            shape: Shape::Json,
            size: 2,
            mode: 0o600,
            mtime: DateTime::UNIX_EPOCH,
            sha256: String::new(),
            lines: None,
            malformed_lines: 0,
        };
        let mut manifest = Manifest::example();
        assert_eq!(manifest.accounted(), Accounted { held: 0, absent: 0, missing: 10 });
        manifest.files = vec![file("config.json"), file("addons/shop/walg.compose.yaml")];
        manifest.absent =
            PROTECTED[1..].iter().map(|name| path(name)).filter(|p| p.as_str() != "config.json").collect();
        let missing = 10 - 1 - manifest.absent.len() as u64;
        assert_eq!(
            manifest.accounted(),
            Accounted { held: 1, absent: manifest.absent.len() as u64, missing }
        );
        assert_eq!(missing, 1, "the first of them is neither");
    }

    #[test]
    fn a_newer_version_is_told_from_a_broken_one() {
        let newer = Manifest { version: MANIFEST_VERSION + 1, ..Manifest::example() };
        assert_eq!(Manifest::parse(&newer.to_json().unwrap()).unwrap_err().code(), "newer-format");
        let other = Manifest { format: "tar".into(), ..Manifest::example() };
        assert_eq!(Manifest::parse(&other.to_json().unwrap()).unwrap_err().code(), "malformed");
        assert_eq!(Manifest::parse(b"{").unwrap_err().code(), "malformed");
    }
}
