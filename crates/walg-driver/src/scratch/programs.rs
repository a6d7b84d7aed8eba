use super::ScratchFault;
use crate::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that a server may lack.
pub(super) const OPTIONAL: [&str; 2] = ["pg_amcheck", "pg_checksums"];

/// The programs of a `PostgreSQL` server.
#[derive(Debug, Clone)]
pub struct Programs {
    dir: PathBuf,
    /// Which of those are there that it may lack.
    others: Vec<&'static str>,
    /// As the server says it: `15.18`.
    pub version: String,
    /// `15`.
    pub major: u32,
}

impl Programs {
    /// Where the packages of Linux distributions put the programs of a major version.
    #[must_use]
    pub fn usual_places(major: u32) -> Vec<PathBuf> {
        vec![
            format!("/usr/lib/postgresql/{major}/bin").into(),
            format!("/usr/pgsql-{major}/bin").into(),
            format!("/opt/homebrew/opt/postgresql@{major}/bin").into(),
            "/usr/local/pgsql/bin".into(),
            "/usr/lib/postgresql/bin".into(),
            "/usr/local/bin".into(),
            "/usr/bin".into(),
        ]
    }

    /// Finds the server of a major version in one of several directories. No other will do: a server reads only what its
    /// own major version wrote.
    ///
    /// # Errors
    /// [`ScratchFault::NoServer`], with what was found where.
    pub fn find(major: u32, places: &[PathBuf]) -> Result<Self> {
        let mut looked = Vec::new();
        for place in places {
            let Some((version, found)) = version_of(place) else {
                looked.push(format!("{} (none)", place.display()));
                continue;
            };
            if found == major {
                let others = OPTIONAL.into_iter().filter(|name| place.join(name).is_file()).collect();
                return Ok(Self::new(place, version, major, others));
            }
            looked.push(format!("{} ({version})", place.display()));
        }
        Err(ScratchFault::NoServer { major, looked: looked.join(", ") }.into())
    }

    pub(super) fn new(dir: &Path, version: String, major: u32, others: Vec<&'static str>) -> Self {
        Self { dir: dir.to_owned(), others, version, major }
    }

    /// Where they are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A program, where it is there.
    pub(super) fn optional(&self, name: &str) -> Option<PathBuf> {
        self.others.contains(&name).then(|| self.dir.join(name))
    }

    /// A program, or the name under which it would be looked for.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// What the server in a directory says of itself.
fn version_of(dir: &Path) -> Option<(String, u32)> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
    version_in(&String::from_utf8(output.stdout).ok()?)
}

/// The version in what a server says of itself, and the major one.
pub(super) fn version_in(said: &str) -> Option<(String, u32)> {
    let version = said.strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?.to_owned();
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    let major = version.get(..digits)?.parse().ok()?;
    Some((version, major))
}
