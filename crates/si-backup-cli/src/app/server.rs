use super::{AppEnvironment, containers};
use crate::settings::RunnerSettings;
use crate::{CliError, Session};
use backup_contract::Finding;
use backup_contract::engine::{EngineKind, EngineVersion};
use backup_contract::live::{Receiver, ServerFacts};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walg_driver::engine::{Capabilities, Engine, environment};
use walg_driver::process::{Limits, User, Watch};
use walg_driver::runner::{Control, LocalRunner, Runner, compare_environment};
use walg_driver::wal::Timeline;

/// An app's server, and how commands are run beside it.
pub struct AppServer {
    /// Runs them.
    pub runner: Box<dyn Runner>,
    /// What makes the backups.
    pub engine: Engine,
    /// The data directory, where the settings have it.
    pub pgdata: Option<PathBuf>,
    /// The service that commands run in, where it is one.
    pub service: Option<String>,
    /// What the env file has the engine take for the size of a segment of WAL, in bytes.
    pub segment_size: u64,
}

impl std::fmt::Debug for AppServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppServer").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// What a server says of itself.
#[derive(Debug)]
pub struct Answers {
    /// What the contract asks for.
    pub facts: ServerFacts,
    /// Which cluster it is.
    pub system_identifier: u64,
    /// On which timeline it is.
    pub timeline: Timeline,
    /// Whether there was a checkpoint on that timeline: until then engines take it for the one before.
    pub has_checkpoint: bool,
    /// Its data directory, in its own spelling.
    pub data_directory: PathBuf,
    /// Whether it follows another one.
    pub is_standby: bool,
}

/// One row, its fields apart by `|`: what holds one itself comes last.
///
/// The timeline of the control file is that of the last checkpoint: after a promotion the server is on a later one for minutes.
const QUESTION: &str = "select (select system_identifier from pg_control_system()), \
    (select timeline_id from pg_control_checkpoint()), \
    case when pg_is_in_recovery() then '' else substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) end, \
    pg_is_in_recovery(), current_setting('server_version_num'), \
    current_setting('archive_mode'), current_setting('wal_level'), current_setting('data_checksums'), \
    (select setting::bigint from pg_settings where name = 'archive_timeout'), \
    (select setting::bigint from pg_settings where name = 'wal_segment_size'), \
    coalesce((select setting from pg_settings where name = 'max_slot_wal_keep_size'), ''), \
    (select count(*) from pg_replication_slots where slot_type = 'physical'), \
    (select count(*) from pg_replication_slots where slot_type = 'physical' and active), \
    coalesce((select setting from pg_settings where name = 'archive_library'), '');\n\
    show data_directory;\nshow archive_command;\n";

/// After how long the server is asked again whether a segment was archived: at first, and at most. In a container each
/// question is a container of its own.
const HAND_OVER_LOOK: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(4)];

impl AppServer {
    /// What is needed to work beside the server of an app: here, or in a service of its compose project, of which the one
    /// that is asked for is taken, else the one that the profile or the project's own shape tells.
    ///
    /// # Errors
    /// [`CliError::Walg`] when the engine would not do what the env file says, there is no such user, or the project is not
    /// reached; [`CliError::Usage`] where nothing tells which service is meant.
    pub fn of(
        session: &Session<'_>,
        app: &AppEnvironment<'_>,
        service: Option<&str>,
        control: &Control<'_>,
    ) -> Result<Self, CliError> {
        // Also where the engine reads its settings elsewhere: they are compared with these.
        let variables = environment(&app.get())?;
        let engine = engine(session, app);
        let segment_size =
            app.plain("WALG_PG_WAL_SIZE").and_then(|mib| mib.parse().ok()).unwrap_or(16_u64) << 20;
        let (RunnerSettings::Local { pgdata, run_as }, None) = (&app.settings.runner, service) else {
            let (runner, service) = containers::in_service(session, app, service, control)?;
            return Ok(Self { runner, engine, pgdata: None, service: Some(service), segment_size });
        };
        let runner = LocalRunner::new(pgdata, variables);
        let runner = match run_as {
            Some(name) => runner.run_as(User::find(name, &*session.world.clock)?),
            None => runner,
        };
        let (runner, pgdata) = (Box::new(runner), Some(pgdata.clone()));
        Ok(Self { runner, engine, pgdata, service: None, segment_size })
    }

    /// The version of an engine that is in a service, and not with this program, and of every wal-g: also that it is there at
    /// all.
    ///
    /// # Errors
    /// [`CliError::Walg`] where it cannot be started, or does not tell its version.
    pub fn engine_version(&self, control: &Control<'_>) -> Result<Option<EngineVersion>, CliError> {
        // What is known to go wrong in the others does not depend on their version.
        if self.service.is_none() && self.engine.kind() != EngineKind::WalG {
            return Ok(None);
        }
        Ok(Some(self.engine.version(&*self.runner, control)?))
    }

    /// What the engine can do, and what is known to go wrong in the version that there is.
    ///
    /// # Errors
    /// [`CliError::Walg`] where it cannot be started, or does not tell its version.
    pub fn engine_there(&self, control: &Control<'_>) -> Result<Capabilities, CliError> {
        Ok(self.engine.capabilities(self.engine.version(&*self.runner, control)?))
    }

    /// What of the service's own environment is not as the env file says; nothing where jobs are given the latter.
    ///
    /// # Errors
    /// [`CliError::Walg`] where it cannot be compared.
    pub fn compare_environment(
        &self,
        app: &AppEnvironment<'_>,
        control: &Control<'_>,
    ) -> Result<Vec<Finding>, CliError> {
        let Some(service) = &self.service else { return Ok(Vec::new()) };
        Ok(compare_environment(&*self.runner, service, app.file(), control)?)
    }

    /// Asks the server what it is.
    ///
    /// # Errors
    /// [`CliError::Walg`] when it cannot be reached, or answers otherwise than every server does.
    pub fn ask(
        &self,
        name: String,
        backed_up_systems: BTreeSet<u64>,
        control: &Control<'_>,
    ) -> Result<Answers, CliError> {
        let said = self.runner.sql(QUESTION, control)?;
        let odd =
            || CliError::Walg(walg_driver::Error::Sql("its answer is not what every server says".into()));
        let (row, rest) = said.split_once('\n').ok_or_else(odd)?;
        let (data_directory, archive_command) = rest.split_once('\n').ok_or_else(odd)?;
        let fields: Vec<&str> = row.split('|').collect();
        let [
            system,
            of_checkpoint,
            of_wal,
            standby,
            version,
            archive_mode,
            wal_level,
            checksums,
            timeout,
            segment_size,
            keep,
            slots,
            active,
            library,
        ] = fields[..]
        else {
            return Err(odd());
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| odd());
        let system_identifier = number(system)?;
        let receiver = match (number(slots)?, number(active)?) {
            (0, _) => Receiver::Absent,
            (_, 0) => Receiver::Idle,
            _ => Receiver::Active,
        };
        let of_checkpoint = Timeline(of_checkpoint.parse().map_err(|_| odd())?);
        let timeline = match of_wal {
            "" => of_checkpoint,
            digits => Timeline(u32::from_str_radix(digits, 16).map_err(|_| odd())?),
        };
        Ok(Answers {
            system_identifier,
            timeline,
            has_checkpoint: timeline == of_checkpoint,
            data_directory: PathBuf::from(data_directory),
            is_standby: standby == "t",
            facts: ServerFacts {
                name,
                archive_mode: Some(archive_mode.to_owned()),
                archive_command: Some(archive_command.trim_end_matches('\n').to_owned()),
                archive_library: Some(library.to_owned()),
                wal_level: Some(wal_level.to_owned()),
                archive_timeout: Some(Duration::from_secs(number(timeout)?)),
                max_slot_wal_keep_size: keep.parse().ok(),
                data_checksums: Some(checksums == "on"),
                wal_segment_size: Some(number(segment_size)?),
                engine_segment_size: Some(self.segment_size),
                version_num: version.parse().ok(),
                system_identifier: Some(system_identifier),
                receiver: Some(receiver),
                backed_up_systems: Some(backed_up_systems),
            },
        })
    }
}

impl AppServer {
    /// Makes sure that what an engine would read here is what the server works in, which is in `data_directory` by its own
    /// account.
    ///
    /// # Errors
    /// [`CliError::Walg`] when it is not, or the server is a standby.
    pub fn works_in(&self, data_directory: &Path, control: &Control<'_>) -> Result<(), CliError> {
        if let Some(pgdata) = self.pgdata.as_ref().filter(|pgdata| *pgdata != data_directory) {
            return Err(CliError::Walg(walg_driver::Error::OtherDirectory {
                path: pgdata.clone(),
                why: format!("that works in {}", data_directory.display()),
            }));
        }
        Ok(walg_driver::works_in(&*self.runner, data_directory, control)?)
    }

    /// Where a directory leads beside the server, with every link followed.
    ///
    /// # Errors
    /// [`CliError::Walg`] when that cannot be seen.
    pub fn resolved(&self, directory: &Path, control: &Control<'_>) -> Result<PathBuf, CliError> {
        Ok(walg_driver::resolved(&*self.runner, directory, control)?)
    }

    /// Has the server write a record into its WAL that changes nothing: where there is none since the last one ended, no segment
    /// would be.
    ///
    /// # Errors
    /// [`CliError::Walg`] when the server cannot be asked.
    pub fn write_wal(&self, control: &Control<'_>) -> Result<(), CliError> {
        self.runner.sql("select pg_logical_emit_message(false, 'si-backup', 'doctor');\n", control)?;
        Ok(())
    }

    /// Has the server end its segment of WAL; its name.
    ///
    /// # Errors
    /// [`CliError::Walg`] when the server cannot be asked.
    pub fn end_segment(&self, control: &Control<'_>) -> Result<String, CliError> {
        let name = self.runner.sql("select pg_walfile_name(pg_switch_wal());\n", control)?;
        Ok(name.trim().to_owned())
    }

    /// Has the server write a checkpoint.
    ///
    /// # Errors
    /// [`CliError::Walg`] when the server cannot be asked, or its user may not.
    pub fn checkpoint(&self, control: &Control<'_>) -> Result<(), CliError> {
        self.runner.sql("checkpoint;\n", control)?;
        Ok(())
    }

    /// Has the server end its segment of WAL and hand it over: an engine makes a delta out of the archive, and a full without
    /// a word when some of that is still on its way. Whether it arrived within `wait`.
    ///
    /// # Errors
    /// [`CliError::Walg`] when the server cannot be asked.
    pub fn hand_over_wal(&self, wait: Duration, control: &Control<'_>) -> Result<bool, CliError> {
        let segment = self.end_segment(control)?;
        let began = control.clock.monotonic();
        let [mut pause, longest] = HAND_OVER_LOOK;
        loop {
            let last = self.runner.sql("select last_archived_wal from pg_stat_archiver;\n", control)?;
            // Names of one timeline are in the order of their segments; a history or a label is longer than a segment's.
            let last = last.trim().get(..24).unwrap_or_default();
            if last >= segment.as_str() {
                return Ok(true);
            }
            if control.clock.monotonic().saturating_sub(began) >= wait || control.watch.is_interrupted() {
                return Ok(false);
            }
            control.clock.sleep(pause);
            pause = (pause * 2).min(longest);
        }
    }
}

/// Has `work` done within `limits`, as long as nobody asks to stop.
pub(crate) fn within<T>(session: &Session<'_>, limits: Limits, work: impl FnOnce(&Control<'_>) -> T) -> T {
    let interrupts = &session.world.interrupts;
    let interrupted = || interrupts.signal().is_some();
    let watch = Watch::none().interrupted(&interrupted);
    work(&Control { limits, watch, clock: &*session.world.clock })
}

/// The engine of an app: linked into this program, or the program that the settings name, or the one of that name.
pub(crate) fn engine(session: &Session<'_>, app: &AppEnvironment<'_>) -> Engine {
    let kind = app.settings.engine_kind();
    let named = app.settings.program.clone();
    let program = match kind {
        // In an image there is a copy of it, where there is one.
        EngineKind::Embedded => match app.settings.runner {
            RunnerSettings::Local { .. } => session.world.program.clone(),
            _ => named.unwrap_or_else(|| PathBuf::from("si-backup")),
        },
        other => named.unwrap_or_else(|| PathBuf::from(other.as_str())),
    };
    Engine::new(kind, program)
}
