use super::AppEnvironment;
use crate::settings::RunnerSettings;
use crate::{CliError, Session};
use backup_contract::compose::Project;
use paas_state::deployed_apps;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use walg_driver::process::{Output, Variables};
use walg_driver::runner::{Compose, ComposeRunner, Control, Far, Job, Runner, SshRunner};

/// Names of this process's environment that `docker` and `ssh` need to reach what they are to reach, and no others: what a
/// project is filled with comes from its own directory.
const CLIENT: [&str; 11] = [
    "PATH",
    "HOME",
    "USER",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
];

/// Prints the files of a release, in the order in which they are laid over each other.
const FILES: &str =
    "for f in compose.yaml compose.addon.*.yaml; do [ -f \"$f\" ] && printf '%s\\n' \"$f\"; done; true";

/// What runs commands in a service of an app's compose project, here or on another machine, and which service that is.
pub(super) fn in_service(
    session: &Session<'_>,
    app: &AppEnvironment<'_>,
    asked: Option<&str>,
    control: &Control<'_>,
) -> Result<(Box<dyn Runner>, String), CliError> {
    let compose = |dir: PathBuf, files: Vec<PathBuf>| Compose {
        dir,
        files,
        service: String::new(),
        docker: "docker".into(),
    };
    match &app.settings.runner {
        RunnerSettings::Local { .. } => {
            Err(CliError::usage("the app runs on this host, in no service", "leave --service out"))
        }
        RunnerSettings::Compose { dir, files } => {
            let runner = ComposeRunner::new(compose(session.expand(dir)?, files.clone()), client(session));
            let service = chosen(app, &runner, asked, control)?;
            Ok((Box::new(runner.service(&service)), service))
        }
        RunnerSettings::Ssh { target, remote_dir, release } => {
            let dir = remote_dir.join(release_of(session, app, release.as_deref())?);
            let runner = far(session, target, &dir)?;
            let files = files_of(&runner, &dir, control)?;
            let compose = compose(dir, files);
            let runner = runner.far(Far::Compose(compose.clone()));
            let service = chosen(app, &runner, asked, control)?;
            let compose = Compose { service: service.clone(), ..compose };
            Ok((Box::new(runner.far(Far::Compose(compose))), service))
        }
    }
}

/// The environment of `docker` and `ssh`.
pub(crate) fn client(session: &Session<'_>) -> Variables {
    let value = |name: &str| session.world.env.get(OsStr::new(name)).cloned();
    let known = CLIENT.iter().filter_map(|name| Some((*name, value(name)?)));
    known.fold(Variables::new(), |variables, (name, value): (&str, OsString)| variables.plain(name, value))
}

/// The release that is backed up: the one of the settings, else the one that runs.
fn release_of(
    session: &Session<'_>,
    app: &AppEnvironment<'_>,
    named: Option<&str>,
) -> Result<String, CliError> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let apps = deployed_apps(&session.open_context()?)?;
    let deployed = apps.into_iter().find(|deployed| deployed.slug == app.app);
    deployed.and_then(|deployed| deployed.current_release).ok_or_else(|| {
        CliError::usage(
            format!("app '{}' has no current release in the context", app.app),
            "name the 'release' in the app's runner",
        )
    })
}

/// What runs commands on another machine, in this directory there.
pub(crate) fn far(session: &Session<'_>, target: &str, dir: &Path) -> Result<SshRunner, CliError> {
    let runtime = session.world.var("XDG_RUNTIME_DIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    Ok(SshRunner::new(target, Far::Plain(dir.to_owned()), client(session), &runtime)?)
}

fn files_of(runner: &SshRunner, dir: &Path, control: &Control<'_>) -> Result<Vec<PathBuf>, CliError> {
    let ended = runner.run(&Job::new("sh").args(["-c", FILES]).output(Output::Raw), control)?;
    let printed = ended.stdout.whole().unwrap_or_default();
    let files: Vec<_> = String::from_utf8_lossy(&printed).lines().map(PathBuf::from).collect();
    if files.is_empty() {
        return Err(CliError::NoProject(format!("{} has no compose.yaml there", dir.display())));
    }
    Ok(files)
}

/// The service that is asked for; else the one that the profile names; else the server's own.
fn chosen(
    app: &AppEnvironment<'_>,
    runner: &dyn Runner,
    asked: Option<&str>,
    control: &Control<'_>,
) -> Result<String, CliError> {
    let project = runner.project(control)?.unwrap_or_default();
    let project = Project::from_json(&project).map_err(|e| CliError::NoProject(e.to_string()))?;
    let known: Vec<&str> = project.services().collect();
    let of_profile = app.settings.profile.default_run_service();
    let service = match asked {
        Some(asked) => known.contains(&asked).then(|| asked.to_owned()),
        None => of_profile
            .filter(|named| known.contains(named))
            .map(str::to_owned)
            .or_else(|| project.roles().database),
    };
    service.ok_or_else(|| {
        let known = known.join(", ");
        match asked {
            Some(asked) => {
                CliError::usage(format!("there is no service '{asked}'"), format!("there are {known}"))
            }
            None => CliError::usage(
                "nothing tells in which service backups are made".to_owned(),
                format!("name one with --service; there are {known}"),
            ),
        }
    })
}
