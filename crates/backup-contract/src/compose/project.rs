use super::at::At;
use super::model::Project;
use super::{ComposeError, node, read};

/// One compose file as the caller read it.
#[derive(Debug, Clone, Copy)]
pub struct ComposeFile<'a> {
    /// What errors call it.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

impl Project {
    /// Reads a resolved project as `docker compose config --format json --no-interpolate` prints it.
    ///
    /// # Errors
    /// [`ComposeError`] where the text is not such a project, or larger than 8 MiB.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ComposeError> {
        let name = "the resolved project";
        let root = node::from_json(name, bytes)?;
        read::project(&At::root(name, &root), "")
    }

    /// Reads compose files and puts each over those before it, as `docker compose -f A -f B` would.
    ///
    /// `dir` is the project directory, usually the first file's: by it relative paths are meant. It may be empty, and
    /// is only compared, never opened.
    ///
    /// This is a subset of compose. Interpolation is not performed: a text with `${…}` stays one. `extends`, `include`
    /// and the tags `!reset` and `!override` are noted and not followed, and what they touch is not judged.
    ///
    /// # Errors
    /// [`ComposeError`] where a file is not UTF-8, not YAML, larger than 1 MiB, nested more deeply or expanding to more
    /// than any compose file does, has a key twice, or holds something that compose does not take.
    pub fn from_files(dir: &str, files: &[ComposeFile]) -> Result<Self, ComposeError> {
        if files.is_empty() {
            return Err(ComposeError::NoFile);
        }
        let mut project = Self::default();
        for file in files {
            // Compose merges the documents of one file like files.
            for root in node::from_yaml(file.name, file.bytes)? {
                project.merge(read::project(&At::root(file.name, &root), dir)?);
            }
        }
        Ok(project)
    }

    /// The names of its services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// The files that a service takes variables from: absolute where the project directory is known. What is in them
    /// is not read here.
    pub fn env_files(&self, service: &str) -> impl Iterator<Item = &str> {
        self.services
            .get(service)
            .into_iter()
            .flat_map(|service| service.env_files.iter().map(String::as_str))
    }
}
