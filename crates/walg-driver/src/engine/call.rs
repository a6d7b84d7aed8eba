use super::Engine;
use crate::bucket::Backup;
use crate::runner::{Job, Reads};
use crate::{Error, Result};
use backup_contract::{SnapshotId, SnapshotKind};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::PathBuf;

/// What an engine is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Make a base backup.
    Push(Push),
    /// Unpack a backup, with what it is a delta of, into a directory that is empty or not there.
    Fetch {
        /// Which; never `LATEST`, which is the newest by the store's clock.
        backup: SnapshotId,
        /// Where to.
        into: PathBuf,
    },
    /// Archive a segment of WAL.
    WalPush {
        /// The file.
        segment: PathBuf,
    },
    /// Fetch a segment of WAL. Never for `restore_command`: what it ends with does not tell absence from failure.
    WalFetch {
        /// The segment's name.
        name: String,
        /// The file to make.
        into: PathBuf,
    },
    /// Tell its version.
    Version,
}

/// A base backup to be made from the data directory: a full, or a delta of a full.
///
/// Which of the two is decided here and passed on, whatever the env file says of steps and origins: a delta hangs on the
/// full that is named, and not on what the store's clock says is the newest.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    pgdata: PathBuf,
    delta_of: Option<SnapshotId>,
    user_data: Option<Map<String, Value>>,
}

impl Push {
    /// A full. The directory must be the server's `data_directory`, in its spelling.
    pub fn full(pgdata: impl Into<PathBuf>) -> Self {
        Self { pgdata: pgdata.into(), delta_of: None, user_data: None }
    }

    /// A delta of a full.
    ///
    /// An engine that cannot make it makes a full without a word: look in the bucket at what came of it.
    ///
    /// # Errors
    /// [`Error::NotAFull`] for a delta, or for what is not restorable: one bad link would cost all that hangs on it.
    pub fn delta_of(pgdata: impl Into<PathBuf>, full: &Backup) -> Result<Self> {
        if full.kind() != SnapshotKind::Full || !full.restorable() {
            return Err(Error::NotAFull(full.id.clone()));
        }
        Ok(Self { delta_of: Some(full.id.clone()), ..Self::full(pgdata) })
    }

    /// With what is to stand in its sentinel. It is not encrypted there.
    #[must_use]
    pub fn user_data(mut self, data: Map<String, Value>) -> Self {
        self.user_data = Some(data);
        self
    }

    fn job(&self, engine: &Engine) -> Job {
        let mut args = vec![OsString::from("backup-push"), self.pgdata.clone().into()];
        if self.delta_of.is_none() {
            args.push("--full".into());
        }
        if let Some(data) = &self.user_data {
            let flag = if engine.kind().is_walrus() { "--user-data" } else { "--add-user-data" };
            args.extend([flag.into(), Value::Object(data.clone()).to_string().into()]);
        }
        let job = engine.start(args).unset("WALG_DELTA_FROM_USER_DATA");
        match &self.delta_of {
            None => job.set("WALG_DELTA_MAX_STEPS", "0").unset("WALG_DELTA_FROM_NAME"),
            // By environment, because walrus has no flag for it. The origin has the parent be a full even if it is marked
            // permanent, which otherwise turns the delta into a full. The last two would make every backup a full.
            Some(full) => job
                .set("WALG_DELTA_MAX_STEPS", "1")
                .set("WALG_DELTA_ORIGIN", "LATEST_FULL")
                .set("WALG_DELTA_FROM_NAME", full.as_str())
                .unset("WALG_WITHOUT_FILES_METADATA")
                .unset("WALG_USE_COPY_COMPOSER"),
        }
    }
}

impl Call {
    pub(super) fn job(&self, engine: &Engine) -> Job {
        let words = |verb: &str, rest: [OsString; 2]| std::iter::once(verb.into()).chain(rest);
        match self {
            Self::Push(push) => push.job(engine),
            Self::Fetch { backup, into } => engine
                .start(words("backup-fetch", [into.into(), backup.as_str().into()]))
                // A name and data to select by are refused together.
                .unset("WALG_FETCH_TARGET_USER_DATA")
                // It restores nothing where a backup of the chain is walrus's.
                .unset("WALG_SKIP_REDUNDANT_TARS")
                // What lies here will not be another at the next try, and wal-g's sleep in between for over an hour.
                .set("WALG_DOWNLOAD_FILE_RETRIES", "0"),
            Self::WalPush { segment } => engine.start(["wal-push".into(), segment.into()]),
            Self::WalFetch { name, into } => engine.start(words("wal-fetch", [name.into(), into.into()])),
            Self::Version => engine.start(["--version".into()]).reads(Reads::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::engine::EngineKind;
    use std::ffi::OsStr;

    fn words(job: &Job) -> Vec<&str> {
        job.arguments().iter().map(|word| word.to_str().unwrap()).collect()
    }

    #[test]
    fn a_full_is_a_full_whatever_the_env_file_says() {
        let push = Call::Push(Push::full("/data").user_data(Map::from_iter([("a".to_owned(), 1.into())])));
        let job = Engine::new(EngineKind::WalG, "wal-g").job(&push);
        let expected =
            ["backup-push", "/data", "--full", "--add-user-data", r#"{"a":1}"#, "--config", "/dev/null"];
        assert_eq!(words(&job), expected);
        let settings: Vec<_> = job.settings().collect();
        assert!(settings.contains(&("WALG_DELTA_MAX_STEPS", Some(OsStr::new("0")))));
        assert!(settings.contains(&("WALG_DELTA_FROM_NAME", None)));
        let job = Engine::new(EngineKind::Embedded, "/usr/bin/si-backup").job(&push);
        assert_eq!(
            words(&job),
            ["engine", "--", "backup-push", "/data", "--full", "--user-data", r#"{"a":1}"#]
        );
    }

    #[test]
    fn a_fetch_names_its_backup() {
        let backup: SnapshotId = "base_000000010000000000000002".parse().unwrap();
        let job =
            Engine::new(EngineKind::Walrus, "walrus").job(&Call::Fetch { backup, into: "/into".into() });
        assert_eq!(words(&job), ["backup-fetch", "/into", "base_000000010000000000000002"]);
        assert!(job.settings().any(|setting| setting == ("WALG_SKIP_REDUNDANT_TARS", None)));
    }
}
