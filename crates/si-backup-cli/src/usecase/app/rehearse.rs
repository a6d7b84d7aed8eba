use super::prove::{AT_ONCE, Proved, told};
use crate::app::{server, wal_get};
use crate::settings::{RunnerSettings, SettingsError};
use crate::usecase::prove::{Measured, Verification, millis};
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Meter, Session};
use backup_contract::{CheckResult, Checksum, Level, Snapshot, SnapshotId};
use chrono::TimeDelta;
use paas_state::Watch as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walg_driver::engine::{Unpacker, environment};
use walg_driver::mirror::free_bytes;
use walg_driver::process::{Limits as ChildLimits, User, Watch};
use walg_driver::runner::Control;
use walg_driver::scratch::{
    AppCheck, Limits, Network, Point, RestoreCommand, ScratchReport, ScratchRequest, Step, Target,
    verify_by_restore,
};

/// How long things may take: what stands still is found by its own limit, these are for what never ends.
const LIMITS: Limits = Limits {
    recovery: Duration::from_hours(12),
    question: Duration::from_mins(30),
    reading: Duration::from_hours(12),
};

/// A verification by restore, and what it measured.
pub(super) struct Rehearsed {
    pub(super) proved: Proved,
    pub(super) measured: Measured,
    pub(super) notes: Vec<String>,
}

/// Restores a backup into a scratch server on this host, asks it, and throws it away.
///
/// # Errors
/// What kept the restore from being tried, which says nothing about the backup.
pub(super) fn rehearse(
    session: &Session<'_>,
    app: &AppEnvironment<'_>,
    bucket: &AppBucket,
    shelf: &AppShelf,
    snapshot: &Snapshot,
    known: &BTreeMap<SnapshotId, Checksum>,
    meter: &Meter<'_>,
) -> Result<Rehearsed, CliError> {
    let clock = &*session.world.clock;
    let (began, started_at) = (clock.monotonic(), session.now());
    let place = Place::of(session, app)?;
    let interrupted = || meter.stop();
    let watch = Watch::none().interrupted(&interrupted);
    // As who we are: mirror and copy become the server's user's own once they have been looked over.
    let engine = Unpacker::new(
        server::engine(session, app),
        Control { limits: ChildLimits::default().stall(LIMITS.reading), watch, clock },
    )
    .keys(&environment(&app.get())?);
    let key = app.get().bucket_key()?;
    let checks = app_checks(app);
    let superuser = app.plain("PGUSER").unwrap_or_else(|| "postgres".into());
    let report = verify_by_restore(&ScratchRequest {
        store: &*bucket.store,
        root: &bucket.root,
        bucket: &shelf.bucket,
        backup: &snapshot.id,
        target: &Target::new(Point::End),
        mirror: &place.mirror,
        place: &place.scratch,
        engine: &engine,
        restore_command: &|mirror, segments| RestoreCommand {
            program: session.world.program.clone(),
            args: vec!["wal-get".into()],
            environment: wal_get::environment(mirror.prefix(), &key, segments),
        },
        server_dirs: &place.server_dirs,
        user: place.user.as_ref(),
        network: Network::OwnIfAllowed,
        superuser: &superuser,
        preload: &[],
        app_checks: &checks,
        threads: AT_ONCE,
        free: &free_bytes,
        clock,
        limits: LIMITS,
        watch: &|step| told(meter, if let Step::Fetching { bytes, .. } = step { bytes } else { 0 }),
    })?;
    // What was fetched was for this once: the disk is wanted for the next one.
    remove(&place.mirror)?;
    let took = clock.monotonic().saturating_sub(began);
    let finished_at = started_at + TimeDelta::from_std(took).unwrap_or_default();
    let (checksum, fingerprint) = held_against(&report, snapshot, known);
    let level = if fingerprint.ok { Level::Restore } else { Level::Checksum };
    let mut checks = vec![fingerprint];
    checks.extend(report.checks.iter().cloned());
    let passed = checks.iter().all(|check| check.ok);
    let loss = report.data_loss(finished_at).and_then(|loss| u64::try_from(loss.num_seconds()).ok());
    Ok(Rehearsed {
        measured: Measured {
            recovery_seconds: passed.then(|| millis(took).div_ceil(1000)),
            data_loss_seconds: loss.filter(|_| passed),
            details: details_of(&report),
        },
        notes: report.notes,
        proved: Proved {
            verification: Verification { level, checks, started_at, finished_at, accounted: None },
            checksum,
            segments: Vec::new(),
            bases: Vec::new(),
        },
    })
}

/// The fingerprints of the bytes that were unpacked, held against those that were recorded.
fn held_against(
    report: &ScratchReport,
    snapshot: &Snapshot,
    known: &BTreeMap<SnapshotId, Checksum>,
) -> (Option<Checksum>, CheckResult) {
    let other = report.fingerprints.iter().find_map(|(id, found)| {
        let recorded = known.get(id).filter(|recorded| **recorded != found.checksum)?;
        Some(format!(
            "the fingerprint of '{id}' is {}, and {recorded} was recorded: it was changed",
            found.checksum
        ))
    });
    let ok = other.is_none();
    let detail = other.unwrap_or_else(|| {
        let links = report.fingerprints.len();
        format!("of the very bytes that were unpacked, {links} in the chain, as far as they were recorded")
    });
    let found =
        report.fingerprints.iter().find(|(id, _)| *id == snapshot.id).map(|(_, found)| found.checksum);
    let checksum = known.get(&snapshot.id).copied().or(found);
    (checksum, CheckResult { name: "fingerprint".into(), ok, detail, duration_ms: 0 })
}

/// What the app wants to be asked, of what is asked in a rehearsal.
fn app_checks(app: &AppEnvironment<'_>) -> Vec<AppCheck> {
    let database = app.plain("PGDATABASE").unwrap_or_else(|| "postgres".into());
    let asked =
        app.settings.checks.iter().filter(|check| ["rehearsal", "both"].contains(&check.when.as_str()));
    asked
        .filter_map(|check| {
            let sql = check.sql.clone()?;
            Some(AppCheck { name: check.name.clone(), database: database.clone(), sql })
        })
        .collect()
}

fn details_of(report: &ScratchReport) -> Map<String, Value> {
    let tables: Vec<_> = report
        .tables
        .iter()
        .map(|table| json!({ "database": table.database, "table": table.table, "rows": table.rows }))
        .collect();
    let told = json!({
        "server": report.server_version,
        "reached": report.reached.map(|lsn| lsn.to_string()),
        "timeline": report.timeline.map(|timeline| timeline.0),
        "newest_commit": report.newest_commit,
        "own_network": report.has_own_network,
        "unpack_seconds": report.unpack_seconds,
        "recovery_seconds": report.recovery_seconds,
        "tables": tables,
        "notes": report.notes,
    });
    Map::from_iter([("restore".to_owned(), told)])
}

/// Where a backup is restored to be tried.
struct Place {
    mirror: PathBuf,
    scratch: PathBuf,
    server_dirs: Vec<PathBuf>,
    user: Option<User>,
}

impl Place {
    fn of(session: &Session<'_>, app: &AppEnvironment<'_>) -> Result<Self, CliError> {
        let incomplete = |what| SettingsError::Incomplete {
            context: session.context.to_string(),
            what,
            example: format!(
                "rehearsal = {{ host = \"{}\", kind = \"local\", dir = \"/var/lib/si-backup/scratch\", run_as = \"postgres\" }} in [contexts.{}.apps.{}]",
                session.world.host, session.context, app.app
            ),
        };
        let Some(settings) = &app.settings.rehearsal else {
            return Err(
                incomplete("rehearsal: where a backup of this app may be restored to be tried").into()
            );
        };
        if settings.kind != "local" {
            return Err(CliError::usage(
                "this version restores to be tried with the server programs of the host only",
                "set kind = \"local\" in the app's 'rehearsal', on a host with the server of that version",
            ));
        }
        let Some(dir) = &settings.dir else { return Err(incomplete("rehearsal.dir").into()) };
        let dir = session.expand(dir)?;
        let own = match &app.settings.runner {
            RunnerSettings::Local { run_as, .. } => run_as.clone(),
            RunnerSettings::Compose { .. } | RunnerSettings::Ssh { .. } => None,
        };
        let name = settings.run_as.clone().or(own);
        let user = match name {
            Some(name) => Some(User::find(&name, &*session.world.clock)?),
            // The server refuses to run as root.
            None if rustix::process::geteuid().is_root() => {
                return Err(incomplete("rehearsal.run_as, and PostgreSQL does not run as root").into());
            }
            None => None,
        };
        let place = Self {
            mirror: dir.join("mirror").join(format!("{}-{}", session.context, app.app)),
            scratch: dir.join("scratch"),
            server_dirs: settings.bin_dir.iter().cloned().collect(),
            user,
        };
        // Others go through, and see nothing: what lies below is for the server's user alone.
        for dir in [&dir, &dir.join("mirror"), &place.scratch] {
            make(dir)?;
        }
        Ok(place)
    }
}

fn make(dir: &Path) -> Result<(), CliError> {
    let failed = |source| CliError::Io { operation: "create", path: dir.to_owned(), source };
    match fs::create_dir_all(dir.parent().unwrap_or(dir)).and_then(|()| fs::create_dir(dir)) {
        Ok(()) => fs::set_permissions(dir, Permissions::from_mode(0o711)).map_err(failed),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed(e)),
    }
}

fn remove(dir: &Path) -> Result<(), CliError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(CliError::Io { operation: "remove", path: dir.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}
