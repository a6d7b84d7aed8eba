use crate::ClauseId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing need be done.
    Info,
    /// Something is weaker than it should be.
    Warning,
    /// Something is wrong, and blocks what depends on it.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Where a finding is: a file, and within it a JSON pointer or a line, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place {
    /// The file, setting or service; relative to the context for files of the context.
    pub subject: String,
    /// An RFC 6901 pointer within a JSON document.
    pub pointer: Option<String>,
    /// A line, counted from 1.
    pub line: Option<u64>,
}

impl Place {
    /// The whole of a file, setting or service.
    pub fn of(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), pointer: None, line: None }
    }

    /// The same place, at a line counted from 1.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// The same place, at a JSON pointer.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }
}

impl fmt::Display for Place {
    /// `file`, `file:12`, `file#/json/pointer` or `file:12#/json/pointer` (a pointer within the line's document).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(pointer) = &self.pointer {
            write!(f, "#{pointer}")?;
        }
        Ok(())
    }
}

/// Something that is wrong or weak, said in a way that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable, kebab-case identifier with a section in the documentation.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is there. Holds no secret value.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// The clause of the policy that it is about, where there is one.
    pub clause: Option<ClauseId>,
}

impl Finding {
    /// A finding at a place.
    pub fn new(
        code: &'static str,
        severity: Severity,
        place: Place,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { code, severity, place, detail: detail.into(), hint: hint.into(), clause: None }
    }

    /// The same finding, as one about a clause of the policy.
    #[must_use]
    pub fn about(mut self, clause: ClauseId) -> Self {
        self.clause = Some(clause);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_editors_print_them() {
        assert_eq!(Place::of("a.json").to_string(), "a.json");
        assert_eq!(Place::of("a.jsonl").line(3).to_string(), "a.jsonl:3");
        assert_eq!(Place::of("a.jsonl").line(3).pointer("/x").to_string(), "a.jsonl:3#/x");
    }

    #[test]
    fn an_error_outranks_a_warning() {
        assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Info);
    }
}
