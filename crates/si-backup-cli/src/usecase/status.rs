use super::policy;
use super::prove::millis;
use crate::report::row;
use crate::view::{self, DueRow, Status, StatusRow};
use crate::{CliError, Judge, Report, Session, Shelf};
use backup_contract::{Facts, Level, Subject, Task, due};
use std::fmt::Write;

/// Says how safe the state is now: first what the loss of this host would cost, then why.
pub(super) fn status(session: &Session<'_>) -> Result<Report, CliError> {
    let began = session.world.clock.monotonic();
    let store = session.open_store()?;
    let shelf = Shelf::read(session, &*store)?;
    let now = session.now();
    let newest = shelf.catalogue.newest_restorable();
    let is_proved = |level: Option<(Level, _)>| level.is_some_and(|(level, _)| level.covers(Level::Content));
    let proved = shelf
        .snapshots()
        .iter()
        .rev()
        .find(|snapshot| snapshot.restorable() && !snapshot.suspect && is_proved(shelf.proved(snapshot)));
    let age = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|at| now - at);
    let mut text = match (newest, proved) {
        (None, _) => {
            format!("if this host were lost now: the state of '{}' would be lost\n", session.context)
        }
        (Some(newest), Some(proved)) if newest.id == proved.id => format!(
            "if this host were lost now: the state of '{}' loses {}\n",
            session.context,
            age(proved.started_at).map_or_else(|| "an unknown time".into(), view::span),
        ),
        (Some(newest), Some(proved)) => format!(
            "if this host were lost now: the state of '{}' loses {}, or {} by the newest snapshot, whose content is not proved\n",
            session.context,
            age(proved.started_at).map_or_else(|| "an unknown time".into(), view::span),
            age(newest.started_at).map_or_else(|| "an unknown time".into(), view::span),
        ),
        (Some(newest), None) => format!(
            "if this host were lost now: the state of '{}' loses {}, by a snapshot whose content is not proved\n",
            session.context,
            age(newest.started_at).map_or_else(|| "an unknown time".into(), view::span),
        ),
    };
    if newest.is_some() && session.opens_all_alone()? {
        text += "            if a copy of the identity is kept elsewhere: here is the only one that is known of\n";
    }
    let verified = newest.and_then(|newest| shelf.proved(newest));
    if let Some(newest) = newest {
        let _ = writeln!(text, "newest      {} ({})", newest.id, view::bytes(newest.bytes));
        let proved = match verified {
            Some((level, at)) => format!("at level '{level}' on {}", view::time(at)),
            None => "no; 'si-backup verify' does".to_owned(),
        };
        let _ = writeln!(text, "proved      {proved}");
    }
    let _ = writeln!(text, "snapshots   {} in {}", shelf.snapshots().len(), store.location());
    let due = due_of_state(session, &shelf)?;
    text += &view::due_lines(&due);
    let is_safe = newest.is_some() && is_proved(verified);
    let view = StatusRow {
        target: "local".into(),
        app: String::new(),
        release: String::new(),
        service: String::new(),
        operation: "status",
        command: String::new(),
        status: Status::of(is_safe),
        duration_ms: millis(session.world.clock.monotonic().saturating_sub(began)),
        subject: Subject::State,
        id: newest.map(|newest| newest.id.clone()),
        checksum: newest.and_then(|newest| newest.checksum),
        kind: newest.map(|newest| newest.kind),
        bytes: newest.map_or(0, |newest| newest.bytes),
        restorable: newest.is_some(),
        verified: verified.map(Into::into),
        age_seconds: newest.and_then(|newest| age(newest.started_at)).map(|age| age.num_seconds()),
        snapshots: shelf.snapshots().len(),
        newest_proved: proved.map(|proved| proved.id.clone()),
        due,
    };
    let report = Report::new("backup status", vec![row(&view)], text);
    let (message, hint) = match newest {
        _ if is_safe => return Ok(report),
        Some(_) => (
            "the content of the newest snapshot is not proved",
            "prove it with 'si-backup verify', on a host that has an identity",
        ),
        None => ("there is no restorable snapshot", "make one with 'si-backup run --state'"),
    };
    Ok(report.with_error(CliError::Findings { code: "not-proved", message: message.into(), hint }))
}

/// What is due of the state, as far as its snapshots tell: drills are in the trail, which `policy` reads.
fn due_of_state(session: &Session<'_>, shelf: &Shelf<'_>) -> Result<Vec<DueRow>, CliError> {
    let settings = session.context_settings()?;
    let facts =
        Facts { state: policy::state_of_shelf(session, settings, shelf), ..Facts::unknown("not asked") };
    let all = due(&facts, &policy::schedule(settings)?, session.now());
    Ok(all.iter().filter(|due| due.task != Task::Drill).map(DueRow::from).collect())
}
