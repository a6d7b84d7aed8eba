use super::restore::{Aftermath, LivePlace, alone, check_lines, manifest_of_pending};
use crate::args::GuardCommand;
use crate::report::row;
use crate::view::{self, GuardRow};
use crate::{CliError, Report, Session};
use backup_contract::{AppSlug, Subject};
use restore_guard::{Action, LockStanding};
use std::fmt::Write;

/// The mutation lock: looked at, asked, tried again, opened.
pub(super) fn guard(session: &Session<'_>, command: &GuardCommand) -> Result<Report, CliError> {
    match command {
        GuardCommand::Status => status(session),
        GuardCommand::Check { app } => check(session, app.as_ref()),
        GuardCommand::Recheck => recheck(session),
        GuardCommand::Release { reason } => release(session, reason),
    }
}

fn row_of(subject: Subject, standing: &LockStanding) -> GuardRow {
    match standing {
        LockStanding::Open => GuardRow::open(subject),
        LockStanding::Shut(record) => GuardRow::shut(record),
        LockStanding::Unreadable { path, why } => GuardRow {
            shut: true,
            why: Some(format!("{} cannot be read: {why}", path.display())),
            ..GuardRow::open(subject)
        },
    }
}

fn line(view: &GuardRow) -> String {
    if !view.shut {
        return format!("open  {}\n", view.subject);
    }
    let since = view.since.map_or_else(String::new, |since| format!(" since {}", view::time(since)));
    let by = view.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    let why = view.why.as_deref().unwrap_or_default();
    format!("SHUT  {}{since}{by}: {}\n", view.subject, view::printable(why))
}

/// What is said of the state's lock where it is open.
fn open(command: &'static str) -> Report {
    let view = GuardRow::open(Subject::State);
    let text = line(&view);
    Report::new(command, vec![row(&view)], text)
}

fn status(session: &Session<'_>) -> Result<Report, CliError> {
    let place = LivePlace::open(session)?;
    let apps = session.context_settings().map(|settings| settings.apps.keys().cloned().collect::<Vec<_>>());
    let subjects =
        std::iter::once(Subject::State).chain(apps.unwrap_or_default().into_iter().map(Subject::App));
    let mut rows = Vec::new();
    let mut text = String::new();
    for subject in subjects {
        let view = row_of(subject.clone(), &place.lock().standing(&subject)?);
        text += &line(&view);
        rows.push(row(&view));
    }
    if let Some(pending) = place.journal().pending()? {
        let _ = writeln!(
            text,
            "a restore of {} by {} is {} since {}",
            pending.grant.snapshot(),
            pending.grant.operator,
            pending.phase.word(),
            view::time(pending.since)
        );
    }
    Ok(Report::new("backup guard status", rows, text))
}

fn check(session: &Session<'_>, app: Option<&AppSlug>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup guard check";
    let place = LivePlace::open(session)?;
    let subject = app.map_or(Subject::State, |app| Subject::App(app.clone()));
    let standing = place.lock().covering(&subject)?;
    let view = row_of(subject, &standing);
    let report = Report::new(COMMAND, vec![row(&view)], line(&view));
    let refused = place.refuse_half_way().and_then(|()| Ok(standing.refuse_shut()?));
    Ok(match refused {
        Ok(()) => report,
        Err(error) => report.with_error(error),
    })
}

fn recheck(session: &Session<'_>) -> Result<Report, CliError> {
    const COMMAND: &str = "backup guard recheck";
    let place = LivePlace::open(session)?;
    let record = match place.lock().standing(&Subject::State)? {
        LockStanding::Shut(record) => record,
        standing => {
            standing.refuse_shut()?;
            return Ok(open(COMMAND));
        }
    };
    let store = session.open_store()?;
    session.with_lease(&*store, &session.state_lease(), |_| {
        place.refuse_half_way()?;
        let pending = place.journal().pending()?.filter(|pending| pending.grant.request == record.request);
        let Some(pending) = pending else {
            return Err(CliError::usage(
                "the restore that has shut the lock has changed nothing: there is nothing to check",
                "'si-backup restore resume' opens it",
            ));
        };
        let manifest = manifest_of_pending(session, &*store, &pending)?;
        let after = Aftermath { place: &place, store: &*store, grant: &pending.grant, manifest: &manifest };
        let (checks, opened) = after.check(session, Action::Recheck)?;
        let standing = place.lock().standing(&Subject::State)?;
        let mut view = row_of(Subject::State, &standing);
        let text = check_lines(&checks) + &line(&view);
        view.checks = checks;
        let report = Report::new(COMMAND, vec![row(&view)], text);
        Ok(if opened { report } else { report.with_error(CliError::ChecksFailed) })
    })
}

fn release(session: &Session<'_>, reason: &str) -> Result<Report, CliError> {
    const COMMAND: &str = "backup guard release";
    if reason.trim().is_empty() {
        return Err(CliError::usage("the reason is empty", "say why in words: they are kept in the trail"));
    }
    let place = LivePlace::open(session)?;
    // Not beside a restore: its lock is not to be opened before its checks.
    alone(session, |store| {
        place.refuse_half_way()?;
        let standing = place.lock().standing(&Subject::State)?;
        if !standing.is_shut() {
            return Ok(open(COMMAND));
        }
        let about = |outcome| {
            let event = session
                .event(Action::LockReleased, outcome)
                .subject(Subject::State)
                .detail("reason", reason.to_owned());
            match &standing {
                LockStanding::Shut(record) => {
                    event.detail("request", record.request.to_string()).detail("shut_by", record.by.clone())
                }
                LockStanding::Open | LockStanding::Unreadable { .. } => event,
            }
        };
        super::restore::release(session, &place, store, &standing, about)?;
        let mut report = open(COMMAND);
        report.text += "released, for the reason that is in the trail now\n";
        Ok(report)
    })
}
