//! Evidence as the benchmarks have it: all of one checksum, by one writer.

use backup_contract::{CheckResult, Checksum, ContextName, Level, Outcome, SnapshotId, Subject};
use chrono::{DateTime, TimeDelta, Utc};
use restore_guard::{EvidenceRecord, OriginId, Tool, WriterId};

/// What every snapshot has.
pub(crate) fn checksum() -> Checksum {
    Checksum::from_sha256([1; 32])
}

pub(crate) fn at(seconds: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_464_900, 0).unwrap() + TimeDelta::seconds(i64::from(seconds))
}

pub(crate) fn id(n: u32) -> SnapshotId {
    SnapshotId::state(at(n), n)
}

/// The record number `m` about the snapshot number `n`, with a check of each name.
pub(crate) fn record<const N: usize>(
    (n, m): (u32, u32),
    level: Level,
    ok: bool,
    checks: [&str; N],
    (origin, writer): (&OriginId, &WriterId),
) -> EvidenceRecord {
    EvidenceRecord {
        context: ContextName::new("default").unwrap(),
        origin: origin.clone(),
        subject: Subject::State,
        id: id(n),
        checksum: checksum(),
        level,
        outcome: if ok { Outcome::Passed } else { Outcome::Failed },
        checks: checks
            .map(|name| CheckResult { name: name.into(), ok, detail: "as recorded".into(), duration_ms: 3 })
            .into(),
        host: "host-1".into(),
        operator: "ada@host-1".into(),
        writer: writer.clone(),
        tool: Tool { name: "si-backup".into(), version: "0.1.0".into() },
        started_at: at(n + m),
        finished_at: at(n + m + 1),
        recovery_seconds: None,
        data_loss_seconds: None,
        details: serde_json::Map::new(),
    }
}
