use super::Obstacle;
use crate::Standing;
use backup_contract::{Checksum, ContextName, Level, Snapshot, SnapshotId, Subject};
use chrono::TimeDelta;

/// What somebody wants to have restored into the live place, and under which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The context.
    pub context: ContextName,
    /// What is to be replaced.
    pub subject: Subject,
    /// By which snapshot of it.
    pub wanted: Wanted,
    /// The checksum that it must have, where the operator has one, such as that of the recovery sheet.
    ///
    /// It stands in for the trust in a writer: a snapshot about which nobody who is trusted has said a word passes with it.
    /// Words that were said count all the same.
    pub checksum: Option<Checksum>,
    /// The least level that lets a snapshot through.
    pub least: Level,
    /// How old the evidence may be.
    pub max_age: TimeDelta,
    /// A lower level, for this once.
    pub accept: Option<AcceptedLevel>,
    /// Whether to take the last verified snapshot where the wanted one is not let through.
    pub step_back: bool,
    /// Who asks.
    pub operator: String,
    /// What stands in the way, whichever snapshot it is.
    pub obstacles: Vec<Obstacle>,
}

/// A level below the one that is asked for, which an operator takes on themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedLevel {
    /// The level.
    pub level: Level,
    /// Why.
    pub reason: String,
}

/// Which snapshot is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Id(SnapshotId),
    /// The newest.
    Latest(Latest),
}

/// What the newest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latest {
    /// The newest restorable one, proved or not: an older one would lose data.
    Newest,
    /// The newest that is let through: what came after it is replayed on top.
    NewestPassing,
}

/// A snapshot with what is known of it.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// How far it is proved, with whatever it rests on; `None` where there is nothing that evidence could be about.
    pub standing: Option<Standing<'a>>,
    /// Whether it says that it is of another context, or another origin.
    pub is_foreign: bool,
}
