use crate::app::file;
use crate::{CliError, Session};
use backup_contract::compose::{ComposeFile, Expected, Project, check, unreadable};
use backup_contract::environment::EnvFile;
use backup_contract::profile::Profile;
use backup_contract::{Checked, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The most bytes of one compose file that are read: more than the library takes, so that it says what is too much.
const FILE_BYTES: u64 = (1 << 20) + 1;
/// The most bytes that are read of what compose prints.
const RESOLVED_BYTES: u64 = (8 << 20) + 1;
/// How long compose may take to resolve a project: it reads files, and asks nobody.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came of a project's files.
pub(super) enum Found {
    Read(Project),
    /// Why there is none; no value of the files is in it.
    Not(String),
}

/// Reads a project: as compose resolves it where there is compose, else from its files.
pub(super) fn find(session: &Session<'_>, dir: &Path, files: &[PathBuf]) -> Result<Found, CliError> {
    let dir = session.expand(dir)?;
    let files: Vec<PathBuf> = files.iter().map(|file| dir.join(file)).collect();
    // What is not there is told by its name; compose would tell of the first one only.
    let mut texts = Vec::new();
    for file in &files {
        match file::read(file, FILE_BYTES) {
            Ok((bytes, _)) => texts.push((file.display().to_string(), bytes)),
            Err(e) => return Ok(Found::Not(format!("{} could not be read: {e}", file.display()))),
        }
    }
    let compose = Compose { session, dir: &dir, files: &files };
    if !files.is_empty() && compose.is_there() {
        return Ok(match compose.resolve() {
            Ok(json) => Project::from_json(&json).map_or_else(|e| Found::Not(e.to_string()), Found::Read),
            Err(why) => Found::Not(why),
        });
    }
    let files: Vec<ComposeFile<'_>> = texts.iter().map(|(name, bytes)| ComposeFile { name, bytes }).collect();
    let project = Project::from_files(&dir.display().to_string(), &files);
    Ok(project.map_or_else(|e| Found::Not(e.to_string()), Found::Read))
}

/// Holds a project against a profile.
pub(super) fn judge(found: &Found, place: &str, profile: &Profile) -> Checked {
    match found {
        Found::Read(project) => check(project, &expected(project, profile)),
        Found::Not(why) => unreadable(Place::of(place), why.as_str()),
    }
}

fn expected(project: &Project, profile: &Profile) -> Expected {
    let default = Expected::default();
    let service = |named: Option<&str>, default: String| named.map_or(default, str::to_owned);
    Expected {
        backup_service: service(profile.default_run_service(), default.backup_service),
        restore_service: service(profile.default_restore_service(), default.restore_service),
        required_env: profile.required_env().iter().map(|&name| name.to_owned()).collect(),
        env_files: names_in_env_files(project),
        ..Expected::default()
    }
}

/// The names, and nothing but the names, in the env files of a project; those that cannot be read are left out.
fn names_in_env_files(project: &Project) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeSet<&str> = project.services().flat_map(|service| project.env_files(service)).collect();
    let names = |path: &str| -> Option<BTreeSet<String>> {
        let (bytes, _) = file::read(Path::new(path), EnvFile::MAX_BYTES as u64 + 1).ok()?;
        let file = EnvFile::parse(&bytes).ok()?;
        Some(file.iter().map(|variable| variable.name().to_owned()).collect())
    };
    files.into_iter().filter_map(|path| Some((path.to_owned(), names(path)?))).collect()
}

/// `docker compose`, for a project on this host.
struct Compose<'a> {
    session: &'a Session<'a>,
    dir: &'a Path,
    files: &'a [PathBuf],
}

impl Compose<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        // The whole project is asked for, whatever is switched on at the moment.
        command.env_clear().envs(&self.session.world.env).env("COMPOSE_PROFILES", "*");
        command.arg("compose").args(arguments).current_dir(self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    fn is_there(&self) -> bool {
        self.command(&["version"]).spawn().and_then(|child| finish(child, RESOLVED_BYTES)).is_ok()
    }

    /// The resolved project. What compose says of a failure may hold values, and is not repeated.
    fn resolve(&self) -> Result<Vec<u8>, String> {
        let mut command = self.command(&["--project-directory"]);
        command.arg(self.dir);
        for file in self.files {
            command.arg("-f").arg(file);
        }
        command.args(["config", "--format", "json", "--no-interpolate", "--no-env-resolution"]);
        let told = |e: io::Error| format!("'docker compose config' refuses the project: {e}");
        command.spawn().and_then(|child| finish(child, RESOLVED_BYTES)).map_err(told)
    }
}

/// What a child prints until it ends, when it ends well and in time.
fn finish(mut child: Child, most: u64) -> io::Result<Vec<u8>> {
    let out = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    let (sender, printed) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.take(most).read_to_end(&mut bytes);
        // Nobody waits any more when this comes too late.
        let _ = sender.send(read.map(|_| bytes));
    });
    let printed = printed.recv_timeout(PATIENCE);
    if printed.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    match printed {
        Err(_) => Err(io::Error::other("it did not answer within a minute")),
        Ok(Ok(bytes)) if status.success() => Ok(bytes),
        Ok(Ok(_)) => Err(io::Error::other(format!("it ended with {status}"))),
        Ok(Err(e)) => Err(e),
    }
}
