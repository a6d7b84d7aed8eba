use super::quote::Script;
use crate::process::Ended;
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};

/// What a shell prints on standard error before and after a command, so that the command's exit code is told apart from that
/// of whatever carried the command there: `docker compose run` ends with 1 when the daemon is down, `ssh` with 255 when the
/// connection breaks, and either may be the command's own.
#[derive(Debug)]
pub(super) struct Marks(String);

/// Which of them came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The far side had begun.
    pub(super) began: bool,
    /// What the command ended with.
    pub(super) ended: Option<i32>,
    /// What the shell on the far side ended with.
    pub(super) far: Option<i32>,
}

impl Marks {
    pub(super) fn new() -> Result<Self> {
        let number = getrandom::u64().map_err(|error| Error::Random(error.into()))?;
        Ok(Self(format!("{number:016x}")))
    }

    /// A name that nothing else has.
    pub(super) fn name(&self) -> String {
        format!("si-backup-{}", self.0)
    }

    /// The statement that says that the far side has begun.
    pub(super) fn begin(&self) -> String {
        format!("printf '\\n%s begin\\n' {} >&2", self.0)
    }

    /// A script that runs a command and says what that ended with.
    pub(super) fn around(&self, command: &OsStr) -> OsString {
        let end = format!("; s=$?; printf '\\n%s end %s\\n' {} $s >&2; exit $s", self.0);
        Script::new().text(command).text(end).done()
    }

    /// The statement that says what the far side ends with, which is in `$s`.
    pub(super) fn far(&self) -> String {
        format!("printf '\\n%s far %s\\n' {} $s >&2", self.0)
    }

    /// Looks for them in what was printed, and takes them out.
    pub(super) fn take(&self, ended: &mut Ended) -> Found {
        let mut number = |word: &str| {
            let rest = ended.stderr.take_line(format!("{} {word}", self.0).as_bytes())?;
            Some(rest.trim().parse().unwrap_or_default())
        };
        Found { began: number("begin").is_some(), ended: number("end"), far: number("far") }
    }
}
