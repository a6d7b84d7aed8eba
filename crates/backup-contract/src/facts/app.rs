use super::SubjectFacts;
use crate::{AppSlug, Checked, ClauseId, Known};
use std::collections::BTreeSet;

/// What is known of an app and its database's backups.
#[derive(Debug, Clone, PartialEq)]
pub struct AppFacts {
    /// The app.
    pub slug: AppSlug,
    /// Whether it is to be backed up.
    pub active: bool,
    /// Whether the settings say how. An active app of which they say nothing is backed up by nobody.
    pub configured: bool,
    /// Its backups.
    pub subject: SubjectFacts,
    /// What holding it to its profile came to.
    pub contract: Known<ContractFacts>,
}

/// What holding an app to its profile came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContractFacts {
    /// What was found, and what could not be judged.
    pub checked: Checked,
    /// The clauses that were looked at in full, but for what could not be judged. About any other, finding nothing says
    /// nothing.
    pub covers: BTreeSet<ClauseId>,
}
