//! Evidence in a host's own name, held against what its trail tells.

use crate::support::{at, checksum, context, record, snapshot, writer};
use crate::trail::home;
use backup_contract::{Level, Outcome, Snapshot, SnapshotKind, Subject};
use chrono::TimeDelta;
use restore_guard::{
    ActOutcome, Action, Candidate, Decision, Evidence, EvidenceRecord, Latest, Question, Records, Remembered,
    RestoreRequest, Trail, TrailEvent, TrustedWriters, UnverifiedEvidence, Wanted, WriterKey, decide,
};
use std::sync::LazyLock;

static OWN: LazyLock<WriterKey> = LazyLock::new(|| WriterKey::generate().unwrap());
static OTHER: LazyLock<WriterKey> = LazyLock::new(|| WriterKey::generate().unwrap());

use Level::{Checksum as C, Content as T, Stored as S};
use Outcome::{Failed as F, Passed as P};

fn signed(record: &EvidenceRecord, key: &WriterKey) -> Evidence {
    let trusted = TrustedWriters::new([OWN.public(), OTHER.public()]);
    let (at, envelope) = record.sign(key).unwrap();
    UnverifiedEvidence::new(at, envelope).verify(&trusted).unwrap()
}

fn own(level: Level, outcome: Outcome, seconds: i64) -> Evidence {
    signed(&record(level, outcome, seconds), &OWN)
}

/// What a host writes down of a verification that it has made.
fn note(trail: &Trail, evidence: &Evidence, seconds: i64) {
    let record = evidence.record();
    let outcome = if evidence.passed() { ActOutcome::Done } else { ActOutcome::Failed };
    let event = TrailEvent::new("ada", Action::Verify, outcome)
        .snapshot(record.snapshot())
        .checksum(record.checksum)
        .detail("level", record.level.as_str())
        .detail("evidence", evidence.key().to_string());
    trail.append(&event, at(seconds)).unwrap();
}

fn begun(trail: &Trail, seconds: i64) {
    trail.append(&TrailEvent::new("ada", Action::Init, ActOutcome::Done), at(seconds)).unwrap();
}

fn held(trail: &Trail, evidence: &[&Evidence]) -> Records {
    let records = Records::new(evidence.iter().map(|it| (*it).clone()).collect(), Vec::new());
    match Remembered::of(&trail.verify().unwrap(), &OWN.public(), &Subject::State) {
        Some(remembered) => records.held_against(&remembered),
        None => records,
    }
}

/// The strongest level that is proved; else the codes of the reasons against it.
fn answer(records: &Records) -> Result<Level, Vec<&'static str>> {
    let (now, about) = (at(3_600), snapshot(1));
    let question = Question { snapshot: &about, checksum: checksum(1), origin: None, now };
    let standing = records.standing(&question);
    if let Some((level, _)) = standing.proved() {
        return Ok(level);
    }
    let snapshot = Snapshot {
        id: about.id.clone(),
        subject: Subject::State,
        kind: SnapshotKind::Bundle,
        started_at: Some(at(0)),
        finished_at: Some(at(0)),
        bytes: 4_096,
        checksum: Some(checksum(1)),
        parent: None,
        lineage: about.id.clone(),
        suspect: false,
        problems: Vec::new(),
    };
    let mut request = RestoreRequest {
        context: context(),
        subject: Subject::State,
        wanted: Wanted::Latest(Latest::Newest),
        checksum: None,
        least: T,
        max_age: TimeDelta::days(3),
        accept: None,
        step_back: false,
        operator: "ada".into(),
        obstacles: Vec::new(),
    };
    let codes = |request: &RestoreRequest| {
        let standing = Some(standing.clone());
        match decide(request, &[Candidate { snapshot: &snapshot, standing, is_foreign: false }], now) {
            Decision::Refused(refusal) => refusal.reasons.iter().map(restore_guard::Reason::code).collect(),
            Decision::Allowed(_) => vec!["allowed"],
        }
    };
    let refused = codes(&request);
    // A checksum stands in for words that are missing, and not against a failure.
    request.checksum = Some(checksum(1));
    let expected: &[&str] = if refused == ["verification-failed"] { &refused } else { &["allowed"] };
    assert_eq!(codes(&request), expected);
    Err(refused)
}

#[test]
fn a_pass_that_the_own_trail_does_not_know_counts_for_nothing() {
    let (_home, trail) = home();
    begun(&trail, -500);
    let (made, forged) = (own(T, P, 10), own(T, P, 20));
    note(&trail, &made, 11);
    assert_eq!(answer(&held(&trail, &[&made])), Ok(T));
    assert_eq!(answer(&held(&trail, &[&forged])), Err(vec!["not-verified", "not-in-trail"]));
    assert_eq!(answer(&held(&trail, &[&made, &forged])), Ok(T));
    // Nor one that is dated before there was a trail: the writer began with it.
    assert_eq!(answer(&held(&trail, &[&own(T, P, -900)])), Err(vec!["not-verified", "not-in-trail"]));
    // One of the writer that had the key before is another matter, as far as the trail reaches.
    let earlier = |seconds| {
        let writer = "00112233445566778899aabbccddeeff".parse().unwrap();
        signed(&EvidenceRecord { writer, ..record(T, P, seconds) }, &OWN)
    };
    assert_eq!(answer(&held(&trail, &[&earlier(-900)])), Ok(T));
    assert_eq!(answer(&held(&trail, &[&earlier(-400)])), Err(vec!["not-verified", "not-in-trail"]));
    // Other writers have trails of their own.
    assert_eq!(answer(&held(&trail, &[&signed(&record(T, P, 20), &OTHER)])), Ok(T));
}

#[test]
fn what_the_trail_knows_is_of_these_bytes_and_passed() {
    let (_home, trail) = home();
    begun(&trail, -500);
    let evidence = own(T, P, 10);
    let altered = |checksum, outcome| {
        TrailEvent::new("ada", Action::Verify, outcome)
            .snapshot(evidence.record().snapshot())
            .checksum(checksum)
            .detail("level", "content")
            .detail("evidence", evidence.key().to_string())
    };
    trail.append(&altered(checksum(9), ActOutcome::Done), at(11)).unwrap();
    assert_eq!(answer(&held(&trail, &[&evidence])), Err(vec!["not-verified", "not-in-trail"]));
}

#[test]
fn a_failure_is_remembered_when_its_evidence_is_taken_away() {
    let (_home, trail) = home();
    begun(&trail, -500);
    let (passed, failed) = (own(T, P, 10), own(C, F, 20));
    note(&trail, &passed, 11);
    note(&trail, &failed, 21);
    assert_eq!(answer(&held(&trail, &[&passed, &failed])), Ok(S), "as it was said");
    assert_eq!(answer(&held(&trail, &[&passed])), Err(vec!["verification-failed"]));
    assert_eq!(answer(&held(&trail, &[])), Err(vec!["verification-failed"]));
    // By the order of the trail: the clock may have gone back.
    let early = own(C, P, 5);
    note(&trail, &early, 6);
    assert_eq!(
        answer(&held(&trail, &[&passed, &early])),
        Ok(T),
        "proved anew, and after that it is as it was"
    );
    // By another writer after that.
    let (_home, trail) = home();
    begun(&trail, -500);
    note(&trail, &failed, 21);
    for (seconds, expected) in [(19, Err(vec!["verification-failed"])), (22, Ok(T))] {
        assert_eq!(answer(&held(&trail, &[&signed(&record(T, P, seconds), &OTHER)])), expected);
    }
}

#[test]
fn nothing_is_held_against_a_trail_that_is_not_whole() {
    let (_home, trail) = home();
    let forged = own(T, P, 20);
    assert_eq!(answer(&held(&trail, &[&forged])), Ok(T), "there is none");
    begun(&trail, -500);
    begun(&trail, -400);
    assert!(answer(&held(&trail, &[&forged])).is_err());
    let text = std::fs::read_to_string(trail.path()).unwrap();
    let second = text.split_inclusive('\n').nth(1).unwrap();
    std::fs::write(trail.path(), second).unwrap();
    assert_eq!(answer(&held(&trail, &[&forged])), Ok(T), "its beginning is gone");
    std::fs::write(trail.path(), text + "{\"digest\":").unwrap();
    assert!(answer(&held(&trail, &[&forged])).is_err(), "torn is whole");
    assert_eq!(*trail.writer(), writer());
}
