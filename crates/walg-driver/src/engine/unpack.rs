use super::{Call, Engine};
use crate::process::{Ended, Status, User, Variables, meanwhile};
use crate::runner::{Control, LocalRunner, Runner as _};
use crate::scratch::ScratchFault;
use crate::{Error, Result};
use backup_contract::SnapshotId;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// How often the directory that an engine unpacks into is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Another number whenever something below a directory was written. What goes while it is looked at is not counted.
fn written(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().fold(0, |sum, entry| {
        let Ok(meta) = entry.metadata() else { return sum };
        let below = if meta.is_dir() { written(&entry.path()) } else { meta.len() };
        let when = meta.mtime().wrapping_mul(1_000_000_000).wrapping_add(meta.mtime_nsec());
        sum.wrapping_add(below).wrapping_add(when.cast_unsigned())
    })
}

/// What unpacks a backup: an engine that reads a local WAL-G prefix.
pub trait Unpack {
    /// Unpacks a backup, with what it is a delta of, from the prefix `mirror` into the empty directory `into`.
    ///
    /// # Errors
    /// When the engine cannot be run, or says that it failed. That it says otherwise proves nothing: look at what it left.
    fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()>;
}

/// Unpacks with an engine on this machine, which is told of no other storage than the local directory: it can reach no
/// bucket, and write to none.
#[derive(Debug)]
pub struct Unpacker<'a> {
    engine: Engine,
    keys: Variables,
    run_as: Option<User>,
    control: Control<'a>,
}

impl<'a> Unpacker<'a> {
    /// Unpacks with an engine.
    #[must_use]
    pub fn new(engine: Engine, control: Control<'a>) -> Self {
        Self { engine, keys: Variables::new(), run_as: None, control }
    }

    /// With the settings of an app's env file that open what is encrypted; none of the others is taken over.
    #[must_use]
    pub fn keys(mut self, settings: &Variables) -> Self {
        let opens = |name: &str| name.starts_with("WALG_LIBSODIUM_KEY") || name.starts_with("WALG_PGP_KEY");
        self.keys = settings.clone().only(opens);
        self
    }

    /// As this user, who must be able to read the mirror and to write the directory.
    #[must_use]
    pub fn run_as(mut self, user: User) -> Self {
        self.run_as = Some(user);
        self
    }

    /// Unpacks, and tells what became of the engine, whatever that was.
    ///
    /// # Errors
    /// When the engine cannot be run.
    pub fn run(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<Ended> {
        if let Some(path) = [mirror, into].into_iter().find(|path| !path.is_absolute()) {
            return Err(Error::NotAbsolute(path.to_owned()));
        }
        let settings = self.keys.clone().plain("WALG_FILE_PREFIX", mirror);
        let runner = LocalRunner::new(into, settings);
        let runner = match &self.run_as {
            Some(user) => runner.run_as(user.clone()),
            None => runner,
        };
        let call = Call::Fetch { backup: id.clone(), into: into.to_owned() };
        let job = self.engine.job(&call);
        let every = self.control.limits.stall.map_or(LOOK_EVERY, |stall| LOOK_EVERY.min(stall / 4));
        // It says nothing for hours, and writes all the time; increments are written into files that do not grow.
        meanwhile(self.control.clock, every, &|| Some(written(into)), |mark| {
            let watch = self.control.watch.progress(mark);
            runner.run(&job, &Control { watch, ..self.control })
        })
    }
}

impl Unpack for Unpacker<'_> {
    fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()> {
        let ended = self.run(mirror, id, into)?;
        match ended.status {
            status if status.is_zero() => return Ok(()),
            // That it was told to stop says nothing of what it had in its hands.
            Status::Interrupted => return Err(ScratchFault::Interrupted.into()),
            _ => {}
        }
        let said = ended.stderr.last_lines(6);
        Err(Error::Stopped { program: self.engine.kind().to_string(), status: ended.status, said })
    }
}
