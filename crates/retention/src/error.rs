//! What can be wrong with a policy or with the points that it is held against.

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A policy that counts nothing would let everything go.
    #[error("the policy counts no slots at all")]
    EmptyPolicy,
    /// A length of time that must not be negative is.
    #[error("{what} must not be negative")]
    NegativeDuration {
        /// Which setting it is.
        what: &'static str,
    },
    /// A count that is neither a number nor `all`.
    #[error("not a count: {text:?}")]
    InvalidCount {
        /// What was given.
        text: String,
    },
    /// A way of counting that is neither `exclusive` nor `shared`.
    #[error("not a way of counting: {text:?}")]
    InvalidCounting {
        /// What was given.
        text: String,
    },
    /// Two snapshots of one group have one id, so that "delete this one" would mean both.
    #[error("two snapshots{} have the id {id:?}", of_group(.group))]
    DuplicateId {
        /// The group.
        group: String,
        /// The id, as its `Display` writes it.
        id: String,
    },
    /// A row names a parent and leaves open whether it needs it.
    #[error("{id:?} names a parent but does not say whether it is a full or a delta")]
    UnclearKind {
        /// The id, as its `Display` writes it.
        id: String,
    },
    /// More snapshots than a plan can number.
    #[error("{count} snapshots are more than a plan holds")]
    TooMany {
        /// How many there were.
        count: usize,
    },
}

fn of_group(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(" of group {group:?}") }
}

impl Error {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyPolicy => "empty-policy",
            Self::NegativeDuration { .. } => "negative-duration",
            Self::InvalidCount { .. } => "invalid-count",
            Self::InvalidCounting { .. } => "invalid-counting",
            Self::DuplicateId { .. } => "duplicate-id",
            Self::UnclearKind { .. } => "unclear-kind",
            Self::TooMany { .. } => "too-many-snapshots",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::EmptyPolicy => Some("set at least one count, such as daily = 7"),
            Self::NegativeDuration { .. } => Some("give a length of time of zero or more"),
            Self::InvalidCount { .. } => Some("give a whole number, or \"all\""),
            Self::InvalidCounting { .. } => Some("give \"exclusive\" or \"shared\""),
            Self::DuplicateId { .. } => Some("give each snapshot of a group an id of its own"),
            Self::UnclearKind { .. } => {
                Some("add \"kind\": \"full\" when it can be restored alone (as with restic), else \"delta\"")
            }
            Self::TooMany { .. } => Some("plan group by group"),
        }
    }
}
