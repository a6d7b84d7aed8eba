use super::prove::{TOOL, VERSION, Verification, millis, prove, write_evidence};
use super::restore::{LivePlace, drop_what_has_run_out};
use super::{init, policy, settings_copy};
use crate::args::RunArgs;
use crate::report::{finding_lines, row};
use crate::view::{self, DueRow, EntryRow, FindingRow, RunRow, Status, VerifiedRow};
use crate::{CliError, Mode, Report, Session, metered};
use backup_contract::{Level, Outcome, SnapshotId, SnapshotKind, SnapshotRef, Subject};
use backup_store::Store;
use paas_state::{
    Backup, Catalogue, Class, ContextDir, Event, Identities, Inventory, Patience, Reading, Record, Sealing,
    UnverifiedBundle, append_event,
};
use restore_guard::{ActOutcome, Action, OriginId};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes a backup of the state, and proves it.
pub(super) fn run(session: &Session<'_>, args: &RunArgs) -> Result<Report, CliError> {
    if args.dry_run {
        return dry_run(session, args);
    }
    let context = session.open_context()?;
    let recipients = session.recipients()?;
    // What could not be read back would be stored all the same: better to say so before.
    let identities = session.identities()?;
    if let Some(identities) = &identities
        && !identities.recipients().iter().any(|own| session.names_recipient(own))
    {
        return Err(CliError::ForeignIdentity(identities.recipients()));
    }
    let place = LivePlace::of(context);
    place.refuse_half_way()?;
    let context = &place.context;
    let store = session.open_store()?;
    let key = session.home.open_signing_key()?;
    let origin = init::claim(session, &*store, &key)?;
    session.with_lease(&*store, &session.state_lease(), |lost| {
        let began = session.world.clock.monotonic();
        let started_at = session.now();
        warn_of_a_clock_that_went_back(session, &*store)?;
        place.refuse_half_way()?;
        drop_what_has_run_out(session, &place, &*store)?;
        // What was restored and has not passed its checks is kept, and is never what LATEST means.
        let suspect = place.lock().standing(&Subject::State)?.is_shut();
        if suspect {
            session.warn("the mutation lock is shut: this snapshot is suspect until it is verified after it has opened");
        }
        let id = SnapshotId::state(started_at, random()?);
        let snapshot = SnapshotRef { subject: Subject::State, id: id.clone() };
        let announced = session.event(Action::Run, ActOutcome::Announced).snapshot(snapshot.clone());
        session.record(&announced.detail("store", store.location()), None)?;
        let sealing = Sealing {
            recipients: &recipients,
            id: &id,
            started_at,
            origin: Some(origin.to_string()),
            host: &session.world.host,
            tool: &format!("{TOOL} {VERSION}"),
            suspect,
            workers: session.world.workers,
        };
        let made = settings_copy::seal(session, &*store, &recipients)
            .and_then(|()| back_up(session, context, args, &*store, &sealing, lost))
            .map_err(|error| session.explain(error));
        let done = made.and_then(|backup| {
            let (verification, evidence) =
                verify(session, &*store, &backup, identities.as_ref(), &origin, lost)?;
            Ok((backup, verification, evidence))
        });
        let took = millis(session.world.clock.monotonic().saturating_sub(began));
        tell(session, context, &*store, &snapshot, done, took)
    })
}

fn back_up(
    session: &Session<'_>,
    context: &ContextDir,
    args: &RunArgs,
    store: &dyn Store,
    sealing: &Sealing<'_>,
    lost: &AtomicBool,
) -> Result<Backup, CliError> {
    let allow = session.allow_list()?;
    let total = Inventory::take(context, &args.with)?.bytes_taken();
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let is_lost = || lost.load(Ordering::Relaxed);
    metered(mode, "backing up", total, interrupts, Some(&is_lost), |meter| {
        let reading = Reading {
            context,
            with: &args.with,
            allow: &allow,
            patience: &Patience::default(),
            clock: &*session.world.clock,
            watch: meter,
        };
        Ok(reading.back_up(store, sealing)?)
    })
}

/// Reads back what was stored: content where the identity is here, else every byte.
fn verify(
    session: &Session<'_>,
    store: &dyn Store,
    backup: &Backup,
    identities: Option<&Identities>,
    origin: &OriginId,
    lost: &AtomicBool,
) -> Result<(Verification, String), CliError> {
    let level = if identities.is_some() { Level::Content } else { Level::Checksum };
    let bundle = UnverifiedBundle::new(store, backup.record.clone())?;
    let total = if level == Level::Content { backup.manifest.bytes() } else { backup.record.bytes };
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let is_lost = || lost.load(Ordering::Relaxed);
    let verification = metered(mode, "reading back", total, interrupts, Some(&is_lost), |meter| {
        prove(session, &bundle, level, identities, meter)
    })?;
    let evidence = write_evidence(session, store, &backup.record, origin, &verification)?;
    Ok((verification, evidence))
}

/// Puts the outcome into the trail and the context's events, and makes the report of it.
fn tell(
    session: &Session<'_>,
    context: &ContextDir,
    store: &dyn Store,
    snapshot: &SnapshotRef,
    done: Result<(Backup, Verification, String), CliError>,
    took: u64,
) -> Result<Report, CliError> {
    let (backup, verification, evidence) = match done {
        Ok(done) => done,
        Err(error) => return Ok(failed(session, context, store, snapshot, error, took)),
    };
    let (record, outcome) = (&backup.record, verification.outcome());
    let entry = session
        .event(Action::Run, if outcome == Outcome::Passed { ActOutcome::Done } else { ActOutcome::Failed })
        .snapshot(snapshot.clone())
        .checksum(record.checksum)
        .detail("verified", verification.level.as_str())
        .detail("outcome", outcome.as_str())
        .detail("evidence", evidence.clone());
    session.record(&entry, Some(store))?;
    let passed = outcome == Outcome::Passed;
    let event = Event::new(session.now(), context, "backup run", passed)
        .with("subject", &"state")
        .with("snapshot", &record.id)
        .with("checksum", &record.checksum)
        .with("verified", &verification.level)
        .with("outcome", &outcome);
    note_event(session, context, &event);
    let view = RunRow {
        status: Status::of(passed),
        error: verification.failure(),
        duration_ms: took,
        id: Some(record.id.clone()),
        checksum: Some(record.checksum),
        bytes: record.bytes,
        plain_bytes: backup.manifest.bytes(),
        restorable: passed,
        verified: passed.then(|| VerifiedRow::from((verification.level, verification.finished_at))),
        evidence: Some(evidence),
        due: next(session, record),
        findings: backup.findings.iter().map(FindingRow::from).collect(),
        ..blank()
    };
    let mut text = finding_lines(&backup.findings);
    let _ = writeln!(
        text,
        "stored {}: {} files, {} in {}\n{}",
        snapshot,
        backup.manifest.files.len(),
        view::bytes(backup.manifest.bytes()),
        view::bytes(record.bytes),
        record.checksum,
    );
    let report = Report::new("backup run", vec![row(&view)], text);
    if let Some(why) = verification.failure() {
        let level = verification.level;
        return Ok(report.with_error(CliError::NotProved { id: snapshot.to_string(), level, why }));
    }
    let proved = format!("proved at level '{}' by reading it back\n", verification.level);
    Ok(Report { text: report.text.clone() + &proved, ..report })
}

fn failed(
    session: &Session<'_>,
    context: &ContextDir,
    store: &dyn Store,
    snapshot: &SnapshotRef,
    error: CliError,
    took: u64,
) -> Report {
    let error = session.explain(error);
    let message = crate::report::message_of(&error);
    session.record_failure(
        |outcome| session.event(Action::Run, outcome).snapshot(snapshot.clone()),
        &error,
        Some(store),
    );
    let event = Event::new(session.now(), context, "backup run", false).with("subject", &"state").error(
        error.code(),
        &message,
        &error.hint(),
    );
    note_event(session, context, &event);
    let view = RunRow {
        status: Status::Failed,
        error: Some(message),
        duration_ms: took,
        findings: error.findings().iter().map(FindingRow::from).collect(),
        ..blank()
    };
    Report::new("backup run", vec![row(&view)], String::new()).with_error(error)
}

/// When the next one is due. The backup is made: that this cannot be told is a warning.
fn next(session: &Session<'_>, record: &Record) -> Vec<DueRow> {
    let next = session
        .context_settings()
        .and_then(|settings| policy::next_snapshot(settings, record.started_at, session.now()));
    match next {
        Ok(due) => due.iter().map(DueRow::from).collect(),
        Err(e) => {
            let why = crate::report::message_of(&e);
            session.warn(format!("when the next backup is due cannot be told: {why}"));
            Vec::new()
        }
    }
}

/// The context's own log is a courtesy to si: the backup does not depend on it.
pub(super) fn note_event(session: &Session<'_>, context: &ContextDir, event: &Event) {
    if let Err(e) = append_event(context, event) {
        session.warn(format!("the event could not be appended: {}", crate::report::message_of(&e.into())));
    }
}

fn dry_run(session: &Session<'_>, args: &RunArgs) -> Result<Report, CliError> {
    let began = session.world.clock.monotonic();
    let context = session.open_context()?;
    let allow = match session.allow_list() {
        Ok(allow) => allow,
        // A look at the state needs no settings.
        Err(CliError::Settings(_)) => paas_state::AllowList::default(),
        Err(e) => return Err(e),
    };
    let total = Inventory::take(&context, &args.with)?.bytes_taken();
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let inspected = metered(mode, "looking", total, interrupts, None, |meter| {
        let reading = Reading {
            context: &context,
            with: &args.with,
            allow: &allow,
            patience: &Patience::default(),
            clock: &*session.world.clock,
            watch: meter,
        };
        reading.inspect()
    });
    let (inventory, files, findings) = match inspected {
        Ok(inspection) => (inspection.inventory, inspection.files, inspection.findings),
        // What is found before anything can be read is shown like the rest.
        Err(paas_state::Error::Blocked(findings)) => {
            (Inventory::take(&context, &args.with)?, Vec::new(), findings)
        }
        Err(e) => return Err(e.into()),
    };
    let entries: Vec<_> = inventory
        .entries
        .iter()
        .map(|e| EntryRow {
            path: e.path.clone(),
            class: e.class,
            reason: e.reason.to_owned(),
            bytes: e.bytes,
        })
        .collect();
    let plain_bytes = files.iter().map(|file| file.size).sum();
    let mut text = dry_run_text(&entries, &inventory.absent());
    text += &finding_lines(&findings);
    let blocked = crate::error::blocks(&findings);
    let view = RunRow {
        status: Status::of(!blocked),
        duration_ms: millis(session.world.clock.monotonic().saturating_sub(began)),
        plain_bytes,
        findings: findings.iter().map(FindingRow::from).collect(),
        entries,
        ..blank()
    };
    let mut report = Report { mode: Mode::DryRun, ..Report::new("backup run", vec![row(&view)], text) };
    if blocked {
        return Ok(report.with_error(CliError::Findings {
            code: "state-findings",
            message: "this would be refused".into(),
            hint: "mend each error that is named above, or among the findings",
        }));
    }
    let _ = writeln!(
        report.text,
        "would take {} files, {}; nothing was stored",
        files.len(),
        view::bytes(plain_bytes)
    );
    Ok(report)
}

fn dry_run_text(entries: &[EntryRow], absent: &[&str]) -> String {
    let mut text = String::new();
    let mut section = |title: &str, classes: &[Class]| {
        let lines: Vec<_> = entries.iter().filter(|entry| classes.contains(&entry.class)).collect();
        if !lines.is_empty() {
            let _ = writeln!(text, "{title}");
            let rows = lines.iter().map(|entry| {
                let size = if entry.path.ends_with('/') { String::new() } else { view::bytes(entry.bytes) };
                [format!("  {}", entry.path), size, entry.reason.clone()]
            });
            // The head is empty: the titles say enough.
            text += view::table(["", "", ""], rows).split_once('\n').map_or("", |(_, rows)| rows);
        }
    };
    section("taken:", &[Class::Protected, Class::Optional]);
    section("left out:", &[Class::NotAsked, Class::Excluded, Class::Own, Class::Unexpected]);
    if !absent.is_empty() {
        let _ = writeln!(text, "absent, which is recorded:\n  {}", absent.join(", "));
    }
    text
}

/// A snapshot from the future would stay LATEST for as long as this clock lags behind.
fn warn_of_a_clock_that_went_back(session: &Session<'_>, store: &dyn Store) -> Result<(), CliError> {
    let now = session.now();
    let catalogue = Catalogue::read(store, &session.context)?;
    let newest = catalogue.snapshots.iter().filter_map(|s| Some((s.started_at?, &s.id))).max();
    if let Some((at, id)) = newest.filter(|(at, _)| *at > now) {
        session.warn(format!(
            "this host's clock is behind: {id} was taken at {}, which is in the future; until then LATEST means that one",
            view::time(at),
        ));
    }
    Ok(())
}

pub(super) fn blank() -> RunRow {
    RunRow {
        target: "local".into(),
        app: String::new(),
        release: String::new(),
        service: String::new(),
        operation: "run",
        command: String::new(),
        status: Status::Ok,
        error: None,
        duration_ms: 0,
        id: None,
        subject: Subject::State,
        checksum: None,
        kind: SnapshotKind::Bundle,
        bytes: 0,
        plain_bytes: 0,
        restorable: false,
        verified: None,
        evidence: None,
        due: Vec::new(),
        findings: Vec::new(),
        entries: Vec::new(),
    }
}

fn random() -> Result<u32, CliError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|_| CliError::State(paas_state::Error::Random))?;
    Ok(u32::from_ne_bytes(bytes))
}
