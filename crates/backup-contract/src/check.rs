use serde::{Deserialize, Serialize};
use std::fmt;

/// One question that a verification asked, and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckResult {
    /// What was asked, stable and kebab-case: `bundle-checksum`, `manifest`, `orders`.
    pub name: String,
    /// Whether the answer was the expected one.
    pub ok: bool,
    /// The answer in words. Holds no secret.
    pub detail: String,
    /// How long the answer took, in milliseconds.
    pub duration_ms: u64,
}

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every check passed.
    Passed,
    /// At least one check failed.
    Failed,
}

impl Outcome {
    /// Passed when every check did, and there was one: nothing asked is nothing proved.
    #[must_use]
    pub fn of(checks: &[CheckResult]) -> Self {
        if !checks.is_empty() && checks.iter().all(|check| check.ok) { Self::Passed } else { Self::Failed }
    }

    /// The outcome's name in records and object keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_is_nothing_proved() {
        let check = |ok| CheckResult { name: "x".into(), ok, detail: String::new(), duration_ms: 0 };
        assert_eq!(Outcome::of(&[]), Outcome::Failed);
        assert_eq!(Outcome::of(&[check(true)]), Outcome::Passed);
        assert_eq!(Outcome::of(&[check(true), check(false)]), Outcome::Failed);
    }
}
