use crate::{Error, Result, Subject};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest id, in bytes: a WAL-G delta of a delta is 69 bytes long.
const MAX_LEN: usize = 200;

/// How the time of a state snapshot is written in its id.
const STATE_TIME: &str = "%Y%m%dT%H%M%SZ";

/// The name of one snapshot, unique within its subject.
///
/// State snapshots are `state-<UTC of the read>-<8 random hex digits>`; database snapshots have the name that WAL-G
/// gave them, `base_<WAL segment>…`. Everything else is rejected: `..`, `a/b`, `BASE_…`, a state id with an impossible
/// date.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("pattern" = r"^(state-|base_)")))]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

impl SnapshotId {
    /// The id of a state snapshot that was read at `at`; `random` keeps two reads of one second apart.
    #[must_use]
    pub fn state(at: DateTime<Utc>, random: u32) -> Self {
        Self(format!("state-{}-{random:08x}", at.format(STATE_TIME)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time in a state snapshot's id, to the second; `None` for a database snapshot.
    #[must_use]
    pub fn state_time(&self) -> Option<DateTime<Utc>> {
        let (time, _) = self.0.strip_prefix("state-")?.split_once('-')?;
        let at = NaiveDateTime::parse_from_str(time, STATE_TIME).ok()?.and_utc();
        // The parser takes blanks and missing zeroes; a key has one spelling only.
        (at.format(STATE_TIME).to_string() == time).then_some(at)
    }

    /// Whether this can be the id of a snapshot of `subject`.
    #[must_use]
    pub fn fits(&self, subject: &Subject) -> bool {
        match subject {
            Subject::State => self.0.starts_with("state-"),
            Subject::App(_) => self.0.starts_with("base_"),
        }
    }
}

impl FromStr for SnapshotId {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        let reject = |reason| Err(Error::SnapshotId { value: value.to_owned(), reason });
        if value.len() > MAX_LEN {
            return reject("it is longer than 200 bytes");
        }
        if let Some(rest) = value.strip_prefix("state-") {
            let id = Self(value.to_owned());
            let random = rest.split_once('-').map_or("", |(_, random)| random);
            let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            if id.state_time().is_none() || rest.len() != "20261123T201500Z-1a2b3c4d".len() {
                return reject("after 'state-' it has no time like 20261123T201500Z");
            }
            if random.len() != 8 || !random.bytes().all(is_hex) {
                return reject("it does not end in eight hexadecimal digits");
            }
            return Ok(id);
        }
        match value.strip_prefix("base_") {
            Some(rest)
                if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                Ok(Self(value.to_owned()))
            }
            Some(_) => reject("after 'base_' it holds something other than letters, digits and '_'"),
            None => reject("it begins with neither 'state-' nor 'base_'"),
        }
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = Error;
    fn try_from(value: String) -> Result<Self> {
        value.parse()
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A snapshot with its subject, written `state/<id>` or `app:<slug>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotRef {
    /// What it is a backup of.
    pub subject: Subject,
    /// Its name within the subject.
    pub id: SnapshotId,
}

impl fmt::Display for SnapshotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subject, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_both_kinds_are_accepted() {
        for good in [
            "state-20261123T201500Z-1a2b3c4d",
            "base_000000010000000000000002",
            "base_000000010000000000000006_D_000000010000000000000004",
        ] {
            assert_eq!(good.parse::<SnapshotId>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_could_become_another_path_is_rejected() {
        for bad in [
            "",
            "state-",
            "state-20261323T201500Z-1a2b3c4d",
            "state-20261123T201500Z-1A2B3C4D",
            "state-20261123T201500Z-1a2b3c4",
            "state-20261123T201500Z-1a2b3c4d/..",
            "state- 2026123T201500Z-1a2b3c4d",
            "base_",
            "base_../x",
            "base_00/..",
            "snapshot-1",
        ] {
            assert!(bad.parse::<SnapshotId>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_made_id_parses_and_keeps_its_second(seconds in 0_i64..4_000_000_000, random: u32) {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            let id = SnapshotId::state(at, random);
            prop_assert_eq!(&id.to_string().parse::<SnapshotId>().unwrap(), &id);
            prop_assert_eq!(id.state_time(), Some(at));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(state-|base_)?.*") {
            let _ = text.parse::<SnapshotId>();
        }
    }
}
