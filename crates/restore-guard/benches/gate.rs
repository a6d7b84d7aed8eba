//! What the gate costs: 2,000 snapshots with 100,000 records are judged, and one of them is let through or refused.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

mod made;

use backup_contract::{ContextName, Level, Snapshot, SnapshotKind, SnapshotRef, Subject};
use chrono::TimeDelta;
use criterion::{Criterion, criterion_group, criterion_main};
use made::{at, id};
use restore_guard::{
    Candidate, Decision, Evidence, EvidenceRecord, Latest, OriginId, Question, Records, RestoreRequest,
    TrustedWriters, UnverifiedEvidence, Wanted, WriterId, WriterKey, decide,
};
use std::hint::black_box;

/// 2,000 snapshots with 50 records each.
const SNAPSHOTS: u32 = 2_000;
const EACH: u32 = 50;

fn snapshot(n: u32) -> Snapshot {
    Snapshot {
        id: id(n),
        subject: Subject::State,
        kind: SnapshotKind::Bundle,
        started_at: Some(at(n)),
        finished_at: Some(at(n)),
        bytes: 4_096,
        checksum: Some(made::checksum()),
        parent: None,
        lineage: id(n),
        suspect: false,
        problems: Vec::new(),
    }
}

/// The last word about every snapshot but the oldest is that it does not start.
fn record(n: u32, m: u32, by: (&OriginId, &WriterId)) -> EvidenceRecord {
    let ok = n == 0 || m + 1 < EACH;
    let level = if ok { Level::ALL[m as usize % 4] } else { Level::Restore };
    made::record((n, m), level, ok, ["manifest"], by)
}

fn request(wanted: Latest, step_back: bool) -> RestoreRequest {
    RestoreRequest {
        context: ContextName::new("default").unwrap(),
        subject: Subject::State,
        wanted: Wanted::Latest(wanted),
        checksum: None,
        least: Level::Restore,
        max_age: TimeDelta::days(30),
        accept: None,
        step_back,
        operator: "ada@host-1".into(),
        obstacles: Vec::new(),
    }
}

fn gate(criterion: &mut Criterion) {
    let key = WriterKey::generate().unwrap();
    let trusted = TrustedWriters::new([key.public()]);
    let (origin, writer) = (OriginId::generate().unwrap(), WriterId::generate().unwrap());
    let evidence: Vec<Evidence> = (0..SNAPSHOTS * EACH)
        .map(|i| {
            let (at, envelope) = record(i / EACH, i % EACH, (&origin, &writer)).sign(&key).unwrap();
            UnverifiedEvidence::new(at, envelope).verify(&trusted).unwrap()
        })
        .collect();
    let records = Records::new(evidence, Vec::new());
    let snapshots: Vec<Snapshot> = (0..SNAPSHOTS).map(snapshot).collect();
    let now = at(1_000_000);
    let judge = |request: &RestoreRequest| {
        let candidates: Vec<Candidate<'_>> = snapshots
            .iter()
            .map(|snapshot| {
                let about = SnapshotRef { subject: Subject::State, id: snapshot.id.clone() };
                let question = Question {
                    snapshot: &about,
                    checksum: snapshot.checksum.unwrap(),
                    origin: Some(&origin),
                    now,
                };
                Candidate { snapshot, standing: Some(records.standing(&question)), is_foreign: false }
            })
            .collect();
        decide(request, &candidates, now)
    };

    let mut group = criterion.benchmark_group("2,000 snapshots with 100,000 records");
    group.sample_size(10);
    let refused = request(Latest::Newest, false);
    assert!(matches!(judge(&refused), Decision::Refused(_)));
    group.bench_function("refuse, naming the oldest", |b| b.iter(|| judge(black_box(&refused))));
    for (name, allowed) in [
        ("step back to the oldest", request(Latest::Newest, true)),
        ("take the newest that passes, the oldest", request(Latest::NewestPassing, false)),
    ] {
        assert!(matches!(judge(&allowed), Decision::Allowed(_)));
        group.bench_function(name, |b| b.iter(|| judge(black_box(&allowed))));
    }
    group.finish();
}

criterion_group!(benches, gate);
criterion_main!(benches);
