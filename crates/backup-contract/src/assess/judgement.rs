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
    /// Of whom it is said; of nobody in particular when it is empty.
    subjects: Vec<String>,
    detail: String,
    evidence: Vec<String>,
    holds_until: Option<DateTime<Utc>>,
}

impl Judgement {
    fn new(status: Status, detail: impl Into<String>) -> Self {
        let (subjects, evidence) = (Vec::new(), Vec::new());
        Self { status, subjects, detail: detail.into(), evidence, holds_until: None }
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
        self.subjects.push(subject.to_string());
        self
    }

    /// Of several parts the worst one decides, and those that are as bad say why: what is the same of several subjects once.
    /// What is met holds as long as every part.
    pub(super) fn of(parts: Vec<Self>) -> Self {
        let status = parts.iter().map(|part| part.status).max().unwrap_or(Status::Unknown);
        let mut whole = Self::new(status, "");
        let mut said: Vec<(String, Vec<String>)> = Vec::new();
        for part in parts.into_iter().filter(|part| part.status == status) {
            match said.iter_mut().find(|(detail, subjects)| {
                *detail == part.detail && subjects.is_empty() == part.subjects.is_empty()
            }) {
                Some((_, subjects)) => subjects.extend(part.subjects),
                None => said.push((part.detail, part.subjects)),
            }
            whole = whole.by(part.evidence).until(part.holds_until);
        }
        let said: Vec<_> = said
            .into_iter()
            .map(|(detail, subjects)| match subjects.as_slice() {
                [] => detail,
                subjects => format!("{}: {detail}", subjects.join(", ")),
            })
            .collect();
        whole.detail = said.join("; ");
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
        let same = |subject: &str| Judgement::violated("is wrong").of_subject(subject);
        let whole =
            Judgement::of(vec![same("a"), Judgement::violated("d"), same("b"), Judgement::violated("d")]);
        assert_eq!(whole.detail, "a, b: is wrong; d");
        assert_eq!(Judgement::of(Vec::new()).status, Status::Unknown, "nothing judged is nothing known");
    }
}
