use backup_contract::ContextName;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Options that every command takes, before or after its name.
#[expect(clippy::doc_markdown, reason = "clap prints these texts as they stand")]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// The settings file [default: ~/.si/backup/config.toml, or $SI_BACKUP_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where si keeps its contexts [default: ~/.si/paas, or $SI_PAAS_STATE_ROOT]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_root: Option<PathBuf>,
    /// The context [default: the one that si has selected, else 'default']
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<ContextName>,
    /// Who asks, for the audit trail: by default the user at the host, or $SI_BACKUP_OPERATOR
    #[arg(long, global = true, value_name = "NAME")]
    pub operator: Option<String>,
    /// Print one JSON object on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// How long to wait for another run to finish, such as '90s' or '5m' [default: not at all]
    #[arg(long, global = true, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub lock_wait: Option<Duration>,
    /// Whether to draw progress bars on standard error
    #[arg(long, global = true, value_enum, default_value_t)]
    pub progress: ProgressChoice,
    /// Whether to colour the output
    #[arg(long, global = true, value_enum, default_value_t)]
    pub color: ColorChoice,
    /// Say less: only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// Whether to draw progress bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressChoice {
    /// When standard error is a terminal, and the work takes longer than a second.
    #[default]
    Auto,
    /// From the first moment, also when standard error is a file.
    Always,
    /// Not at all.
    Never,
}

/// Whether to colour the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// When standard output is a terminal, and neither `NO_COLOR` nor a dumb terminal says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
