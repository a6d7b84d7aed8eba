//! A picture of a plan: which day is held by which tier.

use super::printable;
use chrono::{Datelike, Days, NaiveDate};
use retention::{Outcome, Plan, Reason, Tier};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A picture is small: the weeks that are drawn at most, the newest ones.
const MAX_WEEKS: usize = 60;
/// And the groups.
const MAX_GROUPS: usize = 4;

/// A day, or what it is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Day {
    /// A bit for each tier that holds a snapshot of it.
    tiers: u8,
    /// A snapshot is kept by something else than a slot.
    otherwise: bool,
    locked: bool,
    goes: bool,
}

impl Day {
    /// The letters of its tiers, finest first; where none holds it, what else there is.
    fn mark(self) -> String {
        if self.tiers != 0 {
            return Tier::ALL
                .into_iter()
                .enumerate()
                .filter(|(at, _)| self.tiers & (1 << at) != 0)
                .map(|(_, tier)| letter(tier))
                .collect();
        }
        let marks = [(self.otherwise, "o"), (self.locked, "!"), (self.goes, "x")];
        marks.iter().find(|(is, _)| *is).map_or(".", |(_, mark)| mark).to_owned()
    }
}

fn letter(tier: Tier) -> char {
    tier.as_str().chars().next().map_or('?', |first| first.to_ascii_uppercase())
}

/// Draws the days of each group, a line a week; empty where there is nothing to draw.
#[must_use]
pub(super) fn calendar(plan: &Plan<Box<str>>) -> String {
    let mut groups: BTreeMap<&str, BTreeMap<NaiveDate, Day>> = BTreeMap::new();
    for decision in plan.decisions() {
        let snapshot = decision.snapshot();
        let date = snapshot.time().with_timezone(&plan.policy().time_zone()).date_naive();
        let day = groups.entry(snapshot.group()).or_default().entry(date).or_default();
        match decision.outcome() {
            Outcome::Keep => {}
            Outcome::Drop => day.goes = true,
            Outcome::ExpiredLocked { .. } => day.locked = true,
        }
        for reason in decision.reasons() {
            match reason {
                Reason::Slot { tier, .. } | Reason::Oldest { tier, .. } => {
                    let place = Tier::ALL.iter().position(|other| *other == tier).unwrap_or_default();
                    day.tiers |= 1 << place;
                }
                _ => day.otherwise = true,
            }
        }
    }
    let mut text = String::new();
    let mut used = String::new();
    for (group, days) in groups.iter().take(MAX_GROUPS) {
        draw(&mut text, &mut used, group, days);
    }
    if groups.len() > MAX_GROUPS {
        let _ = writeln!(text, "({} more groups are not drawn)", groups.len() - MAX_GROUPS);
    }
    let mut legend: Vec<String> = Tier::ALL
        .into_iter()
        .filter(|tier| used.contains(letter(*tier)))
        .map(|tier| format!("{} {tier}", letter(tier)))
        .collect();
    for (mark, meaning) in [('o', "kept for another reason"), ('!', "expired, but locked"), ('x', "goes")] {
        if used.contains(mark) {
            legend.push(format!("{mark} {meaning}"));
        }
    }
    if !legend.is_empty() {
        let _ = writeln!(text, "{}\n", legend.join(", "));
    }
    text
}

fn draw(text: &mut String, used: &mut String, group: &str, days: &BTreeMap<NaiveDate, Day>) {
    let monday = |date: NaiveDate| {
        date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())).unwrap_or(date)
    };
    let mut weeks: BTreeMap<NaiveDate, [Day; 7]> = BTreeMap::new();
    for (date, day) in days {
        weeks.entry(monday(*date)).or_default()[date.weekday().num_days_from_monday() as usize] = *day;
    }
    let older = weeks.len().saturating_sub(MAX_WEEKS);
    let weeks: Vec<(NaiveDate, [String; 7])> =
        weeks.iter().skip(older).map(|(monday, days)| (*monday, days.map(Day::mark))).collect();
    let width = weeks.iter().flat_map(|(_, marks)| marks).map(String::len).max().unwrap_or(0).max(2) + 1;
    if !group.is_empty() {
        let _ = writeln!(text, "{}:", printable(group));
    }
    let names = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].map(|name| format!("{name:<width$}"));
    let _ = writeln!(text, "{}", format!("{:<14}{}", "week of", names.concat()).trim_end());
    if older > 0 {
        let _ = writeln!(text, "({older} older weeks are not drawn)");
    }
    let mut last: Option<NaiveDate> = None;
    for (monday, marks) in &weeks {
        if last.is_some_and(|last| last.checked_add_days(Days::new(7)) != Some(*monday)) {
            let _ = writeln!(text, "...");
        }
        last = Some(*monday);
        let mut line = format!("{:<14}", monday.format("%e %b %Y").to_string());
        for mark in marks {
            used.push_str(mark);
            let _ = write!(line, "{mark:<width$}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}
