//! What 100,000 records cost: to be believed, to be put in order, to be asked; and what one line of the trail costs.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

mod made;

use backup_contract::{ContextName, Level, SnapshotRef, Subject};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use made::{at, id};
use restore_guard::{
    ActOutcome, Action, Evidence, EvidenceRecord, OriginId, Question, Records, Trail, TrailEvent,
    TrustedWriters, UnverifiedEvidence, WriterId, WriterKey,
};
use std::hint::black_box;
use std::time::Duration;

/// 1,000 snapshots with 100 records each.
const SNAPSHOTS: u32 = 1_000;
const EACH: u32 = 100;

fn snapshot(n: u32) -> SnapshotRef {
    SnapshotRef { subject: Subject::State, id: id(n) }
}

fn record(n: u32, m: u32, by: (&OriginId, &WriterId)) -> EvidenceRecord {
    let checks = ["stored", "bundle-checksum", "manifest", "well-formed"];
    made::record((n, m), Level::ALL[m as usize % 4], m % 7 != 3, checks, by)
}

fn ledger(criterion: &mut Criterion) {
    let key = WriterKey::generate().unwrap();
    let trusted = TrustedWriters::new([key.public()]);
    let (origin, writer) = (OriginId::generate().unwrap(), WriterId::generate().unwrap());
    let signed: Vec<_> = (0..SNAPSHOTS * EACH)
        .map(|i| {
            let (at, envelope) = record(i / EACH, i % EACH, (&origin, &writer)).sign(&key).unwrap();
            (at, envelope.to_json().unwrap())
        })
        .collect();
    let believe = |(at, json): &(backup_store::Key, Vec<u8>)| -> Evidence {
        UnverifiedEvidence::from_json(at, json).unwrap().verify(&trusted).unwrap()
    };
    criterion.bench_function("one record: JSON to evidence", |b| b.iter(|| believe(black_box(&signed[7]))));

    let evidence: Vec<Evidence> = signed.iter().map(believe).collect();
    let mut group = criterion.benchmark_group("100,000 records");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("put in order", |b| {
        b.iter_batched(
            || evidence.clone(),
            |evidence| Records::new(evidence, Vec::new()),
            BatchSize::LargeInput,
        );
    });
    let records = Records::new(evidence, Vec::new());
    let ask = |n| {
        let snapshot = snapshot(n);
        let question = Question {
            snapshot: &snapshot,
            checksum: made::checksum(),
            origin: Some(&origin),
            now: at(1_000_000),
        };
        records.standing(&question).proved().map(|(level, _)| level)
    };
    group.bench_function("standing of one snapshot", |b| b.iter(|| ask(black_box(500))));
    group.bench_function("standing of all 1,000 snapshots", |b| {
        b.iter(|| (0..SNAPSHOTS).filter_map(ask).count());
    });
    group.bench_function("newest per level", |b| {
        b.iter(|| records.newest_per_level(&Subject::State, at(1_000_000)).len());
    });
    group.finish();
}

fn trail(criterion: &mut Criterion) {
    let home = tempfile::tempdir().unwrap();
    let context = ContextName::new("default").unwrap();
    let trail = Trail::new(home.path().join("trail.jsonl"), context, WriterId::generate().unwrap());
    let event = TrailEvent::new("ada@host", Action::Run, ActOutcome::Announced)
        .snapshot(snapshot(1))
        .detail("store", "file:///srv/backups/si");
    criterion.bench_function("trail: append, on disk", |b| b.iter(|| trail.append(&event, at(0)).unwrap()));
    while trail.append(&event, at(0)).unwrap().line.entry.sequence < 10_000 {}
    let last = trail.verify().unwrap().last;
    let mut group = criterion.benchmark_group("trail");
    group.sample_size(10);
    group.bench_function(format!("verify {last} entries"), |b| b.iter(|| trail.verify().unwrap()));
    group.finish();
}

criterion_group!(benches, ledger, trail);
criterion_main!(benches);
