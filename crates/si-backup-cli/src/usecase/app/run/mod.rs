mod plan;
mod reins;
mod told;

use super::prove::{Proved, Prover, write_evidence};
use crate::args::RunArgs;
use crate::report::message_of;
use crate::usecase::prove::{Measured, millis};
use crate::usecase::{contract, init, policy, settings_copy};
use crate::view::DueRow;
use crate::{AppBucket, AppEnvironment, AppServer, AppShelf, CliError, Report, Session, metered};
use backup_contract::{AppSlug, Level, Severity, Snapshot, SnapshotId, Subject};
use backup_store::{Prefix, Store};
use plan::{ANSWER, Plan};
use reins::Reins;
use restore_guard::{ActOutcome, Action, OriginId};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use told::{dry_run, failed, tell};
use walg_driver::bucket::{Bucket, ProblemCode};
use walg_driver::engine::{Call, NotPushed, Ordered, Push, PushMark, Pushed};
use walg_driver::process::{Status as Ending, Watch, meanwhile};
use walg_driver::runner::Control;

/// How long the WAL of a backup is waited for. The server hands the last segment over when the backup stops; what has not
/// come by then is not on its way.
const WAL_WAIT: Duration = Duration::from_mins(2);
/// After how long the bucket is looked at again meanwhile: at first, and at most.
const WAL_LOOK: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// How often a push's objects are counted at most, to know whether it goes on.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// What an env file may have engines note in a sentinel.
const NOTED: &str = "WALG_SENTINEL_USER_DATA";

/// Makes a backup of an app's database, and proves that it is there.
pub(in crate::usecase) fn run(
    session: &Session<'_>,
    args: &RunArgs,
    app: &AppSlug,
) -> Result<Report, CliError> {
    let reins = Reins::new(session, args.timeout);
    let environment = AppEnvironment::read(session, app)?;
    let (errors, warnings): (Vec<_>, Vec<_>) = contract::of_env_file(session, app)?
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error);
    let control = session.open_store()?;
    let subject = Subject::App(app.clone());
    if !errors.is_empty() {
        // Nothing that is pushed now would be what the contract asks for; a key that is missing cannot be added later.
        let error = CliError::ContractFindings { app: app.to_string(), findings: errors };
        if args.dry_run {
            return Err(error);
        }
        return Ok(failed(session, &*control, &subject, &warnings, error, millis(reins.took())));
    }
    let server = reins
        .within(ANSWER, |control| AppServer::of(session, &environment, args.service.as_deref(), control));
    let server = server.map_err(|error| reins.explain(error))?;
    let bucket = AppBucket::open(&environment)?;
    if args.dry_run {
        let shelf = AppShelf::read(session, &*control, &bucket)?;
        let planned = Plan::make(session, args, &environment, &server, &bucket, &shelf, &reins);
        return Ok(dry_run(&planned.map_err(|error| reins.explain(error))?, &warnings, &shelf));
    }
    let key = session.home.open_signing_key()?;
    let origin = init::claim(session, &*control, &key)?;
    let lease = format!("run-app-{}-{app}", session.context);
    session.with_lease(&*control, &lease, |lost| {
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
            reins: reins.holding(&lease, lost),
        };
        let done = run.back_up(args, &origin).map_err(|error| run.reins.explain(error));
        tell(session, &*control, &subject, &warnings, done, millis(reins.took()))
    })
}

/// A backup that is there.
struct Made {
    snapshot: Snapshot,
    proved: Proved,
    evidence: Option<String>,
    plan: Plan,
    /// What is due next.
    due: Vec<DueRow>,
    /// The service that the engine was run in, where it was one.
    service: Option<String>,
}

struct Run<'a> {
    session: &'a Session<'a>,
    environment: &'a AppEnvironment<'a>,
    server: &'a AppServer,
    control: &'a dyn Store,
    bucket: &'a AppBucket,
    reins: Reins<'a>,
}

impl Run<'_> {
    fn back_up(&self, args: &RunArgs, origin: &OriginId) -> Result<Made, CliError> {
        let (session, reins) = (self.session, &self.reins);
        let backups = AppShelf::read(session, self.control, self.bucket)?;
        let plan = Plan::make(session, args, self.environment, self.server, self.bucket, &backups, reins)?;
        let push = match plan.delta_of.as_ref().and_then(|id| backups.bucket.backup(id)) {
            None => Push::full(&plan.data_directory),
            Some(full) => Push::delta_of(&plan.data_directory, full)?,
        };
        if plan.delta_of.is_some() && plan.archives {
            self.hand_over_wal()?;
        }
        if !plan.has_checkpoint {
            // Promoted a moment ago. An engine names the backup by the timeline of the last checkpoint.
            reins.within(ANSWER, |control| self.server.checkpoint(control))?;
        }
        let (mark, before) = (PushMark::new()?, ids(&backups.bucket));
        let noted = self.environment.plain(NOTED);
        // What is no JSON there is text to an engine.
        let noted = noted.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        reins.go_on()?;
        let expected = plan.expected_bytes(&backups);
        let (ending, said) = self.push(push.user_data(mark.among(noted)), expected)?;
        // Whatever came of it, nobody wants it any more, or it came too late.
        reins.go_on()?;
        // What the engine ended with proves nothing: the bucket does.
        let catalogue = self.bucket.read()?;
        let pushed = self.arrived(&catalogue, &plan, &mark, &before, ending, &said)?;
        if !ending.is_zero() {
            session.warn(format!("the engine {ending}, though a new backup is there: {said}"));
        }
        if pushed.is_full_instead {
            session.warn(format!("a delta was asked for, and the engine made a full; it said: {said}"));
        }
        let catalogue = self.wait_for_wal(&pushed.id, catalogue)?;
        let backups = AppShelf::of(session, self.control, self.bucket, catalogue)?;
        let snapshot = backups.resolve(pushed.id.as_str())?.clone();
        let backup =
            backups.backup(&snapshot).ok_or_else(|| CliError::NoSnapshot(snapshot.id.to_string()))?;
        let mut reader = Prover::new(session, self.bucket, &backups);
        let total = reader.bytes(backup, Level::Checksum);
        let must_stop = || reins.must_stop();
        let (mode, interrupts) = (session.progress(), &session.world.interrupts);
        let mut proved = metered(mode, "reading back", total, interrupts, Some(&must_stop), |meter| {
            reader.prove(backup, Level::Checksum, meter)
        })?;
        // That WAL of these names is there does not make it this server's.
        if proved.verification.failure().is_none() {
            proved.verification.checks.extend(reader.wal_is_its_own(backup)?);
        }
        let about = (&snapshot, backup);
        let evidence = write_evidence(session, self.control, origin, about, &proved, Measured::default())?;
        let due = self.due(&backups);
        Ok(Made { snapshot, proved, evidence, plan, due, service: self.server.service.clone() })
    }

    /// What is due next, now that this backup is there; its evidence changes nothing of that. The backup is made: that this
    /// cannot be told is a warning.
    fn due(&self, backups: &AppShelf) -> Vec<DueRow> {
        policy::due_of_app(self.session, &self.bucket.app, backups).unwrap_or_else(|error| {
            let why = message_of(&error);
            self.session.warn(format!("when the next backup is due cannot be told: {why}"));
            Vec::new()
        })
    }

    /// Has the server hand over its WAL, of which a delta is made, and says so where it does not.
    fn hand_over_wal(&self) -> Result<(), CliError> {
        // No more than a quarter of what time is left goes into it.
        let wait = self.reins.at_most(WAL_WAIT * 4) / 4;
        let arrived =
            self.reins.within(WAL_WAIT + ANSWER, |control| self.server.hand_over_wal(wait, control))?;
        self.reins.go_on()?;
        if !arrived {
            self.session.warn("the server's last segment of WAL did not arrive in time".to_owned());
        }
        Ok(())
    }

    /// Has the engine push `expected` bytes or so, none where nobody can say; how it ended, and the last that it said.
    fn push(&self, push: Push, expected: u64) -> Result<(Ending, String), CliError> {
        let clock = &*self.session.world.clock;
        let reins = &self.reins;
        let interrupted = || reins.is_called_off();
        let store = &*self.bucket.store;
        let job = self.server.engine.job(&Call::Push(push));
        let (mode, interrupts) = (self.session.progress(), &self.session.world.interrupts);
        let ended = metered(mode, "pushing, about", expected, interrupts, None, |meter| {
            let before = AtomicU64::new(u64::MAX);
            let look = || {
                let stored = stored_bytes(store)?;
                let before = before.fetch_min(stored, Ordering::Relaxed).min(stored);
                meter.stands_at(stored - before);
                Some(stored)
            };
            meanwhile(clock, COUNT_EVERY, &look, |stored| {
                let watch = Watch::none().interrupted(&interrupted).progress(stored);
                self.server.runner.run(&job, &Control { limits: reins.limits(), watch, clock })
            })
        })?;
        Ok((ended.status, ended.stderr.last_lines(6)))
    }

    /// The backup that this run has made, as it was planned.
    fn arrived(
        &self,
        catalogue: &Bucket,
        plan: &Plan,
        mark: &PushMark,
        before: &BTreeSet<SnapshotId>,
        ending: Ending,
        said: &str,
    ) -> Result<Pushed, CliError> {
        let ordered = Ordered {
            mark,
            before,
            system_identifier: plan.system_identifier,
            timeline: plan.timeline,
            data_directory: &plan.data_directory,
            delta_of: plan.delta_of.as_ref(),
        };
        let found = match ordered.find(catalogue) {
            // wal-g names the directory that it read, with every link in the server's name for it followed.
            Err(NotPushed::OtherDirectory { found, .. })
                if self.leads_to(&plan.data_directory, &found)? =>
            {
                Ordered { data_directory: &found, ..ordered }.find(catalogue)
            }
            found => found,
        };
        found.map_err(|why| CliError::NotPushed {
            engine: self.server.engine.kind().to_string(),
            ending: ending.to_string(),
            why: Box::new(why),
            said: said.to_owned(),
        })
    }

    /// Whether one name of a directory beside the server is another of the same.
    fn leads_to(&self, directory: &Path, other: &Path) -> Result<bool, CliError> {
        let leads = self.reins.within(ANSWER, |control| self.server.resolved(directory, control))?;
        Ok(leads == other)
    }

    /// Waits until the WAL of a new backup is in the archive, but not for long, beginning with what was read just now. What is
    /// missing then is a problem of it.
    fn wait_for_wal(&self, id: &SnapshotId, mut catalogue: Bucket) -> Result<Bucket, CliError> {
        let clock = &*self.session.world.clock;
        let (began, wait) = (clock.monotonic(), self.reins.at_most(WAL_WAIT));
        let [mut pause, longest] = WAL_LOOK;
        loop {
            let waits = catalogue.backup(id).is_some_and(|backup| {
                backup.problems.iter().any(|problem| problem.code == ProblemCode::WalMissing)
            });
            let is_over = clock.monotonic().saturating_sub(began) >= wait;
            self.reins.not_called_off()?;
            if !waits || is_over {
                return Ok(catalogue);
            }
            clock.sleep(pause);
            pause = (pause * 2).min(longest);
            catalogue = self.bucket.read()?;
        }
    }
}

fn ids(bucket: &Bucket) -> BTreeSet<SnapshotId> {
    bucket.backups.iter().map(|backup| backup.id.clone()).collect()
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
