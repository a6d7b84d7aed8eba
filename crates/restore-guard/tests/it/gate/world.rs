//! Snapshots, what was said of them, and what is asked for.

use crate::support::{at, checksum, context, record};
use backup_contract::{Checksum, Level, Outcome, Snapshot, SnapshotId, SnapshotKind, SnapshotRef, Subject};
use chrono::{DateTime, TimeDelta, Utc};
use restore_guard::{
    AcceptedLevel, Candidate, Decision, EvidenceRecord, Ignored, Latest, Question, Records, RestoreRequest,
    TrustedWriters, UnverifiedEvidence, Wanted, WriterKey, decide,
};
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(super) use Level::{Checksum as C, Content as T, Restore as R, Stored as S};
pub(super) use Outcome::{Failed as F, Passed as P};

pub(super) static KEY: LazyLock<WriterKey> = LazyLock::new(|| WriterKey::generate().unwrap());
pub(super) static STRANGER: LazyLock<WriterKey> = LazyLock::new(|| WriterKey::generate().unwrap());
pub(super) static TRUSTED: LazyLock<TrustedWriters> = LazyLock::new(|| TrustedWriters::new([KEY.public()]));

/// A week after everything.
pub(super) const NOW: i64 = 7 * 86_400;

pub(crate) fn id(n: u32) -> SnapshotId {
    SnapshotId::state(at(0), n)
}

/// The snapshot `n` of the state, with the checksum `n`.
pub(super) fn entry(n: u32) -> Snapshot {
    Snapshot {
        id: id(n),
        subject: Subject::State,
        kind: SnapshotKind::Bundle,
        started_at: Some(at(0)),
        finished_at: Some(at(0)),
        bytes: 4_096,
        checksum: Some(checksum(u8::try_from(n).unwrap())),
        parent: None,
        lineage: id(n),
        suspect: false,
        problems: Vec::new(),
    }
}

/// One word about a snapshot: by whom, of which bytes, how far, how it ended, when.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) n: u32,
    pub(super) by_stranger: bool,
    pub(super) bytes: Checksum,
    pub(super) level: Level,
    pub(super) outcome: Outcome,
    pub(super) seconds: i64,
}

pub(super) fn word(n: u32, level: Level, outcome: Outcome, seconds: i64) -> Word {
    let bytes = checksum(u8::try_from(n).unwrap());
    Word { n, by_stranger: false, bytes, level, outcome, seconds }
}

impl Word {
    pub(super) fn signed(&self) -> Result<restore_guard::Evidence, Ignored> {
        let record = EvidenceRecord {
            id: id(self.n),
            checksum: self.bytes,
            ..record(self.level, self.outcome, self.seconds)
        };
        let key = if self.by_stranger { &STRANGER } else { &KEY };
        let (at, envelope) = record.sign(key).unwrap();
        UnverifiedEvidence::new(at.clone(), envelope).verify(&TRUSTED).map_err(|why| Ignored { key: at, why })
    }
}

/// What there is, oldest first, what was said of it, and what is asked for.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) snapshots: Vec<Snapshot>,
    pub(super) foreign: BTreeSet<SnapshotId>,
    pub(super) words: Vec<Word>,
    pub(crate) request: RestoreRequest,
    pub(super) now: DateTime<Utc>,
}

impl World {
    /// The snapshots 1 and 2, both restored in a rehearsal, of which 2 is asked for at the level `content`.
    pub(crate) fn new() -> Self {
        Self {
            snapshots: vec![entry(1), entry(2)],
            foreign: BTreeSet::new(),
            words: vec![word(1, R, P, NOW - 100), word(2, R, P, NOW - 100)],
            request: RestoreRequest {
                context: context(),
                subject: Subject::State,
                wanted: Wanted::Id(id(2)),
                checksum: None,
                least: T,
                max_age: TimeDelta::days(3),
                accept: None,
                step_back: false,
                operator: "ada@host-1".into(),
                obstacles: Vec::new(),
            },
            now: at(NOW),
        }
    }

    pub(crate) fn decide(&self) -> Decision {
        let (mut evidence, mut ignored) = (Vec::new(), Vec::new());
        for word in &self.words {
            match word.signed() {
                Ok(one) => evidence.push(one),
                Err(one) => ignored.push(one),
            }
        }
        let records = Records::new(evidence, ignored);
        let refs: Vec<SnapshotRef> = self
            .snapshots
            .iter()
            .map(|snapshot| SnapshotRef { subject: Subject::State, id: snapshot.id.clone() })
            .collect();
        let candidates: Vec<Candidate<'_>> = self
            .snapshots
            .iter()
            .zip(&refs)
            .map(|(snapshot, about)| Candidate {
                snapshot,
                standing: snapshot.checksum.map(|checksum| {
                    let question = Question { snapshot: about, checksum, origin: None, now: self.now };
                    records.standing(&question)
                }),
                is_foreign: self.foreign.contains(&snapshot.id),
            })
            .collect();
        decide(&self.request, &candidates, self.now)
    }

    pub(super) fn accepting(mut self, level: Level) -> Self {
        self.request.accept = Some(AcceptedLevel { level, reason: "the host is lost".into() });
        self
    }

    pub(super) fn wanting(mut self, latest: Latest) -> Self {
        self.request.wanted = Wanted::Latest(latest);
        self
    }

    pub(super) fn stepping_back(mut self) -> Self {
        self.request.step_back = true;
        self
    }

    pub(super) fn saying(mut self, words: &[Word]) -> Self {
        self.words = words.to_vec();
        self
    }
}

/// What was taken, and what was passed over for it with which codes; or why nothing was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Takes(SnapshotId, Vec<(SnapshotId, Vec<&'static str>)>),
    Refuses(BTreeSet<&'static str>),
}

pub(super) fn answer(world: &World) -> Answer {
    match world.decide() {
        Decision::Allowed(allowed) => {
            let over = allowed.passed_over().iter().map(|over| {
                (over.id.clone(), over.reasons.iter().map(restore_guard::Reason::code).collect::<Vec<_>>())
            });
            Answer::Takes(allowed.snapshot().id, over.collect())
        }
        Decision::Refused(refusal) => {
            Answer::Refuses(refusal.reasons.iter().map(restore_guard::Reason::code).collect())
        }
    }
}

pub(super) fn refuses(codes: &[&'static str]) -> Answer {
    Answer::Refuses(codes.iter().copied().collect())
}

pub(super) fn takes(n: u32) -> Answer {
    Answer::Takes(id(n), Vec::new())
}
