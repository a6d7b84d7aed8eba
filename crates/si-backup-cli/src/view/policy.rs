use super::{FindingRow, printable, table, time};
use crate::report::finding_lines;
use backup_contract::{Clause, ClauseStatus, ContextName, Due, Finding, Status, Subject, When};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fmt::Write;

/// A row of `policy`: one clause.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClauseRow {
    /// Its identifier.
    pub clause: &'static str,
    /// Where it stands.
    pub section: &'static str,
    /// `met`, `violated`, `unknown` or `not-applicable`.
    pub status: &'static str,
    /// Why.
    pub detail: String,
    /// What it was judged by.
    pub evidence: Vec<String>,
    /// How long it stays met when nothing more is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<DateTime<Utc>>,
    /// What it asks for.
    pub text: &'static str,
    /// What makes it met.
    pub met_when: &'static str,
    /// What was found about it in the apps.
    pub findings: Vec<FindingRow>,
    /// The same, as it was found.
    #[serde(skip)]
    pub found: Vec<Finding>,
}

impl From<&ClauseStatus> for ClauseRow {
    fn from(status: &ClauseStatus) -> Self {
        Self {
            clause: status.clause.as_str(),
            section: status.section.as_str(),
            status: status.status.as_str(),
            detail: status.detail.clone(),
            evidence: status.evidence.clone(),
            holds_until: status.holds_until,
            text: Clause::of(status.clause).text,
            met_when: Clause::of(status.clause).met_when,
            findings: status.findings.iter().map(FindingRow::from).collect(),
            found: status.findings.clone(),
        }
    }
}

/// What the rows of `policy` come to.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicySummary {
    /// The time that it was judged for.
    pub at: DateTime<Utc>,
    /// How many clauses are met.
    pub met: usize,
    /// How many are violated.
    pub violated: usize,
    /// Of how many nobody can tell.
    pub unknown: usize,
    /// How many are about nothing that there is.
    pub not_applicable: usize,
    /// What is due: now, next, and what is not known.
    pub due: Vec<DueRow>,
}

/// Something that is due, now or later.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DueRow {
    /// `snapshot`, `full`, `delta`, `rehearse`, `offsite` or `drill`.
    pub task: &'static str,
    /// Of which subject.
    pub subject: Subject,
    /// `now`, `later` or `unknown`.
    pub when: &'static str,
    /// Now: since when, or nothing where it was never done. Later: when.
    pub at: Option<DateTime<Utc>>,
    /// When it was last begun.
    pub last: Option<DateTime<Utc>>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl From<&Due> for DueRow {
    fn from(due: &Due) -> Self {
        let (when, at, last, why) = match &due.when {
            When::Now { since, last } => ("now", *since, *last, None),
            When::Later { at, last } => ("later", Some(*at), *last, None),
            When::Unknown { why } => ("unknown", None, None, Some(why.clone())),
        };
        Self { task: due.task.as_str(), subject: due.subject.clone(), when, at, last, why }
    }
}

impl DueRow {
    /// When, for a person.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (self.when, self.at, &self.why) {
            ("now", Some(since), _) => format!("since {}", time(since)),
            ("now", None, _) => "never done".to_owned(),
            (_, Some(at), _) => time(at),
            (_, None, why) => printable(why.as_deref().unwrap_or_default()).into_owned(),
        }
    }
}

const fn mark(status: &str) -> &'static str {
    match status.as_bytes() {
        b"met" => "ok",
        b"violated" => "NO",
        b"unknown" => "??",
        _ => "--",
    }
}

/// The clauses as a table with marks, why each stands as it does, and what is due; when it is to be verbose, with what each
/// clause says and needs.
#[must_use]
pub fn policy_text(rows: &[ClauseRow], summary: &PolicySummary, verbose: bool) -> String {
    let mut text = table(
        ["", "CLAUSE", "SECTION", "STATUS", "HOLDS UNTIL"],
        rows.iter().map(|row| {
            let until = row.holds_until.map(time).unwrap_or_default();
            [mark(row.status).into(), row.clause.into(), row.section.into(), row.status.into(), until]
        }),
    );
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "{} {}: {}", mark(row.status), row.clause, printable(&row.detail));
        if verbose {
            let _ = writeln!(text, "   clause    {}\n   met when  {}", row.text, row.met_when);
        }
        for line in finding_lines(&row.found).lines() {
            let _ = writeln!(text, "   {}", printable(line));
        }
        if verbose {
            row.evidence.iter().for_each(|key| {
                let _ = writeln!(text, "   evidence  {}", printable(key));
            });
        }
    }
    text += &due_text(&summary.due);
    let _ = writeln!(
        text,
        "\n{} met, {} violated, {} unknown, {} not applicable at {}",
        summary.met,
        summary.violated,
        summary.unknown,
        summary.not_applicable,
        time(summary.at)
    );
    text
}

/// What is due, in three lists; those that are empty are left out.
fn due_text(due: &[DueRow]) -> String {
    let mut text = String::new();
    for (title, when) in [("due now:", "now"), ("next:", "later"), ("not known when:", "unknown")] {
        let rows: Vec<_> = due.iter().filter(|row| row.when == when).collect();
        if !rows.is_empty() {
            let _ = write!(text, "\n{title}\n");
            let rows =
                rows.iter().map(|row| [format!("  {}", row.task), row.subject.to_string(), row.in_words()]);
            // The head is empty: the titles say enough.
            text += table(["", "", ""], rows).split_once('\n').map_or("", |(_, rows)| rows);
        }
    }
    text
}

/// What is due of one subject, in one line each.
#[must_use]
pub fn due_lines(due: &[DueRow]) -> String {
    let mut text = String::new();
    for row in due {
        let label = if row.when == "now" { "due" } else { "next" };
        let when = if row.when == "unknown" {
            format!("not known when: {}", row.in_words())
        } else {
            row.in_words()
        };
        let _ = writeln!(text, "{label:<12}{} {when}", row.task);
    }
    text
}

/// The clauses as a test suite in `JUnit`'s XML: what is violated is a failure, what is unknown an error, what does not apply
/// is skipped.
#[must_use]
pub fn policy_junit(context: &ContextName, rows: &[ClauseRow], now: DateTime<Utc>) -> String {
    let count = |status: Status| rows.iter().filter(|row| row.status == status.as_str()).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        rows.len(),
        count(Status::Violated),
        count(Status::Unknown),
        count(Status::NotApplicable)
    );
    let name = escaped(&format!("si-backup policy, context {context}"));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\" {counts}>\n  \
         <testsuite name=\"{name}\" {counts} timestamp=\"{}\">\n",
        now.format("%Y-%m-%dT%H:%M:%S")
    );
    for row in rows {
        let _ = writeln!(xml, "    <testcase classname=\"policy.{}\" name=\"{}\">", row.section, row.clause);
        let detail = escaped(&row.detail);
        let _ = match row.status {
            "violated" => {
                let all = escaped(&finding_lines(&row.found));
                writeln!(xml, "      <failure type=\"violated\" message=\"{detail}\">{all}</failure>")
            }
            "unknown" => writeln!(xml, "      <error type=\"unknown\" message=\"{detail}\"/>"),
            "not-applicable" => writeln!(xml, "      <skipped message=\"{detail}\"/>"),
            _ => writeln!(xml, "      <system-out>{detail}</system-out>"),
        };
        xml += "    </testcase>\n";
    }
    xml + "  </testsuite>\n</testsuites>\n"
}

/// A text as it may stand in XML, in an attribute too. What XML has no way to write is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            // As they stand an attribute would take them for blanks.
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: Status, detail: &str) -> ClauseRow {
        let finding = Finding::new(
            "odd",
            backup_contract::Severity::Error,
            backup_contract::Place::of("x"),
            detail,
            "mend <it>",
        );
        ClauseRow {
            detail: detail.to_owned(),
            found: vec![finding],
            ..ClauseRow::from(&ClauseStatus {
                clause: backup_contract::ClauseId::Retention,
                section: Clause::of(backup_contract::ClauseId::Retention).section,
                status,
                detail: String::new(),
                evidence: vec![],
                holds_until: None,
                findings: vec![],
            })
        }
    }

    #[test]
    fn junit_is_well_formed_whatever_is_told() {
        let hostile = "a \"b\" <c> & 'd' ]]> --> \u{0}\u{8}\u{1b}[31m \t\n\r é 🦀 \u{ffff} &#0;";
        let all = [Status::Violated, Status::Unknown, Status::NotApplicable, Status::Met];
        let rows = all.map(|status| row(status, hostile));
        let context = ContextName::new("default").unwrap();
        let xml = policy_junit(&context, &rows, DateTime::UNIX_EPOCH);
        let document = roxmltree::Document::parse(&xml).unwrap_or_else(|e| panic!("{e}\n{xml}"));
        let suite = document.root_element().first_element_child().unwrap();
        for (name, count) in [("tests", "4"), ("failures", "1"), ("errors", "1"), ("skipped", "1")] {
            assert_eq!(suite.attribute(name), Some(count), "{name}");
        }
        let told: Vec<_> = suite.children().filter(roxmltree::Node::is_element).collect();
        assert!(told.iter().all(|case| case.attribute("name") == Some("retention")));
        let kinds: Vec<_> = told
            .iter()
            .map(|case| case.first_element_child().unwrap().tag_name().name().to_owned())
            .collect();
        assert_eq!(kinds, ["failure", "error", "skipped", "system-out"]);
        // What a reader gets is what was told, but for what XML cannot say.
        let message = told[0].first_element_child().unwrap().attribute("message").unwrap();
        let kept = hostile.replace(['\u{0}', '\u{8}', '\u{1b}', '\u{ffff}'], "\u{fffd}");
        assert_eq!(message, kept);
        assert!(told[0].first_element_child().unwrap().text().unwrap().contains("mend <it>"));
    }

    #[test]
    fn each_status_has_its_mark() {
        let all = [Status::Met, Status::Violated, Status::Unknown, Status::NotApplicable];
        assert_eq!(all.map(|status| mark(status.as_str())), ["ok", "NO", "??", "--"]);
    }
}
