use crate::CliError;
use crate::view::{Checks, Data, Envelope, ErrorRow, FindingRow, printable};
use backup_contract::{Finding, Severity};
use retention::Plan;
use serde::Serialize;
use serde_json::Value;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
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
        match &self.rows {
            Rows::Data(rows) => row(&self.wrap(Data { data: rows.clone() }, context, warnings)),
            Rows::Checks(rows) => row(&self.wrap(Checks { checks: rows.clone() }, context, warnings)),
            // They are only ever written, never held.
            Rows::Plan(_) => row(&self.wrap(Data::<Value> { data: Vec::new() }, context, warnings)),
        }
    }

    fn wrap<'r, B>(
        &'r self,
        body: B,
        context: &'r str,
        warnings: &'r [String],
    ) -> Envelope<'r, B, &'r Value> {
        Envelope {
            ok: self.error.is_none() && self.exit == 0,
            command: self.command,
            context,
            mode: self.mode,
            count: self.rows.count(),
            body,
            summary: self.summary.as_ref(),
            error: self.error.as_ref().map(|error| ErrorRow {
                code: error.code(),
                message: message_of(error),
                hint: error.hint(),
                findings: error.findings().iter().map(FindingRow::from).collect(),
            }),
            warnings,
        }
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
    // What other programs printed may have several lines.
    if message.contains(['\n', '\t']) {
        let lines: Vec<_> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        message = lines.join(" / ").replace('\t', " ");
    }
    message
}

/// A row of anything that can be written as JSON.
#[must_use]
pub(crate) fn row(value: &impl Serialize) -> Value {
    // A view is made of texts, numbers and lists of them: there is nothing in it that could fail.
    serde_json::to_value(value).unwrap_or_default()
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
        // Names of services, paths and values are other people's.
        let place = finding.place.to_string();
        let (place, detail, hint) = (printable(&place), printable(&finding.detail), printable(&finding.hint));
        let _ = writeln!(text, "{word}: {place} {detail} [{}]", finding.code);
        let _ = writeln!(text, "  -> {hint}");
    }
    text
}

/// A word as a shell takes it.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::Place;

    #[test]
    fn a_word_is_one_for_a_shell() {
        assert_eq!(shell_word("/usr/lib/postgresql/15/bin/pg_ctl"), "/usr/lib/postgresql/15/bin/pg_ctl");
        assert_eq!(shell_word("/srv/it's $here"), r"'/srv/it'\''s $here'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn what_others_have_named_steers_no_terminal() {
        let place = Place::of("service a\u{1b}[2Jb");
        let text = finding_lines(&[Finding::new("code", Severity::Error, place, "x\r\ny", "z\u{7}")]);
        assert_eq!(text, "error: service a\\u{1b}[2Jb x\\r\\ny [code]\n  -> z\\u{7}\n");
    }
}
