use crate::{Error, Result};
use backup_contract::ContextName;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::path::{Path, PathBuf};

/// The opened directory of one context: everything below it is reached through this handle.
#[derive(Debug)]
pub struct ContextDir {
    name: ContextName,
    path: PathBuf,
    dir: Dir,
}

impl ContextDir {
    /// Opens `<state_root>/contexts/<name>`.
    ///
    /// # Errors
    /// [`Error::NoContext`] where there is none, with the contexts that there are; [`Error::Io`].
    pub fn open(state_root: &Path, name: ContextName) -> Result<Self> {
        let path = state_root.join("contexts").join(name.as_str());
        match Dir::open_ambient_dir(&path, ambient_authority()) {
            Ok(dir) => Ok(Self { name, path, dir }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::NoContext { path, known: contexts_of(state_root) })
            }
            Err(source) => Err(Error::Io { operation: "open", path, source }),
        }
    }

    /// The context's name.
    #[must_use]
    pub fn name(&self) -> &ContextName {
        &self.name
    }

    /// Where it lies, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(crate) fn io(&self, operation: &'static str, at: &str, source: std::io::Error) -> Error {
        Error::Io { operation, path: self.path.join(at), source }
    }
}

/// The names of the contexts below a state root, sorted; none when there is no state root.
#[must_use]
pub fn contexts_of(state_root: &Path) -> Vec<ContextName> {
    let Ok(entries) = std::fs::read_dir(state_root.join("contexts")) else { return Vec::new() };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok().filter(|e| e.path().is_dir())?.file_name().into_string().ok())
        .filter_map(|name| ContextName::new(name).ok())
        .collect();
    names.sort();
    names
}
