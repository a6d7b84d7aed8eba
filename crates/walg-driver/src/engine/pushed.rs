use crate::bucket::{Backup, Bucket};
use crate::wal::Timeline;
use crate::{Error, Result};
use backup_contract::SnapshotId;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use thiserror::Error as ThisError;

/// By what a push's backup is recognised beside those that others push at the same time: engines put it into the sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushMark(String);

/// The name that it has among the user data.
const MARK: &str = "si-backup";

impl PushMark {
    /// One that no other push has.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn new() -> Result<Self> {
        let number = getrandom::u64().map_err(|error| Error::Random(error.into()))?;
        Ok(Self(format!("{number:016x}")))
    }

    /// It, among what else is to stand in the sentinel: an object's fields, or anything else under the name `note`.
    #[must_use]
    pub fn among(&self, data: Option<Value>) -> Map<String, Value> {
        let mut fields = match data {
            Some(Value::Object(fields)) => fields,
            Some(other) => Map::from_iter([("note".to_owned(), other)]),
            None => Map::new(),
        };
        fields.insert(MARK.to_owned(), self.0.as_str().into());
        fields
    }

    fn is_on(&self, backup: &Backup) -> bool {
        let data = backup.sentinel.as_ref().and_then(|sentinel| sentinel.user_data.as_ref());
        data.and_then(|data| data.get(MARK)).and_then(Value::as_str) == Some(&self.0)
    }
}

/// What a push was to make.
#[derive(Debug)]
pub struct Ordered<'a> {
    /// What stands in its sentinel.
    pub mark: &'a PushMark,
    /// The backups that were there before.
    pub before: &'a BTreeSet<SnapshotId>,
    /// Of which cluster.
    pub system_identifier: u64,
    /// On which timeline.
    pub timeline: Timeline,
    /// From which directory.
    pub data_directory: &'a Path,
    /// A delta of which full; none for a full.
    pub delta_of: Option<&'a SnapshotId>,
}

/// What a push has made, as the bucket tells.
#[derive(Debug)]
pub struct Pushed {
    /// The backup.
    pub id: SnapshotId,
    /// Whether it is a full though a delta was ordered: engines do that without a word.
    pub is_full_instead: bool,
}

/// Why no backup is the one that was ordered.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum NotPushed {
    /// There is no new backup at all.
    #[error("no new backup is in the bucket")]
    Nothing,
    /// There are new ones, and nothing says that one of them is of this push: somebody else pushes too, or the engine does not
    /// keep the mark.
    #[error("of the new backups in the bucket none has the mark of this run: {}", listed(.0))]
    Others(Vec<SnapshotId>),
    /// More than one has its mark.
    #[error("more than one new backup in the bucket has the mark of this run: {}", listed(.0))]
    Several(Vec<SnapshotId>),
    /// It is of another cluster than the server that was looked at, as when an engine goes on to `localhost`.
    #[error("{id} is of the cluster {found}, and was to be of {ordered}")]
    OtherCluster {
        /// The backup.
        id: SnapshotId,
        /// Of which cluster it is.
        found: u64,
        /// Of which it was to be.
        ordered: u64,
    },
    /// It is of another timeline.
    #[error("{id} is not on timeline {ordered}, on which the server was")]
    OtherTimeline {
        /// The backup.
        id: SnapshotId,
        /// On which it was to be.
        ordered: Timeline,
    },
    /// It was made from another directory.
    #[error("{id} was made from {}, and not from {}", found.display(), ordered.display())]
    OtherDirectory {
        /// The backup.
        id: SnapshotId,
        /// From which it was made.
        found: PathBuf,
        /// From which it was to be made.
        ordered: PathBuf,
    },
    /// It is a delta of something else than what was chosen as sound.
    #[error("{id} is a delta of '{found}', which was not ordered")]
    OtherParent {
        /// The backup.
        id: SnapshotId,
        /// Its parent.
        found: String,
    },
}

fn listed(ids: &[SnapshotId]) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    ids.join(", ")
}

impl Ordered<'_> {
    /// Finds the backup of a push in a catalogue that was read after it, and holds it against what was ordered.
    ///
    /// # Errors
    /// [`NotPushed`]; nothing is guessed.
    pub fn find(&self, bucket: &Bucket) -> std::result::Result<Pushed, NotPushed> {
        let new: Vec<&Backup> =
            bucket.backups.iter().filter(|backup| !self.before.contains(&backup.id)).collect();
        let marked: Vec<&Backup> = new.iter().copied().filter(|backup| self.mark.is_on(backup)).collect();
        let ids = |backups: &[&Backup]| backups.iter().map(|backup| backup.id.clone()).collect();
        let backup = match *marked {
            [backup] => backup,
            [] if new.is_empty() => return Err(NotPushed::Nothing),
            [] => return Err(NotPushed::Others(ids(&new))),
            _ => return Err(NotPushed::Several(ids(&marked))),
        };
        let id = backup.id.clone();
        // It has a sentinel: the mark was read from there. What an old engine leaves out cannot speak against it.
        let sentinel = backup.sentinel.as_ref();
        let (ordered, found) = (self.system_identifier, sentinel.and_then(|found| found.system_identifier));
        if let Some(found) = found.filter(|found| *found != ordered) {
            return Err(NotPushed::OtherCluster { id, found, ordered });
        }
        if backup.timeline != Some(self.timeline) {
            return Err(NotPushed::OtherTimeline { id, ordered: self.timeline });
        }
        let found = sentinel.and_then(|found| found.data_dir.as_ref()).map(PathBuf::from);
        if let Some(found) = found.filter(|found| found != self.data_directory) {
            return Err(NotPushed::OtherDirectory { id, found, ordered: self.data_directory.to_owned() });
        }
        let parent = sentinel.and_then(|found| found.delta.as_ref()).map(|delta| delta.parent.as_str());
        if let Some(found) = parent.filter(|found| self.delta_of.is_none_or(|full| full.as_str() != *found)) {
            return Err(NotPushed::OtherParent { id, found: found.to_owned() });
        }
        Ok(Pushed { id, is_full_instead: parent.is_none() && self.delta_of.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cipher;
    use crate::bucket::Root;
    use backup_store::DirStore;
    use std::fs;

    const BEFORE: &str = "base_000000010000000000000002";
    const NEW: &str = "base_000000010000000000000004";

    /// A bucket with the sentinels of backups.
    fn bucket(sentinels: &[(&str, String)]) -> Bucket {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("basebackups_005");
        fs::create_dir(&base).unwrap();
        for (name, text) in sentinels {
            fs::write(base.join(format!("{name}_backup_stop_sentinel.json")), text).unwrap();
        }
        Bucket::read(&DirStore::open(dir.path()).unwrap(), &Root::default(), &Cipher::None).unwrap()
    }

    fn sentinel(more: &str) -> String {
        format!(r#"{{"LSN":67108904,"FinishLSN":67109120,"SystemIdentifier":7,"DataDir":"/data"{more}}}"#)
    }

    fn found(sentinels: &[(&str, String)], delta_of: Option<&str>) -> std::result::Result<Pushed, NotPushed> {
        let mark = PushMark("00c0ffee00c0ffee".to_owned());
        let before = BTreeSet::from([BEFORE.parse().unwrap()]);
        let full = delta_of.map(|full| full.parse().unwrap());
        let ordered = Ordered {
            mark: &mark,
            before: &before,
            system_identifier: 7,
            timeline: Timeline(1),
            data_directory: Path::new("/data"),
            delta_of: full.as_ref(),
        };
        ordered.find(&bucket(sentinels))
    }

    const MARKED: &str = r#","UserData":{"a":1,"si-backup":"00c0ffee00c0ffee"}"#;

    fn not(sentinels: &[(&str, String)], delta_of: Option<&str>) -> String {
        found(sentinels, delta_of).unwrap_err().to_string()
    }

    #[test]
    fn the_one_with_the_mark_is_taken_whoever_else_pushes() {
        let theirs = "base_000000010000000000000005";
        let all = [
            (BEFORE, sentinel(MARKED)),
            (NEW, sentinel(MARKED)),
            (theirs, sentinel(r#","UserData":{"si-backup":"00c0ffee00c0ffe0"}"#)),
        ];
        assert_eq!(found(&all, None).unwrap().id.as_str(), NEW);
        assert!(not(&all[..1], None).contains("no new backup"));
        assert!(not(&all[2..], None).contains("none has the mark"));
        assert!(not(&[(NEW, sentinel("")), (BEFORE, sentinel(""))], None).contains(NEW));
        assert!(not(&[(NEW, "no JSON".to_owned())], None).contains("none has the mark"));
        assert!(not(&[(NEW, sentinel(MARKED)), (theirs, sentinel(MARKED))], None).contains("more than one"));
    }

    #[test]
    fn it_is_held_against_what_was_ordered() {
        let of = |text: String| [(NEW, text)];
        let delta = |parent: &str| sentinel(&format!(r#","DeltaFrom":"{parent}"{MARKED}"#));
        assert!(!found(&of(delta(BEFORE)), Some(BEFORE)).unwrap().is_full_instead);
        assert!(found(&of(sentinel(MARKED)), Some(BEFORE)).unwrap().is_full_instead);
        assert!(not(&of(delta(BEFORE)), None).contains("a delta of"));
        assert!(not(&of(delta("base_000000010000000000000003")), Some(BEFORE)).contains("a delta of"));
        let other = sentinel(MARKED).replace("\"SystemIdentifier\":7", "\"SystemIdentifier\":8");
        assert!(not(&of(other), None).contains("of the cluster 8"));
        assert!(not(&of(sentinel(MARKED).replace("/data", "/other")), None).contains("made from /other"));
        let timeline = [("base_000000020000000000000004", sentinel(MARKED))];
        assert!(not(&timeline, None).contains("not on timeline"));
    }

    #[test]
    fn the_mark_leaves_what_else_is_noted() {
        let mark = PushMark::new().unwrap();
        let ours = Value::from(mark.0.clone());
        let noted = mark.among(Some(serde_json::json!({"team": "a"})));
        assert_eq!((&noted["team"], &noted[MARK]), (&"a".into(), &ours));
        assert_eq!(mark.among(Some("text".into()))["note"], "text");
        assert_ne!(PushMark::new().unwrap(), mark);
    }
}
