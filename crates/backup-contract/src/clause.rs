use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The identifier of one clause of the backup policy: stable, kebab-case, and what findings, reports and tickets cite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClauseId {
    /// The protected files of a context are in its backup.
    ProtectedFiles,
    /// What must never be in a backup is in none.
    Exclusions,
    /// A backup is an encrypted object at rest, and somebody away from the host can open it.
    EncryptedAtRest,
    /// Nothing travels in the clear.
    EncryptedInTransit,
    /// No backup artifact lies where it could be committed.
    OutsideGit,
    /// An active app has the profile's packs, services and settings.
    AppContract,
    /// An active app, and the state, has an incremental backup every hour.
    HourlyIncremental,
    /// A backup is restored and used every day, away from production.
    DailyRehearsal,
    /// Seven daily, four weekly and three monthly copies.
    Retention,
    /// The daily full lineage has a copy that nobody can change.
    ImmutableOffsite,
    /// Databasus is reached by nobody from outside.
    DatabasusPrivate,
    /// A restore without an id and checksum that were verified is blocked.
    RestoreGate,
    /// Each restore is logged with all its fields.
    RestoreLog,
    /// After failed checks nothing may be deployed or changed.
    MutationBlock,
    /// Secrets that no longer match are reconciled by the vault's workflow, never written into a restored state.
    VaultReconcile,
    /// A production context has a drill every quarter.
    QuarterlyDrill,
}

impl ClauseId {
    /// Every clause, in the order of the policy.
    pub const ALL: [Self; 16] = [
        Self::ProtectedFiles,
        Self::Exclusions,
        Self::EncryptedAtRest,
        Self::EncryptedInTransit,
        Self::OutsideGit,
        Self::AppContract,
        Self::HourlyIncremental,
        Self::DailyRehearsal,
        Self::Retention,
        Self::ImmutableOffsite,
        Self::DatabasusPrivate,
        Self::RestoreGate,
        Self::RestoreLog,
        Self::MutationBlock,
        Self::VaultReconcile,
        Self::QuarterlyDrill,
    ];

    /// The identifier as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProtectedFiles => "protected-files",
            Self::Exclusions => "exclusions",
            Self::EncryptedAtRest => "encrypted-at-rest",
            Self::EncryptedInTransit => "encrypted-in-transit",
            Self::OutsideGit => "outside-git",
            Self::AppContract => "app-contract",
            Self::HourlyIncremental => "hourly-incremental",
            Self::DailyRehearsal => "daily-rehearsal",
            Self::Retention => "retention",
            Self::ImmutableOffsite => "immutable-offsite",
            Self::DatabasusPrivate => "databasus-private",
            Self::RestoreGate => "restore-gate",
            Self::RestoreLog => "restore-log",
            Self::MutationBlock => "mutation-block",
            Self::VaultReconcile => "vault-reconcile",
            Self::QuarterlyDrill => "quarterly-drill",
        }
    }
}

impl FromStr for ClauseId {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|clause| clause.as_str() == value)
            .ok_or_else(|| Error::Clause(value.to_owned()))
    }
}

impl fmt::Display for ClauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_parses_again_and_is_what_records_hold() {
        for clause in ClauseId::ALL {
            assert_eq!(clause.to_string().parse::<ClauseId>().unwrap(), clause);
            let text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(clause.as_str());
            assert_eq!(ClauseId::deserialize(text).unwrap(), clause);
        }
        assert!("retention-policy".parse::<ClauseId>().is_err());
    }
}
