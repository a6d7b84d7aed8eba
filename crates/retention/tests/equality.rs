//! The same input, the same counts: what Borg and restic really kept, and what this crate keeps.
//!
//! `oracle/record.py` ran the programs; `oracle/*.txt` holds what they said. The live test asks them again.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads fixtures, starts programs, may panic"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use retention::{Count, Counting, Counts, Plan, Policy, Reason, Snapshot, Tier, plan};

const SERIES: [&str; 5] = ["regular", "irregular", "clock-change", "sparse", "short"];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Program {
    Borg,
    Restic,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Borg => "borg",
            Self::Restic => "restic",
        }
    }
}

fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

fn times(series: &str) -> Vec<Snapshot<String>> {
    let text = std::fs::read_to_string(oracle().join(format!("{series}.times"))).unwrap();
    let snapshot = |line: &str| {
        let (id, time) = line.split_once(' ').unwrap();
        Snapshot::full(id.to_owned(), time.parse().unwrap())
    };
    text.lines().map(snapshot).collect()
}

fn counts(text: &str) -> Counts {
    let mut counts = Counts::default();
    for part in text.split(',') {
        let (name, count) = part.split_once('=').unwrap();
        let tier = Tier::ALL.into_iter().find(|tier| tier.as_str() == name).unwrap();
        counts = counts.with(tier, count.parse::<Count>().unwrap());
    }
    counts
}

/// The programs' world: no recovery window, and long after the last snapshot.
fn ours(snapshots: &[Snapshot<String>], zone: &str, policy: &str, counting: Counting) -> Plan<String> {
    let policy = Policy::new(counts(policy))
        .unwrap()
        .with_counting(counting)
        .with_time_zone(zone.parse().unwrap())
        .with_recovery_window(TimeDelta::zero())
        .unwrap();
    let now: DateTime<Utc> = "2027-01-01T00:00:00Z".parse().unwrap();
    plan(snapshots.iter().cloned(), &policy, now).unwrap()
}

/// What each program calls a reason of ours; `None` for what it does not have.
fn in_their_words(reason: Reason, program: Program, has_oldest: bool) -> Option<String> {
    match (reason, program) {
        // Borg's `--keep-last` is another name of `--keep-secondly`.
        (Reason::Slot { tier: Tier::Last, rank, .. }, Program::Borg) => Some(format!("secondly#{rank}")),
        (Reason::Oldest { tier: Tier::Last, rank, .. }, Program::Borg) => {
            Some(format!("secondly[oldest]#{rank}"))
        }
        (Reason::Slot { tier, rank, .. }, Program::Borg) => Some(format!("{tier}#{rank}")),
        (Reason::Oldest { tier, rank, .. }, Program::Borg) => Some(format!("{tier}[oldest]#{rank}")),
        (Reason::Slot { tier, .. }, Program::Restic) => Some(tier.to_string()),
        (Reason::Oldest { tier, .. }, Program::Restic) => has_oldest.then(|| format!("oldest-{tier}")),
        // The newest is always in a slot as well.
        (Reason::Newest, _) => None,
        (other, _) => panic!("{other:?} in a world of plain snapshots"),
    }
}

fn compare(recorded: &str, series: &str, program: Program) -> usize {
    let snapshots = times(series);
    let mut lines = recorded.lines();
    let version = lines.next().unwrap();
    // The oldest-snapshot rule came to restic with 0.16; without it the rest must be the same.
    let has_oldest = program == Program::Borg || restic_release(version) >= (0, 16);
    let counting = match program {
        Program::Borg => Counting::Exclusive,
        Program::Restic => Counting::Shared,
    };
    let mut compared = 0;
    for line in lines {
        let (case, kept) = line.split_once(": ").unwrap();
        let (zone, policy) = case.split_once(' ').unwrap();
        let theirs: BTreeMap<String, Vec<String>> = kept
            .split_whitespace()
            .map(|kept| kept.split_once('=').unwrap())
            .map(|(id, rules)| (id.to_owned(), rules.split(',').map(str::to_owned).collect()))
            .collect();
        let plan = ours(&snapshots, zone, policy, counting);
        let ours: BTreeMap<String, Vec<String>> = plan
            .decisions()
            .map(|decision| {
                let words = |reason| in_their_words(reason, program, has_oldest);
                (decision.snapshot().id().clone(), decision.reasons().filter_map(words).collect::<Vec<_>>())
            })
            .filter(|(_, reasons)| !reasons.is_empty())
            .collect();
        assert_eq!(ours, theirs, "{series}, {case}, {version}");
        compared += 1;
    }
    compared
}

fn restic_release(line: &str) -> (u32, u32) {
    let version = line.split_whitespace().nth(2).unwrap();
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

fn compare_recorded(program: Program) {
    for series in SERIES {
        let file = oracle().join(format!("{series}.{}.txt", program.name()));
        assert!(compare(&std::fs::read_to_string(file).unwrap(), series, program) >= 15);
    }
}

#[test]
fn exclusive_counting_keeps_what_borg_kept() {
    compare_recorded(Program::Borg);
}

#[test]
fn shared_counting_keeps_what_restic_kept() {
    compare_recorded(Program::Restic);
}

/// One short series by default; all of them with `SI_BACKUP_FULL=1` (minutes).
#[test]
fn the_programs_say_the_same_today() {
    let full = std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1");
    let to = std::env::temp_dir().join(format!("retention-oracle-{}", std::process::id()));
    for program in [Program::Borg, Program::Restic] {
        let present = Command::new(program.name()).arg("--help").output().is_ok();
        let python = Command::new("python3").arg("--version").output().is_ok();
        if !present || !python {
            println!("skipped: {} or python3 is not installed", program.name());
            continue;
        }
        std::fs::create_dir_all(&to).unwrap();
        let (series, every) = if full { (&SERIES[..], "1") } else { (&["short"][..], "5") };
        let script = oracle().join("record.py");
        let mut command = Command::new("python3");
        command.arg(script).arg("--to").arg(&to).arg(every).arg(program.name()).args(series);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        for series in series {
            let file = to.join(format!("{series}.{}.txt", program.name()));
            compare(&std::fs::read_to_string(file).unwrap(), series, program);
        }
    }
    let _ = std::fs::remove_dir_all(to);
}
