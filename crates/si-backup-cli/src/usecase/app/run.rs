use super::prove::{Proved, Prover, write_evidence};
use crate::app::server::within;
use crate::args::RunArgs;
use crate::report::{finding_lines, message_of, row};
use crate::shelf::reference;
use crate::usecase::policy;
use crate::usecase::prove::{Measured, millis};
use crate::usecase::run::{blank, note_event};
use crate::usecase::{init, settings_copy};
use crate::view::{self, FindingRow, RunRow, Status, VerifiedRow};
use crate::{AppBucket, AppEnvironment, AppServer, AppShelf, CliError, Mode, Report, Session, metered};
use backup_contract::{AppSlug, Finding, Level, Outcome, Snapshot, SnapshotId, SnapshotKind, Subject};
use backup_store::{Prefix, Store};
use paas_state::Event;
use restore_guard::{ActOutcome, Action, OriginId};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use walg_driver::bucket::{Backup, Bucket, ProblemCode};
use walg_driver::engine::{Call, Choice, Push, Situation, choose};
use walg_driver::process::{Limits, Status as Ending, Watch};
use walg_driver::runner::Control;

/// How long the WAL of a backup is waited for. The server hands the last segment over when the backup stops; what has not
/// come by then is not on its way.
const WAL_WAIT: Duration = Duration::from_mins(2);
/// After how long the bucket is looked at again meanwhile: at first, and at most.
const WAL_LOOK: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// How often a push's objects are counted at most, to know whether it goes on.
const COUNT_EVERY: Duration = Duration::from_secs(20);
/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_mins(2);

/// Makes a backup of an app's database, and proves that it is there.
pub(in crate::usecase) fn run(
    session: &Session<'_>,
    args: &RunArgs,
    app: &AppSlug,
) -> Result<Report, CliError> {
    let environment = AppEnvironment::read(session, app)?;
    let server = AppServer::of(session, &environment)?;
    let control = session.open_store()?;
    let bucket = AppBucket::open(&environment)?;
    if args.dry_run {
        let shelf = AppShelf::read(session, &*control, &bucket)?;
        let planned = Plan::make(session, args, &environment, &server, &shelf)?;
        return Ok(dry_run(&planned, &shelf));
    }
    let key = session.home.open_signing_key()?;
    let origin = init::claim(session, &*control, &key)?;
    let lease = format!("run-app-{}-{app}", session.context);
    session.with_lease(&*control, &lease, |lost| {
        let began = session.world.clock.monotonic();
        let subject = Subject::App(app.clone());
        let announced = session.event(Action::Run, ActOutcome::Announced).subject(subject.clone());
        session.record(&announced.detail("store", bucket.store.location()), None)?;
        if let Ok(recipients) = session.recipients() {
            settings_copy::seal(session, &*control, &recipients)?;
        }
        let run = Run {
            session,
            environment: &environment,
            server: &server,
            control: &*control,
            bucket: &bucket,
            lost,
        };
        let done = run.back_up(args, &origin).map_err(|error| session.explain(error));
        let took = millis(session.world.clock.monotonic().saturating_sub(began));
        run.tell(&subject, done, took)
    })
}

/// What is to be made, decided before anything is.
struct Plan {
    /// None for a full.
    delta_of: Option<SnapshotId>,
    why: String,
    data_directory: std::path::PathBuf,
    /// Whether the server archives its WAL itself.
    archives: bool,
    /// What is not as it should be, and no reason to leave the backup.
    findings: Vec<Finding>,
}

impl Plan {
    fn make(
        session: &Session<'_>,
        args: &RunArgs,
        environment: &AppEnvironment<'_>,
        server: &AppServer,
        shelf: &AppShelf,
    ) -> Result<Self, CliError> {
        let systems = shelf.bucket.systems();
        let answers = within(session, Limits::default().total(ANSWER), |control| {
            server.ask(format!("app {}", environment.app), systems, control)
        })?;
        let findings = answers.facts.check().findings;
        let (errors, findings): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.severity == backup_contract::Severity::Error);
        if !errors.is_empty() {
            return Err(CliError::ServerFindings { app: environment.app.to_string(), findings: errors });
        }
        if answers.data_directory != server.pgdata {
            return Err(CliError::usage(
                format!(
                    "the server's data directory is {}, and the settings say {}",
                    answers.data_directory.display(),
                    server.pgdata.display()
                ),
                "correct 'pgdata' in the app's runner, or PGHOST and PGPORT in its env file: it may be another server",
            ));
        }
        let settings = session.context_settings()?;
        let schedule = policy::schedule(settings)?;
        let subject = shelf.subject();
        let (rhythm, zone, now) = (schedule.of(subject).full, schedule.zone(), session.now());
        let is_due = |full: &Backup| {
            let begun = full.sentinel.as_ref().and_then(|sentinel| sentinel.started_at);
            begun.is_none_or(|begun| rhythm.after(begun, zone).is_some_and(|due| due <= now))
        };
        let is_sound = |id: &SnapshotId| shelf.is_sound(id);
        let choice = choose(&Situation {
            bucket: &shelf.bucket,
            timeline: answers.timeline,
            system_identifier: answers.system_identifier,
            is_asked: args.full,
            is_due: &is_due,
            is_sound: &is_sound,
        });
        let (delta_of, why) = match choice {
            Choice::Full(why) => (None, why.to_string()),
            Choice::Delta(full) => (Some(full.id.clone()), format!("{} can be counted on", full.id)),
        };
        let archives = answers.facts.archive_mode.as_deref().is_some_and(|mode| mode != "off");
        Ok(Self { delta_of, why, data_directory: answers.data_directory, archives, findings })
    }

    const fn kind(&self) -> &'static str {
        if self.delta_of.is_some() { "delta" } else { "full" }
    }
}

fn dry_run(plan: &Plan, shelf: &AppShelf) -> Report {
    let mut text = finding_lines(&plan.findings);
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
        kind: if plan.delta_of.is_some() { SnapshotKind::Delta } else { SnapshotKind::Full },
        findings: plan.findings.iter().map(FindingRow::from).collect(),
        ..blank()
    };
    Report { mode: Mode::DryRun, ..Report::new("backup run", vec![row(&view)], text) }
}

fn app_of(subject: &Subject) -> String {
    match subject {
        Subject::App(app) => app.to_string(),
        Subject::State => String::new(),
    }
}

/// A backup that is there.
struct Made {
    snapshot: Snapshot,
    proved: Proved,
    evidence: Option<String>,
    plan: Plan,
}

struct Run<'a> {
    session: &'a Session<'a>,
    environment: &'a AppEnvironment<'a>,
    server: &'a AppServer,
    control: &'a dyn Store,
    bucket: &'a AppBucket,
    lost: &'a AtomicBool,
}

impl Run<'_> {
    fn back_up(&self, args: &RunArgs, origin: &OriginId) -> Result<Made, CliError> {
        let session = self.session;
        let backups = AppShelf::read(session, self.control, self.bucket)?;
        let plan = Plan::make(session, args, self.environment, self.server, &backups)?;
        let push = match plan.delta_of.as_ref().and_then(|id| backups.bucket.backup(id)) {
            None => Push::full(&plan.data_directory),
            Some(full) => Push::delta_of(&plan.data_directory, full)?,
        };
        if plan.delta_of.is_some() && plan.archives {
            let wait = args.timeout.map_or(WAL_WAIT, |total| WAL_WAIT.min(total / 4));
            let limits = Limits::default().total(ANSWER);
            if !within(session, limits, |control| self.server.hand_over_wal(wait, control))? {
                session.warn("the server's last segment of WAL did not arrive in time".to_owned());
            }
        }
        let before: BTreeSet<SnapshotId> =
            backups.bucket.backups.iter().map(|backup| backup.id.clone()).collect();
        let began = session.world.clock.monotonic();
        let (ending, said) = self.push(&push, args.timeout)?;
        // What the engine ended with proves nothing: the bucket does.
        let catalogue = self.bucket.read()?;
        let id = self.arrived(&catalogue, &before, ending, &said)?;
        if !ending.is_zero() {
            session.warn(format!("the engine {ending}, though a new backup is there: {said}"));
        }
        let spent = session.world.clock.monotonic().saturating_sub(began);
        let wait = args.timeout.map_or(WAL_WAIT, |total| WAL_WAIT.min(total.saturating_sub(spent)));
        let catalogue = self.wait_for_wal(&id, catalogue, wait)?;
        let backups = AppShelf::of(session, self.control, self.bucket, catalogue)?;
        let snapshot = backups.resolve(id.as_str())?.clone();
        let backup = backups.backup(&snapshot).ok_or_else(|| CliError::NoSnapshot(id.to_string()))?;
        if plan.delta_of.is_some() && snapshot.kind != SnapshotKind::Delta {
            session.warn(format!("a delta was asked for, and the engine made a full; it said: {said}"));
        }
        let mut reader = Prover::new(session, self.bucket, &backups);
        let (mode, interrupts) = (session.progress(), &session.world.interrupts);
        let total = reader.bytes(backup, Level::Checksum);
        let proved = metered(mode, "reading back", total, interrupts, Some(self.lost), |meter| {
            reader.prove(backup, Level::Checksum, meter)
        })?;
        let about = (&snapshot, backup);
        let evidence = write_evidence(session, self.control, origin, about, &proved, Measured::default())?;
        Ok(Made { snapshot, proved, evidence, plan })
    }

    /// Has the engine push; how it ended, and the last that it said.
    fn push(&self, push: &Push, timeout: Option<Duration>) -> Result<(Ending, String), CliError> {
        let session = self.session;
        let clock = &*session.world.clock;
        let (interrupts, lost) = (&session.world.interrupts, self.lost);
        let interrupted = || interrupts.signal().is_some() || lost.load(std::sync::atomic::Ordering::Relaxed);
        let store = &*self.bucket.store;
        let counted = Mutex::new((None::<Duration>, 0_u64));
        let progress = || {
            let Ok(mut counted) = counted.lock() else { return 0 };
            let now = clock.monotonic();
            if counted.0.is_none_or(|last| now.saturating_sub(last) >= COUNT_EVERY) {
                // What cannot be counted now is counted the next time.
                *counted = (Some(now), stored_bytes(store).unwrap_or(counted.1));
            }
            counted.1
        };
        let control = Control {
            limits: timeout.map_or_else(Limits::default, |total| Limits::default().total(total)),
            watch: Watch::none().interrupted(&interrupted).progress(&progress),
            clock,
        };
        let job = self.server.engine.job(&Call::Push(push.clone()));
        let ended = self.server.runner.run(&job, &control)?;
        if matches!(ended.status, Ending::Interrupted) && lost.load(std::sync::atomic::Ordering::Relaxed) {
            session.warn("the lease was lost while the engine pushed; it was stopped".to_owned());
        }
        Ok((ended.status, ended.stderr.last_lines(6)))
    }

    /// The backup that was not there before.
    fn arrived(
        &self,
        catalogue: &Bucket,
        before: &BTreeSet<SnapshotId>,
        ending: Ending,
        said: &str,
    ) -> Result<SnapshotId, CliError> {
        let new = catalogue.backups.iter().rev().find(|backup| !before.contains(&backup.id));
        match new {
            Some(backup) => Ok(backup.id.clone()),
            None => Err(CliError::NothingPushed {
                engine: self.server.engine.kind().to_string(),
                ending: ending.to_string(),
                said: said.to_owned(),
            }),
        }
    }

    /// Waits until the WAL of a new backup is in the archive, but not for long, beginning with what was read just now. What is
    /// missing then is a problem of it.
    fn wait_for_wal(
        &self,
        id: &SnapshotId,
        mut catalogue: Bucket,
        wait: Duration,
    ) -> Result<Bucket, CliError> {
        let clock = &*self.session.world.clock;
        let began = clock.monotonic();
        let [mut pause, longest] = WAL_LOOK;
        loop {
            let waits = catalogue.backup(id).is_some_and(|backup| {
                backup.problems.iter().any(|problem| problem.code == ProblemCode::WalMissing)
            });
            let is_over = clock.monotonic().saturating_sub(began) >= wait;
            if !waits || is_over || self.session.world.interrupts.signal().is_some() {
                return Ok(catalogue);
            }
            clock.sleep(pause);
            pause = (pause * 2).min(longest);
            catalogue = self.bucket.read()?;
        }
    }

    /// Puts the outcome into the trail and the context's events, and makes the report of it.
    fn tell(&self, subject: &Subject, done: Result<Made, CliError>, took: u64) -> Result<Report, CliError> {
        let made = match done {
            Ok(made) => made,
            Err(error) => return Ok(self.failed(subject, error, took)),
        };
        let session = self.session;
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
        session.record(&entry, Some(self.control))?;
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
            restorable: snapshot.restorable(),
            verified: passed.then(|| VerifiedRow::from((verification.level, verification.finished_at))),
            evidence: made.evidence.clone(),
            findings: made.plan.findings.iter().map(FindingRow::from).collect(),
            ..blank()
        };
        let mut text = finding_lines(&made.plan.findings);
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

    fn failed(&self, subject: &Subject, error: CliError, took: u64) -> Report {
        let session = self.session;
        let message = message_of(&error);
        let outcome =
            if error.code() == "interrupted" { ActOutcome::Interrupted } else { ActOutcome::Failed };
        let entry = session
            .event(Action::Run, outcome)
            .subject(subject.clone())
            .detail("error_code", error.code())
            .detail("error", message.clone());
        if let Err(e) = session.record(&entry, Some(self.control)) {
            session.warn(format!("the failure could not be put into the trail: {}", message_of(&e)));
        }
        if let Ok(context) = session.open_context() {
            let event = Event::new(session.now(), &context, "backup run", false)
                .with("subject", subject)
                .error(error.code(), &message, &error.hint());
            note_event(session, &context, &event);
        }
        let view = RunRow {
            app: app_of(subject),
            subject: subject.clone(),
            kind: SnapshotKind::Full,
            status: Status::Failed,
            error: Some(message),
            duration_ms: took,
            findings: error.findings().iter().map(FindingRow::from).collect(),
            ..blank()
        };
        let text = finding_lines(error.findings());
        Report::new("backup run", vec![row(&view)], text).with_error(error)
    }
}

/// What the base backups take in the bucket, as far as they are there.
fn stored_bytes(store: &dyn Store) -> Option<u64> {
    let prefix = Prefix::new("basebackups_005").ok()?;
    let mut bytes = 0_u64;
    for meta in store.list(&prefix, None).ok()? {
        bytes = bytes.saturating_add(meta.ok()?.size).saturating_add(1);
    }
    Some(bytes)
}
