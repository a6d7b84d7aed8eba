//! Whether the tars of a backup are all there.

use super::Names;
use crate::codec::Compression;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

/// A tar of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, below the backup's `tar_partitions/`.
    pub name: Box<str>,
    /// What it takes in the store, in bytes.
    pub size: u64,
}

impl Part {
    /// Whether a list of files means this tar by a name. `walrus` leaves the ending of the compression out of its lists.
    pub(crate) fn is_listed_as(&self, name: &str) -> bool {
        *self.name == *name || Compression::split(&self.name).0 == name
    }
}

/// Which tars there should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// These, as the list of files says, and the control file's.
    Named(Vec<String>),
    /// Whatever there is, numbered without a gap, and the control file's: the engine wrote no list.
    Numbered,
}

/// What is wrong with the tars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PartFault {
    #[error("the tar '{0}' is missing")]
    Missing(String),
    #[error("the tar of pg_control is missing")]
    NoControl,
    #[error("there is no tar with data")]
    NoData,
    #[error("the tar '{0}' is empty")]
    Empty(String),
    #[error("there are two tars '{0}'")]
    Twice(String),
    #[error("the tar '{0}' is in no list of its files, and an engine would unpack it")]
    Unlisted(String),
}

/// Holds the tars that are there against those that should be. All that is wrong is told at once.
pub(super) fn check(parts: &[Part], expected: &Expected) -> Vec<PartFault> {
    let mut faults = Vec::new();
    let mut stems: BTreeMap<&str, u32> = BTreeMap::new();
    for part in parts {
        if part.size == 0 {
            faults.push(PartFault::Empty(part.name.to_string()));
        }
        *stems.entry(Compression::split(&part.name).0).or_default() += 1;
    }
    faults.extend(
        stems.iter().filter(|(_, count)| **count > 1).map(|(stem, _)| PartFault::Twice((*stem).to_owned())),
    );
    if !stems.contains_key("pg_control.tar") {
        faults.push(PartFault::NoControl);
    }
    let numbers: BTreeSet<u64> = stems.keys().filter_map(|stem| number_of(stem)).collect();
    match expected {
        Expected::Named(names) => {
            // A listed name means the tar of that name, or the one in whichever compression: `Part::is_listed_as`, for many.
            let here: BTreeSet<&str> = parts.iter().map(|part| &*part.name).collect();
            let listed: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let missing = listed.iter().filter(|name| !here.contains(*name) && !stems.contains_key(*name));
            faults.extend(missing.map(|name| PartFault::Missing((*name).to_owned())));
            let others = here.iter().map(|name| (*name, Compression::split(name).0));
            let unlisted = others.filter(|(name, stem)| {
                *stem != "pg_control.tar" && !listed.contains(name) && !listed.contains(stem)
            });
            faults.extend(unlisted.map(|(name, _)| PartFault::Unlisted(name.to_owned())));
        }
        Expected::Numbered => match numbers.last() {
            None => faults.push(PartFault::NoData),
            Some(last) => {
                let gaps = (1..*last).filter(|number| !numbers.contains(number)).take(3);
                faults.extend(gaps.map(|number| PartFault::Missing(format!("part_{number:03}.tar"))));
            }
        },
    }
    faults
}

/// The number of `part_<number>.tar`.
fn number_of(stem: &str) -> Option<u64> {
    stem.strip_prefix("part_")?.strip_suffix(".tar")?.parse().ok()
}

/// The names of the tars in a list of files, read as a stream: the list of a large database takes gigabytes, of which these
/// names are little.
///
/// # Errors
/// When it is not the JSON that it should be.
pub(super) fn tars_of(files_metadata: impl Read) -> serde_json::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Tars {
        #[serde(rename = "TarFileSets", default, deserialize_with = "entries")]
        tars: Vec<(String, IgnoredAny)>,
    }
    let raw: Tars = serde_json::from_reader(buffered(files_metadata))?;
    Ok(raw.tars.into_iter().map(|(name, _)| name).collect())
}

/// What a list of files says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Lists {
    /// The names of the tars, and which files are in each.
    #[serde(rename = "TarFileSets", default, deserialize_with = "entries")]
    pub(crate) tars: Vec<(String, Names)>,
    /// In which files the engine met pages with a wrong checksum when it pushed, where it was told to look.
    #[serde(rename = "Files", default, deserialize_with = "corrupt")]
    pub(crate) corrupt: Vec<String>,
}

/// # Errors
/// As for [`tars_of`].
pub(crate) fn lists_of(files_metadata: impl Read) -> serde_json::Result<Lists> {
    serde_json::from_reader(buffered(files_metadata))
}

fn buffered(files_metadata: impl Read) -> impl Read {
    std::io::BufReader::with_capacity(64 * 1024, files_metadata)
}

fn entries<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<(String, T)>, D::Error> {
    deserializer.deserialize_any(Entries(|_: &T| true, PhantomData))
}

fn corrupt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    struct File {
        #[serde(rename = "CorruptBlocks", default)]
        corrupt: Option<Corrupt>,
    }
    #[derive(Deserialize)]
    struct Corrupt {
        #[serde(rename = "CorruptBlocksCount", default)]
        count: u64,
    }
    let is_corrupt = |file: &File| file.corrupt.as_ref().is_some_and(|blocks| blocks.count > 0);
    let files = deserializer.deserialize_any(Entries(is_corrupt, PhantomData))?;
    Ok(files.into_iter().map(|(path, _): (String, File)| path).collect())
}

/// The entries of an object that a test lets through, in their order; the others are not kept.
struct Entries<T, F>(F, PhantomData<T>);

impl<'de, T: DeserializeOwned, F: Fn(&T) -> bool> Visitor<'de> for Entries<T, F> {
    type Value = Vec<(String, T)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tars or files")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            if (self.0)(&value) {
                entries.push((name, value));
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(names: &[&str]) -> Vec<Part> {
        names.iter().map(|name| Part { name: (*name).into(), size: 1 }).collect()
    }

    #[test]
    fn a_list_of_files_yields_its_tars() {
        let text = br#"{"Files":{"/a":{"IsSkipped":false}},"TarFileSets":{"part_001.tar.zst":["/a"],"backup_label.tar.zst":["/b"]}}"#;
        assert_eq!(tars_of(&text[..]).unwrap(), ["part_001.tar.zst", "backup_label.tar.zst"]);
        assert_eq!(tars_of(&b"{}"[..]).unwrap(), Vec::<String>::new());
        assert_eq!(tars_of(&br#"{"TarFileSets":null}"#[..]).unwrap(), Vec::<String>::new());
        tars_of(&br#"{"TarFileSets":{"a":["#[..]).unwrap_err();
    }

    #[test]
    fn pages_that_the_engine_found_corrupt_are_told() {
        let text = br#"{"Files":{"/a":{"IsSkipped":false,"CorruptBlocks":{"CorruptBlocksCount":2,"SomeCorruptBlocks":[1,7]}},
            "/b":{"CorruptBlocks":null},"/c":{"CorruptBlocks":{"CorruptBlocksCount":0}}},"TarFileSets":{}}"#;
        assert_eq!(lists_of(&text[..]).unwrap().corrupt, ["/a"]);
        assert!(lists_of(&br#"{"Files":null}"#[..]).unwrap().corrupt.is_empty());
    }

    #[test]
    fn named_tars_must_all_be_there() {
        let expected = Expected::Named(vec!["part_001.tar.zst".into(), "part_002.tar.zst".into()]);
        let whole = parts(&["part_001.tar.zst", "part_002.tar.zst", "pg_control.tar.zst"]);
        assert_eq!(check(&whole, &expected), []);
        for index in 0..whole.len() {
            let mut less = whole.clone();
            let gone = less.remove(index);
            assert_eq!(check(&less, &expected).len(), 1, "{}", gone.name);
        }
        let mut empty = whole.clone();
        empty[0].size = 0;
        assert_eq!(check(&empty, &expected), [PartFault::Empty("part_001.tar.zst".into())]);
        let mut twice = whole;
        twice.extend(parts(&["part_001.tar.lz4"]));
        assert_eq!(
            check(&twice, &expected),
            [PartFault::Twice("part_001.tar".into()), PartFault::Unlisted("part_001.tar.lz4".into())]
        );
    }

    #[test]
    fn a_list_may_leave_the_compression_out() {
        let expected = Expected::Named(vec!["part_001.tar".into(), "part_002.tar".into()]);
        let whole = parts(&["part_001.tar.lz4", "part_002.tar.lz4", "pg_control.tar.lz4"]);
        assert_eq!(check(&whole, &expected), []);
        assert_eq!(check(&whole[1..], &expected), [PartFault::Missing("part_001.tar".into())]);
        let more = [whole, parts(&["part_003.tar.lz4"])].concat();
        assert_eq!(check(&more, &expected), [PartFault::Unlisted("part_003.tar.lz4".into())]);
        assert!(more[0].is_listed_as("part_001.tar.lz4") && !more[0].is_listed_as("part_001.tar.zst"));
    }

    #[test]
    fn numbered_tars_have_no_gap() {
        let check = |names: &[&str]| check(&parts(names), &Expected::Numbered);
        assert_eq!(check(&["part_001.tar.zst", "part_002.tar.zst", "pg_control.tar.zst"]), []);
        assert_eq!(
            check(&["part_003.tar", "pg_control.tar"]),
            [PartFault::Missing("part_001.tar".into()), PartFault::Missing("part_002.tar".into())]
        );
        assert_eq!(check(&["pg_control.tar.br"]), [PartFault::NoData]);
        assert_eq!(check(&[]), [PartFault::NoControl, PartFault::NoData]);
    }
}
