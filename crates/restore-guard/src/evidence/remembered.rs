use super::{Evidence, Ignored, Records, WhyIgnored};
use crate::{ActOutcome, Action, ChainReport, KeyId, TrailEntry, TrailFinding, WriterId, WriterPublicKey};
use backup_contract::{Checksum, Level, Outcome, SnapshotRef, Subject};
use backup_store::Key;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What a host's own trail tells of its verifications.
///
/// Who can write to the store can take evidence away, and who has stolen the host's key can add to it. Neither can write
/// into the trail that lies on the host itself: so evidence in its name is held against that, by
/// [`Records::held_against`].
#[derive(Debug, Clone)]
pub struct Remembered {
    signer: KeyId,
    writer: WriterId,
    /// From when on everything that was signed with the key is in the trail.
    since: DateTime<Utc>,
    /// In the order of the trail.
    words: Vec<Word>,
    /// Where among the words the evidence with a key is.
    by_key: BTreeMap<String, usize>,
}

/// What the trail tells of one verification.
#[derive(Debug, Clone)]
struct Word {
    key: String,
    snapshot: SnapshotRef,
    checksum: Checksum,
    level: Level,
    outcome: Outcome,
    at: DateTime<Utc>,
}

/// A failure that the trail tells of, of which the evidence is gone, and nothing later says otherwise.
#[derive(Debug)]
pub(super) struct Gone<'r> {
    /// Its place in the trail.
    index: usize,
    word: &'r Word,
}

impl Remembered {
    /// What a trail tells about a subject, whose writer signs with this key. `None` where it is not whole, or empty: then it
    /// cannot be said what is missing in it.
    #[must_use]
    pub fn of(trail: &ChainReport, key: &WriterPublicKey, subject: &Subject) -> Option<Self> {
        let is_whole = trail.findings.iter().all(|it| matches!(it, TrailFinding::TornTail { .. }));
        let first = trail.lines.first().filter(|_| is_whole)?;
        let entries = trail.lines.iter().map(|line| &line.entry);
        let words: Vec<_> =
            entries.filter_map(Word::of).filter(|word| word.snapshot.subject == *subject).collect();
        let by_key = words.iter().enumerate().map(|(index, word)| (word.key.clone(), index)).collect();
        Some(Self {
            signer: key.key_id(),
            writer: trail.writer.clone(),
            since: first.entry.at,
            words,
            by_key,
        })
    }

    /// The place in the trail of the word that evidence is about.
    fn place_of(&self, evidence: &Evidence) -> Option<usize> {
        let index = *self.by_key.get(evidence.key().as_str())?;
        let word = self.words.get(index)?;
        let is_it = word.checksum == evidence.record().checksum
            && (word.outcome == Outcome::Passed) == evidence.passed();
        is_it.then_some(index)
    }

    /// Whether the trail would know of it, had this host signed it: what the writer says of itself, whatever date it has; of
    /// a writer that had the key before, what is younger than the trail.
    fn would_know(&self, evidence: &Evidence) -> bool {
        let record = evidence.record();
        *evidence.signer() == self.signer
            && (record.writer == self.writer || record.finished_at >= self.since)
    }

    /// What speaks against a record.
    pub(super) fn against(&self, evidence: &Evidence, gone: &[Gone<'_>]) -> Option<WhyIgnored> {
        // That it failed is believed of anybody who is trusted.
        if !evidence.passed() {
            return None;
        }
        let place = self.place_of(evidence);
        if place.is_none() && self.would_know(evidence) {
            return Some(WhyIgnored::NotInTrail);
        }
        gone.iter().find(|gone| gone.speaks_against(evidence, place)).map(Gone::why)
    }

    /// The failures of which there is no evidence among `records`, and no later pass.
    pub(super) fn failures_missing_in(&self, records: &Records) -> Vec<Gone<'_>> {
        let failed = self.words.iter().enumerate().filter(|(_, word)| word.outcome == Outcome::Failed);
        let mut failed = failed.map(|(index, word)| Gone { index, word }).peekable();
        if failed.peek().is_none() {
            return Vec::new();
        }
        let there: BTreeSet<&str> = records.iter().map(|evidence| evidence.key().as_str()).collect();
        failed
            .filter(|gone| !there.contains(gone.word.key.as_str()))
            .filter(|gone| {
                let later = self.words.iter().skip(gone.index + 1);
                !later.clone().any(|word| {
                    word.outcome == Outcome::Passed
                        && word.is_about(gone.word)
                        && there.contains(word.key.as_str())
                }) && !records.of(&gone.word.snapshot).iter().any(|evidence| {
                    let by_another = !self.would_know(evidence);
                    by_another && gone.concerns(evidence) && evidence.record().finished_at > gone.word.at
                })
            })
            .collect()
    }
}

impl Word {
    fn of(entry: &TrailEntry) -> Option<Self> {
        let text = |name: &str| entry.detail.get(name)?.as_str();
        let level = match entry.action {
            Action::Run => text("verified"),
            Action::Verify | Action::Rehearse => text("level"),
            _ => None,
        }?;
        let outcome = match entry.outcome {
            ActOutcome::Done => Outcome::Passed,
            ActOutcome::Failed => Outcome::Failed,
            _ => return None,
        };
        Some(Self {
            key: text("evidence")?.to_owned(),
            snapshot: SnapshotRef { subject: entry.subject.clone()?, id: entry.id.clone()? },
            checksum: entry.checksum?,
            level: level.parse().ok()?,
            outcome,
            at: entry.at,
        })
    }

    /// Whether this pass is of the bytes that failed, and reaches as far.
    fn is_about(&self, failed: &Self) -> bool {
        self.snapshot == failed.snapshot
            && self.checksum == failed.checksum
            && self.level.covers(failed.level)
    }
}

impl Gone<'_> {
    fn why(&self) -> WhyIgnored {
        let Word { level, at, checksum, .. } = *self.word;
        WhyIgnored::FailureGone { level, at, checksum }
    }

    /// The failure, as something that lay where it is not any more.
    pub(super) fn ignored(&self) -> Option<Ignored> {
        Some(Ignored { key: Key::new(self.word.key.clone()).ok()?, why: self.why() })
    }

    /// Whether a pass is of the bytes that failed, and reaches as far.
    fn concerns(&self, evidence: &Evidence) -> bool {
        let record = evidence.record();
        evidence.passed()
            && record.snapshot() == self.word.snapshot
            && record.checksum == self.word.checksum
            && record.level.covers(self.word.level)
    }

    /// Whether a pass came before the failure: by their order in the trail where it has both.
    fn speaks_against(&self, evidence: &Evidence, place: Option<usize>) -> bool {
        let is_before =
            place.map_or(evidence.record().finished_at <= self.word.at, |place| place < self.index);
        is_before && self.concerns(evidence)
    }
}
