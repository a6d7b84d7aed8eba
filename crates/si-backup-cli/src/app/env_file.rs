use super::file::read;
use crate::settings::{AppSettings, RunnerSettings};
use crate::{CliError, Session};
use backup_contract::environment::{EnvFile, EnvFileFacts, EnvValue, FileState, GitPlace, KeyFile};
use backup_store::outside_git_work_tree;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The longest key file that is read: the text of one key, with room to spare.
const KEY_FILE_BYTES: u64 = 4096;

/// An app's env file as it lies there.
pub(crate) struct Found {
    pub(crate) facts: EnvFileFacts,
    /// What it says; none when there is nothing to read.
    pub(crate) parsed: Option<backup_contract::Result<EnvFile>>,
}

/// Looks at an app's env file, and reads it.
pub(crate) fn find(session: &Session<'_>, app: &AppSettings) -> Result<Found, CliError> {
    Ok(look_at(&session.expand(&app.env_file)?))
}

/// Looks at an env file, and reads it.
pub(crate) fn look_at(path: &Path) -> Found {
    let (state, parsed) = match read(path, EnvFile::MAX_BYTES as u64 + 1) {
        Ok((bytes, mode)) => {
            (FileState::Readable { mode, git: git_place(path) }, Some(EnvFile::parse(&bytes)))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => (FileState::Missing, None),
        Err(e) => (FileState::Unreadable(e.to_string()), None),
    };
    Found { facts: EnvFileFacts { path: path.display().to_string(), state }, parsed }
}

/// What the file holds that a name of the env file leads to, and its mode; none where that is a file of another host, or
/// depends on where the engine is started.
pub(crate) fn key_file(app: &AppSettings, env: &EnvFile) -> Option<io::Result<(EnvValue, u32)>> {
    let RunnerSettings::Local { .. } = app.runner else { return None };
    key_file_here(env)
}

/// The same where the engine is on this host.
pub(crate) fn key_file_here(env: &EnvFile) -> Option<io::Result<(EnvValue, u32)>> {
    let path = Path::new(env.get("WALG_LIBSODIUM_KEY_PATH")?.literal()?.expose());
    path.is_absolute().then(|| {
        let (bytes, mode) = read(path, KEY_FILE_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        Ok((EnvValue::new(text), mode))
    })
}

/// What came of looking at a key file.
pub(crate) fn key_found(looked: Option<&io::Result<(EnvValue, u32)>>) -> KeyFile<'_> {
    match looked {
        Some(Ok((key, mode))) => KeyFile::Read { key, mode: *mode },
        Some(Err(_)) => KeyFile::Unreadable,
        None => KeyFile::NotLookedAt,
    }
}

fn git_place(path: &Path) -> GitPlace {
    match outside_git_work_tree(path) {
        Ok(()) => GitPlace::Outside,
        Err(backup_store::Error::InsideGitWorkTree { .. }) => GitPlace::Inside,
        Err(e) => GitPlace::Unknown(e.to_string()),
    }
}
