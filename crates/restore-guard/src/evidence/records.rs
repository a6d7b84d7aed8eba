use super::{Evidence, Ignored, Remembered, WhyIgnored, standing};
use backup_contract::{Level, Outcome, SnapshotRef, Subject};
use chrono::{DateTime, Utc};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Evidence that was read, by snapshot and in the order in which it counts, and what was not believed.
#[derive(Debug, Clone, Default)]
pub struct Records {
    by_snapshot: BTreeMap<SnapshotRef, Vec<Evidence>>,
    ignored: Vec<Ignored>,
    /// Where in `ignored` the records below `<subject>/<id>` are: somebody may have flooded the store with them.
    ignored_by_snapshot: BTreeMap<String, Vec<usize>>,
}

/// The newest words on a level, over all snapshots of a subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Newest<'a> {
    /// The newest passed verification of at least this level.
    pub passed: Option<&'a Evidence>,
    /// The newest failed verification of at most this level.
    pub failed: Option<&'a Evidence>,
}

/// Oldest first. Of two records of one moment a failure is the later, so that a doubt stays one; otherwise the key
/// decides, so that every reader sees the same order.
fn in_order(a: &Evidence, b: &Evidence) -> Ordering {
    let rank = |evidence: &Evidence| evidence.record().outcome == Outcome::Failed;
    (a.record().finished_at.cmp(&b.record().finished_at))
        .then_with(|| rank(a).cmp(&rank(b)))
        .then_with(|| a.key().cmp(b.key()))
}

impl Records {
    /// Puts evidence in order.
    #[must_use]
    pub fn new(evidence: Vec<Evidence>, mut ignored: Vec<Ignored>) -> Self {
        let mut by_snapshot: BTreeMap<SnapshotRef, Vec<Evidence>> = BTreeMap::new();
        for evidence in evidence {
            by_snapshot.entry(evidence.record().snapshot()).or_default().push(evidence);
        }
        for evidence in by_snapshot.values_mut() {
            evidence.sort_by(in_order);
        }
        ignored.sort_by(|a, b| a.key.cmp(&b.key));
        let mut ignored_by_snapshot: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, ignored) in ignored.iter().enumerate() {
            let mut parts = ignored.key.parts().skip(2);
            if let (Some(subject), Some(id)) = (parts.next(), parts.next()) {
                ignored_by_snapshot.entry(format!("{subject}/{id}")).or_default().push(index);
            }
        }
        Self { by_snapshot, ignored, ignored_by_snapshot }
    }

    /// The same without what `why` finds a reason against: that is kept as ignored.
    #[must_use]
    pub fn unless(self, why: impl Fn(&Evidence) -> Option<WhyIgnored>) -> Self {
        let Self { by_snapshot, mut ignored, .. } = self;
        let mut kept = Vec::new();
        for evidence in by_snapshot.into_values().flatten() {
            match why(&evidence) {
                Some(why) => ignored.push(Ignored { key: evidence.key().clone(), why }),
                None => kept.push(evidence),
            }
        }
        Self::new(kept, ignored)
    }

    /// The same, held against what a host remembers of its own verifications.
    ///
    /// Of what is signed with its key no pass counts that its trail does not know: somebody else has signed it. A failure that
    /// the trail tells of counts also where its evidence is gone: it is among the ignored, and so are the passes that it
    /// speaks against.
    #[must_use]
    pub fn held_against(self, remembered: &Remembered) -> Self {
        let gone = remembered.failures_missing_in(&self);
        if gone.is_empty() && self.iter().all(|evidence| remembered.against(evidence, &gone).is_none()) {
            return self;
        }
        let Self { by_snapshot, mut ignored, .. } =
            self.unless(|evidence| remembered.against(evidence, &gone));
        ignored.extend(gone.iter().filter_map(super::remembered::Gone::ignored));
        Self::new(by_snapshot.into_values().flatten().collect(), ignored)
    }

    /// The evidence about one snapshot, oldest first.
    #[must_use]
    pub fn of(&self, snapshot: &SnapshotRef) -> &[Evidence] {
        self.by_snapshot.get(snapshot).map_or(&[], Vec::as_slice)
    }

    /// All evidence, by snapshot, each oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Evidence> {
        self.by_snapshot.values().flatten()
    }

    /// How many records are believed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_snapshot.values().map(Vec::len).sum()
    }

    /// Whether no record is believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_snapshot.is_empty()
    }

    /// What was not believed, each with its reason, in the order of the keys.
    #[must_use]
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// What lies below one snapshot's keys and was not believed.
    pub(super) fn ignored_of(&self, snapshot: &SnapshotRef) -> impl Iterator<Item = &Ignored> {
        let of_snapshot = self.ignored_by_snapshot.get(&snapshot.to_string());
        of_snapshot.into_iter().flatten().map(|index| &self.ignored[*index])
    }

    /// For each level the newest records that speak for and against it, over all snapshots of a subject: when was it
    /// last rehearsed, when did a verification last fail.
    ///
    /// Passed evidence that is dated in the future does not count, as for [`Records::standing`].
    #[must_use]
    pub fn newest_per_level(&self, subject: &Subject, now: DateTime<Utc>) -> BTreeMap<Level, Newest<'_>> {
        let mut newest: BTreeMap<Level, Newest<'_>> =
            Level::ALL.into_iter().map(|level| (level, Newest::default())).collect();
        let of_subject = self.by_snapshot.iter().filter(|(snapshot, _)| snapshot.subject == *subject);
        for evidence in of_subject.flat_map(|(_, evidence)| evidence) {
            if standing::from_the_future(evidence, now).is_some() {
                continue;
            }
            for (level, newest) in &mut newest {
                if !standing::speaks_for(evidence, *level) {
                    continue;
                }
                let slot = if evidence.passed() { &mut newest.passed } else { &mut newest.failed };
                if slot.is_none_or(|known| in_order(known, evidence).is_lt()) {
                    *slot = Some(evidence);
                }
            }
        }
        newest
    }
}
