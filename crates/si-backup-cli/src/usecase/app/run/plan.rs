use super::reins::Reins;
use crate::args::RunArgs;
use crate::usecase::policy;
use crate::{Answers, AppBucket, AppEnvironment, AppServer, AppShelf, CliError, Session};
use backup_contract::engine::EngineVersion;
use backup_contract::{Finding, Severity, SnapshotId, SnapshotKind};
use std::path::PathBuf;
use std::time::Duration;
use walg_driver::bucket::Backup;
use walg_driver::engine::{Choice, Situation, WhyFull, choose};
use walg_driver::wal::Timeline;

/// How long the server may take to answer.
pub(super) const ANSWER: Duration = Duration::from_mins(2);

/// What is to be made, decided before anything is.
pub(super) struct Plan {
    /// None for a full.
    pub(super) delta_of: Option<SnapshotId>,
    pub(super) why: String,
    pub(super) data_directory: PathBuf,
    pub(super) system_identifier: u64,
    pub(super) timeline: Timeline,
    /// Whether the server archives its WAL itself.
    pub(super) archives: bool,
    /// Whether the server has written a checkpoint on its timeline.
    pub(super) has_checkpoint: bool,
    /// What is not as it should be, and no reason to leave the backup.
    pub(super) findings: Vec<Finding>,
}

impl Plan {
    /// Asks the server, and decides.
    ///
    /// # Errors
    /// Whatever speaks against a backup of this server from this directory.
    pub(super) fn make(
        session: &Session<'_>,
        args: &RunArgs,
        environment: &AppEnvironment<'_>,
        server: &AppServer,
        bucket: &AppBucket,
        shelf: &AppShelf,
        reins: &Reins<'_>,
    ) -> Result<Self, CliError> {
        // One that is not there is told before the server is asked for anything.
        let env = environment.get();
        let version = match reins.within(ANSWER, |control| server.engine_version(control)) {
            // One that was built without its version is run where no version is known to do other than the settings say.
            Err(CliError::Walg(walg_driver::Error::NoEngineVersion(_)))
                if server.service.is_none() && !has_errors(&env.check_version(WORST)) =>
            {
                None
            }
            version => version?,
        };
        let of_version = version.map(|version| env.check_version(version)).unwrap_or_default();
        if has_errors(&of_version) {
            return Err(CliError::ContractFindings {
                app: environment.app.to_string(),
                findings: of_version,
            });
        }
        let differing = reins.within(ANSWER, |control| server.compare_environment(environment, control))?;
        if !differing.is_empty() {
            return Err(CliError::ServerFindings { app: environment.app.to_string(), findings: differing });
        }
        let systems = shelf.bucket.systems();
        let answers = reins
            .within(ANSWER, |control| server.ask(format!("app {}", environment.app), systems, control))?;
        // What a standby says of its archive is not what is wrong with it.
        if answers.is_standby {
            return Err(walg_driver::Error::Standby.into());
        }
        let findings = answers.facts.check().findings;
        let (errors, findings): (Vec<_>, Vec<_>) =
            findings.into_iter().chain(of_version).partition(|finding| finding.severity == Severity::Error);
        if !errors.is_empty() {
            return Err(CliError::ServerFindings { app: environment.app.to_string(), findings: errors });
        }
        reins.within(ANSWER, |control| server.works_in(&answers.data_directory, control))?;
        let (delta_of, why) = kind(session, args, bucket, shelf, &answers)?;
        let archives = answers.facts.archive_mode.as_deref().is_some_and(|mode| mode != "off");
        Ok(Self {
            delta_of,
            why,
            data_directory: answers.data_directory,
            system_identifier: answers.system_identifier,
            timeline: answers.timeline,
            archives,
            has_checkpoint: answers.has_checkpoint,
            findings,
        })
    }

    /// What it may come to in the bucket: what the newest of its kind did; 0 where there is none.
    pub(super) fn expected_bytes(&self, backups: &AppShelf) -> u64 {
        let alike = backups.snapshots().iter().rev().find(|snapshot| snapshot.kind == self.kind());
        alike.map_or(0, |snapshot| snapshot.bytes)
    }

    pub(super) const fn kind(&self) -> SnapshotKind {
        if self.delta_of.is_some() { SnapshotKind::Delta } else { SnapshotKind::Full }
    }
}

/// The version with the most faults that an env file can run into.
const WORST: EngineVersion = EngineVersion::new(3, 0, 0);

fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Full or delta, and why.
fn kind(
    session: &Session<'_>,
    args: &RunArgs,
    bucket: &AppBucket,
    shelf: &AppShelf,
    answers: &Answers,
) -> Result<(Option<SnapshotId>, String), CliError> {
    let settings = session.context_settings()?;
    let schedule = policy::schedule(settings)?;
    let (rhythm, zone, now) = (schedule.of(shelf.subject()).full, schedule.zone(), session.now());
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
    Ok(match choice {
        Choice::Full(why) => (None, why.to_string()),
        Choice::Delta(full) if !bucket.opens(full)? => (None, WhyFull::OtherKey.to_string()),
        Choice::Delta(full) => (Some(full.id.clone()), format!("{} can be counted on", full.id)),
    })
}
