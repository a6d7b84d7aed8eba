use super::{Container, Control, Job, Reads, Runner};
use crate::Result;
use crate::process::{Command, Ended, PARENT, User, Variables, run};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where programs are looked for: what an operator's shell says has no part in it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs jobs on this machine, beside the server.
#[derive(Debug)]
pub struct LocalRunner {
    pgdata: PathBuf,
    settings: Variables,
    path: OsString,
    run_as: Option<User>,
}

impl LocalRunner {
    /// For the server with this data directory. Jobs see `settings` and what every program needs, and nothing of this
    /// process's own environment.
    pub fn new(pgdata: impl Into<PathBuf>, settings: Variables) -> Self {
        Self { pgdata: pgdata.into(), settings, path: PATH.into(), run_as: None }
    }

    /// Runs jobs as this user. The server's own is the one that can read its data, and `psql` reaches it as that user
    /// through a socket without a password.
    #[must_use]
    pub fn run_as(mut self, user: User) -> Self {
        self.run_as = Some(user);
        self
    }

    /// Looks for programs here.
    #[must_use]
    pub fn path(mut self, path: impl Into<OsString>) -> Self {
        self.path = path.into();
        self
    }

    /// The data directory.
    #[must_use]
    pub fn pgdata(&self) -> &Path {
        &self.pgdata
    }

    fn environment(&self, job: &Job) -> Variables {
        let mut variables = match job.reads {
            Reads::All => self.settings.clone(),
            Reads::Server => self.settings.clone().only(|name| name.starts_with("PG")),
            Reads::Nothing => Variables::new(),
        };
        if !variables.contains("PATH") {
            variables = variables.plain("PATH", &*self.path);
        }
        // Messages are read by programs and by people far away.
        variables = variables.plain("LC_ALL", "C.UTF-8").plain("NO_COLOR", "1");
        variables = variables.plain(PARENT, std::process::id().to_string());
        if let Some(user) = &self.run_as {
            variables = variables.plain("HOME", user.home()).plain("USER", user.name());
        }
        job.settings.iter().fold(variables, |variables, (name, value)| match value {
            Some(value) => variables.plain(*name, value),
            None => variables.without(name),
        })
    }

    fn command(&self, job: &Job) -> Command {
        let command = Command::new(&job.program)
            .args(&job.args)
            .environment(self.environment(job))
            .input(&*job.input.0)
            .output(job.output);
        match &self.run_as {
            // Whoever is that user already needs no right to become it.
            Some(user) if user.uid() != rustix::process::geteuid().as_raw() => command.user(user.clone()),
            _ => command,
        }
    }
}

impl Runner for LocalRunner {
    fn run(&self, job: &Job, control: &Control<'_>) -> Result<Ended> {
        run(&self.command(job), &control.limits, &control.watch, control.clock)
    }

    fn containers(&self, _: &Control<'_>) -> Result<Option<Vec<Container>>> {
        Ok(None)
    }

    fn project(&self, _: &Control<'_>) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_job_sees_what_it_is_to_see() {
        let settings = Variables::new().plain("PGHOST", "db").secret("AWS_SECRET_ACCESS_KEY", "abcdefgh");
        let runner = LocalRunner::new("/data", settings);
        let all = runner.environment(&Job::new("wal-g").set("WALG_DELTA_MAX_STEPS", "1").unset("PGHOST"));
        assert!(all.contains("AWS_SECRET_ACCESS_KEY") && !all.contains("PGHOST"));
        assert_eq!(all.shown("WALG_DELTA_MAX_STEPS"), Some(OsStr::new("1")));
        let server = runner.environment(&Job::new("psql").reads(Reads::Server));
        let names: Vec<_> = server.names().collect();
        assert_eq!(names, ["LC_ALL", "NO_COLOR", "PATH", "PGHOST", "SI_BACKUP_PARENT"]);
    }
}
