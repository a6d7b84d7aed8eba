//! Holds facts against the clauses. One file a section of the policy; what each clause needs to be met stands beside its rule.

mod apps;
mod drills;
mod frequency;
mod judgement;
mod protection;
mod restore;
mod retention;
mod scope;
mod verification;

pub use judgement::Status;
pub use verification::same_host;

use crate::{ClauseId, Facts, Finding, Section};
use chrono::{DateTime, Utc};
use judgement::Judgement;

/// How one clause stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClauseStatus {
    /// The clause.
    pub clause: ClauseId,
    /// Where it stands in the policy.
    pub section: Section,
    /// Whether it is met.
    pub status: Status,
    /// Why: of what is violated or unknown, everything that makes it so; else what it was judged by. Holds no secret.
    pub detail: String,
    /// What it was judged by: keys of evidence and records.
    pub evidence: Vec<String>,
    /// How long it stays met when nothing more is done; `None` where time alone does not change it, and where it is not met.
    pub holds_until: Option<DateTime<Utc>>,
    /// What was found about it in the apps.
    pub findings: Vec<Finding>,
}

/// How every clause of the policy stands, in its order.
///
/// A clause is met only when everything that it asks for was looked at and found right; where one subject violates it, it is
/// violated; where something is not known, it is unknown. What is dated in the future counts for nothing.
#[must_use]
pub fn assess(facts: &Facts, now: DateTime<Utc>) -> Vec<ClauseStatus> {
    ClauseId::ALL.into_iter().map(|clause| judge(clause, facts, now)).collect()
}

fn judge(clause: ClauseId, facts: &Facts, now: DateTime<Utc>) -> ClauseStatus {
    let mut parts = match clause {
        ClauseId::ProtectedFiles => scope::protected_files(facts, now),
        ClauseId::Exclusions => scope::exclusions(facts),
        ClauseId::EncryptedAtRest => protection::at_rest(facts, now),
        ClauseId::EncryptedInTransit => protection::in_transit(facts),
        ClauseId::OutsideGit => protection::outside_git(facts),
        ClauseId::AppContract => apps::contract(facts),
        ClauseId::DatabasusPrivate => apps::databasus(facts),
        ClauseId::HourlyIncremental => frequency::hourly(facts, now),
        ClauseId::DailyRehearsal => verification::daily(facts, now),
        ClauseId::Retention => retention::copies(facts, now),
        ClauseId::ImmutableOffsite => retention::offsite(facts, now),
        ClauseId::RestoreGate => restore::gate(facts),
        ClauseId::RestoreLog => restore::log(facts),
        ClauseId::MutationBlock => restore::mutation(facts),
        ClauseId::VaultReconcile => restore::vault(facts),
        ClauseId::QuarterlyDrill => drills::quarterly(facts, now),
    };
    let (by_findings, findings) = apps::found(clause, facts);
    parts.extend(by_findings);
    Judgement::of(parts).into_status(clause, findings)
}
