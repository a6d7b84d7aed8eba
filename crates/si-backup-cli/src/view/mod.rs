//! What is printed: rows for scripts, which are structures of their own apart from the domain's types, and text for
//! people.

mod calendar;
mod contract;
mod envelope;
mod policy;
mod restore;
mod retention;
mod rows;
#[cfg(feature = "schema")]
mod schema;
mod style;
mod table;

pub use contract::{ContractFindingRow, ContractRow, ContractSummary, FragmentRow, ProfileRow, profile_text};
pub use envelope::{ChainRow, Checks, Data, DoctorRow, Envelope, ErrorRow, FindingRow};
pub use policy::{ClauseRow, DueRow, PolicySummary, due_lines, policy_junit, policy_text};
pub use restore::{
    AppStatusRow, GuardRow, LastVerifiedRow, PassedOverRow, RefusalRow, RestoreRow, StepRow, UndoRow,
};
pub use retention::{
    ApplyRow, ApplySummary, Became, DoneSummary, ExplainedRow, ForecastRow, ForecastSummary, GoneRow,
    PlanSummary, StrayRow, forecast_text, plan_text,
};
pub use rows::{
    AuditRow, ChangeRow, DiffKeyRow, DiffRow, EntryRow, EvidenceRow, ExtractRow, ExtractedServerRow, InitRow,
    KitRow, ListRow, PinRow, ProblemRow, RunRow, ShowRow, Status, StatusRow, VerifiedRow, VerifyRow,
};
#[cfg(feature = "schema")]
pub use schema::{CommandSchema, schemas};
pub use style::Style;
pub use table::table;

use crate::CliError;
use crate::report::{finding_lines, message_of};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::borrow::Cow;
use std::fmt::Write;

/// An error as a person reads it: what went wrong, the findings behind it, and what to do next.
#[must_use]
pub fn error_text(error: &CliError, verbose: bool) -> String {
    let mut text = finding_lines(error.findings());
    let _ = write!(text, "error: {}", message_of(error));
    if verbose {
        let _ = write!(text, " [{}]", error.code());
    }
    text.push('\n');
    let _ = writeln!(text, "  -> {}", error.hint());
    text
}

/// A text of somebody else on one line of a terminal: nothing in it steers that.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect()
    } else {
        Cow::Borrowed(text)
    }
}

/// A time as a person reads it.
#[must_use]
pub fn time(at: DateTime<Utc>) -> String {
    // Not by a format of our own, which would be taken apart anew for each row of a long table.
    format!("{} UTC", at.naive_utc().trunc_subsecs(0))
}

/// A span of time, in its two largest units: `3 h 20 min`.
#[must_use]
pub fn span(delta: TimeDelta) -> String {
    let seconds = delta.num_seconds().abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// How many there are of what is counted.
#[must_use]
pub fn count(n: impl TryInto<u64>, one: &str, many: &str) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

/// A number of bytes, as a person reads it.
#[must_use]
pub fn bytes(n: u64) -> String {
    indicatif::HumanBytes(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_seconds_and_no_less() {
        for (text, shown) in [
            ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05 UTC"),
            ("2026-01-02T03:04:05.999999999Z", "2026-01-02 03:04:05 UTC"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31 23:59:59 UTC"),
            ("2016-12-31T23:59:60.25Z", "2016-12-31 23:59:60 UTC"),
            ("0007-01-02T03:04:05Z", "0007-01-02 03:04:05 UTC"),
        ] {
            assert_eq!(time(text.parse().unwrap()), shown);
        }
        assert_eq!(time(DateTime::<Utc>::MAX_UTC), "+262142-12-31 23:59:59 UTC");
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min"),
            (3_660, "1 h 1 min"),
            (90_000, "1 d 1 h"),
            (-30, "30 s"),
        ] {
            assert_eq!(span(TimeDelta::seconds(seconds)), text);
        }
    }
}
