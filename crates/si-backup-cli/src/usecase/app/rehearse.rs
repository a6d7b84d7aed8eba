use super::prove::{AT_ONCE, Accused, Proved, told_step};
use super::tables;
use crate::app::{containers, server, wal_get};
use crate::report::message_of;
use crate::settings::{RehearsalKind, RunnerSettings, SettingsError};
use crate::usecase::prove::{Measured, Verification, millis};
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, HomeLock, Meter, Session};
use backup_contract::environment::BucketKey;
use backup_contract::{Checksum, Level, Snapshot, SnapshotId, same_host};
use chrono::TimeDelta;
use paas_state::Watch as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walg_driver::engine::Unpacker;
use walg_driver::mirror::free_bytes;
use walg_driver::process::{Limits as ChildLimits, User, Variables, Watch};
use walg_driver::runner::Control;
use walg_driver::scratch::{
    AppCheck, Docker, Image, Limits, Network, Point, Restore, RestoreCommand, ScratchReport, ScratchRequest,
    Target, verify_by_restore,
};
use walg_driver::verify::Fingerprint;

/// How long things may take: what stands still is found by its own limit, these are for what never ends.
pub(super) const LIMITS: Limits = Limits {
    recovery: Duration::from_hours(12),
    question: Duration::from_mins(30),
    reading: Duration::from_hours(12),
};

/// How much WAL may wait decoded for a scratch server: what is beyond is decoded as it is asked for, so that an archive of weeks
/// does not fill the disk.
const WAL_AHEAD: u64 = 4 << 30;

/// A verification by restore, and what it measured.
pub(super) struct Rehearsed {
    pub(super) proved: Proved,
    pub(super) measured: Measured,
    pub(super) notes: Vec<String>,
}

/// Restores a backup into a scratch server on this host, in a container or not, asks it, and throws it away.
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
    let _alone = place.alone(session, app)?;
    let key = readable_key(app, &snapshot.id)?;
    let interrupted = || meter.stop();
    let unpacker = unpacker(session, app, &key, place.user.as_ref(), &interrupted);
    let asked = Asked::of(app);
    let superuser = app.plain("PGUSER").unwrap_or_else(|| "postgres".into());
    let report = verify_by_restore(&ScratchRequest {
        restore: Restore {
            store: &*bucket.store,
            root: &bucket.root,
            cipher: &bucket.cipher,
            bucket: &shelf.bucket,
            backup: &snapshot.id,
            recorded: known,
            target: &Target::new(Point::Reachable),
            engine: &unpacker,
            server_dirs: &place.server_dirs,
            user: place.user.as_ref(),
            threads: AT_ONCE,
            free: &free_bytes,
            clock,
            watch: &|step| told_step(meter, step),
        },
        mirror: &place.objects(),
        place: &place.scratch,
        restore_command: &|mirror, segments| RestoreCommand {
            program: session.world.program.clone(),
            args: vec!["wal-get".into()],
            environment: wal_get::environment(mirror.prefix(), &key, segments),
        },
        wal_ahead: WAL_AHEAD,
        image: place.image.as_ref(),
        network: Network::OwnIfAllowed,
        superuser: &superuser,
        preload: &[],
        app_checks: &asked.checks,
        limits: LIMITS,
    })?;
    // What was fetched was for this once: the disk is wanted for the next one.
    if let Err(error) = remove(&place.objects()) {
        session.warn(format!("what was fetched stays: {}", message_of(&error)));
    }
    let took = clock.monotonic().saturating_sub(began);
    let finished_at = started_at + TimeDelta::from_std(took).unwrap_or_default();
    let bases = changed_bases(&report, &snapshot.id, known);
    let found =
        report.fingerprints.iter().find(|(id, _)| *id == snapshot.id).map(|(_, found)| found.checksum);
    // A delta is recognised together with what it is a delta of: where that was changed, nobody can say by what it goes.
    let found = found.filter(|_| bases.is_empty());
    let checksum = known.get(&snapshot.id).copied().or(found);
    let is_changed = report.checks.iter().any(|check| check.name == "fingerprint" && !check.ok);
    let level = if is_changed { Level::Checksum } else { Level::Restore };
    let checks = report.checks.clone();
    let fewer = tables::since_last(shelf, &report.tables);
    let passed = checks.iter().all(|check| check.ok);
    let loss = report.data_loss(started_at).and_then(|loss| u64::try_from(loss.num_seconds()).ok());
    Ok(Rehearsed {
        measured: Measured {
            recovery_seconds: passed.then(|| millis(took).div_ceil(1000)),
            data_loss_seconds: loss.filter(|_| passed),
            details: details_of(&report),
        },
        notes: report.notes.into_iter().chain(asked.notes).chain(fewer).collect(),
        proved: Proved {
            verification: Verification { level, checks, started_at, finished_at, accounted: None },
            checksum,
            segments: report.segments,
            bases,
        },
    })
}

/// The key of an app's bucket, where its WAL can be read with it here. What else it may be encrypted with is known to its
/// engine alone, and to try without would accuse a good backup.
pub(super) fn readable_key(app: &AppEnvironment<'_>, id: &SnapshotId) -> Result<BucketKey, CliError> {
    match app.get().bucket_key()? {
        BucketKey::EngineOnly => Err(walg_driver::Error::NotReadable(id.clone()).into()),
        key => Ok(key),
    }
}

/// What unpacks: the app's engine, as the user that the server will run as, with the key by its value. The file that it may
/// lie in is not for that user to read.
pub(super) fn unpacker<'a>(
    session: &'a Session<'_>,
    app: &AppEnvironment<'_>,
    key: &BucketKey,
    user: Option<&User>,
    interrupted: &'a (dyn Fn() -> bool + Sync),
) -> Unpacker<'a> {
    let watch = Watch::none().interrupted(interrupted);
    let limits = ChildLimits::default().total(LIMITS.reading);
    let control = Control { limits, watch, clock: &*session.world.clock };
    let keys = match key {
        BucketKey::Sodium(bytes) => Variables::new()
            .secret("WALG_LIBSODIUM_KEY", bytes.to_hex().expose())
            .plain("WALG_LIBSODIUM_KEY_TRANSFORM", "hex"),
        BucketKey::None | BucketKey::EngineOnly => Variables::new(),
    };
    let unpacker = Unpacker::new(server::engine(session, app), control).keys(&keys);
    match user {
        Some(user) => unpacker.run_as(user.clone()),
        None => unpacker,
    }
}

/// What the app wants to be asked in a rehearsal, and of what of that only a restore asks.
struct Asked {
    checks: Vec<AppCheck>,
    notes: Vec<String>,
}

impl Asked {
    fn of(app: &AppEnvironment<'_>) -> Self {
        let database = app.plain("PGDATABASE").unwrap_or_else(|| "postgres".into());
        let mut asked = Self { checks: Vec::new(), notes: Vec::new() };
        for check in app.settings.checks.iter().filter(|check| check.when.is_rehearsed()) {
            let name = check.name.clone();
            match check.sql.clone() {
                Some(sql) => asked.checks.push(AppCheck { name, database: database.clone(), sql }),
                None => asked.notes.push(format!(
                    "the check '{name}' is no SQL: nothing but SQL is asked of a scratch server"
                )),
            }
        }
        asked
    }
}

/// Of what the backup is a delta of, what has other bytes than were recorded.
fn changed_bases(
    report: &ScratchReport,
    id: &SnapshotId,
    known: &BTreeMap<SnapshotId, Checksum>,
) -> Vec<Accused> {
    let Some(check) = report.checks.iter().find(|check| check.name == "fingerprint" && !check.ok) else {
        return Vec::new();
    };
    let is_changed = |(base, found): &&(SnapshotId, Fingerprint)| {
        base != id && known.get(base).is_some_and(|recorded| *recorded != found.checksum)
    };
    // Those that hang on it are other than they were too: it is the first that tells.
    let first = report.fingerprints.iter().find(is_changed);
    first.map(|(base, _)| Accused::of(Level::Checksum, base, check)).into_iter().collect()
}

fn details_of(report: &ScratchReport) -> Map<String, Value> {
    let told = json!({
        "server": report.server_version,
        "reached": report.reached.map(|lsn| lsn.to_string()),
        "timeline": report.timeline.map(|timeline| timeline.0),
        "newest_commit": report.newest_commit,
        "image": report.image.as_ref().map(|image| json!({ "name": image.name, "id": image.id })),
        "own_network": report.has_own_network,
        "unpack_seconds": report.unpack_seconds,
        "recovery_seconds": report.recovery_seconds,
        "tables": tables::told(&report.tables),
        "notes": report.notes,
    });
    Map::from_iter([("restore".to_owned(), told)])
}

/// Where a backup is restored to be tried.
struct Place {
    /// What is fetched of the app, and the lock of whoever does.
    mirror: PathBuf,
    scratch: PathBuf,
    server_dirs: Vec<PathBuf>,
    /// In whose containers the server runs; on this host where there is none.
    image: Option<Image>,
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
        refuse_here(session, app, &settings.host)?;
        let image = match (settings.kind, &settings.image) {
            (RehearsalKind::Local, _) => None,
            (RehearsalKind::Container, Some(name)) => {
                Some(Image { name: name.clone(), docker: Docker::new("docker", containers::client(session)) })
            }
            (RehearsalKind::Container, None) => return Err(incomplete_image(session, app).into()),
        };
        let Some(dir) = &settings.dir else { return Err(incomplete("rehearsal.dir").into()) };
        let dir = session.expand(dir)?;
        let user = server_user(session, app, settings.run_as.as_deref())?;
        // The server refuses to run as root.
        if user.is_none() && rustix::process::geteuid().is_root() {
            return Err(incomplete("rehearsal.run_as, and PostgreSQL does not run as root").into());
        }
        let mirrors = dir.join("mirror");
        let of_context = mirrors.join(session.context.as_str());
        let place = Self {
            mirror: of_context.join(app.app.as_str()),
            scratch: dir.join("scratch"),
            server_dirs: settings.bin_dir.iter().cloned().collect(),
            image,
            user,
        };
        // Others go through, and see nothing: what lies below is for the server's user alone.
        for dir in [&dir, &mirrors, &of_context, &place.mirror, &place.scratch] {
            make(dir)?;
        }
        Ok(place)
    }

    fn objects(&self) -> PathBuf {
        self.mirror.join("objects")
    }

    /// Keeps others from fetching and removing the same objects meanwhile.
    fn alone(&self, session: &Session<'_>, app: &AppEnvironment<'_>) -> Result<HomeLock, CliError> {
        let wait = session.global.lock_wait.unwrap_or_default();
        let held = HomeLock::take(&self.mirror.join("lock"), wait, session.world)?;
        held.ok_or_else(|| CliError::Verifying(app.app.to_string()))
    }
}

/// That an image is missing, which the app's own server has the name of.
fn incomplete_image(session: &Session<'_>, app: &AppEnvironment<'_>) -> SettingsError {
    SettingsError::Incomplete {
        context: session.context.to_string(),
        what: "rehearsal.image: the image that the app's own server runs in",
        example: format!(
            "rehearsal = {{ host = \"{}\", kind = \"container\", image = \"supabase/postgres:15.8.1.060\", dir = \"/var/lib/si-backup/scratch\", run_as = \"postgres\" }} in [contexts.{}.apps.{}]",
            session.world.host, session.context, app.app
        ),
    }
}

/// As whom a copy of the app's database is unpacked and served: as is named, or as its server runs here.
pub(super) fn server_user(
    session: &Session<'_>,
    app: &AppEnvironment<'_>,
    named: Option<&str>,
) -> Result<Option<User>, CliError> {
    let own = match &app.settings.runner {
        RunnerSettings::Local { run_as, .. } => run_as.as_deref(),
        RunnerSettings::Compose { .. } | RunnerSettings::Ssh { .. } => None,
    };
    let name = named.or(own);
    Ok(name.map(|name| User::find(name, &*session.world.clock)).transpose()?)
}

/// Where the context is production, its server is beside it here, and its settings name another host for rehearsals, none is
/// made here: it would take the production's disk and processors, and would not count.
fn refuse_here(session: &Session<'_>, app: &AppEnvironment<'_>, host: &str) -> Result<(), CliError> {
    let is_beside_its_server = !matches!(app.settings.runner, RunnerSettings::Ssh { .. });
    let is_production = session.context_settings()?.production;
    if !is_production || !is_beside_its_server || same_host(host, &session.world.host) {
        return Ok(());
    }
    Err(CliError::usage(
        format!(
            "app '{}' runs in production on this host, and its backups are rehearsed on '{host}'",
            app.app
        ),
        format!("run it on '{host}'; here '--level content' reads the backup without restoring it"),
    ))
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
