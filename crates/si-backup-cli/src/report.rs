use crate::CliError;
use backup_contract::{Finding, Severity};
use retention::Plan;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::io::{self, BufWriter, Write as _};

/// What a command has to tell: rows for scripts, text for people, and an exit code for both.
#[derive(Debug)]
pub struct Report {
    /// The command, in si's words: `backup run`.
    pub command: &'static str,
    /// Whether anything was done.
    pub mode: Mode,
    /// The rows.
    pub rows: Rows,
    /// What the rows come to.
    pub summary: Option<Value>,
    /// The same for people; ends in a newline, or is empty.
    pub text: String,
    /// The exit code.
    pub exit: u8,
    /// What went wrong, when something did.
    pub error: Option<CliError>,
}

/// Whether anything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It was.
    Live,
    /// It was only shown.
    DryRun,
}

/// The rows of an envelope, and what they are called there.
#[derive(Debug)]
pub enum Rows {
    /// `data`.
    Data(Vec<Value>),
    /// `checks`, as in `doctor`.
    Checks(Vec<Value>),
    /// `data`, one row a line: those of a plan, of which there may be millions.
    Plan(Box<Plan<Box<str>>>),
}

impl Report {
    /// A report of a command that succeeded.
    #[must_use]
    pub fn new(command: &'static str, rows: Vec<Value>, text: String) -> Self {
        Self { command, mode: Mode::Live, rows: Rows::Data(rows), summary: None, text, exit: 0, error: None }
    }

    /// A report of a command that failed before it had anything to tell.
    #[must_use]
    pub fn failed(command: &'static str, error: CliError) -> Self {
        Self { exit: error.exit_code(), ..Self::new(command, Vec::new(), String::new()) }.with_error(error)
    }

    /// The same report with what went wrong.
    #[must_use]
    pub fn with_error(mut self, error: CliError) -> Self {
        self.exit = error.exit_code();
        self.error = Some(error);
        self
    }

    /// Writes the one JSON object on standard output.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_envelope(
        &self,
        out: &mut dyn io::Write,
        context: &str,
        warnings: &[String],
    ) -> io::Result<()> {
        let envelope = self.envelope(context, warnings);
        match &self.rows {
            Rows::Plan(plan) => write_with_rows(out, &envelope, plan),
            Rows::Data(_) | Rows::Checks(_) => out.write_all(format!("{envelope:#}\n").as_bytes()),
        }
    }

    /// The one JSON object on standard output, but for the rows of a plan.
    #[must_use]
    pub fn envelope(&self, context: &str, warnings: &[String]) -> Value {
        let mut envelope = Map::new();
        envelope.insert("ok".into(), (self.error.is_none() && self.exit == 0).into());
        envelope.insert("command".into(), self.command.into());
        envelope.insert("context".into(), context.into());
        envelope.insert("mode".into(), if self.mode == Mode::Live { "live" } else { "dry-run" }.into());
        let (name, rows) = match &self.rows {
            Rows::Data(rows) => ("data", rows.clone()),
            Rows::Checks(rows) => ("checks", rows.clone()),
            // They are only ever written, never held.
            Rows::Plan(_) => ("data", Vec::new()),
        };
        envelope.insert("count".into(), self.rows.count().into());
        envelope.insert(name.into(), rows.into());
        if let Some(summary) = &self.summary {
            envelope.insert("summary".into(), summary.clone());
        }
        if let Some(error) = &self.error {
            let mut body =
                json!({ "code": error.code(), "message": message_of(error), "hint": error.hint() });
            if !error.findings().is_empty() {
                body["findings"] = error.findings().iter().map(finding).collect();
            }
            envelope.insert("error".into(), body);
        }
        if !warnings.is_empty() {
            envelope.insert("warnings".into(), warnings.into());
        }
        envelope.into()
    }
}

impl Rows {
    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Data(rows) | Self::Checks(rows) => rows.len(),
            Self::Plan(plan) => plan.snapshots().len(),
        }
    }
}

/// An envelope whose `data` are the rows of a plan, written as they are made.
fn write_with_rows(out: &mut dyn io::Write, envelope: &Value, plan: &Plan<Box<str>>) -> io::Result<()> {
    // Each row is a few small writes, and standard output is flushed at the end of each line.
    let mut out = BufWriter::with_capacity(1 << 18, out);
    let mut before = "{";
    for (name, value) in envelope.as_object().into_iter().flatten() {
        write!(out, "{before}\n  \"{name}\": ")?;
        before = ",";
        if name == "data" {
            let mut before = "[";
            for row in plan.rows() {
                write!(out, "{before}\n    ")?;
                before = ",";
                serde_json::to_writer(&mut out, &row)?;
            }
            out.write_all(if before == "[" { b"[]" } else { b"\n  ]" })?;
        } else {
            // No text of JSON has a line break in it, so each one ends a line of ours.
            out.write_all(format!("{value:#}").replace('\n', "\n  ").as_bytes())?;
        }
    }
    out.write_all(b"\n}\n")?;
    out.flush()
}

/// The error with what caused it, on one line.
#[must_use]
pub(crate) fn message_of(error: &CliError) -> String {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.ends_with(&cause_text) {
            message = format!("{message}: {cause_text}");
        }
        source = cause.source();
    }
    message
}

/// A row of anything that can be written as JSON.
#[must_use]
pub(crate) fn row(value: &impl Serialize) -> Value {
    // A view is made of texts, numbers and lists of them: there is nothing in it that could fail.
    serde_json::to_value(value).unwrap_or_default()
}

/// The row of a finding.
#[must_use]
pub(crate) fn finding(finding: &Finding) -> Value {
    let mut row = json!({
        "code": finding.code,
        "severity": finding.severity,
        "place": finding.place.to_string(),
        "detail": finding.detail,
        "hint": finding.hint,
    });
    if let Some(clause) = finding.clause {
        row["clause"] = clause.as_str().into();
    }
    row
}

/// The lines of a list of findings, worst first.
#[must_use]
pub(crate) fn finding_lines(findings: &[Finding]) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.place.cmp(&b.place)));
    let mut text = String::new();
    for finding in sorted {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "note",
        };
        let _ = writeln!(text, "{word}: {} {} [{}]", finding.place, finding.detail, finding.code);
        let _ = writeln!(text, "  -> {}", finding.hint);
    }
    text
}
