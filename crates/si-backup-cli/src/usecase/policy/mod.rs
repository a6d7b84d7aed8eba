//! The policy held against what this host can know: each clause with its evidence, and what is due.

mod apps;
mod facts;
mod places;
mod subject;

pub(super) use apps::due_of_app;
pub(super) use subject::{next_snapshot, state_of_shelf};

use crate::args::{PolicyFormat, PolicyStatusArgs};
use crate::report::row;
use crate::settings::ContextSettings;
use crate::usecase::retention::zone_of;
use crate::view::{self, ClauseRow, DueRow, PolicySummary};
use crate::{CliError, Report, Session};
use backup_contract::{Schedule, Status, assess, due};

/// Shows every clause, met or violated, with its evidence; and what is due.
pub(super) fn policy(session: &Session<'_>, args: &PolicyStatusArgs) -> Result<Report, CliError> {
    if session.global.json && args.format == Some(PolicyFormat::Junit) {
        return Err(CliError::usage("--json and --format junit are two formats", "choose one of them"));
    }
    let now = args.now.unwrap_or_else(|| session.now());
    let settings = session.context_settings()?;
    let schedule = schedule(settings)?;
    let facts = facts::gather(session, settings, now);
    let statuses = assess(&facts, now);
    let rows: Vec<_> = statuses.iter().map(ClauseRow::from).collect();
    let due: Vec<_> = due(&facts, &schedule, now).iter().map(DueRow::from).collect();
    let count = |status: Status| statuses.iter().filter(|clause| clause.status == status).count();
    let summary = PolicySummary {
        at: now,
        met: count(Status::Met),
        violated: count(Status::Violated),
        unknown: count(Status::Unknown),
        not_applicable: count(Status::NotApplicable),
        due,
    };
    let text = match args.format {
        Some(PolicyFormat::Junit) => view::policy_junit(&session.context, &rows, now),
        _ => view::policy_text(&rows, &summary, session.global.verbose),
    };
    let (violated, unknown) = (summary.violated, summary.unknown);
    let report = Report {
        summary: Some(row(&summary)),
        ..Report::new("backup policy", rows.iter().map(row).collect(), text)
    };
    if violated + unknown == 0 {
        return Ok(report);
    }
    let clauses = |n| view::count(n, "clause is", "clauses are");
    let message = match (violated, unknown) {
        (0, unknown) => format!("{} unknown", clauses(unknown)),
        (violated, 0) => format!("{} violated", clauses(violated)),
        (violated, unknown) => format!("{} violated, {unknown} unknown", clauses(violated)),
    };
    let hint = "'si-backup policy -v' says what makes each clause met; what is unknown was not looked at, and is not held to be right";
    Ok(report.with_error(CliError::Findings { code: "policy-findings", message, hint }))
}

/// The settings' schedule, by the clock of their zone.
pub(super) fn schedule(settings: &ContextSettings) -> Result<Schedule, CliError> {
    Ok(settings.schedule_in(zone_of(&settings.timezone)?))
}
