use super::run::{Runner, environment, failed};
use super::settings::{Configuration, RestoreCommand};
use super::{Programs, Room, ScratchFault};
use crate::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How often it is looked whether the server is ready.
const POLL: Duration = Duration::from_millis(20);
/// How long a server that was told to stop at once may take.
const AT_ONCE: Duration = Duration::from_secs(20);
/// How much of the log is told, in lines.
const LINES: usize = 20;
/// What a server says once its settings and its directory were good enough.
const BEGUN: [&[u8]; 2] = [b"starting archive recovery", b"starting point-in-time recovery"];
/// How much of the end of the log is read, in bytes.
const TAIL: usize = 64 * 1024;

/// Whether the server has a network of its own, in which there is nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// One of its own where the system allows it. The restore command is in it too, so that it must find everything in
    /// the mirror.
    OwnIfAllowed,
    /// That of the machine.
    Shared,
}

/// How a server that was started came out of its recovery.
#[derive(Debug)]
pub(super) enum Recovery {
    /// It was promoted and takes questions.
    Promoted,
    /// It ended instead.
    Ended {
        /// Its last words.
        log: String,
        /// Whether it had come so far as to look at the backup.
        had_begun: bool,
    },
}

/// A server in a scratch directory. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Server {
    child: Option<Child>,
    data: PathBuf,
    log: PathBuf,
    /// In a container: what is in the log before the code that the server has ended with.
    mark: Option<String>,
    pub(super) has_own_network: bool,
}

impl Server {
    /// Starts the server over the copy in a room.
    pub(super) fn start(
        room: &Room,
        programs: &Programs,
        files: &Configuration,
        restore_command: &RestoreCommand,
        network: Network,
        runner: &Runner<'_>,
    ) -> Result<Self> {
        let unshare = if runner.inside.is_none() { own_network(network, runner) } else { None };
        let program = programs.path("postgres");
        let mut command = match (runner.inside, &unshare, runner.user) {
            (Some(container), _, _) => {
                let mut command = Command::new(container.docker().program());
                command.args(container.words(&program, false));
                command
            }
            (None, Some(words), user) => {
                // The network is made by root, and the user changed behind that.
                let mut command = Command::new(words[0]);
                command.args(&words[1..]);
                if let Some(user) = user {
                    command.args(["setpriv", "--clear-groups"]);
                    command.arg(format!("--reuid={}", user.uid())).arg(format!("--regid={}", user.gid()));
                }
                command.arg(&program);
                command
            }
            (None, None, Some(user)) => {
                let mut command = Command::new(&program);
                // Without the groups of the caller: the standard library drops them together with the user.
                command.uid(user.uid()).gid(user.gid());
                command
            }
            (None, None, None) => Command::new(&program),
        };
        let environment = match runner.inside {
            // The client's; what the server has was said when the container was started.
            Some(container) => container.docker().client().clone(),
            None => environment().and(restore_command.environment.clone()),
        };
        command.env_clear().envs(environment.exposed()).current_dir("/");
        command.arg("-D").arg(room.data());
        for (name, path) in
            [("config_file", &files.config), ("hba_file", &files.hba), ("ident_file", &files.ident)]
        {
            command.arg("-c").arg(format!("{name}={}", path.display()));
        }
        let log = room.log();
        let file = File::create_new(&log).map_err(Error::io("write", &log))?;
        let again = file.try_clone().map_err(Error::io("write", &log))?;
        // A group of its own: what a terminal sends to the caller is not meant for the server.
        command.stdin(Stdio::null()).stdout(file).stderr(again).process_group(0);
        let child = command.spawn().map_err(|e| failed(&program, e.to_string()))?;
        Ok(Self {
            child: Some(child),
            data: room.data(),
            log,
            mark: runner.inside.map(|container| container.mark().to_owned()),
            has_own_network: unshare.is_some() || runner.inside.is_some(),
        })
    }

    /// Waits until the server was promoted, or has given up. `go_on` is asked again and again.
    pub(super) fn recover(
        &mut self,
        runner: &Runner<'_>,
        limit: Duration,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Recovery> {
        let began = runner.clock.monotonic();
        loop {
            if self.exited()?.is_some() {
                return Ok(self.ended());
            }
            if is_ready(&self.data) {
                return Ok(Recovery::Promoted);
            }
            if !go_on() {
                return Err(ScratchFault::Interrupted.into());
            }
            if runner.clock.monotonic().saturating_sub(began) > limit {
                return Err(ScratchFault::TooSlow { what: "the recovery".into(), limit }.into());
            }
            runner.clock.sleep(POLL);
        }
    }

    /// Stops it with a last checkpoint, so that its files can be checked.
    pub(super) fn stop(&mut self, programs: &Programs, runner: &Runner<'_>) -> Result<()> {
        match runner.inside {
            Some(container) => {
                let said = container.stop(programs, &self.data, runner)?;
                if !said.is_ok && self.exited()?.is_none() {
                    return Err(failed(&programs.path("pg_ctl"), said.why));
                }
            }
            None => self.signal(Signal::INT),
        }
        let began = runner.clock.monotonic();
        while self.exited()?.is_none() {
            if runner.clock.monotonic().saturating_sub(began) > runner.limit {
                let what = "stopping the server".into();
                return Err(ScratchFault::TooSlow { what, limit: runner.limit }.into());
            }
            runner.clock.sleep(POLL);
        }
        Ok(())
    }

    /// What its log says. It is as long as the recovery took, in lines, but no longer than a disk has room for.
    fn ended(&self) -> Recovery {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let bytes = self.own_words(&bytes).unwrap_or(&bytes);
        let had_begun = BEGUN.iter().any(|begun| bytes.windows(begun.len()).any(|window| window == *begun));
        let end = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        let text = String::from_utf8_lossy(end);
        let lines: Vec<_> = text.lines().collect();
        let log =
            lines.iter().skip(lines.len().saturating_sub(LINES)).copied().collect::<Vec<_>>().join("\n");
        Recovery::Ended { log, had_begun }
    }

    fn exited(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(Some(ExitStatus::default())) };
        let status = child.try_wait().map_err(|e| failed(Path::new("postgres"), e.to_string()))?;
        if status.is_some() {
            self.child = None;
            let log = fs::read(&self.log).unwrap_or_default();
            if self.mark.is_some() && self.own_words(&log).is_none() {
                // It was not the server that ended: of the backup that tells nothing.
                let said = String::from_utf8_lossy(&log);
                let last = said.lines().last().unwrap_or_default();
                return Err(ScratchFault::Container(format!("it, or its client, was ended; {last}")).into());
            }
        }
        Ok(status)
    }

    /// What the server itself has said, in a container; nothing when it has not ended there.
    fn own_words<'l>(&self, log: &'l [u8]) -> Option<&'l [u8]> {
        let mark = format!("\n{} ", self.mark.as_ref()?);
        let at = log.windows(mark.len()).rposition(|window| window == mark.as_bytes())?;
        log.get(..at)
    }

    fn signal(&self, signal: Signal) {
        let pid =
            self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        // A child that nobody has waited for keeps its number: it is nobody else's.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.mark.is_some() {
            // Only the client is here: the server goes with its container.
            self.signal(Signal::KILL);
        }
        self.signal(Signal::QUIT);
        if let Some(child) = &mut self.child {
            // Without a clock at hand: its own processes end with it, in milliseconds.
            for _ in 0..AT_ONCE.as_millis() / POLL.as_millis() {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(POLL);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether the server in a directory takes questions, by the last line of its own file, as `pg_ctl` looks: a question that
/// is refused would be in its log as something fatal. Hot standby is off, so that it takes them once it was promoted.
fn is_ready(data: &Path) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    text.lines().nth(7).is_some_and(|status| status.trim() == "ready")
}

/// The words before a program that give it a network of its own, where the system allows that.
fn own_network(network: Network, runner: &Runner<'_>) -> Option<Vec<&'static str>> {
    if network == Network::Shared || !rustix::process::geteuid().is_root() {
        return None;
    }
    let as_root = Runner { user: None, ..*runner };
    for unshare in ["/usr/bin/unshare", "/bin/unshare"] {
        let tried = as_root.run(Path::new(unshare), ["--net", "--", "setpriv", "--version"], "");
        if tried.is_ok_and(|said| said.is_ok) {
            return Some(vec![unshare, "--net", "--"]);
        }
    }
    None
}

/// What a server says that lacks a library, or memory, on this host.
const OF_THE_HOST: [&str; 5] = [
    "resource manager with ID",
    "could not access file \"$libdir",
    "could not load library",
    "out of memory",
    "Cannot allocate memory",
];

/// What ended a recovery, as the server's own words tell: an error where that says nothing of the backup.
pub(super) fn why_ended(
    log: String,
    had_begun: bool,
    target: String,
) -> std::result::Result<String, ScratchFault> {
    if !had_begun {
        return Err(ScratchFault::Program {
            program: "postgres".into(),
            detail: format!("it did not start:\n{log}"),
        });
    }
    // The directory of tablespaces is shut, and what is wrong then is nothing of the backup's.
    if ["for Tablespace/CREATE", "could not create symbolic link \"pg_tblspc/"]
        .iter()
        .any(|why| log.contains(why))
    {
        return Err(ScratchFault::TablespaceReplayed { log });
    }
    // It aborts when the restore command exits with 126 or more, or is killed; where that was by SIGTERM it thinks that it
    // was itself told to stop, and gives no reason.
    let unavailable = log
        .lines()
        .any(|line| line.contains("FATAL:  could not restore file") && line.contains("from archive"));
    if unavailable || !["FATAL:", "PANIC:"].iter().any(|severity| log.contains(severity)) {
        return Err(ScratchFault::WalUnavailable { log });
    }
    if OF_THE_HOST.iter().any(|lacks| log.contains(lacks)) {
        return Err(ScratchFault::Program { program: "postgres".into(), detail: log });
    }
    if log.contains("recovery ended before configured recovery target was reached") {
        return Err(ScratchFault::NotReached { target, log });
    }
    Ok(log)
}
