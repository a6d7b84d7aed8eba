use super::Made;
use super::plan::Plan;
use crate::report::{finding_lines, message_of, row};
use crate::shelf::reference;
use crate::usecase::prove::Verification;
use crate::usecase::run::{blank, note_event};
use crate::view::{self, FindingRow, RunRow, Status, VerifiedRow};
use crate::{AppShelf, CliError, Mode, Report, Session};
use backup_contract::{Finding, Outcome, SnapshotKind, Subject};
use backup_store::Store;
use paas_state::Event;
use restore_guard::{ActOutcome, Action};
use std::fmt::Write;

/// What a run would make.
pub(super) fn dry_run(plan: &Plan, warnings: &[Finding], shelf: &AppShelf) -> Report {
    let findings = together(warnings, &plan.findings);
    let mut text = finding_lines(&findings);
    let _ = writeln!(
        text,
        "would make a {} of {}: {}; nothing was stored",
        plan.kind(),
        shelf.subject(),
        plan.why
    );
    let view = RunRow {
        subject: shelf.subject().clone(),
        app: app_of(shelf.subject()),
        kind: plan.kind(),
        findings: findings.iter().map(FindingRow::from).collect(),
        ..blank()
    };
    Report { mode: Mode::DryRun, ..Report::new("backup run", vec![row(&view)], text) }
}

fn together(some: &[Finding], more: &[Finding]) -> Vec<Finding> {
    some.iter().chain(more).cloned().collect()
}

fn app_of(subject: &Subject) -> String {
    match subject {
        Subject::App(app) => app.to_string(),
        Subject::State => String::new(),
    }
}

/// Puts the outcome into the trail and the context's events, and makes the report of it.
pub(super) fn tell(
    session: &Session<'_>,
    control: &dyn Store,
    subject: &Subject,
    warnings: &[Finding],
    done: Result<Made, CliError>,
    took: u64,
) -> Result<Report, CliError> {
    let made = match done {
        Ok(made) => made,
        Err(error) => return Ok(failed(session, control, subject, warnings, error, took)),
    };
    let findings = together(warnings, &made.plan.findings);
    let (snapshot, verification) = (&made.snapshot, &made.proved.verification);
    let outcome = verification.outcome();
    let passed = outcome == Outcome::Passed;
    let mut entry = session
        .event(Action::Run, if passed { ActOutcome::Done } else { ActOutcome::Failed })
        .snapshot(reference(snapshot))
        .detail("kind", snapshot.kind.to_string())
        .detail("why", made.plan.why.clone())
        .detail("verified", verification.level.as_str())
        .detail("outcome", outcome.as_str());
    if let Some(checksum) = made.proved.checksum {
        entry = entry.checksum(checksum);
    }
    if let Some(evidence) = &made.evidence {
        entry = entry.detail("evidence", evidence.clone());
    }
    session.record(&entry, Some(control))?;
    if let Ok(context) = session.open_context() {
        let event = Event::new(session.now(), &context, "backup run", passed)
            .with("subject", subject)
            .with("snapshot", &snapshot.id)
            .with("verified", &verification.level)
            .with("outcome", &outcome);
        note_event(session, &context, &event);
    }
    let view = RunRow {
        app: app_of(subject),
        subject: subject.clone(),
        status: Status::of(passed),
        error: verification.failure(),
        duration_ms: took,
        id: Some(snapshot.id.clone()),
        checksum: made.proved.checksum,
        kind: snapshot.kind,
        bytes: snapshot.bytes,
        restorable: snapshot.restorable() && !lacks_its_wal(verification),
        verified: passed.then(|| VerifiedRow::from((verification.level, verification.finished_at))),
        evidence: made.evidence.clone(),
        service: made.service.clone().unwrap_or_default(),
        findings: findings.iter().map(FindingRow::from).collect(),
        due: made.due,
        ..blank()
    };
    let mut text = finding_lines(&findings);
    let _ = writeln!(
        text,
        "stored {} ({}, {}): {}",
        reference(snapshot),
        snapshot.kind,
        view::bytes(snapshot.bytes),
        made.plan.why,
    );
    let report = Report::new("backup run", vec![row(&view)], text);
    if let Some(why) = verification.failure() {
        let id = reference(snapshot).to_string();
        return Ok(report.with_error(CliError::NotProved { id, level: verification.level, why }));
    }
    let proved = format!("proved at level '{}' by reading it back\n", verification.level);
    Ok(Report { text: report.text.clone() + &proved, ..report })
}

/// Whether what lies where its WAL should be is something else.
fn lacks_its_wal(verification: &Verification) -> bool {
    verification.checks.iter().any(|check| check.name == "wal" && !check.ok)
}

/// The same for one that came to nothing.
pub(super) fn failed(
    session: &Session<'_>,
    control: &dyn Store,
    subject: &Subject,
    warnings: &[Finding],
    error: CliError,
    took: u64,
) -> Report {
    let message = message_of(&error);
    session.record_failure(
        |outcome| session.event(Action::Run, outcome).subject(subject.clone()),
        &error,
        Some(control),
    );
    if let Ok(context) = session.open_context() {
        let event = Event::new(session.now(), &context, "backup run", false).with("subject", subject).error(
            error.code(),
            &message,
            &error.hint(),
        );
        note_event(session, &context, &event);
    }
    let findings = together(warnings, error.findings());
    let view = RunRow {
        app: app_of(subject),
        subject: subject.clone(),
        kind: SnapshotKind::Full,
        status: Status::Failed,
        error: Some(message),
        duration_ms: took,
        findings: findings.iter().map(FindingRow::from).collect(),
        ..blank()
    };
    let text = finding_lines(&findings);
    Report::new("backup run", vec![row(&view)], text).with_error(error)
}
