//! One file of each format, kept for ever: what the first version wrote is still read.

use crate::support::{TestStore, at, context, key, put, record, snapshot, writer};
use backup_contract::{Level, Outcome};
use restore_guard::{
    Action, PinAction, PinStanding, Pins, RecordName, Trail, TrustedWriters, UnverifiedEvidence,
    published_writers, read_origin,
};

fn trusted() -> TrustedWriters {
    TrustedWriters::parse([include_str!("../data/writer-v1.pub").trim()]).unwrap()
}

#[test]
fn evidence() {
    let text = include_str!("../data/evidence-v1.json");
    let at = key(include_str!("../data/evidence-v1.key").trim());
    assert!(RecordName::parse(&at).is_some());
    let found = UnverifiedEvidence::from_json(&at, text.as_bytes()).unwrap().verify(&trusted()).unwrap();
    assert_eq!(found.record(), &record(Level::Restore, Outcome::Passed, 0));
}

#[test]
fn trail() {
    let home = tempfile::tempdir().unwrap();
    let trail = Trail::new(home.path().join("trail.jsonl"), context(), writer());
    std::fs::write(trail.path(), include_bytes!("../data/trail-v1.jsonl")).unwrap();
    let report = trail.verify().unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(
        report.lines.iter().map(|line| &line.entry.action).collect::<Vec<_>>(),
        [&Action::Run, &Action::Run, &Action::Verify]
    );
    assert_eq!(trail.append(&crate::trail::event("four"), at(9)).unwrap().line.entry.sequence, 4);
}

#[test]
fn pin() {
    let (store, context) = (TestStore::new(), context());
    let place = format!("pins/default/state/{}/20261123T201500Z-0badcafe.json", snapshot(1).id);
    put(&store, &place, include_bytes!("../data/pin-v1.json"));
    let set = Pins::new(&store, &context).read(None).unwrap();
    let standing = set.standing(&snapshot(1), at(60));
    assert!(
        matches!(standing, PinStanding::Pinned(pin) if pin.action == PinAction::Pin && pin.until == Some(at(86_400)))
    );
}

#[test]
fn origin() {
    let store = TestStore::new();
    put(&store, "origin/default.json", include_bytes!("../data/origin-v1.json"));
    assert_eq!(read_origin(&store, &context()).unwrap().unwrap().origin, crate::support::origin());
}

#[test]
fn published_writer() {
    let store = TestStore::new();
    put(&store, &format!("writers/default/{}.json", writer()), include_bytes!("../data/writer-v1.json"));
    let found = published_writers(&store, &context(), &trusted()).unwrap();
    assert!(found.writers[0].trusted);
}
