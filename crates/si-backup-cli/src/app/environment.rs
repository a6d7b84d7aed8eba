use super::env_file;
use crate::settings::AppSettings;
use crate::{CliError, Session};
use backup_contract::environment::{EnvFile, EnvValue, Environment};
use backup_contract::{AppSlug, Severity, Stage};
use std::io::{self, ErrorKind};

/// An app's settings, with its env file as it lies there.
pub struct AppEnvironment<'s> {
    /// Which app.
    pub app: AppSlug,
    /// What the settings say of it.
    pub settings: &'s AppSettings,
    stage: Stage,
    path: String,
    file: EnvFile,
    key: Option<io::Result<(EnvValue, u32)>>,
}

impl<'s> AppEnvironment<'s> {
    /// Reads the env file of an app of the context.
    ///
    /// # Errors
    /// [`CliError::Settings`] when there is no such app; [`CliError::AppEnvFile`] when its env file is not there or cannot
    /// be read, or others can read it; [`CliError::Contract`] when it is none.
    pub fn read(session: &'s Session<'_>, app: &AppSlug) -> Result<Self, CliError> {
        let settings = session.app_settings(app)?;
        let found = env_file::find(session, settings)?;
        // Whoever could read it could write it, or knows the keys by now: an operator should hear of it first.
        let faults = found.facts.check().findings;
        if let Some(fault) = faults.into_iter().find(|fault| fault.severity == Severity::Error) {
            return Err(CliError::AppEnvFile { app: app.to_string(), fault: Box::new(fault) });
        }
        let path = found.facts.path;
        let Some(file) = found.parsed.transpose()? else {
            return Err(CliError::Io {
                operation: "read",
                path: path.into(),
                source: ErrorKind::NotFound.into(),
            });
        };
        let key = env_file::key_file(settings, &file);
        let stage = session.context_settings()?.stage();
        Ok(Self { app: app.clone(), settings, stage, path, file, key })
    }

    /// What it says, held against what reads it.
    #[must_use]
    pub fn get(&self) -> Environment<'_> {
        Environment {
            path: &self.path,
            file: &self.file,
            profile: self.settings.profile,
            engine: self.settings.engine_kind(),
            stage: self.stage,
            key_file: env_file::key_found(self.key.as_ref()),
        }
    }

    /// The file itself, to be held against what an engine has elsewhere.
    pub(crate) const fn file(&self) -> &EnvFile {
        &self.file
    }

    /// A setting of it that is no secret, such as `PGUSER`.
    #[must_use]
    pub fn plain(&self, name: &str) -> Option<String> {
        let value = self.file.get(name)?.literal()?.expose();
        (!value.is_empty()).then(|| value.to_owned())
    }
}
