use crate::{ClauseId, Finding, Severity};

/// What a check found, and what it could not judge.
///
/// The two are kept apart because silence is no answer: a clause that was looked at and broken has a [`Finding`]; one
/// that could not be looked at is [`Unjudged`], and is never counted as met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// What is wrong or weak, all at once.
    pub findings: Vec<Finding>,
    /// What could not be judged, and why.
    pub unjudged: Vec<Unjudged>,
}

/// A clause that a check could not judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// The clause.
    pub clause: ClauseId,
    /// What stood in the way, and what would help.
    pub why: String,
}

impl Checked {
    /// Adds what another check found.
    pub fn extend(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.unjudged.extend(other.unjudged);
    }

    /// Whether something found stands in the way of what was checked.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}
