use super::verbs::parse_time;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use retention::{Count, Counting};
use std::path::PathBuf;
use std::time::Duration;

/// What to do about the snapshots that are kept.
#[derive(Debug, Clone, Subcommand)]
pub enum RetentionCommand {
    /// Show what would be kept and dropped, and why
    #[command(after_help = "\
Examples:
  si-backup retention plan
  si-backup retention plan --keep-daily 14 --keep-yearly all --json
  si-backup retention plan --explain state-20261123
  si-backup retention plan --from-json snapshots.json --keep-last 3

Nothing is touched. --from-json reads the snapshots of any tool, as an array or as one object after
the other: {\"id\", \"time\"} with the optional \"kind\", \"parent\", \"group\", \"verified\", \"pinned\",
\"suspect\", \"locked_until\" and \"complete\". It needs neither settings nor a context.

The plan's id is the beginning of a SHA-256 over policy, snapshots and outcomes.")]
    Plan(PlanArgs),
    /// Delete what the plan drops, and exactly that
    #[command(after_help = "\
Examples:
  si-backup retention apply
  si-backup retention apply --plan-id 5f2c9a6d01b7e834 --yes

Without --yes the plan is shown, nothing is done, and the exit code is 2. --plan-id takes the id
that 'retention plan' printed, and nothing is done when the plan is another one by now.

Of each snapshot the record goes first, then the bundle; its evidence and its pins stay, they are
small and tell its history. A bundle without a record, left by a run or a deletion that was killed,
goes when it is older than a day. Before each deletion the object, its lock and its pins are read
again. What fails is listed (exit code 3) and is tried again by the next apply; what a lock holds
is no failure.")]
    Apply(ApplyArgs),
    /// Say how many snapshots there will be, and when each one goes
    #[command(after_help = "\
Examples:
  si-backup retention forecast
  si-backup retention forecast --days 365 --schedule hourly --keep-daily 14

A schedule is 'hourly', 'daily 02:00', 'weekly sunday 02:00', 'monthly 1 02:00', or 'none' for what
becomes of the snapshots that there are.")]
    Forecast(ForecastArgs),
}

/// Arguments of `retention plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Which snapshots
    #[command(flatten)]
    pub source: SourceArgs,
    /// Which policy
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Plan for this time, as RFC 3339 with an offset [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<DateTime<Utc>>,
    /// Say of one snapshot why it is kept or not, and what would change that: its id, or LATEST
    #[arg(long, value_name = "ID")]
    pub explain: Option<String>,
}

/// Arguments of `retention apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// The private state of the context (the only subject so far, and the default)
    #[arg(long)]
    pub state: bool,
    /// Which policy
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Do it only while the plan still has this id, or one that begins so
    #[arg(long, value_name = "H", value_parser = parse_plan_id)]
    pub plan_id: Option<String>,
    /// Delete
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `retention forecast`.
#[derive(Debug, Clone, Args)]
pub struct ForecastArgs {
    /// Which snapshots
    #[command(flatten)]
    pub source: SourceArgs,
    /// Which policy
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// How many days to look ahead, today included
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
    /// When snapshots will be made [default: the settings', else 'daily 02:00']
    #[arg(long, value_name = "SCHEDULE")]
    pub schedule: Option<String>,
}

/// Which snapshots are looked at.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// Those of the private state of the context (the default)
    #[arg(long, conflicts_with = "from_json")]
    pub state: bool,
    /// Those in this file, or on standard input when it is '-'
    #[arg(long, value_name = "FILE|-")]
    pub from_json: Option<PathBuf>,
}

/// What is kept. Any of the counts replaces all counts of the settings.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Policy")]
pub struct PolicyArgs {
    /// Keep the newest N, or 'all'
    #[arg(long, value_name = "N|all", value_parser = parse_count)]
    pub keep_last: Option<Count>,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N|all", value_parser = parse_count)]
    pub keep_hourly: Option<Count>,
    /// Keep the newest of each of the last N days that have one
    #[arg(long, value_name = "N|all", value_parser = parse_count)]
    pub keep_daily: Option<Count>,
    /// Keep the newest of each of the last N ISO weeks that have one
    #[arg(long, value_name = "N|all", value_parser = parse_count)]
    pub keep_weekly: Option<Count>,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N|all", value_parser = parse_count)]
    pub keep_monthly: Option<Count>,
    /// Keep the newest of each of the last N years that have one
    #[arg(long, value_name = "N|all", value_parser = parse_count)]
    pub keep_yearly: Option<Count>,
    /// Keep everything this far back, such as '7d'; 0 or 'none' for no window
    #[arg(long, value_name = "DURATION", value_parser = parse_window)]
    pub recovery_window: Option<Duration>,
    /// Whether a snapshot fills one tier only, or may fill several: exclusive or shared
    #[arg(long, value_name = "HOW", value_parser = parse_counting)]
    pub counting: Option<Counting>,
    /// The zone in which hours, days, weeks and months are cut, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
}

fn parse_count(text: &str) -> Result<Count, String> {
    text.parse().map_err(|_| "give a whole number, or 'all'".to_owned())
}

fn parse_counting(text: &str) -> Result<Counting, String> {
    text.parse().map_err(|_| "give 'exclusive' or 'shared'".to_owned())
}

fn parse_window(text: &str) -> Result<Duration, String> {
    match text {
        "none" => Ok(Duration::ZERO),
        text => humantime::parse_duration(text).map_err(|e| format!("{e}; write it like 7d, or 'none'")),
    }
}

/// Few digits would make a check that passes by chance.
fn parse_plan_id(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex && (8..=64).contains(&text.len()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("give the id that 'retention plan' prints, or at least 8 digits of it".to_owned())
    }
}
