//! What retention has to tell: the rows of its JSON, and the same for people.

use super::calendar::calendar;
use super::{count, printable, time};
use chrono::{DateTime, NaiveDate, Utc};
use retention::{Decision, Outcome, Plan, PlanRow, Reason, Summary};
use serde::Serialize;
use std::fmt::Write;

type Id = Box<str>;

/// What a plan comes to.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanSummary {
    /// How many are kept, dropped, and held by a lock.
    #[serde(flatten)]
    pub counts: Summary,
    /// The beginning of the plan's SHA-256.
    pub plan_id: String,
    /// The policy in words.
    pub policy: String,
    /// Bundles without a record that go too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<StrayRow>,
}

/// What the plan came to that was executed.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplySummary {
    /// The plan.
    #[serde(flatten)]
    pub plan: PlanSummary,
    /// What was done; absent when it was only asked about, or refused.
    #[serde(flatten)]
    pub done: Option<DoneSummary>,
}

/// What was done, in numbers; stray bundles count with the snapshots.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DoneSummary {
    /// Deleted.
    pub deleted: usize,
    /// Gone before.
    pub gone: usize,
    /// Pinned meanwhile, and kept.
    pub spared: usize,
    /// Still there, though they should be gone.
    pub failed: usize,
    /// How many snapshots there are now; none when that could not be listed.
    pub left: Option<usize>,
}

/// A bundle without a record.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StrayRow {
    /// Where it lies.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// What became of it; nothing yet in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Became>,
    /// Why it is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl StrayRow {
    /// One that is to go.
    #[must_use]
    pub fn new(key: String, bytes: u64) -> Self {
        Self { key, bytes, outcome: None, problem: None }
    }
}

/// A row of `retention apply`: that of the plan, and what became of it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplyRow<'p> {
    /// The plan's row.
    #[serde(flatten)]
    pub plan: PlanRow<'p, Id>,
    /// What became of it; absent when it was only asked about, or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Became>,
    /// Why it is still there, when it was to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// The plan kept it.
    Kept,
    /// It was deleted.
    Deleted,
    /// It was gone before.
    Gone,
    /// It has expired, and a lock holds it.
    Locked,
    /// It was pinned meanwhile, and kept.
    Spared,
    /// It is still there, though it should be gone.
    Failed,
    /// It was not its turn yet.
    NotReached,
}

impl Became {
    /// The word that rows and the trail use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Deleted => "deleted",
            Self::Gone => "gone",
            Self::Locked => "locked",
            Self::Spared => "spared",
            Self::Failed => "failed",
            Self::NotReached => "not-reached",
        }
    }
}

/// A row of `retention plan`, explained.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedRow<'p> {
    /// The plan's row.
    #[serde(flatten)]
    pub plan: PlanRow<'p, Id>,
    /// With `--explain`: why it is kept or not, and what would change that, for a person, in several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// What a forecast assumes, and what it says of each snapshot that exists.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForecastSummary {
    /// When snapshots are assumed to be made.
    pub schedule: String,
    /// The policy in words.
    pub policy: String,
    /// When each existing snapshot goes.
    pub snapshots: Vec<GoneRow>,
}

/// A row of `retention forecast`: the end of one day.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForecastRow {
    /// The day.
    pub date: NaiveDate,
    /// How many snapshots there are.
    pub total: usize,
    /// Of these, the full ones.
    pub fulls: usize,
    /// Of these, the deltas.
    pub deltas: usize,
    /// Of these, those that only a lock holds.
    pub blocked_by_lock: usize,
}

/// When an existing snapshot goes.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GoneRow {
    /// The snapshot.
    pub id: String,
    /// Its time.
    pub time: DateTime<Utc>,
    /// The day; none while it outlives the forecast.
    pub gone_on: Option<NaiveDate>,
}

/// Whether a section of the text is about an outcome.
type Wanted = fn(Outcome) -> bool;

/// A plan for people: what is kept, what goes and what cannot, with the reasons, and a picture of it.
#[must_use]
pub fn plan_text(plan: &Plan<Id>, summary: &PlanSummary) -> String {
    let mut rows: Vec<usize> = (0..plan.snapshots().len()).collect();
    rows.sort_by(|&a, &b| {
        let (a, b) = (&plan.snapshots()[a], &plan.snapshots()[b]);
        (a.group(), a.time(), a.id()).cmp(&(b.group(), b.time(), b.id()))
    });
    let mut text = String::new();
    let sections: [(&str, &str, Wanted); 3] = [
        ("KEPT", "TIER", |outcome| outcome == Outcome::Keep),
        ("DROPPED", "", |outcome| outcome == Outcome::Drop),
        ("EXPIRED, BUT LOCKED", "", |outcome| matches!(outcome, Outcome::ExpiredLocked { .. })),
    ];
    for (title, tier, wanted) in sections {
        let rows: Vec<_> =
            rows.iter().map(|&row| plan.decision(row)).filter(|d| wanted(d.outcome())).collect();
        if !rows.is_empty() {
            let head = [title, "TAKEN", tier, "WHY"].map(str::to_owned);
            aligned(&mut text, &head, rows.len(), |at| line(rows[at]));
            text.push('\n');
        }
    }
    if !summary.strays.is_empty() {
        let _ = writeln!(
            text,
            "bundles without a record, left by a run or a deletion that was killed, which go too:"
        );
        for stray in &summary.strays {
            let _ = writeln!(text, "  {} ({})", stray.key, super::bytes(stray.bytes));
        }
        text.push('\n');
    }
    text += &calendar(plan);
    let counts = summary.counts;
    let locked = match counts.blocked_by_lock {
        0 => String::new(),
        n => format!(", {n} expired but locked"),
    };
    let _ = writeln!(text, "policy: {}", summary.policy);
    let _ =
        writeln!(text, "{} kept, {} dropped{locked}; plan {}", counts.kept, counts.dropped, summary.plan_id);
    text
}

fn line(decision: Decision<'_, Id>) -> [String; 4] {
    let snapshot = decision.snapshot();
    let mut id = printable(snapshot.id()).into_owned();
    if !snapshot.group().is_empty() {
        id = format!("{}: {id}", printable(snapshot.group()));
    }
    let mut tiers: Vec<&str> = Vec::new();
    for reason in decision.reasons() {
        if let Reason::Slot { tier, .. } | Reason::Oldest { tier, .. } = reason {
            tiers.push(tier.as_str());
        }
    }
    let mut why = match decision.drop_reason() {
        Some(reason) => decision.say_drop(reason),
        None => decision.reasons().map(|reason| decision.say(reason)).collect::<Vec<_>>().join("; "),
    };
    if let Outcome::ExpiredLocked { until } = decision.outcome() {
        why = format!("expired, locked until {}; {why}", time(until));
    }
    [id, time(snapshot.time()), tiers.join("+"), printable(&why).into_owned()]
}

/// Columns for any number of rows: each is made twice, and held never.
fn aligned<const N: usize>(
    text: &mut String,
    head: &[String; N],
    count: usize,
    row: impl Fn(usize) -> [String; N],
) {
    let mut widths = head.each_ref().map(|cell| cell.chars().count());
    for at in 0..count {
        for (width, cell) in widths.iter_mut().zip(&row(at)) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut push = |cells: &[String; N]| {
        let start = text.len();
        for (cell, width) in cells.iter().zip(widths) {
            if width > 0 {
                let _ = write!(text, "{cell:<width$}  ");
            }
        }
        let end = start + text[start..].trim_end().len();
        text.truncate(end);
        text.push('\n');
    };
    push(head);
    for at in 0..count {
        push(&row(at));
    }
}

/// A forecast for people: how many there will be, days of equal numbers together, and when each one goes.
#[must_use]
pub fn forecast_text(days: &[ForecastRow], gone: &[GoneRow], assumed: &str, policy: &str) -> String {
    let mut text = format!("policy: {policy}\nassumed: {assumed}\n\n");
    let total = |row: &ForecastRow| (row.total, row.blocked_by_lock);
    let spans: Vec<&[ForecastRow]> = days.chunk_by(|a, b| total(a) == total(b)).collect();
    let head = ["FROM", "TO", "SNAPSHOTS", "LOCKED"].map(str::to_owned);
    aligned(&mut text, &head, spans.len(), |at| {
        let day = |row: Option<&ForecastRow>| row.map(|row| row.date.to_string()).unwrap_or_default();
        let (total, locked) = spans[at].first().map(total).unwrap_or_default();
        let locked = if locked == 0 { String::new() } else { locked.to_string() };
        [day(spans[at].first()), day(spans[at].last()), total.to_string(), locked]
    });
    text.push('\n');
    if gone.is_empty() {
        return text + "there are no snapshots yet\n";
    }
    let stays = gone.iter().filter(|row| row.gone_on.is_none()).count();
    let head = ["SNAPSHOT", "TAKEN", "GOES ON"].map(str::to_owned);
    aligned(&mut text, &head, gone.len(), |at| {
        let row = &gone[at];
        let gone_on = row.gone_on.map_or_else(|| "stays".into(), |day| day.to_string());
        [printable(&row.id).into_owned(), time(row.time), gone_on]
    });
    let there = count(gone.len(), "snapshot", "snapshots");
    let _ = writeln!(text, "\nof {there} now, {stays} will still be there in {} days", days.len());
    text
}
