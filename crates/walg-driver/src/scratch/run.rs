use super::ScratchFault;
use super::container::Container;
use crate::process::{Command, Ended, Limits, Output, Status, User, Variables, Watch, run};
use crate::{Error, Result};
use backup_store::Clock;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How much of what a program says is kept, in bytes: the answers hold lists of tables.
const KEPT: usize = 16 << 20;
/// How much of what it says last is told, in lines.
const TOLD: usize = 5;

/// What came of a program.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) is_ok: bool,
    pub(super) out: String,
    /// What it said last, for people.
    pub(super) why: String,
}

/// How programs are run: as whom or in what, for how long at most, and for how long the caller wants it.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) user: Option<&'a User>,
    /// The container that they run in; none is this machine.
    pub(super) inside: Option<&'a Container<'a>>,
    pub(super) clock: &'a dyn Clock,
    pub(super) limit: Duration,
    pub(super) interrupted: &'a (dyn Fn() -> bool + Sync),
}

/// Nothing of the caller's environment: a `PGHOST` there would lead to another server.
pub(super) fn environment() -> Variables {
    Variables::new()
        .plain("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .plain("LC_ALL", "C")
        .plain("TZ", "UTC")
        .plain("PGCLIENTENCODING", "UTF8")
}

impl Runner<'_> {
    /// Runs a program to its end, with `input` on its standard input.
    pub(super) fn run<T: Into<OsString>>(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = T>,
        input: &str,
    ) -> Result<Said> {
        if let Some(container) = self.inside {
            return container.run(program, args, input, self);
        }
        let mut command =
            Command::new(program).args(args).environment(environment()).input(input).output(Output::Raw);
        if let Some(user) = self.user {
            command = command.user(user.clone());
        }
        Ok(said_of(&self.end(&command, &name(program))?))
    }

    /// Runs a command to its end, whatever that is; `what` is how it is called.
    pub(super) fn end(&self, command: &Command, what: &str) -> Result<Ended> {
        let limits = Limits { stall: None, total: Some(self.limit), keep: KEPT, ..Limits::default() };
        let ended = run(command, &limits, &Watch::none().interrupted(self.interrupted), self.clock)?;
        match ended.status {
            Status::Interrupted => Err(ScratchFault::Interrupted.into()),
            Status::TimedOut(limit) | Status::Stalled(limit) => {
                Err(ScratchFault::TooSlow { what: what.to_owned(), limit }.into())
            }
            // By the system, which lacks memory, or by whoever stops everything: it has not answered.
            Status::Killed(_) => Err(ScratchFault::Program {
                program: what.to_owned(),
                detail: format!("it {}", ended.status),
            }
            .into()),
            Status::Exited(_) => Ok(ended),
        }
    }

    /// Whether there is such a file where programs run.
    pub(super) fn has_file(&self, path: &Path) -> Result<bool> {
        match self.inside {
            Some(_) => Ok(self.run(Path::new("test"), ["-f".as_ref(), path.as_os_str()], "")?.is_ok),
            None => Ok(path.is_file()),
        }
    }
}

/// What came of a program that ended.
pub(super) fn said_of(ended: &Ended) -> Said {
    let last = if ended.stderr.is_empty() { &ended.stdout } else { &ended.stderr };
    let last = last.last_lines(TOLD);
    let why = match last.trim() {
        "" => format!("it {}", ended.status),
        said => said.lines().collect::<Vec<_>>().join("; "),
    };
    Said { is_ok: ended.status.is_zero(), out: ended.stdout.text(), why }
}

/// The name of a program for messages.
pub(super) fn name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

pub(super) fn failed(program: &Path, detail: String) -> Error {
    ScratchFault::Program { program: name(program), detail }.into()
}
