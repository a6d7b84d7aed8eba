use super::{AppCommand, ApplyArgs, GuardCommand, RestoreArgs, RestoreStep, RetentionCommand};
use crate::{CliError, Mode, Report, Rows};
use backup_contract::pack::Pack;
use backup_contract::{AppSlug, Level};
use clap::{Args, Subcommand};
use paas_state::OptionalTree;
use std::path::PathBuf;
use walg_driver::scratch::Point;
use walg_driver::wal::NotAnLsn;

/// What si-backup can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Write settings and keys for this host
    Init(InitArgs),
    /// Print the recovery sheet: what is needed to come back after the loss of this host
    Kit(KitArgs),
    /// Show what an app must have to be backed up, and hold it against that
    Contract(ContractArgs),
    /// Make a backup, and prove it
    Run(RunArgs),
    /// Say how safe the data is now
    Status(StatusArgs),
    /// List the snapshots
    List(ListArgs),
    /// Show one snapshot
    Show(ShowArgs),
    /// Compare a snapshot with another, or with the live state
    Diff(DiffArgs),
    /// Prove snapshots, and write the evidence beside them
    Verify(VerifyArgs),
    /// Unpack a snapshot into a new or empty directory
    Extract(ExtractArgs),
    /// Bring a proved snapshot back into the live place
    Restore(RestoreArgs),
    /// Look at the mutation lock that a restore has shut, and open it
    #[command(
        subcommand,
        after_help = "Examples:\n  si-backup guard check     before a deploy: exit code 11 when it is shut\n  si-backup guard recheck"
    )]
    Guard(GuardCommand),
    /// Keep a snapshot, whatever the retention says
    Pin(PinArgs),
    /// Take a pin back
    Unpin(UnpinArgs),
    /// Decide which snapshots are kept, and delete the others
    #[command(
        subcommand,
        after_help = "Examples:\n  si-backup retention plan\n  si-backup retention apply --yes"
    )]
    Retention(RetentionCommand),
    /// Say which clauses of the backup policy are met and which are not, and what is due
    Policy(PolicyStatusArgs),
    /// Look at the audit trail
    #[command(subcommand, after_help = "Examples:\n  si-backup audit list\n  si-backup audit verify")]
    Audit(AuditCommand),
    /// Look at the apps of the context
    #[command(subcommand, after_help = "Example:\n  si-backup app status --app shop")]
    App(AppCommand),
    /// Look at the events of the context
    #[command(subcommand, after_help = "Example:\n  si-backup events list --limit 50")]
    Events(EventsCommand),
    /// Check the host, the settings, the keys, the store and the state
    #[command(after_help = "Example:\n  si-backup doctor --json | jq '.checks[] | select(.ok | not)'")]
    Doctor,
}

/// Which subject a command is about.
#[derive(Debug, Clone, Default, Args)]
pub struct SubjectArgs {
    /// The private state of the context (the default)
    #[arg(long)]
    pub state: bool,
    /// The database of this app
    #[arg(long, value_name = "SLUG", conflicts_with = "state")]
    pub app: Option<AppSlug>,
}

/// The subject of a command that is about the state alone.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct StateArgs {
    /// The private state of the context (the only subject of this command, and the default)
    #[arg(long)]
    pub state: bool,
}

/// Arguments of `init`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  si-backup init --store file:///srv/backups/si
  si-backup init --store file:///srv/backups/si --recipient age1... --recipient age1...
  si-backup init --recover --store file:///srv/backups/si --identity /media/usb/identity.txt

Without --recipient an age identity is made on this host. Add a second recipient whose identity is
kept away from the host: a backup that only the lost host could open is no backup.")]
pub struct InitArgs {
    /// Where backups go
    #[arg(
        long,
        value_name = "URL",
        help = "Where backups go: file:///an/existing/directory or s3://bucket/prefix"
    )]
    pub store: Option<String>,
    /// How a bucket is reached
    #[command(flatten)]
    pub bucket: BucketArgs,
    /// Who can open the backups, age1...; may be given several times
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "recover")]
    pub recipient: Vec<String>,
    /// After the loss of the host: take over what the store holds, with the settings that are sealed there
    #[arg(long, requires = "store", requires = "identity")]
    pub recover: bool,
    /// The identity file that opens the backups
    #[arg(long, value_name = "FILE", requires = "recover")]
    pub identity: Option<PathBuf>,
    /// The public key of a writer whose evidence counts, from the recovery sheet; may be given several times
    #[arg(long, value_name = "KEY", requires = "recover")]
    pub trust: Vec<String>,
}

/// How a bucket is reached. No credentials: those are in a file, or where any AWS SDK finds them.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "bucket", requires = "store")]
pub struct BucketArgs {
    /// The server, where it is not AWS: `https://host`
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The bucket's region
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// A file with credentials as the AWS tools write it, 0600
    #[arg(long, value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,
    /// A file with the certificate authority of the server, PEM
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Arguments of `kit`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  si-backup kit --out recovery-sheet.txt && lp recovery-sheet.txt")]
pub struct KitArgs {
    /// Write the sheet to a new file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `contract`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  si-backup contract
  si-backup contract --check
  si-backup contract --app shop --check --json | jq '.data[] | select(.severity == \"error\")'
  si-backup contract --app shop --render supabase-walg
  si-backup contract --render databasus --set database=postgres --set relay=none

Exit code 10 when something is wrong or weak; what could not be looked at is listed as not judged.")]
pub struct ContractArgs {
    /// Only this app [default: the profile of self-hosted Supabase; with --check, every app of the context]
    #[arg(long, value_name = "SLUG")]
    pub app: Option<AppSlug>,
    /// Hold the app's real settings and compose files against its profile
    #[arg(long)]
    pub check: bool,
    /// Print the compose fragment of an add-on pack, fitted to the app where one is named:
    /// supabase-walg, databasus
    #[arg(long, value_name = "PACK", conflicts_with = "check")]
    pub render: Option<Pack>,
    /// Set a parameter of the fragment; may be given several times. supabase-walg: backup-service,
    /// restore-service, receiver (or none), slot, database, image, env-file, data, volume, pgdata,
    /// prefix, network. databasus: service, image, volume, private-network, relay (or none),
    /// relay-image, database, network
    #[arg(long, value_name = "NAME=VALUE", requires = "render", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

/// `NAME=VALUE`, taken apart.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  si-backup run --state --dry-run
  si-backup run --state --with releases,cache
  si-backup run --app shop          a full when one is due, else a delta of the newest full
  si-backup run --app shop --full")]
pub struct RunArgs {
    /// Which subject
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// Optional trees of the state to take too: releases, cache
    #[arg(long, value_name = "TREES", value_delimiter = ',', conflicts_with = "app")]
    pub with: Vec<OptionalTree>,
    /// Of a database: how long it may take in all, such as 2h [default: no limit but that of ten minutes without progress]
    #[arg(long, value_name = "D", requires = "app", value_parser = humantime::parse_duration)]
    pub timeout: Option<std::time::Duration>,
    /// Of a database in containers: the service to run the engine in [default: the profile's, else the server's own]
    #[arg(long, value_name = "NAME", requires = "app")]
    pub service: Option<String>,
    /// Of a database: make a full, whatever the schedule says
    #[arg(long, requires = "app")]
    pub full: bool,
    /// Show what would be taken, left out, and found; store nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  si-backup status --state\n  si-backup status --app shop")]
pub struct StatusArgs {
    /// Which subject
    #[command(flatten)]
    pub subject: SubjectArgs,
}

/// Arguments of `list`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  si-backup list --json | jq -r '.data[] | select(.restorable).id'\n  si-backup list --app shop"
)]
pub struct ListArgs {
    /// Which subject
    #[command(flatten)]
    pub subject: SubjectArgs,
}

/// Arguments of `show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  si-backup show LATEST --state\n  si-backup show state-20261123")]
pub struct ShowArgs {
    /// The snapshot: its id, a unique beginning of it, or LATEST
    #[arg(value_name = "ID")]
    pub id: String,
    /// Which subject
    #[command(flatten)]
    pub subject: SubjectArgs,
}

/// Arguments of `diff`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  si-backup diff LATEST                       what changed since the newest backup
  si-backup diff state-20261122 state-20261123")]
pub struct DiffArgs {
    /// The older side: an id, a unique beginning of one, or LATEST
    #[arg(value_name = "ID")]
    pub id: String,
    /// The newer side: an id, LATEST, or 'live'
    #[arg(value_name = "ID|live", default_value = "live")]
    pub other: String,
    /// Which subject
    #[command(flatten)]
    pub subject: StateArgs,
}

/// Arguments of `verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  si-backup verify                  prove the newest snapshot at level 'content'
  si-backup verify --all --level checksum
  si-backup verify --app shop --all

Levels: stored (every object is there, with its size), checksum (every byte read again),
content (decrypted; of the state each file equal to the manifest and well-formed, of a database every
tar of the chain and the WAL that it needs decoded to the end), restore (of a database: restored into a
scratch server where 'rehearsal' says, replayed to the end of the archive, asked, and thrown away).")]
pub struct VerifyArgs {
    /// The snapshot: its id, a unique beginning of it, or LATEST
    #[arg(value_name = "ID", default_value = "LATEST", conflicts_with = "all")]
    pub id: String,
    /// Every snapshot
    #[arg(long)]
    pub all: bool,
    /// Which subject
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// How far to prove it: stored, checksum, content or, with --app, restore
    #[arg(long, value_name = "LEVEL", default_value = "content")]
    pub level: Level,
}

/// Arguments of `extract`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  si-backup extract LATEST --state --into /tmp/state
  si-backup extract state-20261123 --into /tmp/state --file targets.json
  si-backup extract LATEST --app shop --into /srv/restored/shop
  si-backup extract LATEST --app shop --into /srv/restored/shop --until 2026-11-23T14:05:00+01:00")]
pub struct ExtractArgs {
    /// The snapshot: its id, a unique beginning of it, or LATEST
    #[arg(value_name = "ID")]
    pub id: String,
    /// Which subject
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// A new or an empty directory, which is then replaced: not the working directory, nor a mount point
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Only this file of the snapshot
    #[arg(long, value_name = "PATH", conflicts_with = "app")]
    pub file: Option<String>,
    /// Up to where its server recovers: 'end' of the archive, the end of the 'backup', a time as RFC 3339 with an offset,
    /// 'lsn:0/2000028', or 'name:' and a restore point [default: end for LATEST, backup for an id]
    #[arg(long, value_name = "TARGET", requires = "app", value_parser = parse_point)]
    pub until: Option<Point>,
}

/// Arguments of `pin`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  si-backup pin LATEST --reason 'before the move to Frankfurt' --until 2027-03-01T00:00:00Z"
)]
pub struct PinArgs {
    /// The snapshot: its id, a unique beginning of it, or LATEST
    #[arg(value_name = "ID")]
    pub id: String,
    /// Which subject
    #[command(flatten)]
    pub subject: StateArgs,
    /// Why it is kept
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Until when, as RFC 3339 with an offset [default: until it is unpinned]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub until: Option<chrono::DateTime<chrono::Utc>>,
}

/// Arguments of `unpin`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  si-backup unpin state-20261123")]
pub struct UnpinArgs {
    /// The snapshot: its id, or a unique beginning of it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Which subject
    #[command(flatten)]
    pub subject: StateArgs,
}

/// Arguments of `policy`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  si-backup policy
  si-backup policy --json | jq -r '.data[] | select(.status == \"violated\").clause'
  si-backup policy --format junit --now 2026-11-23T12:00:00Z

Each clause is met, violated, unknown or not applicable, by the evidence that this host can see. What was
not looked at is unknown. Exit code 10 when a clause is violated or unknown. -v says what each clause asks
for, what makes it met, and by which evidence it was judged.")]
pub struct PolicyStatusArgs {
    /// Judge as of this time, as RFC 3339 with an offset [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<chrono::DateTime<chrono::Utc>>,
    /// How to print it [default: text, or json with --json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<PolicyFormat>,
}

/// How `policy` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PolicyFormat {
    /// A table for people.
    Text,
    /// The same as --json.
    Json,
    /// A test suite in `JUnit`'s XML, for continuous integration.
    Junit,
}

/// What to do with the audit trail.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// List what was done, oldest first
    #[command(
        after_help = "Example:\n  si-backup audit list --json | jq '.data[] | select(.action == \"extract\")'"
    )]
    List,
    /// Check the chains, and hold them against the store's copies
    #[command(after_help = "\
Example:
  si-backup audit verify

Exit code 10 when an entry was changed, removed, reordered or cut off.")]
    Verify,
}

/// What to do with the events of the context.
#[derive(Debug, Clone, Subcommand)]
pub enum EventsCommand {
    /// List the newest events, newest last
    #[command(after_help = "Example:\n  si-backup events list --limit 50")]
    List {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
}

/// A point up to which a server recovers.
fn parse_point(text: &str) -> Result<Point, String> {
    match (text, text.split_once(':')) {
        ("end", _) => Ok(Point::End),
        ("backup", _) => Ok(Point::Backup),
        (_, Some(("lsn", lsn))) => lsn.parse().map(Point::Lsn).map_err(|e: NotAnLsn| e.to_string()),
        (_, Some(("name", name))) if !name.is_empty() => Ok(Point::Name(name.to_owned())),
        _ => parse_time(text).map(Point::Time).map_err(|_| {
            "write end, backup, a time with its offset such as 2026-11-23T14:05:00+01:00, lsn:0/2000028, or name:POINT"
                .to_owned()
        }),
    }
}

pub(super) fn parse_time(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|e| format!("{e}; write it like 2027-03-01T00:00:00Z"))
}

impl Command {
    /// The report of this command when it failed before it had anything to tell.
    pub(crate) fn failed(&self, error: CliError) -> Report {
        let is_dry = matches!(
            self,
            Self::Run(RunArgs { dry_run: true, .. })
                | Self::Restore(RestoreArgs { step: None, force: false, .. })
                | Self::Retention(
                    RetentionCommand::Plan(_) | RetentionCommand::Apply(ApplyArgs { yes: false, .. })
                )
        );
        let mode = if is_dry { Mode::DryRun } else { Mode::Live };
        // The rows are called what they are called when there are some.
        let rows = match self {
            Self::Doctor | Self::Audit(AuditCommand::Verify) => Rows::Checks(Vec::new()),
            _ => Rows::Data(Vec::new()),
        };
        Report { mode, rows, ..Report::failed(self.name(), error) }
    }

    /// Whether its own options ask for one JSON object.
    pub(crate) fn wants_json(&self) -> bool {
        matches!(self, Self::Policy(PolicyStatusArgs { format: Some(PolicyFormat::Json), .. }))
    }

    /// The command in the words of si's envelope.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "backup init",
            Self::Kit(_) => "backup kit",
            Self::Contract(_) => "backup contract",
            Self::Run(_) => "backup run",
            Self::Status(_) => "backup status",
            Self::List(_) => "backup list",
            Self::Show(_) => "backup show",
            Self::Diff(_) => "backup diff",
            Self::Verify(_) => "backup verify",
            Self::Extract(_) => "backup extract",
            Self::Restore(args) => match &args.step {
                None => "backup restore",
                Some(RestoreStep::Resume(_)) => "backup restore resume",
                Some(RestoreStep::Undo(_)) => "backup restore undo",
                Some(RestoreStep::Confirm(_)) => "backup restore confirm",
            },
            Self::Guard(GuardCommand::Status) => "backup guard status",
            Self::Guard(GuardCommand::Check { .. }) => "backup guard check",
            Self::Guard(GuardCommand::Recheck) => "backup guard recheck",
            Self::Guard(GuardCommand::Release { .. }) => "backup guard release",
            Self::App(AppCommand::Status { .. }) => "backup app status",
            Self::Pin(_) => "backup pin",
            Self::Unpin(_) => "backup unpin",
            Self::Retention(RetentionCommand::Plan(_)) => "backup retention plan",
            Self::Retention(RetentionCommand::Apply(_)) => "backup retention apply",
            Self::Retention(RetentionCommand::Forecast(_)) => "backup retention forecast",
            Self::Policy(_) => "backup policy",
            Self::Audit(AuditCommand::List) => "backup audit list",
            Self::Audit(AuditCommand::Verify) => "backup audit verify",
            Self::Events(EventsCommand::List { .. }) => "backup events list",
            Self::Doctor => "backup doctor",
        }
    }
}
