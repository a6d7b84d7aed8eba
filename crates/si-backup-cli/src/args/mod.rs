//! What can be typed. The types derive clap's traits, so that another program can flatten them into its own parser.

mod global;
mod restore;
mod retention;
mod verbs;

pub use global::{ColorChoice, GlobalArgs, ProgressChoice};
pub use restore::{AppCommand, GuardCommand, RestoreArgs, RestoreStep, UndoArgs};
pub use retention::{ApplyArgs, ForecastArgs, PlanArgs, PolicyArgs, RetentionCommand, SourceArgs};
pub use verbs::{
    AuditCommand, Command, ContractArgs, DiffArgs, EventsCommand, ExtractArgs, InitArgs, KitArgs, ListArgs,
    PinArgs, PolicyFormat, PolicyStatusArgs, RunArgs, ShowArgs, StateArgs, StatusArgs, SubjectArgs,
    UnpinArgs, VerifyArgs,
};

use clap::Parser;

/// Backs up the private state of si, proves the backups, and brings them back.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "si-backup",
    version,
    about,
    max_term_width = 100,
    after_help = "\
Examples:
  si-backup init --store file:///srv/backups/si   settings and keys for this host
  si-backup run --state --dry-run                 what would be taken, left out, and found
  si-backup run --state                           make a backup, and prove it
  si-backup list                                  what there is, and how far it is proved
  si-backup extract LATEST --state --into /tmp/s  unpack into a new directory
  si-backup restore --from LATEST --force         bring it back into the live place

Exit codes: 0 done, 1 failed, 2 usage or settings, 3 done in part, 10 findings, 11 locked,
12 not restorable or not verified, 13 restore refused, 14 the engine failed, 130 and 143 interrupted."
)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}
