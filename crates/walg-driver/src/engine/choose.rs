use crate::bucket::{Backup, Bucket};
use crate::wal::Timeline;
use backup_contract::{SnapshotId, SnapshotKind};
use std::fmt;

/// How many deltas hang on one full at most. Each needs that full alone, so this bounds how much of what changed is stored
/// again and again, and how much one bad object can cost.
const MOST_DELTAS: usize = 96;

/// What there is to know before a push.
pub struct Situation<'a> {
    /// The catalogue of the app's bucket.
    pub bucket: &'a Bucket,
    /// On which timeline the server is.
    pub timeline: Timeline,
    /// Its system identifier.
    pub system_identifier: u64,
    /// Whether somebody asked for a full.
    pub is_asked: bool,
    /// Whether the schedule wants a full by now, given the full that a delta would hang on.
    pub is_due: &'a dyn Fn(&Backup) -> bool,
    /// Whether nothing speaks against a backup: its newest verification did not fail.
    pub is_sound: &'a dyn Fn(&SnapshotId) -> bool,
}

/// Which kind of backup is to be made.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// A full.
    Full(WhyFull),
    /// A delta of a full.
    Delta(&'a Backup),
}

/// Why a full is to be made, and not a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyFull {
    /// Somebody asked for it.
    Asked,
    /// There is no full of this server that a delta could hang on.
    NoFull,
    /// The newest full was made before a restore or a promotion.
    OtherTimeline,
    /// The newest full cannot be restored, or its verification failed.
    Unsound,
    /// The key that is used now does not open the newest full: no engine has two for one chain.
    OtherKey,
    /// The schedule wants one.
    Due,
    /// So many deltas hang on the newest full already.
    ManyDeltas,
}

impl fmt::Display for WhyFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "it was asked for",
            Self::NoFull => "there is no full that a delta could hang on",
            Self::OtherTimeline => {
                "the newest full is of another timeline: there was a restore or a promotion"
            }
            Self::Unsound => "the newest full cannot be counted on",
            Self::OtherKey => "the newest full was made with another key than the env file has",
            Self::Due => "the schedule wants one",
            Self::ManyDeltas => "many deltas hang on the newest full already",
        })
    }
}

/// Full or delta: a delta of the newest full, as long as that is sound, of the server's timeline and not too old.
#[must_use]
pub fn choose<'a>(situation: &Situation<'a>) -> Choice<'a> {
    use Choice::{Delta, Full};
    if situation.is_asked {
        return Full(WhyFull::Asked);
    }
    let of_server = |backup: &&Backup| {
        let system = backup.sentinel.as_ref().and_then(|sentinel| sentinel.system_identifier);
        backup.kind() == SnapshotKind::Full
            && system.is_none_or(|system| system == situation.system_identifier)
    };
    let Some(full) = situation.bucket.backups.iter().rev().find(of_server) else {
        return Full(WhyFull::NoFull);
    };
    if full.timeline != Some(situation.timeline) {
        return Full(WhyFull::OtherTimeline);
    }
    if !full.restorable() || !(situation.is_sound)(&full.id) {
        return Full(WhyFull::Unsound);
    }
    if (situation.is_due)(full) {
        return Full(WhyFull::Due);
    }
    let deltas = situation.bucket.backups.iter().filter(|backup| backup.chain.last() == Some(&full.id));
    if deltas.count() > MOST_DELTAS {
        return Full(WhyFull::ManyDeltas);
    }
    Delta(full)
}
