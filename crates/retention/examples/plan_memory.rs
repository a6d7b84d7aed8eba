//! How much memory and time a plan takes, in processes that do nothing else.
//!
//! `cargo run --release -p retention --example plan_memory -- 1000000` plans so many snapshots in each shape: fulls alone;
//! chains of a full and 23 deltas; the same in two groups, every seventh under a lock. Ids are texts, first each with its
//! own, then shared between a snapshot and the deltas that name it as their parent.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program: it has files, other processes, and a terminal"
)]

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::hash::Hash;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use retention::{Policy, Snapshot, plan};

/// How many snapshots a chain has.
const CHAIN: u32 = 24;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [count] => {
            let _: u32 = count.parse()?;
            for shape in ["fulls", "chains", "locks"] {
                for ids in ["own", "shared"] {
                    // Another process, whose high-water mark is of this plan alone.
                    Command::new(std::env::current_exe()?).args([shape, ids, count]).status()?;
                }
            }
            Ok(())
        }
        [shape, "own", count] => measure::<Box<str>>(shape, "own", count.parse()?),
        [shape, "shared", count] => measure::<Arc<str>>(shape, "shared", count.parse()?),
        _ => Err("how many snapshots?".into()),
    }
}

fn measure<Id>(shape: &str, ids: &str, count: u32) -> Result<(), Box<dyn Error>>
where
    Id: Ord + Hash + Display + Clone + From<String>,
{
    let now = "2026-11-24T12:00:00Z".parse()?;
    let snapshots = snapshots::<Id>(shape, count, now);
    let input = high_water_mark()?;
    let start = processor_time()?;
    let plan = plan(snapshots, &Policy::baseline(), now)?;
    let took = processor_time()?.saturating_sub(start);
    let all = high_water_mark()?;
    println!(
        "{count} {shape}, {ids} ids: {took:.2?} of processor; peak {} MB, of which the input {} MB; {:?}",
        all * 1024 / 1_000_000,
        input * 1024 / 1_000_000,
        plan.summary()
    );
    Ok(())
}

/// Oldest first, as a listing has them.
fn snapshots<Id: Clone + From<String>>(shape: &str, count: u32, now: DateTime<Utc>) -> Vec<Snapshot<Id>> {
    let groups: [Arc<str>; 2] = ["app:shop".into(), "state".into()];
    let mut snapshots = Vec::with_capacity(count as usize);
    let mut last: Option<Id> = None;
    for n in 0..count {
        let id = Id::from(format!("base_{n:012}"));
        let time = now - TimeDelta::minutes(i64::from(count - n) * 10);
        let mut snapshot = match last {
            Some(parent) if shape != "fulls" && n % CHAIN != 0 => Snapshot::delta(id.clone(), time, parent),
            _ => Snapshot::full(id.clone(), time).verified(),
        };
        if shape == "locks" {
            snapshot = snapshot.in_group(Arc::clone(&groups[(n / CHAIN % 2) as usize]));
            if n % 7 == 0 {
                snapshot = snapshot.locked_until(now + TimeDelta::days(3));
            }
        }
        snapshots.push(snapshot);
        last = Some(id);
    }
    snapshots
}

/// What this process, which has one thread, has had of a processor: on a busy machine it says more than a clock.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(text.split_whitespace().next().ok_or("an empty schedstat")?.parse()?))
}

/// The most memory that this process has had, in KiB.
fn high_water_mark() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}
