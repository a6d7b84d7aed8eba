//! What evidence and trail say, in the words of the policy.

use crate::support::{at, checksum, record, snapshot};
use crate::trail::home;
use backup_contract::{Known, Level, LockState, Outcome, RestoreFact, Subject, VaultState};
use restore_guard::{
    ActOutcome, Action, Records, Trail, TrailEvent, TrustedWriters, UnverifiedEvidence, WriterKey, drills_of,
    rehearsals_of, trail_facts,
};
use std::fs;

fn event(action: Action, outcome: ActOutcome) -> TrailEvent {
    TrailEvent::new("ada@host", action, outcome).subject(Subject::State)
}

fn restore(outcome: ActOutcome) -> TrailEvent {
    event(Action::Restore, outcome)
        .snapshot(snapshot(1))
        .checksum(checksum(1))
        .detail("evidence", "evidence/default/…")
        .detail("target", "/var/lib/…")
}

fn told(trail: &Trail, events: impl IntoIterator<Item = TrailEvent>) -> Vec<RestoreFact> {
    for event in events {
        trail.append(&event, at(0)).unwrap();
    }
    trail_facts(&[trail.verify().unwrap()]).restores
}

#[test]
fn only_restore_tests_are_rehearsals() {
    let key = WriterKey::generate().unwrap();
    let trusted = TrustedWriters::new([key.public()]);
    let words = [
        (Level::Content, Outcome::Passed, 0),
        (Level::Restore, Outcome::Passed, 60),
        (Level::Restore, Outcome::Failed, 120),
    ];
    let evidence = words.map(|(level, outcome, seconds)| {
        let (at, envelope) = record(level, outcome, seconds).sign(&key).unwrap();
        UnverifiedEvidence::new(at, envelope).verify(&trusted).unwrap()
    });
    let records = Records::new(evidence.to_vec(), vec![]);
    let rehearsals = rehearsals_of(&records, &Subject::State);
    let told: Vec<_> = rehearsals.iter().map(|r| (r.outcome, r.started_at, r.host.as_str())).collect();
    assert_eq!(told, [(Outcome::Passed, at(53), "host-1"), (Outcome::Failed, at(113), "host-1")]);
    assert!(rehearsals[0].evidence.starts_with("evidence/default/state/"));
    assert!(rehearsals_of(&records, &"app:shop".parse().unwrap()).is_empty());
}

#[test]
fn a_restore_is_told_once_with_what_became_of_it() {
    let (_home, trail) = home();
    let done = restore(ActOutcome::Done).detail("checks", "failed").detail("vault", "reported");
    let restores = told(
        &trail,
        [
            event(Action::Run, ActOutcome::Done),
            restore(ActOutcome::Refused),
            restore(ActOutcome::Announced),
            event(Action::LockShut, ActOutcome::Done),
            done,
        ],
    );
    let [restore] = restores.as_slice() else { panic!("{restores:?}") };
    assert!(restore.missing.is_empty(), "{:?}", restore.missing);
    assert_eq!(restore.checks, Known::Known(Some(Outcome::Failed)));
    assert_eq!(restore.lock, Known::Known(LockState::Shut));
    assert_eq!(restore.vault, Known::Known(VaultState::Reported));
    assert!(restore.record.starts_with("audit/default/") && restore.record.ends_with("/000000000003.json"));
    // An operator opens the lock; of the next restore nothing is known but that it was begun.
    let restores =
        told(&trail, [event(Action::LockReleased, ActOutcome::Done), self::restore(ActOutcome::Announced)]);
    assert_eq!(restores[0].lock, Known::Known(LockState::Released));
    assert_eq!(restores[1].checks, Known::Known(None));
    assert!(restores[1].lock.why().is_some() && restores[1].vault.why().is_some());
}

#[test]
fn a_restore_that_nobody_announced_is_told_too() {
    let (_home, trail) = home();
    let bare = event(Action::Restore, ActOutcome::Done);
    let restores = told(&trail, [restore(ActOutcome::Announced), restore(ActOutcome::Done), bare]);
    assert_eq!(restores.len(), 2);
    assert_eq!(restores[1].missing, ["id", "checksum", "evidence", "target"]);
}

#[test]
fn drills_are_told_when_they_have_ended() {
    let (_home, trail) = home();
    for outcome in [ActOutcome::Announced, ActOutcome::Done, ActOutcome::Failed, ActOutcome::Refused] {
        trail.append(&event(Action::Drill, outcome), at(0)).unwrap();
    }
    let drills = drills_of(&[trail.verify().unwrap()]);
    let told: Vec<_> = drills.iter().map(|drill| (drill.outcome, drill.operator.as_str())).collect();
    assert_eq!(told, [(Outcome::Passed, "ada@host"), (Outcome::Failed, "ada@host")]);
}

#[test]
fn a_trail_that_was_changed_is_not_believed() {
    let (_home, trail) = home();
    trail.append(&restore(ActOutcome::Announced), at(0)).unwrap();
    let facts = || trail_facts(&[trail.verify().unwrap()]);
    assert!(facts().problems.is_empty());
    let text = fs::read_to_string(trail.path()).unwrap();
    fs::write(trail.path(), text.replace("ada@host", "eve@host")).unwrap();
    assert_eq!(facts().problems.len(), 1);
    assert!(facts().problems[0].contains("entry 1 was changed"), "{:?}", facts().problems);
    assert!(facts().restores.is_empty());
    // A crash is no change.
    fs::write(trail.path(), format!("{text}{{\"dig")).unwrap();
    assert!(facts().problems.is_empty());
}
