use crate::{ClauseId, Finding, Place, Severity};

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

    /// Everything as findings: what could not be judged is worth knowing, and `place` says where.
    #[must_use]
    pub fn into_findings(self, place: &Place) -> Vec<Finding> {
        let unjudged = self.unjudged.into_iter().map(|unjudged| unjudged.into_finding(place.clone()));
        self.findings.into_iter().chain(unjudged).collect()
    }

    /// Whether something found stands in the way of what was checked.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

impl Unjudged {
    /// A clause, and why it could not be judged.
    pub fn new(clause: ClauseId, why: impl Into<String>) -> Self {
        Self { clause, why: why.into() }
    }

    /// The same as a finding, for a list of them.
    #[must_use]
    pub fn into_finding(self, place: Place) -> Finding {
        Finding::new(
            "not-judged",
            Severity::Info,
            place,
            self.why,
            "nobody knows whether the clause is met; it counts as unknown",
        )
        .about(self.clause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_judged_is_told_and_blocks_nothing() {
        let checked = Checked {
            findings: Vec::new(),
            unjudged: vec![Unjudged::new(ClauseId::AppContract, "the server was not asked")],
        };
        assert!(!checked.has_errors());
        let findings = checked.into_findings(&Place::of("app:shop"));
        assert_eq!((findings[0].code, findings[0].severity), ("not-judged", Severity::Info));
        assert_eq!(findings[0].clause, Some(ClauseId::AppContract));
    }
}
