//! Evidence as an in-toto Statement (v1): the subject with its digest, and a predicate of our own.

use super::{EvidenceRecord, Tool, WhyIgnored};
use crate::{Error, OriginId, Result, WriterId};
use backup_contract::{CheckResult, Checksum, ContextName, Level, Outcome, SnapshotId, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The type of an in-toto Statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The type of the predicate.
pub const PREDICATE_TYPE: &str = "urn:si-backup:evidence:v1";

/// The newest version of the predicate that is understood.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Statement<P> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Descriptor>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: P,
}

#[derive(Serialize, Deserialize)]
struct Descriptor {
    name: String,
    digest: Digests,
}

#[derive(Serialize, Deserialize)]
struct Digests {
    sha256: String,
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Predicate {
    version: u64,
    context: ContextName,
    origin: OriginId,
    subject: Subject,
    id: SnapshotId,
    checksum: Checksum,
    level: Level,
    outcome: Outcome,
    checks: Vec<CheckResult>,
    host: String,
    operator: String,
    writer: WriterId,
    tool: Tool,
    started_at: DateTime<Utc>,
    finished_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_loss_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    details: Map<String, Value>,
}

fn subject_name(context: &ContextName, subject: &Subject, id: &SnapshotId) -> String {
    format!("{context}/{subject}/{id}")
}

/// The Statement of a record.
pub(super) fn write(record: &EvidenceRecord) -> Result<Vec<u8>> {
    let statement = Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![Descriptor {
            name: subject_name(&record.context, &record.subject, &record.id),
            digest: Digests { sha256: record.checksum.to_hex() },
        }],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate::from(record.clone()),
    };
    serde_json::to_vec(&statement).map_err(|source| Error::Encode { what: "evidence", source })
}

/// The record of a Statement, when all its parts agree.
pub(super) fn read(statement: &[u8]) -> Result<EvidenceRecord, WhyIgnored> {
    let not = |reason: String| WhyIgnored::NotEvidence { reason };
    let statement: Statement<&RawValue> =
        serde_json::from_slice(statement).map_err(|error| not(error.to_string()))?;
    if statement.kind != STATEMENT_TYPE {
        return Err(not(format!("it is a '{}'", statement.kind)));
    }
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(not(format!("its predicate is a '{}'", statement.predicate_type)));
    }
    let [described] = statement.subject.as_slice() else {
        return Err(not(format!("it has {} subjects", statement.subject.len())));
    };
    let json = statement.predicate.get();
    let Versioned { version } = serde_json::from_str(json).map_err(|error| not(error.to_string()))?;
    if version == 0 {
        return Err(not("there is no format version 0".to_owned()));
    }
    if version > VERSION {
        return Err(WhyIgnored::NewerFormat { found: version, supported: VERSION });
    }
    let predicate: Predicate = serde_json::from_str(json).map_err(|error| not(error.to_string()))?;
    let agree = |named, subject: &str, predicate: String| {
        if subject == predicate {
            Ok(())
        } else {
            Err(WhyIgnored::SelfContradiction { named, subject: subject.to_owned(), predicate })
        }
    };
    let name = subject_name(&predicate.context, &predicate.subject, &predicate.id);
    agree("the snapshot", &described.name, name)?;
    agree("the SHA-256", &described.digest.sha256, predicate.checksum.to_hex())?;
    if !predicate.id.fits(&predicate.subject) {
        return Err(not(format!("'{}' cannot be a snapshot of {}", predicate.id, predicate.subject)));
    }
    if predicate.outcome == Outcome::Passed && Outcome::of(&predicate.checks) != Outcome::Passed {
        return Err(WhyIgnored::Unproved);
    }
    Ok(predicate.into())
}

/// Two types with the same fields, so that the interface and the format may part one day.
macro_rules! same_fields {
    ($($field:ident),+ $(,)?) => {
        impl From<EvidenceRecord> for Predicate {
            fn from(record: EvidenceRecord) -> Self {
                Self { version: VERSION, $($field: record.$field),+ }
            }
        }

        impl From<Predicate> for EvidenceRecord {
            fn from(predicate: Predicate) -> Self {
                Self { $($field: predicate.$field),+ }
            }
        }
    };
}

same_fields!(
    context,
    origin,
    subject,
    id,
    checksum,
    level,
    outcome,
    checks,
    host,
    operator,
    writer,
    tool,
    started_at,
    finished_at,
    recovery_seconds,
    data_loss_seconds,
    details,
);
