//! What every test of this program stands on: a bucket, places to write, a server, a restore command.

use crate::support::fixture;
use backup_contract::{CheckResult, Checksum, SnapshotId};
use backup_store::{Clock, DirStore};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use walg_driver::bucket::{Bucket, Root};
use walg_driver::engine::Unpack;
use walg_driver::mirror::free_bytes;
use walg_driver::process::{User, Variables};
use walg_driver::scratch::{
    AppCheck, ExtractRequest, Extracted, Image, Limits, Network, Programs, Restore, RestoreCommand,
    ScratchReport, ScratchRequest, Step, Target, extract, verify_by_restore,
};
use walg_driver::wal::SegmentSize;
use walg_driver::{Cipher, Result, Segments, SodiumKey, WalSource, wal_get};

/// The rows at the end of the archive, in the second backup, and in the first.
pub(crate) const AT_THE_END: &str = "count(*) = 3000 AND sum(qty) = 9298 AND md5(string_agg(id||':'||item||':'||qty, ',' ORDER BY id)) = '9185d866527c2c454fd89f26d6711913'";
pub(crate) const IN_THE_SECOND: &str = "count(*) = 3000 AND sum(qty) = 8998 AND md5(string_agg(id||':'||item||':'||qty, ',' ORDER BY id)) = 'ba2139f84b03bffc25e3a2ac5e931240'";
pub(crate) const IN_THE_FIRST: &str = "count(*) = 2000";

/// Whether the parts of these tests are here.
pub(crate) fn parts() -> std::result::Result<(), String> {
    Programs::find(15, &Programs::usual_places(15)).map_err(|e| e.to_string())?;
    if rustix::process::geteuid().is_root() && user().is_none() {
        return Err("there is no user 'postgres'".into());
    }
    Ok(())
}

/// As whom the server runs.
pub(crate) fn user() -> Option<User> {
    rustix::process::geteuid().is_root().then(|| User::find("postgres", &Boot::new()).ok())?
}

#[derive(Debug)]
pub(crate) struct Boot(Instant);

impl Boot {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Boot {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The key of the fixture `sodium`.
pub(crate) fn cipher(name: &str) -> Cipher {
    match name {
        "sodium" => Cipher::Sodium(SodiumKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))),
        _ => Cipher::None,
    }
}

/// `wal-get PREFIX CIPHER SYSTEM LAST NAME PATH`: what is behind the segment LAST is told to be absent; with a `!` before
/// it, whether LAST itself is there is not known.
pub(crate) fn wal_get_here(args: &[String]) -> ExitCode {
    let [prefix, name_of_cipher, system, last, name, path] = args else { return ExitCode::from(127) };
    if !last.starts_with('!') && name.as_str() > last.as_str() && name.len() == 24 {
        return ExitCode::from(1);
    }
    if last.strip_prefix('!') == Some(name) {
        return ExitCode::from(126);
    }
    let (store, root) = (DirStore::open(prefix).unwrap(), Root::default());
    let source = WalSource { store: &store, root: &root, cipher: &cipher(name_of_cipher) };
    let segments = Segments { size: SegmentSize::DEFAULT, system_identifier: system.parse().ok() };
    ExitCode::from(wal_get(&[source], name, Path::new(path), segments).exit_code())
}

/// A bucket and the places of a verification.
pub(crate) struct Stage {
    pub(crate) bucket: TempDir,
    pub(crate) home: TempDir,
    pub(crate) fixture: &'static str,
    pub(crate) target: Target,
    pub(crate) index: usize,
    pub(crate) app_checks: Vec<AppCheck>,
    pub(crate) server_dirs: Vec<PathBuf>,
    pub(crate) free: Option<u64>,
    /// The last segment that the restore command knows of.
    pub(crate) last: String,
    pub(crate) superuser: &'static str,
    pub(crate) recovery: Duration,
    /// At which step it is interrupted.
    pub(crate) interrupted: Option<Step>,
    /// How many bytes of WAL are decoded before they are asked for.
    pub(crate) wal_ahead: u64,
    /// Instead of this program.
    pub(crate) restore_command: Option<RestoreCommand>,
    /// The fixture whose key is given.
    pub(crate) cipher: &'static str,
    /// In whose containers the server runs.
    pub(crate) image: Option<Image>,
    /// Instead of a place of its own.
    pub(crate) elsewhere: Option<PathBuf>,
    /// How many scratch directories are left there afterwards.
    pub(crate) keeps: usize,
    /// What was recorded of the chain before.
    pub(crate) recorded: BTreeMap<SnapshotId, Checksum>,
}

impl Stage {
    /// A stage over a fixture; with no name, over an empty bucket.
    pub(crate) fn new(name: &'static str, index: usize, target: Target) -> Self {
        let home = tempfile::tempdir().unwrap();
        // The user of the server comes through it.
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let program = home.path().join("wal-get");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let place = home.path().join("place");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
        Self {
            bucket: if name.is_empty() { tempfile::tempdir().unwrap() } else { fixture(name) },
            home,
            fixture: name,
            target,
            index,
            app_checks: Vec::new(),
            server_dirs: Vec::new(),
            free: None,
            last: "F".repeat(24),
            superuser: "postgres",
            recovery: Duration::from_mins(2),
            interrupted: None,
            wal_ahead: 0,
            restore_command: None,
            cipher: name,
            image: None,
            elsewhere: None,
            keeps: 0,
            recorded: BTreeMap::new(),
        }
    }

    /// A question about `orders`, and whether the table of after the last backup is there.
    pub(crate) fn expecting(mut self, orders: &str, after_last_backup: bool) -> Self {
        let mut add = |name: &str, sql: String| {
            self.app_checks.push(AppCheck { name: name.into(), database: "postgres".into(), sql });
        };
        add("orders", format!("SELECT {orders}\nFROM orders"));
        let is = if after_last_backup { "IS NOT NULL" } else { "IS NULL" };
        add("after-last-backup", format!("SELECT to_regclass('after_last_backup') {is}"));
        self
    }

    pub(crate) fn place(&self) -> PathBuf {
        self.elsewhere.clone().unwrap_or_else(|| self.home.path().join("place"))
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.home.path().join("mirror")
    }

    pub(crate) fn catalogue(&self) -> Bucket {
        let store = DirStore::open(self.bucket.path()).unwrap();
        Bucket::read(&store, &Root::default(), &cipher(self.fixture)).unwrap()
    }

    pub(crate) fn verify(&self, engine: &dyn Unpack) -> Result<ScratchReport> {
        self.verify_of(&self.catalogue(), engine)
    }

    /// Does something with a restore of the stage's backup.
    fn restoring<T>(&self, bucket: &Bucket, engine: &dyn Unpack, work: impl FnOnce(Restore<'_>) -> T) -> T {
        let store = DirStore::open(self.bucket.path()).unwrap();
        work(Restore {
            store: &store,
            root: &Root::default(),
            cipher: &cipher(self.cipher),
            bucket,
            backup: &bucket.backups[self.index].id,
            recorded: &self.recorded,
            target: &self.target,
            engine,
            server_dirs: &self.server_dirs,
            user: user().as_ref(),
            threads: 4,
            free: &|path| self.free.map_or_else(|| free_bytes(path), Ok),
            clock: &Boot::new(),
            watch: &|step| {
                if self.interrupted == Some(step) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        })
    }

    fn limits(&self) -> Limits {
        let patience = Duration::from_mins(2);
        Limits { recovery: self.recovery, question: patience, reading: patience }
    }

    /// Unpacks the backup into a directory, ready to be started.
    pub(crate) fn extract(&self, engine: &dyn Unpack, into: &Path) -> Result<Extracted> {
        let limits = self.limits();
        self.restoring(&self.catalogue(), engine, |restore| {
            extract(&ExtractRequest { restore, into, limits })
        })
    }

    /// As a bucket was read before.
    pub(crate) fn verify_of(&self, bucket: &Bucket, engine: &dyn Unpack) -> Result<ScratchReport> {
        let report = self.restoring(bucket, engine, |restore| {
            verify_by_restore(&ScratchRequest {
                restore,
                mirror: &self.mirror(),
                place: &self.place(),
                restore_command: &|mirror, segments| {
                    self.restore_command.clone().unwrap_or_else(|| RestoreCommand {
                        program: self.home.path().join("wal-get"),
                        args: vec![
                            "wal-get".into(),
                            mirror.prefix().into(),
                            self.fixture.into(),
                            segments.system_identifier.unwrap().to_string().into(),
                            self.last.clone().into(),
                        ],
                        environment: Variables::new(),
                    })
                },
                wal_ahead: self.wal_ahead,
                image: self.image.as_ref(),
                network: Network::OwnIfAllowed,
                superuser: self.superuser,
                preload: &["pg_stat_statements".into(), "no_such_library".into()],
                app_checks: &self.app_checks,
                limits: self.limits(),
            })
        });
        let left: Vec<_> = fs::read_dir(self.place()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left.len(), self.keeps, "a scratch directory stays: {left:?}");
        report
    }
}

/// The checks that failed, by name.
pub(crate) fn failed(report: &ScratchReport) -> Vec<&str> {
    report.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect()
}

/// A check by its name.
pub(crate) fn check<'a>(report: &'a ScratchReport, name: &str) -> &'a CheckResult {
    report.checks.iter().find(|check| check.name == name).unwrap()
}

/// Unpacks a full, tar by tar.
pub(crate) struct Tars(pub(crate) &'static str);

impl Unpack for Tars {
    fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()> {
        let parts = mirror.join(format!("basebackups_005/{id}/tar_partitions"));
        for part in fs::read_dir(parts).unwrap() {
            let path = part.unwrap().path();
            let compression = walg_driver::Compression::split(path.to_str().unwrap()).1;
            let plain = cipher(self.0).open(compression, fs::File::open(&path).unwrap()).unwrap();
            let mut archive = tar::Archive::new(plain);
            archive.set_preserve_permissions(true);
            archive.unpack(into).unwrap();
        }
        // As if it had run as that user.
        give(into);
        Ok(())
    }
}

/// Gives everything below a directory to the server's user.
fn give(dir: &Path) {
    let Some(user) = user() else { return };
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        lchown(entry.path(), Some(user.uid()), Some(user.gid())).unwrap();
        if entry.file_type().unwrap().is_dir() {
            give(&entry.path());
        }
    }
}

/// Unpacks, and then does something else to what is there.
pub(crate) struct Then<F: Fn(&Path)>(pub(crate) F);

impl<F: Fn(&Path)> Unpack for Then<F> {
    fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()> {
        Tars("plain").unpack(mirror, id, into)?;
        (self.0)(into);
        give(into);
        Ok(())
    }
}
