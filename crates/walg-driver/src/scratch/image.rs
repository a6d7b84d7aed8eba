use super::ScratchFault;
use super::docker::{Docker, run_docker};
use super::programs::{OPTIONAL, Programs, version_in};
use super::run::{Runner, environment};
use crate::Result;
use crate::process::User;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a container of ours is recognised by, beside its name. The value is the name of the scratch directory that it is for.
pub(super) const LABEL: &str = "si-backup.scratch";
/// How many processes a container may have: a server with all its connections, and no more.
const PROCESSES: &str = "4096";
/// How much memory they may share, at most: for queries with several workers.
const SHARED: &str = "1g";
/// Prints of each directory which server is in it, and which of the programs that one may do without.
const LOOK: &str = r#"if [ "$1" = usual ]; then
  shift; p=$(command -v postgres); set -- "$(pg_config --bindir 2>/dev/null)" "${p%/postgres}" "$@"
else shift; fi
for d; do
  [ -n "$d" ] || continue
  v=; [ -x "$d/postgres" ] && v=$("$d/postgres" --version 2>/dev/null)
  o=; for p in pg_amcheck pg_checksums; do [ -x "$d/$p" ] && o="$o $p"; done
  printf '%s\t%s\t%s\n' "$d" "$v" "$o"
done"#;

/// An image in whose containers server programs run, because its libraries and extensions are on no host.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name, or the beginning of its id. It is never pulled: what is not on this machine is refused.
    pub name: String,
    /// Whose it is.
    pub docker: Docker,
}

/// An image that is here, by what it is rather than by its name, which may move to another one at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedImage {
    /// What it was called.
    pub name: String,
    /// Its digest: `sha256:…`.
    pub id: String,
}

/// An image that was looked at.
#[derive(Debug)]
pub(super) struct FoundImage<'a> {
    pub(super) docker: &'a Docker,
    pub(super) used: UsedImage,
    /// By which engine its containers are kept.
    pub(super) engine: String,
}

impl Image {
    /// Looks whether the engine answers and the image is here.
    pub(super) fn find(&self, runner: &Runner<'_>) -> Result<FoundImage<'_>> {
        let docker = &self.docker;
        let engine = docker.engine(runner)?;
        let inspect = docker.command(["image", "inspect", "--format", "{{.Id}}", "--", &*self.name]);
        let ended = run_docker(&inspect, runner)?;
        let id = ended.stdout.text().trim().to_owned();
        if !ended.status.is_zero() || !id.starts_with("sha256:") {
            return Err(ScratchFault::NoImage(self.name.clone()).into());
        }
        Ok(FoundImage { docker, used: UsedImage { name: self.name.clone(), id }, engine })
    }
}

impl FoundImage<'_> {
    /// Finds the server of a major version in the image: where it says itself and where packages put them, or in the
    /// directories that are named. The container in which this is asked is given nothing at all.
    pub(super) fn programs(
        &self,
        major: u32,
        places: &[PathBuf],
        user: Option<&User>,
        runner: &Runner<'_>,
    ) -> Result<Programs> {
        let usual = Programs::usual_places(major);
        let (word, places) = if places.is_empty() { ("usual", &*usual) } else { ("named", places) };
        let mut words = confined(user, "look");
        words.extend(["--entrypoint", "sh", &self.used.id, "-c", LOOK, "sh", word].map(OsString::from));
        words.extend(places.iter().map(OsString::from));
        // Over in a moment, and not to be broken off: it would be left behind.
        let runner = Runner { interrupted: &|| false, ..*runner };
        let ended = run_docker(&self.docker.command(words), &runner)?;
        if !ended.status.is_zero() {
            return Err(ScratchFault::Container(ended.stderr.last_lines(3)).into());
        }
        let mut looked = Vec::new();
        for line in ended.stdout.text().lines() {
            let mut fields = line.split('\t');
            let (Some(dir), Some(said), Some(others)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let Some((version, found)) = version_in(said) else {
                looked.push(format!("{dir} (none)"));
                continue;
            };
            if found == major {
                let has = |name: &&str| others.split_whitespace().any(|other| other == *name);
                let others = OPTIONAL.into_iter().filter(has).collect();
                return Ok(Programs::new(Path::new(dir), version, major, others));
            }
            looked.push(format!("{dir} ({version})"));
        }
        let looked = format!("{} in the image '{}'", looked.join(", "), self.used.name);
        Err(ScratchFault::NoServer { major, looked }.into())
    }
}

/// `docker run` for a container that reaches nobody and can become nobody, with nothing of the machine and a root directory
/// that it cannot write to. What the image sets for its programs stays: its libraries and locales may be found by that.
pub(super) fn confined(user: Option<&User>, label: &str) -> Vec<OsString> {
    let ids = user.map_or_else(
        || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        |user| (user.uid(), user.gid()),
    );
    let mut words: Vec<OsString> = [
        "run",
        "--rm",
        "--pull=never",
        "--network=none",
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--no-healthcheck",
        "--log-driver=none",
        "--workdir=/",
    ]
    .map(OsString::from)
    .to_vec();
    words.extend([
        format!("--pids-limit={PROCESSES}").into(),
        format!("--shm-size={SHARED}").into(),
        // By number: the image need not know who that is, and a server does not ask.
        format!("--user={}:{}", ids.0, ids.1).into(),
        format!("--label={LABEL}={label}").into(),
    ]);
    for (name, value) in environment().without("PATH").exposed() {
        let mut word = OsString::from("--env=");
        word.push(name);
        word.push("=");
        word.push(value);
        words.push(word);
    }
    words
}
