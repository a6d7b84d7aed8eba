use super::ScratchFault;
use super::run::Runner;
use crate::process::{Command, Ended, Output, Variables};
use crate::{Error, Result};
use std::ffi::OsString;

/// The Docker engine of this machine, by its client. Whoever may give it orders is root of the machine.
#[derive(Debug, Clone)]
pub struct Docker {
    program: OsString,
    client: Variables,
}

impl Docker {
    /// By the program `docker`, which has this environment and no other: `PATH`, `HOME`, `DOCKER_HOST` and the like.
    #[must_use]
    pub fn new(program: impl Into<OsString>, client: Variables) -> Self {
        Self { program: program.into(), client }
    }

    /// A command of the client, with these words.
    pub(super) fn command(&self, words: impl IntoIterator<Item = impl Into<OsString>>) -> Command {
        Command::new(&self.program).args(words).environment(self.client.clone()).output(Output::Raw)
    }

    pub(super) fn program(&self) -> &OsString {
        &self.program
    }

    pub(super) fn client(&self) -> &Variables {
        &self.client
    }

    /// Which engine answers; two of them do not know of each other's containers.
    pub(super) fn engine(&self, runner: &Runner<'_>) -> Result<String> {
        let ended = run_docker(&self.command(["info", "--format", "{{.ID}}"]), runner)?;
        let id = ended.stdout.text().trim().to_owned();
        // A client that reaches nobody may end with 0.
        if !ended.status.is_zero() || id.is_empty() {
            return Err(ScratchFault::NoDocker(ended.stderr.last_lines(3)).into());
        }
        Ok(id)
    }
}

/// Runs a command of the client to its end, whatever comes of it.
pub(super) fn run_docker(command: &Command, runner: &Runner<'_>) -> Result<Ended> {
    runner.end(command, "docker").map_err(|error| match error {
        Error::Start { source, .. } => ScratchFault::NoDocker(source.to_string()).into(),
        other => other,
    })
}
