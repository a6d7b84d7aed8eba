use super::compose::{MOST_OF_A_PROJECT, containers_of, project_of, shell};
use super::far::{BEAT_EVERY, Far, SILENCE, script};
use super::marks::Marks;
use super::quote::Script;
use super::{Container, Control, Job, Runner};
use crate::process::{Command, Ended, Limits, Output, Status, Variables, run};
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

/// What `ssh` is told each time, whatever the user's own configuration says. It asks nobody anything, believes no key that it
/// does not know, notices within a minute that the other side is gone, and keeps one connection for all commands.
const OPTIONS: [&str; 9] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ControlMaster=auto",
    "ControlPersist=60",
    "RequestTTY=no",
    "ForwardAgent=no",
];

/// Runs jobs on another machine, with the system's `ssh`. The settings are those of the far side.
#[derive(Debug)]
pub struct SshRunner {
    target: String,
    far: Far,
    client: Variables,
    options: Vec<OsString>,
    sockets: TempDir,
}

impl SshRunner {
    /// For a target as `ssh` takes it. `client` is the environment of `ssh` itself: `PATH`, `HOME`, `SSH_AUTH_SOCK`.
    ///
    /// A private directory for the shared connection is made below `runtime`, whose path should be short: a socket's may
    /// have about a hundred bytes.
    pub fn new(target: impl Into<String>, far: Far, client: Variables, runtime: &Path) -> Result<Self> {
        let sockets = tempfile::Builder::new()
            .prefix("si-ssh-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(runtime)
            .map_err(|source| Error::Start { program: "ssh".to_owned(), source })?;
        Ok(Self { target: target.into(), far, client, options: Vec::new(), sockets })
    }

    /// With more options for `ssh`, such as `-F FILE`.
    #[must_use]
    pub fn options<T: Into<OsString>>(mut self, options: impl IntoIterator<Item = T>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// Over the same connection, in another way.
    #[must_use]
    pub fn far(mut self, far: Far) -> Self {
        self.far = far;
        self
    }

    fn ssh(&self) -> Command {
        let mut path = OsString::from("ControlPath=");
        path.push(self.sockets.path().join("%C"));
        Command::new("ssh")
            .environment(self.client.clone())
            .args(OPTIONS.into_iter().flat_map(|option| ["-o", option]))
            .args([OsStr::new("-o"), &path])
            .args(&self.options)
    }

    /// Runs a command of the far shell, and tells whether its status is its own.
    fn carry(
        &self,
        command: &OsStr,
        cleanup: &OsStr,
        input: &[u8],
        output: Output,
        marks: &Marks,
        control: &Control<'_>,
    ) -> Result<(Ended, super::marks::Found)> {
        let script = script(self.far.dir(), command, cleanup, input.len(), &control.limits, SILENCE, marks)?;
        let line = Script::new().text("exec sh -c").words([script])?.done();
        let ssh = self.ssh().args([OsStr::new("--"), self.target.as_ref(), &line]);
        let ssh = ssh.input(input).beat(BEAT_EVERY).output(output);
        let mut ended = run(&ssh, &control.limits, &control.watch, control.clock)?;
        let found = marks.take(&mut ended);
        if matches!(ended.status, Status::Exited(_) | Status::Killed(_)) {
            let (target, said) = (self.target.clone(), ended.stderr.last_lines(6));
            match found.far {
                Some(code) => ended.status = Status::Exited(code),
                None if found.began => return Err(Error::ConnectionLost { target, said }),
                None => return Err(Error::NotConnected { target, said }),
            }
        }
        Ok((ended, found))
    }
}

impl Runner for SshRunner {
    fn run(&self, job: &Job, control: &Control<'_>) -> Result<Ended> {
        let marks = Marks::new()?;
        let (command, cleanup) = (self.far.command(job, &marks)?, self.far.cleanup(&marks)?);
        let (mut ended, found) = self.carry(&command, &cleanup, &job.input.0, job.output, &marks, control)?;
        match (ended.status, found.ended) {
            (Status::Exited(_), Some(code)) => ended.status = Status::Exited(code),
            (Status::Exited(_), None) => {
                let (place, said) = (format!("'{}'", self.target), ended.stderr.last_lines(6));
                let error = if found.started {
                    Error::OutcomeUnknown { place, said }
                } else {
                    Error::NotRun { place, said }
                };
                return Err(error);
            }
            _ => {}
        }
        Ok(ended)
    }

    fn containers(&self, control: &Control<'_>) -> Result<Option<Vec<Container>>> {
        let Far::Compose(compose) = &self.far else { return Ok(None) };
        let command = shell(&compose.ps_words())?;
        let marks = Marks::new()?;
        let (ended, _) = self.carry(&command, OsStr::new(""), &[], Output::Raw, &marks, control)?;
        containers_of(&ended, compose).map(Some)
    }

    fn project(&self, control: &Control<'_>) -> Result<Option<Vec<u8>>> {
        let Far::Compose(compose) = &self.far else { return Ok(None) };
        let command = shell(&compose.config_words())?;
        let marks = Marks::new()?;
        let control = Control { limits: Limits { keep: MOST_OF_A_PROJECT, ..control.limits }, ..*control };
        let (ended, _) = self.carry(&command, OsStr::new(""), &[], Output::Raw, &marks, &control)?;
        project_of(&ended, &format!("'{}'", self.target)).map(Some)
    }
}

impl Drop for SshRunner {
    /// Closes the shared connection, if there is one: `ssh` asks its own background process through the socket, and nobody
    /// else.
    fn drop(&mut self) {
        self.ssh().args(["-O", "exit", "--", &self.target]).run_blindly();
    }
}
