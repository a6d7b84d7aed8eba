use crate::Mode;
use backup_contract::{ClauseId, Finding, Severity};
use serde::Serialize;
use serde_json::Value;

/// The one object that `--json` prints on standard output, also on failure. `B` holds the rows: [`Data`] or [`Checks`].
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Envelope<'r, B, Summary> {
    /// Whether everything was done, and found to be as it should.
    pub ok: bool,
    /// The command, in si's words; `backup` alone when the words of the command line make none.
    pub command: &'static str,
    /// The context that was meant; empty when the command failed before that was known.
    pub context: &'r str,
    /// Whether anything was done.
    pub mode: Mode,
    /// How many rows there are.
    pub count: usize,
    /// The rows.
    #[serde(flatten)]
    pub body: B,
    /// What the rows come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// What went wrong, when something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRow>,
    /// What the user should know, though the command went on.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub warnings: &'r [String],
}

/// Rows that are called `data`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Data<Row> {
    /// The rows.
    pub data: Vec<Row>,
}

/// Rows that are called `checks`, as si's own `doctor` calls them.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checks<Row> {
    /// What was looked at, and what was found.
    pub checks: Vec<Row>,
}

/// What went wrong.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorRow {
    /// Stable and kebab-case; docs/errors.md lists them.
    pub code: &'static str,
    /// What went wrong, and what caused it, on one line.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// The findings behind it, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingRow>,
}

/// Something that is wrong or weak.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FindingRow {
    /// Stable and kebab-case; docs/errors.md lists them.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Where it is: `file`, `file:12`, `file#/json/pointer` or `file:12#/json/pointer`.
    pub place: String,
    /// What is there. Holds no secret value.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// The clause of the policy that it is about, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub clause: Option<ClauseId>,
}

impl From<&Finding> for FindingRow {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code,
            severity: finding.severity,
            place: finding.place.to_string(),
            detail: finding.detail.clone(),
            hint: finding.hint.clone(),
            clause: finding.clause,
        }
    }
}

/// A row of `doctor`: what was looked at and is as it should be, or one finding.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DoctorRow {
    /// What was looked at.
    pub name: String,
    /// Whether nothing need be done.
    pub ok: bool,
    /// What is there.
    pub detail: String,
    /// Of a finding: its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Of a finding: how much it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Of a finding: where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Of a finding: what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Of a finding: the clause of the policy that it is about, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub clause: Option<ClauseId>,
    /// Of the store: what it can do, whatever was found about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Value>,
}

impl DoctorRow {
    /// Something that is as it should be.
    #[must_use]
    pub fn passed(name: &str, detail: String) -> Self {
        Self {
            name: name.to_owned(),
            ok: true,
            detail,
            code: None,
            severity: None,
            place: None,
            hint: None,
            clause: None,
            capabilities: None,
        }
    }

    /// Something that was found.
    #[must_use]
    pub fn found(name: &str, finding: &Finding) -> Self {
        let finding = FindingRow::from(finding);
        Self {
            name: name.to_owned(),
            ok: finding.severity == Severity::Info,
            detail: finding.detail,
            code: Some(finding.code),
            severity: Some(finding.severity),
            place: Some(finding.place),
            hint: Some(finding.hint),
            clause: finding.clause,
            capabilities: None,
        }
    }
}

/// A row of `audit verify`: a chain that is whole and in order, or one finding about it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChainRow {
    /// The chain: context and writer.
    pub name: String,
    /// Whether nothing need be done.
    pub ok: bool,
    /// What is there.
    pub detail: String,
    /// Of a finding: its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Of a finding: the entry that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}
