use super::marks::Marks;
use super::quote::{Script, command_of};
use super::{Control, Job, Runner};
use crate::process::{Command, Ended, Limits, Output, Status, Variables, Watch, run};
use crate::{Error, Result};
use backup_store::Clock;
use serde::Deserialize;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A service of a compose project.
#[derive(Debug, Clone)]
pub struct Compose {
    /// The directory that the project's files are in.
    pub dir: PathBuf,
    /// Its files, in the order in which they are laid over each other.
    pub files: Vec<PathBuf>,
    /// The service that jobs run in.
    pub service: String,
    /// The program `docker`.
    pub docker: OsString,
}

/// A container, as compose tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The service that it is of.
    pub service: String,
    /// `running`, `exited` and so on.
    pub state: String,
    /// `healthy`, `unhealthy`, `starting`, or nothing where nobody asks.
    #[serde(default)]
    pub health: String,
    /// What it ended with.
    #[serde(default)]
    pub exit_code: i32,
}

impl Compose {
    fn words(&self) -> Vec<OsString> {
        let mut words = vec![self.docker.clone(), "compose".into()];
        for file in &self.files {
            words.extend(["-f".into(), file.into()]);
        }
        words
    }

    /// Runs a job in a new container of the service, and nothing else: what the service depends on is not started for it,
    /// for a database that is down is down for a reason.
    pub(super) fn run_words(&self, job: &Job, marks: &Marks) -> Result<Vec<OsString>> {
        let script = marks.around(&command_of(job)?);
        let mut words = self.words();
        words.extend(["run", "--rm", "-T", "--no-deps", "--name", &marks.name()].map(OsString::from));
        words.extend([(&*self.service).into(), "sh".into(), "-lc".into(), script]);
        Ok(words)
    }

    pub(super) fn ps_words(&self) -> Vec<OsString> {
        let mut words = self.words();
        words.extend(["ps", "--all", "--format", "json", &self.service].map(OsString::from));
        words
    }

    /// What prints the project: its files alone, and nothing of what they are filled with.
    pub(super) fn config_words(&self) -> Vec<OsString> {
        let mut words = self.words();
        let more = ["config", "--format", "json", "--no-interpolate", "--no-env-resolution"];
        words.extend(more.map(OsString::from));
        words
    }

    /// What removes the container of a job, whose client may have gone without it.
    pub(super) fn remove_words(&self, marks: &Marks) -> [OsString; 4] {
        [self.docker.clone(), "rm".into(), "--force".into(), marks.name().into()]
    }
}

impl Container {
    /// Reads what compose prints: a list, or since 2.21 one object a line.
    pub(super) fn read(text: &str) -> Result<Vec<Self>> {
        let text = text.trim();
        let containers = if text.starts_with('[') {
            serde_json::from_str(text)
        } else {
            text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect()
        };
        containers.map_err(|source| Error::ComposeOutput { source })
    }
}

/// Runs jobs in a container of a compose project on this machine. The settings are the service's own.
#[derive(Debug)]
pub struct ComposeRunner {
    compose: Compose,
    client: Variables,
}

impl ComposeRunner {
    /// For a service. `client` is the environment of `docker` itself: `PATH`, `HOME`, `DOCKER_HOST`.
    #[must_use]
    pub fn new(compose: Compose, client: Variables) -> Self {
        Self { compose, client }
    }

    /// For another service of the project.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.compose.service = service.into();
        self
    }

    fn command(&self, words: &[OsString]) -> Command {
        let (program, args) = words.split_first().map_or((&self.compose.docker, &[][..]), |split| split);
        Command::new(program).args(args).environment(self.client.clone()).directory(&self.compose.dir)
    }

    /// A client that was ended need not have taken its container with it.
    fn remove(&self, marks: &Marks, clock: &dyn Clock) -> Result<()> {
        let limits = Limits::default().total(Duration::from_mins(1));
        let removed = run(&self.command(&self.compose.remove_words(marks)), &limits, &Watch::none(), clock)?;
        // It is no complaint that there is none any more.
        if removed.status.is_zero() || removed.stderr.text().contains("No such container") {
            return Ok(());
        }
        Err(Error::NotRun { place: marks.name(), said: removed.stderr.last_lines(6) })
    }
}

impl Runner for ComposeRunner {
    fn run(&self, job: &Job, control: &Control<'_>) -> Result<Ended> {
        let marks = Marks::new()?;
        let words = self.compose.run_words(job, &marks)?;
        let command = self.command(&words).input(&*job.input.0).output(job.output);
        let mut ended = run(&command, &control.limits, &control.watch, control.clock)?;
        let found = marks.take(&mut ended);
        match (ended.status, found.ended) {
            (Status::Exited(_), Some(code)) => ended.status = Status::Exited(code),
            (Status::Exited(_), None) => {
                let (place, said) =
                    (format!("service '{}'", self.compose.service), ended.stderr.last_lines(6));
                if !found.started {
                    return Err(Error::NotRun { place, said });
                }
                // The container was ended by somebody else, or goes on without us. That it cannot be removed either would
                // say less than what is told already.
                let _ = self.remove(&marks, control.clock);
                return Err(Error::OutcomeUnknown { place, said });
            }
            _ => self.remove(&marks, control.clock)?,
        }
        Ok(ended)
    }

    fn containers(&self, control: &Control<'_>) -> Result<Option<Vec<Container>>> {
        let command = self.command(&self.compose.ps_words()).output(Output::Raw);
        containers_of(&run(&command, &control.limits, &control.watch, control.clock)?, &self.compose)
            .map(Some)
    }

    fn project(&self, control: &Control<'_>) -> Result<Option<Vec<u8>>> {
        let limits = Limits { keep: MOST_OF_A_PROJECT, ..control.limits };
        let command = self.command(&self.compose.config_words()).output(Output::Raw);
        let ended = run(&command, &limits, &control.watch, control.clock)?;
        project_of(&ended, &format!("'{}'", self.compose.dir.display())).map(Some)
    }
}

/// The most bytes that are read of what compose prints of a project.
pub(super) const MOST_OF_A_PROJECT: usize = 16 << 20;

/// What compose printed of a project, when it was able to.
pub(super) fn project_of(ended: &Ended, place: &str) -> Result<Vec<u8>> {
    if !ended.status.is_zero() {
        return Err(Error::NotRun { place: place.to_owned(), said: ended.stderr.last_lines(6) });
    }
    ended.stdout.whole().ok_or(Error::TooMuchOutput)
}

/// What compose printed, when it was able to.
pub(super) fn containers_of(ended: &Ended, compose: &Compose) -> Result<Vec<Container>> {
    let said = || ended.stderr.last_lines(6);
    if !ended.status.is_zero() {
        let place = format!("service '{}'", compose.service);
        return Err(Error::NotRun { place, said: said() });
    }
    let bytes = ended.stdout.whole().ok_or(Error::TooMuchOutput)?;
    Container::read(&String::from_utf8_lossy(&bytes))
}

/// Words as one command of a shell.
pub(super) fn shell(words: &[OsString]) -> Result<OsString> {
    Ok(Script::new().text("exec").words(words)?.done())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose() -> Compose {
        Compose {
            dir: "/srv/shop/r42".into(),
            files: vec!["compose.yaml".into(), "compose.addon.walg.yaml".into()],
            service: "backup".to_owned(),
            docker: "docker".into(),
        }
    }

    #[test]
    fn a_job_runs_in_a_container_of_its_own() {
        let marks = Marks::new().unwrap();
        let words = compose().run_words(&Job::new("wal-g").args(["backup-push", "/data"]), &marks).unwrap();
        let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(
            text[..text.len() - 1].join(" "),
            format!(
                "docker compose -f compose.yaml -f compose.addon.walg.yaml run --rm -T --no-deps --name {} backup sh -lc",
                marks.name()
            )
        );
        assert!(text.last().unwrap().contains("; env wal-g backup-push /data; s=$?; printf"));
    }

    #[test]
    fn both_ways_of_compose_to_print_are_read() {
        let one = r#"{"Name":"shop-db-1","Service":"db","State":"running","Health":"healthy","ExitCode":0,"ID":"a"}"#;
        let two = r#"{"Name":"shop-backup-1","Service":"backup","State":"exited","ExitCode":3}"#;
        let lines = Container::read(&format!("{one}\n{two}\n")).unwrap();
        assert_eq!(lines, Container::read(&format!("[{one},{two}]")).unwrap());
        assert_eq!((lines[0].health.as_str(), lines[1].exit_code), ("healthy", 3));
        assert_eq!(Container::read("\n").unwrap(), []);
        assert_eq!(Container::read("no such service").unwrap_err().code(), "compose-output");
    }
}
