use super::ClauseStatus;
use crate::{Clause, ClauseId, Finding};
use chrono::{DateTime, Utc};
use std::fmt;

/// Whether a clause is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// There is nothing that it could be about.
    NotApplicable,
    /// It is.
    Met,
    /// Nobody can tell.
    Unknown,
    /// It is not.
    Violated,
}

impl Status {
    /// The word that rows and reports use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Met => "met",
            Self::Unknown => "unknown",
            Self::Violated => "violated",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a clause, or one part of what it asks for, stands.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    pub(super) status: Status,
    detail: String,
    evidence: Vec<String>,
    holds_until: Option<DateTime<Utc>>,
}

impl Judgement {
    fn new(status: Status, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), evidence: Vec::new(), holds_until: None }
    }

    pub(super) fn met(detail: impl Into<String>) -> Self {
        Self::new(Status::Met, detail)
    }

    pub(super) fn violated(detail: impl Into<String>) -> Self {
        Self::new(Status::Violated, detail)
    }

    pub(super) fn unknown(detail: impl Into<String>) -> Self {
        Self::new(Status::Unknown, detail)
    }

    pub(super) fn not_applicable(detail: impl Into<String>) -> Self {
        Self::new(Status::NotApplicable, detail)
    }

    /// The same, by this evidence.
    pub(super) fn by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// The same, until then.
    pub(super) fn until(mut self, time: Option<DateTime<Utc>>) -> Self {
        self.holds_until = match (self.holds_until, time) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }

    /// The same, said of a subject.
    pub(super) fn of_subject(mut self, subject: impl fmt::Display) -> Self {
        self.detail = format!("{subject}: {}", self.detail);
        self
    }

    /// Of several parts the worst one decides, and those that are as bad say why. What is met holds as long as every part.
    pub(super) fn of(parts: Vec<Self>) -> Self {
        let status = parts.iter().map(|part| part.status).max().unwrap_or(Status::Unknown);
        let mut whole = Self::new(status, "");
        for part in parts.into_iter().filter(|part| part.status == status) {
            if !whole.detail.contains(&part.detail) {
                whole.detail += if whole.detail.is_empty() { "" } else { "; " };
                whole.detail += &part.detail;
            }
            whole = whole.by(part.evidence).until(part.holds_until);
        }
        whole
    }

    pub(super) fn into_status(self, clause: ClauseId, findings: Vec<Finding>) -> ClauseStatus {
        ClauseStatus {
            clause,
            section: Clause::of(clause).section,
            status: self.status,
            detail: self.detail,
            evidence: self.evidence,
            holds_until: self.holds_until.filter(|_| self.status == Status::Met),
            findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides_and_says_why() {
        let time = |seconds| DateTime::from_timestamp(seconds, 0);
        let whole = Judgement::of(vec![
            Judgement::met("a").until(time(9)).by(["e1".into()]),
            Judgement::not_applicable("b"),
            Judgement::met("c").until(time(5)).by(["e2".into()]),
        ]);
        assert_eq!((whole.status, &*whole.detail, whole.holds_until), (Status::Met, "a; c", time(5)));
        assert_eq!(whole.evidence, ["e1", "e2"]);
        let whole = Judgement::of(vec![Judgement::met("a"), Judgement::unknown("b")]);
        assert_eq!((whole.status, &*whole.detail), (Status::Unknown, "b"));
        let whole = Judgement::of(vec![Judgement::unknown("b"), Judgement::violated("c")]);
        assert_eq!((whole.status, &*whole.detail), (Status::Violated, "c"));
        assert_eq!(Judgement::of(Vec::new()).status, Status::Unknown, "nothing judged is nothing known");
    }
}
