use super::{RunAs, ScratchFault};
use crate::{Error, Result};
use backup_store::Clock;
use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How much of what a program says is kept, in bytes.
const KEPT: u64 = 4 << 20;
/// How often a program is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What came of a program.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    /// What it said last, for people.
    pub(super) fn why(&self) -> String {
        let text = if self.err.trim().is_empty() { &self.out } else { &self.err };
        let lines: Vec<_> = text.trim().lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(5)).copied().collect::<Vec<_>>().join("; ");
        if last.is_empty() { self.status.to_string() } else { last }
    }
}

/// How a program is run: as whom, and for how long at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) run_as: Option<RunAs>,
    pub(super) clock: &'a dyn Clock,
    pub(super) limit: Duration,
}

impl Runner<'_> {
    /// A program with nothing of the caller's environment: a `PGHOST` there would lead to another server.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LC_ALL", "C").env("TZ", "UTC").env("PGCLIENTENCODING", "UTF8");
        command.current_dir("/");
        if let Some(user) = self.run_as {
            user.apply(&mut command);
        }
        command
    }

    /// Runs a program to its end, with `input` on its standard input.
    pub(super) fn run(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: &str,
    ) -> Result<Said> {
        let mut command = self.command(program);
        command.args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| failed(program, e.to_string()))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // One that reads nothing of it ends the pipe, which is its own affair.
                stdin.map(|mut stdin| stdin.write_all(input.as_bytes()))
            });
            let out = scope.spawn(move || text(stdout));
            let err = scope.spawn(move || text(stderr));
            let status = self.wait(&mut child, program);
            let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
            Ok(Said { status: status?, out, err })
        })
    }

    fn wait(&self, child: &mut Child, program: &Path) -> Result<ExitStatus> {
        let began = self.clock.monotonic();
        loop {
            if let Some(status) = child.try_wait().map_err(|e| failed(program, e.to_string()))? {
                return Ok(status);
            }
            if self.clock.monotonic().saturating_sub(began) > self.limit {
                let _ = child.kill();
                let _ = child.wait();
                return Err(ScratchFault::TooSlow { what: name(program), limit: self.limit }.into());
            }
            self.clock.sleep(POLL);
        }
    }
}

/// Reads to the end, and keeps the beginning.
fn text(pipe: Option<impl Read>) -> String {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(KEPT).read_to_end(&mut kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

pub(super) fn name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

pub(super) fn failed(program: &Path, detail: String) -> Error {
    ScratchFault::Program { program: name(program), detail }.into()
}
