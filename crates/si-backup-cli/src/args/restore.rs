//! What brings a snapshot back into the live place, and what keeps others away from it meanwhile.

use super::{StateArgs, SubjectArgs};
use backup_contract::{AppSlug, Checksum, Level};
use clap::{Args, Subcommand};

/// Arguments of `restore`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  si-backup restore --state --from LATEST --dry-run         what would be done, or why not
  si-backup restore --state --from LATEST --or-last-verified --force
  si-backup restore --state --from state-20261123 --accept-level checksum --reason 'no identity yet' --dry-run
  si-backup restore undo --force                            put everything back
  si-backup restore confirm                                 drop what was kept for that

A snapshot is let through when its evidence is of the level that the settings ask for ('gate'), fresh enough, by a
trusted writer and over the bytes that are fetched. Every refusal says why, and which snapshot would be let through:
exit code 13. What is replaced is kept until 'restore confirm'; the mutation lock is shut until the checks pass."
)]
pub struct RestoreArgs {
    /// Go on with a restore, or take it back
    #[command(subcommand)]
    pub step: Option<RestoreStep>,
    /// Which subject
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// The snapshot: its id, a unique beginning of it, or LATEST
    #[arg(long, value_name = "ID|LATEST", required = true)]
    pub from: Option<String>,
    /// Refuse it unless it has this checksum, such as that of the recovery sheet. It is believed where nobody who is
    /// trusted has said a word about the snapshot
    #[arg(long, value_name = "CHECKSUM")]
    pub checksum: Option<Checksum>,
    /// Where the snapshot is not let through, take the last verified one
    #[arg(long, conflicts_with = "checksum")]
    pub or_last_verified: bool,
    /// Ask for this level of verification only, this once; never below what some snapshot has
    #[arg(long, value_name = "LEVEL", requires = "reason")]
    pub accept_level: Option<Level>,
    /// Why
    #[arg(long, value_name = "TEXT", requires = "accept_level")]
    pub reason: Option<String>,
    /// Show what would be done, or every reason why not; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Really replace what is live
    #[arg(long, conflicts_with = "dry_run")]
    pub force: bool,
}

/// What becomes of a restore that was begun.
#[derive(Debug, Clone, Subcommand)]
pub enum RestoreStep {
    /// Finish a restore, or the undoing of one, that was interrupted
    #[command(after_help = "Example:\n  si-backup restore resume")]
    Resume(StateArgs),
    /// Put back what a restore has replaced
    #[command(after_help = "Example:\n  si-backup restore undo --force")]
    Undo(UndoArgs),
    /// Drop what was kept for undoing a restore: there is no way back then
    #[command(after_help = "Example:\n  si-backup restore confirm")]
    Confirm(StateArgs),
}

/// Arguments of `restore undo`.
#[derive(Debug, Clone, Args)]
pub struct UndoArgs {
    /// Which subject
    #[command(flatten)]
    pub subject: StateArgs,
    /// Really replace what is live
    #[arg(long)]
    pub force: bool,
    /// Also where files were written since the restore: what was written is taken away
    #[arg(long, requires = "force")]
    pub discard_writes: bool,
}

/// What to do with the mutation lock.
#[derive(Debug, Clone, Subcommand)]
pub enum GuardCommand {
    /// Show which locks are shut, since when, by whom and why
    #[command(after_help = "Example:\n  si-backup guard status --json | jq '.data[] | select(.shut)'")]
    Status,
    /// Exit with 11 when the lock is shut: for scripts, before a deploy or a change of secrets
    #[command(after_help = "Example:\n  si-backup guard check --app shop")]
    Check {
        /// The app that is to be changed [default: the state of the context]
        #[arg(long, value_name = "SLUG")]
        app: Option<AppSlug>,
    },
    /// Run the checks after a restore again, and open the lock when they pass
    #[command(after_help = "Example:\n  si-backup guard recheck")]
    Recheck,
    /// Open the lock whatever the checks say; audited
    #[command(
        after_help = "Example:\n  si-backup guard release --reason 'shop is rolled back by hand, ticket 812'"
    )]
    Release {
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// What to ask about an app.
#[derive(Debug, Clone, Subcommand)]
pub enum AppCommand {
    /// Show which release is expected to run, and which one does
    #[command(after_help = "Example:\n  si-backup app status --app shop")]
    Status {
        /// The app [default: every app of the context]
        #[arg(long, value_name = "SLUG")]
        app: Option<AppSlug>,
    },
}
