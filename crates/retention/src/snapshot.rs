//! One backup, as far as retention needs to know it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

/// One snapshot: an id, the time whose state it holds, and what is known about it.
///
/// ```
/// use retention::Snapshot;
///
/// let full = Snapshot::full("monday", "2026-11-23T02:00:00Z".parse().unwrap()).verified();
/// let delta = Snapshot::delta("monday-noon", "2026-11-23T12:00:00Z".parse().unwrap(), "monday");
/// assert!(full.is_verified() && !delta.is_verified());
/// assert_eq!(delta.parent(), Some(&"monday"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<Id> {
    id: Id,
    // Not boxed: where there are chains, most have one, and a box of its own takes more memory than the place of an id.
    parent: Option<Id>,
    // Shared, because many have the same.
    group: Arc<str>,
    time: DateTime<Utc>,
    locked_until: Option<DateTime<Utc>>,
    kind: Kind,
    marks: Marks,
}

/// Whether a snapshot can be restored alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Kind {
    /// It can.
    Full,
    /// It needs its parent.
    Delta,
}

/// What is known about a snapshot, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks(u8);

impl Marks {
    pub(crate) const INCOMPLETE: Self = Self(1);
    pub(crate) const VERIFIED: Self = Self(2);
    pub(crate) const PINNED: Self = Self(4);
    pub(crate) const SUSPECT: Self = Self(8);
    /// A lock holds it at the time of the plan.
    pub(crate) const LOCKED: Self = Self(16);

    pub(crate) fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    fn and(self, mark: Self) -> Self {
        Self(self.0 | mark.0)
    }

    pub(crate) fn locked_at(self, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        if until.is_some_and(|until| until > now) { self.and(Self::LOCKED) } else { self }
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }
}

impl<Id> Snapshot<Id> {
    /// A snapshot that can be restored alone. `time` is the moment whose state it holds: for a database backup, when it
    /// finished.
    pub fn full(id: Id, time: DateTime<Utc>) -> Self {
        Self {
            id,
            parent: None,
            group: Arc::default(),
            time,
            locked_until: None,
            kind: Kind::Full,
            marks: Marks::default(),
        }
    }

    /// A snapshot that needs `parent`, of the same group, to be restored.
    pub fn delta(id: Id, time: DateTime<Utc>, parent: Id) -> Self {
        Self { parent: Some(parent), ..Self::orphan(id, time) }
    }

    /// A delta whose parent nobody knows: listed, and never counted as restorable.
    pub fn orphan(id: Id, time: DateTime<Utc>) -> Self {
        Self { kind: Kind::Delta, ..Self::full(id, time) }
    }

    /// Puts it into a group. Groups never mix; without this call it is in the group without a name.
    /// An `Arc<str>` that many snapshots share takes less memory than a text for each.
    #[must_use]
    pub fn in_group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.group = group.into();
        self
    }

    /// Marks it as verified: there is evidence that it can be restored.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.marks = self.marks.and(Marks::VERIFIED);
        self
    }

    /// Marks it as pinned: somebody wants it kept whatever the counts say.
    #[must_use]
    pub fn pinned(mut self) -> Self {
        self.marks = self.marks.and(Marks::PINNED);
        self
    }

    /// Marks it as suspect: taken while nobody knew whether the subject was sound.
    #[must_use]
    pub fn suspect(mut self) -> Self {
        self.marks = self.marks.and(Marks::SUSPECT);
        self
    }

    /// Marks it as incomplete: interrupted, or still being written.
    #[must_use]
    pub fn incomplete(mut self) -> Self {
        self.marks = self.marks.and(Marks::INCOMPLETE);
        self
    }

    /// An object lock holds it until then.
    #[must_use]
    pub fn locked_until(mut self, until: DateTime<Utc>) -> Self {
        self.locked_until = Some(until);
        self
    }

    /// Its name within its group.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The moment whose state it holds.
    pub fn time(&self) -> DateTime<Utc> {
        self.time
    }

    /// Whether it can be restored alone.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a delta needs to be restored.
    pub fn parent(&self) -> Option<&Id> {
        self.parent.as_ref()
    }

    /// The group it belongs to.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Until when an object lock holds it.
    pub fn lock(&self) -> Option<DateTime<Utc>> {
        self.locked_until
    }

    /// Whether there is evidence that it can be restored.
    pub fn is_verified(&self) -> bool {
        self.marks.has(Marks::VERIFIED)
    }

    /// Whether somebody wants it kept.
    pub fn is_pinned(&self) -> bool {
        self.marks.has(Marks::PINNED)
    }

    /// Whether it was taken while nobody knew whether the subject was sound.
    pub fn is_suspect(&self) -> bool {
        self.marks.has(Marks::SUSPECT)
    }

    /// Whether it was written to its end.
    pub fn is_complete(&self) -> bool {
        !self.marks.has(Marks::INCOMPLETE)
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    pub(crate) fn marks_at(&self, now: DateTime<Utc>) -> Marks {
        if self.locked_until.is_some_and(|until| until > now) {
            self.marks.and(Marks::LOCKED)
        } else {
            self.marks
        }
    }
}
