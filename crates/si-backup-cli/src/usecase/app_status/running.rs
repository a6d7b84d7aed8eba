use crate::app::containers::{client, far};
use crate::app::server::within;
use crate::report::message_of;
use crate::settings::RunnerSettings;
use crate::{CliError, Session};
use backup_contract::Known;
use paas_state::DeployedApp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walg_driver::process::{Limits, Output, Status};
use walg_driver::runner::{Job, LocalRunner, Runner};

/// How long docker may take to answer, also behind a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// What docker tells of each container: the directory that its project was started in.
const FORMAT: &str = "{{.Label \"com.docker.compose.project.working_dir\"}}";

/// What runs, on the hosts that the apps are on: each is asked once.
pub(super) struct Running<'s> {
    session: &'s Session<'s>,
    asked: BTreeMap<Option<String>, Known<Vec<String>>>,
}

/// Where an app runs.
pub(super) struct Place<'a> {
    /// The directories that the projects there were started in, `<remote_dir>/<release>`.
    pub(super) running: &'a Known<Vec<String>>,
    /// What the host is called.
    pub(super) host: String,
    /// Where the releases lie, as the settings say.
    pub(super) remote_dir: Option<PathBuf>,
    /// Whether it is known that the app runs there, or it is only looked whether it does.
    pub(super) is_known: bool,
}

impl<'s> Running<'s> {
    pub(super) const fn new(session: &'s Session<'s>) -> Self {
        Self { session, asked: BTreeMap::new() }
    }

    /// Where an app runs, and what else does there.
    pub(super) fn place_of(&mut self, app: &DeployedApp) -> Place<'_> {
        let session = self.session;
        let settings = session.context_settings().ok().and_then(|settings| settings.apps.get(&app.slug));
        let (target, remote_dir) = match settings.map(|settings| &settings.runner) {
            Some(RunnerSettings::Ssh { target, remote_dir, .. }) => {
                (Some(target.clone()), Some(remote_dir.clone()))
            }
            Some(RunnerSettings::Compose { dir, .. }) => {
                let dir = session.expand(dir).unwrap_or_else(|_| dir.clone());
                (None, dir.parent().map(PathBuf::from))
            }
            // That its server runs here says nothing of its containers.
            Some(RunnerSettings::Local { .. }) | None => (None, None),
        };
        let is_here = app.remote_dir.as_deref().is_some_and(|dir| Path::new(dir).is_dir());
        let is_known = remote_dir.is_some() || is_here;
        let host = target.as_ref().map_or_else(|| "this host".to_owned(), |target| format!("'{target}'"));
        let running = self.asked.entry(target).or_insert_with_key(|target| dirs(session, target.as_deref()));
        Place { running, host, remote_dir, is_known }
    }
}

fn dirs(session: &Session<'_>, target: Option<&str>) -> Known<Vec<String>> {
    let job = Job::new("docker").args(["ps", "--format", FORMAT]).output(Output::Raw);
    let asked = within(session, Limits::default().total(PATIENCE), |control| match target {
        None => Ok::<_, CliError>(LocalRunner::new("/", client(session)).run(&job, control)?),
        Some(target) => Ok(far(session, target, Path::new("/"))?.run(&job, control)?),
    });
    match asked {
        Ok(ended) if ended.status == Status::Exited(0) => {
            let printed = ended.stdout.whole().unwrap_or_default();
            let mut dirs: Vec<String> = String::from_utf8_lossy(&printed)
                .lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect();
            dirs.sort();
            dirs.dedup();
            Known::Known(dirs)
        }
        Ok(_) => Known::unknown("docker does not say what runs"),
        Err(e) => Known::unknown(format!("docker cannot be asked: {}", message_of(&e))),
    }
}
