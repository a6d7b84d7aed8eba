use super::{Call, Capabilities, ENGINE_WORD};
use crate::runner::{Control, Job, Runner};
use crate::{Error, Result};
use backup_contract::engine::{EngineKind, EngineVersion};
use std::ffi::OsString;
use std::path::PathBuf;

/// An engine, and how it is started where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    kind: EngineKind,
    program: OsString,
}

impl Engine {
    /// A program of this kind. Of one that is linked in it is the program that it is linked into, and that calls
    /// `dispatch_engine`.
    pub fn new(kind: EngineKind, program: impl Into<PathBuf>) -> Self {
        Self { kind, program: program.into().into_os_string() }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The program with these arguments, as a job.
    pub(super) fn start(&self, args: impl IntoIterator<Item = OsString>) -> Job {
        let job = Job::new(&self.program);
        match self.kind {
            EngineKind::Embedded => job.args([ENGINE_WORD, "--"]).args(args),
            EngineKind::Walrus => job.args(args),
            // Else it reads `.walg.json` in its user's home too, which may name another storage and another key.
            EngineKind::WalG => job.args(args).args(["--config", "/dev/null"]),
        }
    }

    /// What it is to do, as a job.
    #[must_use]
    pub fn job(&self, call: &Call) -> Job {
        call.job(self)
    }

    /// Asks it for its version.
    ///
    /// # Errors
    /// Also where it does not tell it in words that are known: what is known to go wrong in it cannot be told then.
    pub fn version(&self, runner: &dyn Runner, control: &Control<'_>) -> Result<EngineVersion> {
        let ended = runner.run(&self.job(&Call::Version), control)?;
        // What goes wrong is printed on standard output too.
        if !ended.status.is_zero() {
            let said = ended.stderr.last_lines(6);
            return Err(Error::Stopped { program: self.kind.to_string(), status: ended.status, said });
        }
        ended.stdout.text().parse().map_err(|_| Error::NoEngineVersion(self.kind))
    }

    /// What one of its version can do.
    #[must_use]
    pub fn capabilities(&self, version: EngineVersion) -> Capabilities {
        Capabilities::of(self.kind, version)
    }
}
