use super::policy::{policy, settings_if_any};
use super::state::StatePlan;
use super::{json, schedule};
use crate::args::ForecastArgs;
use crate::report::row;
use crate::settings::ScheduleSettings;
use crate::view::{self, ForecastRow, ForecastSummary, GoneRow};
use crate::{CliError, Report, Session};

/// Says how many snapshots there will be, and when each one goes.
pub(super) fn forecast(session: &Session<'_>, args: &ForecastArgs) -> Result<Report, CliError> {
    let now = session.now();
    let (assumed, says) = assumed(session, args)?;
    let schedule = schedule::parse(&assumed)?;
    let plan = if let Some(path) = &args.source.from_json {
        let policy = policy(&args.policy, settings_if_any(session)?)?;
        retention::plan(json::read(path, session.world)?, &policy, now)?
    } else {
        let store = session.open_store()?;
        StatePlan::make(session, &*store, &args.policy, now)?.plan
    };
    let ahead = retention::forecast(&plan, &schedule, args.days);
    let days: Vec<_> = ahead
        .days()
        .iter()
        .map(|day| ForecastRow {
            date: day.date,
            total: day.total(),
            fulls: day.fulls,
            deltas: day.deltas,
            blocked_by_lock: day.blocked_by_lock,
        })
        .collect();
    let gone: Vec<_> = plan
        .snapshots()
        .iter()
        .enumerate()
        .map(|(row, snapshot)| GoneRow {
            id: snapshot.id().to_string(),
            time: snapshot.time(),
            gone_on: ahead.gone_on(row),
        })
        .collect();
    let policy = plan.policy().to_string();
    let text = view::forecast_text(&days, &gone, &format!("a snapshot {assumed}, {says}"), &policy);
    let summary = row(&ForecastSummary { schedule: assumed, policy, snapshots: gone });
    let rows = days.iter().map(row).collect();
    Ok(Report { summary: Some(summary), ..Report::new("backup retention forecast", rows, text) })
}

/// The schedule that is assumed, and who says so.
fn assumed(session: &Session<'_>, args: &ForecastArgs) -> Result<(String, &'static str), CliError> {
    if let Some(schedule) = &args.schedule {
        return Ok((schedule.clone(), "as --schedule says"));
    }
    // A state snapshot is made when a delta of a database is.
    let set = settings_if_any(session)?.map(|settings| settings.schedule.delta);
    Ok(match set.filter(|delta| *delta != ScheduleSettings::default().delta) {
        Some(delta) => (delta.to_string(), "as the settings' schedule.delta says"),
        None => (schedule::USUAL.to_owned(), "where nothing says otherwise; --schedule does"),
    })
}
