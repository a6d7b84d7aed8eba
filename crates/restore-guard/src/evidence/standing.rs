use super::{Evidence, Ignored, Records, WhyIgnored};
use crate::OriginId;
use backup_contract::{Checksum, Level, SnapshotRef};
use chrono::{DateTime, TimeDelta, Utc};

/// How far ahead of `now` the clock of another host may be before its word is doubted.
#[must_use]
pub const fn future_tolerance() -> TimeDelta {
    TimeDelta::minutes(5)
}

/// Which snapshot is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The snapshot.
    pub snapshot: &'a SnapshotRef,
    /// Its bytes now. Evidence of others counts for nothing.
    pub checksum: Checksum,
    /// Under which origin it was made, as its record says; `None` where it says nothing. Whether that is the context's
    /// own is for [`Ledger::of_origin`](super::Ledger::of_origin) to ask.
    pub origin: Option<&'a OriginId>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// How far a snapshot is proved.
///
/// A pass speaks for its own level and every weaker one; a failure speaks against its own level and every stronger one.
/// The newest record that speaks about a level decides it:
///
/// | then | and later | leaves proved |
/// |---|---|---|
/// | `restore` passed | | all four levels |
/// | `restore` passed | `restore` failed | `stored`, `checksum`, `content`: that it does not start says nothing against its bytes |
/// | `restore` passed | `checksum` failed | `stored` |
/// | `restore` passed, `checksum` failed | `checksum` passed | `stored`, `checksum`: what was proved before the doubt is proved anew, level by level |
/// | `stored` failed | `restore` passed | all four levels |
///
/// So what is proved is always a level and everything below it.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    levels: [LevelStanding<'a>; 4],
    ignored: Vec<Ignored>,
}

/// Whether one level is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelStanding<'a> {
    /// Nothing speaks about it.
    Unproved,
    /// The newest record about it passed.
    Proved(&'a Evidence),
    /// The newest record about it failed.
    Failed(&'a Evidence),
}

/// Whether a record says something about a level.
pub(super) fn speaks_for(evidence: &Evidence, level: Level) -> bool {
    let own = evidence.record().level;
    if evidence.passed() { own.covers(level) } else { level.covers(own) }
}

/// A pass that is dated in the future proves nothing: a clock was wrong, and it would outrank every failure until then.
/// A failure counts whatever its date: that the snapshot failed is certain, only when is not.
pub(super) fn from_the_future(evidence: &Evidence, now: DateTime<Utc>) -> Option<WhyIgnored> {
    let finished_at = evidence.record().finished_at;
    let is_future = finished_at.signed_duration_since(now) > future_tolerance();
    (is_future && evidence.passed()).then_some(WhyIgnored::FromTheFuture { finished_at })
}

/// A pass that was finished after it was stored was written by a clock that was ahead, and stays so when its date has come.
pub(super) fn ahead_of_its_store(evidence: &Evidence, stored_at: DateTime<Utc>) -> Option<WhyIgnored> {
    let finished_at = evidence.record().finished_at;
    let is_ahead = finished_at.signed_duration_since(stored_at) > future_tolerance();
    (is_ahead && evidence.passed()).then_some(WhyIgnored::AheadOfItsStore { finished_at, stored_at })
}

fn why_ignored(evidence: &Evidence, question: &Question<'_>) -> Option<WhyIgnored> {
    let record = evidence.record();
    if record.checksum != question.checksum {
        return Some(WhyIgnored::OtherChecksum { found: record.checksum });
    }
    of_another_origin(evidence, question.origin).or_else(|| from_the_future(evidence, question.now))
}

/// Evidence of another context of the same name says nothing about this one, whether it passed or failed.
pub(super) fn of_another_origin(evidence: &Evidence, origin: Option<&OriginId>) -> Option<WhyIgnored> {
    let found = &evidence.record().origin;
    origin.filter(|origin| *origin != found).map(|_| WhyIgnored::OtherOrigin { found: found.clone() })
}

impl Records {
    /// How far a snapshot is proved. Every record about it that does not count is in the answer, with its reason.
    #[must_use]
    pub fn standing(&self, question: &Question<'_>) -> Standing<'_> {
        let mut levels = [LevelStanding::Unproved; 4];
        let mut ignored: Vec<Ignored> = self.ignored_of(question.snapshot).cloned().collect();
        // Oldest first, so that the newest has the last word.
        for evidence in self.of(question.snapshot) {
            if let Some(why) = why_ignored(evidence, question) {
                ignored.push(Ignored { key: evidence.key().clone(), why });
                continue;
            }
            for (standing, level) in levels.iter_mut().zip(Level::ALL) {
                if speaks_for(evidence, level) {
                    *standing = if evidence.passed() {
                        LevelStanding::Proved(evidence)
                    } else {
                        LevelStanding::Failed(evidence)
                    };
                }
            }
        }
        ignored.sort_by(|a, b| a.key.cmp(&b.key));
        Standing { levels, ignored }
    }
}

impl<'a> Standing<'a> {
    /// The word on one level.
    #[must_use]
    pub fn at(&self, level: Level) -> LevelStanding<'a> {
        self.levels[level as usize]
    }

    /// The evidence that proves `level`, if it is proved.
    #[must_use]
    pub fn proof_of(&self, level: Level) -> Option<&'a Evidence> {
        match self.at(level) {
            LevelStanding::Proved(evidence) => Some(evidence),
            LevelStanding::Unproved | LevelStanding::Failed(_) => None,
        }
    }

    /// The strongest level that is proved, and by what.
    #[must_use]
    pub fn proved(&self) -> Option<(Level, &'a Evidence)> {
        Level::ALL.into_iter().rev().find_map(|level| Some((level, self.proof_of(level)?)))
    }

    /// The failure that stands against the weakest level that has one: why the snapshot is not proved further.
    #[must_use]
    pub fn failure(&self) -> Option<&'a Evidence> {
        self.levels.iter().find_map(|standing| match standing {
            LevelStanding::Failed(evidence) => Some(*evidence),
            LevelStanding::Unproved | LevelStanding::Proved(_) => None,
        })
    }

    /// The same, for a snapshot that cannot be restored without another: what speaks against that one speaks against it.
    ///
    /// A pass of the snapshot's own outweighs such a failure only when it is newer and of a level that reads the other
    /// one's bytes again: `content` or stronger. `checksum` reads those of the snapshot alone.
    #[must_use]
    pub fn resting_on(mut self, base: &Self) -> Self {
        for (standing, base) in self.levels.iter_mut().zip(base.levels) {
            let LevelStanding::Failed(failure) = base else { continue };
            let is_outweighed = matches!(*standing, LevelStanding::Proved(proof)
                if proof.record().level >= Level::Content
                    && proof.record().finished_at > failure.record().finished_at);
            if !is_outweighed {
                *standing = base;
            }
        }
        self
    }

    /// What was found about the snapshot and does not count, in the order of the keys.
    #[must_use]
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }
}
