use super::policy::{policy, settings_if_any};
use super::state::{PlanDigest, StatePlan};
use super::{Id, Plan, json};
use crate::args::PlanArgs;
use crate::report::row;
use crate::view::{self, ExplainedRow, PlanSummary};
use crate::{CliError, Mode, Report, Rows, Session};
use retention::{PlanRow, Reason, Rule, explain};

/// Shows what would be kept and dropped, and why.
pub(super) fn plan(session: &Session<'_>, args: &PlanArgs) -> Result<Report, CliError> {
    let now = args.now.unwrap_or_else(|| session.now());
    let planned = if let Some(path) = &args.source.from_json {
        let policy = policy(&args.policy, settings_if_any(session)?)?;
        let plan = retention::plan(json::read(path, session.world)?, &policy, now)?;
        let digest = PlanDigest::of(&plan, &[]);
        StatePlan { plan, strays: Vec::new(), digest }
    } else {
        let store = session.open_store()?;
        StatePlan::make(session, &*store, &args.policy, now)?
    };
    match &args.explain {
        Some(id) => explained(&planned.plan, id),
        None => Ok(report("backup retention plan", session, planned)),
    }
}

/// The report of a plan that was only shown.
pub(super) fn report(command: &'static str, session: &Session<'_>, planned: StatePlan) -> Report {
    let summary = summary(&planned);
    // Of a million rows one of the two is enough.
    let text = if session.global.json { String::new() } else { view::plan_text(&planned.plan, &summary) };
    Report {
        mode: Mode::DryRun,
        rows: Rows::Plan(Box::new(planned.plan)),
        summary: Some(row(&summary)),
        ..Report::new(command, Vec::new(), text)
    }
}

/// What a plan comes to.
pub(super) fn summary(planned: &StatePlan) -> PlanSummary {
    PlanSummary {
        counts: planned.plan.summary(),
        plan_id: planned.digest.short().to_owned(),
        policy: planned.plan.policy().to_string(),
        strays: planned.strays.iter().map(|stray| stray.row.clone()).collect(),
    }
}

fn explained(plan: &Plan<Id>, id: &str) -> Result<Report, CliError> {
    let explanation = explain(plan, find(plan, id)?);
    let text = explanation.to_string();
    let view =
        row(&ExplainedRow { plan: PlanRow::from(explanation.decision()), explanation: Some(text.clone()) });
    let text = text.lines().map(|line| view::printable(line).into_owned() + "\n").collect();
    Ok(Report { mode: Mode::DryRun, ..Report::new("backup retention plan", vec![view], text) })
}

/// The row of an id, of the unique beginning of one, or of `LATEST`: the newest restorable one.
fn find(plan: &Plan<Id>, text: &str) -> Result<usize, CliError> {
    let text = text.strip_prefix("state/").unwrap_or(text);
    let rows = |is_meant: &dyn Fn(&str) -> bool| -> Vec<usize> {
        plan.decisions().filter(|d| is_meant(d.snapshot().id())).map(|d| d.row()).collect()
    };
    let mut found = rows(&|id| id == text);
    if found.is_empty() && text == "LATEST" {
        let newest = |rule: &Reason| rule.rule() == Rule::Newest;
        found =
            plan.decisions().filter(|d| d.reasons().any(|reason| newest(&reason))).map(|d| d.row()).collect();
    }
    if found.is_empty() && !text.is_empty() {
        found = rows(&|id| id.starts_with(text));
    }
    match found.as_slice() {
        [] => Err(CliError::NoSnapshot(text.to_owned())),
        [row] => Ok(*row),
        rows => Err(CliError::Ambiguous {
            prefix: text.to_owned(),
            candidates: rows.iter().take(10).map(|row| name(plan, *row)).collect(),
        }),
    }
}

fn name(plan: &Plan<Id>, row: usize) -> String {
    let snapshot = &plan.snapshots()[row];
    match snapshot.group() {
        "" => snapshot.id().to_string(),
        group => format!("{} of group {group}", snapshot.id()),
    }
}
