//! Prunes a directory of dated files, such as `db-2026-11-24.sql.gz` or `site_20261124T0200.tar`.
//!
//! ```text
//! prune_dir DIR [--daily N] [--weekly N] [--monthly N] [--delete]
//! ```
//!
//! Without `--delete` it only says what it would do. Files that differ in anything but their date are series of their
//! own; files without a date are left alone.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program: it has a clock, files, and a terminal"
)]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use retention::{Count, Counts, Outcome, Plan, Policy, Snapshot, Tier, plan};

struct Options {
    directory: PathBuf,
    counts: Counts,
    action: Action,
}

#[derive(PartialEq)]
enum Action {
    Say,
    Delete,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    let policy = Policy::new(options.counts)?.with_recovery_window(TimeDelta::zero())?;
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(&options.directory)? {
        let entry = entry?;
        // Names that are not text have no date that could be read.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.file_type()?.is_file()
            && let Some((time, series)) = dated(&name)
        {
            snapshots.push(Snapshot::full(name, time).in_group(series));
        }
    }
    let plan = plan(snapshots, &policy, DateTime::<Utc>::from(SystemTime::now()))?;
    show(&plan);
    if options.action == Action::Say {
        println!("nothing was deleted; say --delete to do it");
        return Ok(());
    }
    for decision in plan.deletions() {
        fs::remove_file(options.directory.join(decision.snapshot().id()))?;
        println!("deleted {}", decision.snapshot().id());
    }
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut directory = None;
    let mut counts = Counts::default();
    let mut action = Action::Say;
    while let Some(argument) = arguments.next() {
        if argument == "--delete" {
            action = Action::Delete;
        } else if let Some(name) = argument.strip_prefix("--") {
            let tier = Tier::ALL.into_iter().find(|tier| tier.as_str() == name);
            let tier = tier.ok_or_else(|| format!("no tier {name}"))?;
            let count: Count = arguments.next().ok_or_else(|| format!("--{name} needs a count"))?.parse()?;
            counts = counts.with(tier, count);
        } else {
            directory = Some(PathBuf::from(argument));
        }
    }
    let counts = if counts == Counts::default() { Counts::baseline() } else { counts };
    Ok(Options { directory: directory.ok_or("which directory?")?, counts, action })
}

fn show(plan: &Plan<String>) {
    for decision in plan.decisions() {
        let kept = decision.reasons().map(|reason| decision.say(reason));
        let dropped = decision.drop_reason().map(|reason| decision.say_drop(reason));
        let why: Vec<String> = kept.chain(dropped).collect();
        let word = if decision.outcome() == Outcome::Keep { "keep" } else { "drop" };
        println!("{word}  {}  ({})", decision.snapshot().id(), why.join("; "));
    }
    let summary = plan.summary();
    println!("{} kept, {} to go, by {}", summary.kept, summary.dropped, plan.policy());
}

/// The first date in a file's name, and the name without it.
fn dated(name: &str) -> Option<(DateTime<Utc>, String)> {
    let starts = name.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at);
    starts.into_iter().find_map(|start| {
        [("%Y-%m-%d", 10), ("%Y%m%d", 8)].into_iter().find_map(|(pattern, length)| {
            let date = NaiveDate::parse_from_str(name.get(start..start + length)?, pattern).ok()?;
            let rest = &name[start + length..];
            let (minutes, used) = clock(rest).unwrap_or((0, 0));
            let time = date.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::minutes(minutes))?;
            Some((time.and_utc(), format!("{}{}", &name[..start], &rest[used..])))
        })
    })
}

/// A time right after the date, `T02:00`, `_0200` or `-02-00`: minutes of the day, and how much of the text it takes.
fn clock(rest: &str) -> Option<(i64, usize)> {
    let digits = rest.strip_prefix(['T', '_', '-', ' '])?;
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let after = digits.get(2..)?;
    let minutes = after.strip_prefix([':', '-']).unwrap_or(after);
    let value: i64 = minutes.get(..2)?.parse().ok()?;
    let used = rest.len() - minutes.len() + 2;
    (hours < 24 && value < 60).then_some((hours * 60 + value, used))
}
