use super::{Settings, nearest};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// There is no settings file.
    #[error("no settings at {}", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read the settings {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, or a value is not what it should be.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1 in characters.
        column: usize,
        /// What is wrong there.
        message: String,
        /// What was probably meant.
        hint: Option<String>,
    },
    /// A context that the settings do not know.
    #[error("the settings {} say nothing about the context '{context}'", path.display())]
    NoContext {
        /// The file.
        path: PathBuf,
        /// The context.
        context: String,
        /// Those that they know.
        known: Vec<String>,
    },
    /// An app that the settings do not know.
    #[error("the settings of the context '{context}' say nothing about the app '{app}'")]
    NoApp {
        /// The context.
        context: String,
        /// The app.
        app: String,
        /// Those that they know.
        known: Vec<String>,
    },
    /// A setting that this command cannot do without.
    #[error("the settings of the context '{context}' have no {what}")]
    Incomplete {
        /// The context.
        context: String,
        /// What is missing.
        what: &'static str,
        /// How it is written.
        example: String,
    },
    /// A store URL that this version cannot open.
    #[error("'{url}' is not a store that can be opened: {reason}")]
    StoreUrl {
        /// The URL.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A settings file exists where `init` would write one.
    #[error("there are settings already: {}", .0.display())]
    Exists(PathBuf),
}

impl SettingsError {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "settings-missing",
            Self::Unreadable { .. } => "settings-unreadable",
            Self::Invalid { .. } => "settings-invalid",
            Self::NoContext { .. } => "settings-no-context",
            Self::NoApp { .. } => "settings-no-app",
            Self::Incomplete { .. } => "settings-incomplete",
            Self::StoreUrl { .. } => "store-url-invalid",
            Self::Exists(_) => "settings-exist",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(_) => Some("'si-backup init --store file:///a/directory' writes them".into()),
            Self::Unreadable { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Some("run as the user who owns them".into()),
                _ => Some(
                    "settings are a file of TOML in UTF-8; another one can be named with --config".into(),
                ),
            },
            Self::Invalid { hint, .. } => {
                Some(hint.clone().unwrap_or_else(|| "mend the settings where the message says".into()))
            }
            Self::NoContext { known, context, .. } if known.is_empty() => {
                Some(format!("add a section [contexts.{context}]"))
            }
            Self::NoContext { known, context, .. } => Some(format!(
                "choose one of {} with --context, or add a section [contexts.{context}]",
                known.join(", ")
            )),
            Self::NoApp { known, context, app } if known.is_empty() => {
                Some(format!("add a section [contexts.{context}.apps.{app}]"))
            }
            Self::NoApp { known, .. } => Some(format!("they know {}", known.join(", "))),
            Self::Incomplete { example, .. } => Some(format!("add, for example: {example}")),
            Self::StoreUrl { .. } => {
                Some("write it like file:///srv/backups/si or s3://bucket/prefix".into())
            }
            Self::Exists(_) => {
                Some("edit them; init never overwrites. Another place can be named with --config".into())
            }
        }
    }
}

/// Reads a settings file.
///
/// # Errors
/// [`SettingsError::Missing`], [`SettingsError::Unreadable`], and those of [`parse`].
pub fn load(path: &Path) -> Result<Settings, SettingsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(SettingsError::Missing(path.to_owned())),
        Err(source) => Err(SettingsError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Parses the text of a settings file; `path` is for messages.
///
/// # Errors
/// [`SettingsError::Invalid`], with line and column; an unknown key names the nearest known one.
pub fn parse(path: &Path, text: &str) -> Result<Settings, SettingsError> {
    toml::from_str(text).map_err(|e| {
        let offset = e.span().map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let message = e.message().lines().next().unwrap_or("not valid").to_owned();
        SettingsError::Invalid {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            hint: nearest::hint_for(&message),
            message: nearest::without_list(&message),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> (String, Option<String>) {
        let error = parse(Path::new("config.toml"), text).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn a_syntax_error_has_line_and_column() {
        let (message, _) = fails("[contexts.default]\nproduction = yes\n");
        assert!(message.starts_with("config.toml:2:14: "), "{message}");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let (message, hint) = fails("[contexts.default]\nretenton = { daily = 7 }\n");
        assert_eq!(message, "config.toml:2:1: unknown field `retenton`");
        assert_eq!(hint.as_deref(), Some("did you mean 'retention'?"));
    }

    #[test]
    fn a_bad_value_says_how_it_is_written() {
        let (message, _) = fails("[contexts.default]\nundo_keep = \"a while\"\n");
        assert!(message.contains("write it like '7d'"), "{message}");
    }

    #[test]
    fn a_profile_or_an_engine_that_is_none_says_which_there_are() {
        let app = "[contexts.default.apps.shop]\nenv_file = \"/e\"\nrunner = { kind = \"local\", pgdata = \"/d\" }\n";
        let (message, _) = fails(&format!("{app}profile = \"supabase\"\n"));
        assert!(message.starts_with("config.toml:4:11: there is no profile 'supabase'; write"), "{message}");
        let (message, _) = fails(&format!("{app}engine = \"walg\"\n"));
        assert!(message.starts_with("config.toml:4:10: there is no engine 'walg'"), "{message}");
    }

    #[test]
    fn a_check_is_asked_at_a_time_that_there_is() {
        let app = "[contexts.default.apps.shop]\nenv_file = \"/e\"\nrunner = { kind = \"local\", pgdata = \"/d\" }\n";
        let check = |when| {
            format!("{app}checks = [{{ name = \"orders\", sql = \"select true\", when = \"{when}\" }}]\n")
        };
        for when in ["rehearsal", "fenced", "open", "both"] {
            parse(Path::new("config.toml"), &check(when)).unwrap();
        }
        for when in ["rehearsals", "always", "Both", ""] {
            let (message, _) = fails(&check(when));
            assert!(
                message.starts_with("config.toml:4:") && message.contains("unknown variant"),
                "{message}"
            );
        }
    }

    #[test]
    fn an_app_has_the_engine_of_its_runner() {
        let text = include_str!("../../tests/data/full-config.toml").replace("engine = \"embedded\"\n", "");
        let settings = parse(Path::new("config.toml"), &text).unwrap();
        let apps = &settings.contexts.values().next().unwrap().apps;
        let engines: Vec<_> =
            apps.iter().map(|(slug, app)| format!("{slug} {}", app.engine_kind())).collect();
        assert_eq!(engines, ["blog wal-g", "shop embedded", "wiki wal-g"]);
    }

    #[test]
    fn every_documented_setting_is_known() {
        let text = include_str!("../../tests/data/full-config.toml");
        let settings = parse(Path::new("config.toml"), text).unwrap();
        let context = settings.contexts.values().next().unwrap();
        assert_eq!(context.apps.len(), 3);
        assert_eq!(context.retention.daily, 7.into());
    }
}
