use thiserror::Error as ThisError;

/// A text that is not the noun it was given as. The text itself is repeated, so never parse a secret with these types;
/// what is wrong in an env file is told by its line alone.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A context name or app slug with a character, or of a length, that no path may be made of.
    #[error("'{value}' is not a valid {noun}: {reason}")]
    Name {
        /// What it was to be: `context name` or `app slug`.
        noun: &'static str,
        /// The rejected text.
        value: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// Neither `state` nor `app:<slug>`.
    #[error("'{0}' is not a subject")]
    Subject(String),
    /// Not an id that this software or WAL-G gives to a snapshot.
    #[error("'{value}' is not a snapshot id: {reason}")]
    SnapshotId {
        /// The rejected text.
        value: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// Not `sha256:` and 64 lower-case hexadecimal digits.
    #[error("'{0}' is not a checksum")]
    Checksum(String),
    /// None of the four levels.
    #[error("'{0}' is not a level of verification")]
    Level(String),
    /// Not the identifier of a clause of the policy.
    #[error("'{0}' is not a clause of the policy")]
    Clause(String),
    /// Not a way to say how often something is done.
    #[error("'{0}' is not a schedule")]
    Rhythm(String),
    /// Not the name of a profile.
    #[error("there is no profile '{0}'")]
    Profile(String),
    /// Not the name of an engine.
    #[error("there is no engine '{0}'")]
    Engine(String),
    /// Not the version of an engine.
    #[error("'{0}' is not the version of an engine")]
    EngineVersion(String),
    /// Not an env file as compose reads it.
    #[error("line {line} is no line of an env file: {reason}")]
    EnvSyntax {
        /// The line, counted from 1.
        line: u64,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// Longer than any env file.
    #[error("an env file of {bytes} bytes is longer than {limit}")]
    EnvTooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A setting of an env file without which an app's bucket cannot be reached. Its value is never repeated.
    #[error("{name} {reason}")]
    EnvUnusable {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Error {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "invalid-name",
            Self::Subject(_) => "invalid-subject",
            Self::SnapshotId { .. } => "invalid-snapshot-id",
            Self::Checksum(_) => "invalid-checksum",
            Self::Level(_) => "invalid-level",
            Self::Clause(_) => "invalid-clause",
            Self::Rhythm(_) => "invalid-schedule",
            Self::Profile(_) => "invalid-profile",
            Self::Engine(_) => "invalid-engine",
            Self::EngineVersion(_) => "invalid-engine-version",
            Self::EnvSyntax { .. } => "env-syntax",
            Self::EnvTooLarge { .. } => "env-too-large",
            Self::EnvUnusable { .. } => "env-unusable",
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Name { .. } => {
                "use up to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit"
            }
            Self::Subject(_) => "write 'state' or 'app:<slug>'",
            Self::SnapshotId { .. } => "'si-backup list' prints the ids",
            Self::Checksum(_) => "write 'sha256:' and 64 lower-case hexadecimal digits",
            Self::Level(_) => "write 'stored', 'checksum', 'content' or 'restore'",
            Self::Clause(_) => "'si-backup policy' lists the clauses",
            Self::Rhythm(_) => {
                "write it like 'hourly', 'daily 02:00', 'weekly sunday 02:00', 'monthly 1 02:00', 'quarterly' or 'none'"
            }
            Self::Profile(_) => "write 'supabase-self-hosted' or 'local-directory'",
            Self::Engine(_) => "write 'embedded', 'wal-g' or 'walrus'",
            Self::EngineVersion(_) => "it is three numbers, such as 3.0.9",
            Self::EnvSyntax { .. } => {
                "each line is NAME=value, NAME='value' or a comment that begins with '#'"
            }
            Self::EnvTooLarge { .. } => "look whether it is the right file",
            Self::EnvUnusable { .. } => {
                "'si-backup contract --check' says all that is wrong with the app's env file"
            }
        }
    }
}
