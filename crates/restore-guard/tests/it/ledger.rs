//! The ledger in a store.

use crate::support::{TestStore, at, checksum, context, get, keys, origin, put, record, snapshot};
use backup_contract::{ContextName, Level, Outcome, Subject};
use backup_store::DirStore;
use restore_guard::{
    Error, Evidence, Ledger, OriginId, Question, Scope, TrustedWriters, WriterKey, future_tolerance,
};

#[test]
fn what_is_written_is_read_at_every_scope() {
    let (store, key, context) = (TestStore::new(), WriterKey::generate().unwrap(), context());
    let ledger = Ledger::new(&store, &context);
    let mut app = record(Level::Restore, Outcome::Passed, 5);
    app.subject = "app:shop".parse().unwrap();
    app.id = "base_000000010000000000000002".parse().unwrap();
    let mut other = record(Level::Stored, Outcome::Passed, 3);
    other.id = snapshot(2).id;
    for record in [
        &record(Level::Content, Outcome::Passed, 0),
        &record(Level::Content, Outcome::Failed, 9),
        &other,
        &app,
    ] {
        ledger.write(record, &key).unwrap();
    }
    let trusted = TrustedWriters::new([key.public()]);
    let read = |scope| ledger.read(&scope, &trusted).unwrap();
    assert_eq!(read(Scope::Context).len(), 4);
    assert_eq!(read(Scope::Subject(Subject::State)).len(), 3);
    assert_eq!(read(Scope::Subject("app:shop".parse().unwrap())).iter().next().unwrap().record(), &app);
    assert_eq!(read(Scope::Snapshot(snapshot(1))).len(), 2);
    assert_eq!(read(Scope::Snapshot(snapshot(2))).iter().next().unwrap().record(), &other);
    assert!(read(Scope::Snapshot(snapshot(3))).is_empty());
    let names = ledger.names(&Scope::Snapshot(snapshot(1))).unwrap();
    assert_eq!(
        names.iter().map(|(_, name)| name.outcome).collect::<Vec<_>>(),
        [Outcome::Passed, Outcome::Failed]
    );
    // Another context sees nothing of it, also one whose name begins alike.
    let longer = ContextName::new("default-2").unwrap();
    assert!(Ledger::new(&store, &longer).read(&Scope::Context, &trusted).unwrap().is_empty());
    let mut foreign = record(Level::Content, Outcome::Passed, 0);
    foreign.context = longer;
    assert!(matches!(ledger.write(&foreign, &key), Err(Error::OtherContext { .. })));
}

#[test]
fn each_record_has_its_own_key_and_is_never_written_over() {
    let (store, key, context) = (TestStore::new(), WriterKey::generate().unwrap(), context());
    let ledger = Ledger::new(&store, &context);
    let record = record(Level::Content, Outcome::Passed, 0);
    let written: Vec<_> = (0..20).map(|_| ledger.write(&record, &key).unwrap()).collect();
    assert_eq!(keys(&store, "evidence").len(), written.len());
    let key = written[0].as_str();
    assert!(
        key.starts_with(
            "evidence/default/state/state-20261123T201500Z-00000001/20261123T201500Z-content-passed-"
        ),
        "{key}"
    );
}

#[test]
fn what_does_not_count_is_returned_with_its_reason() {
    let (store, key, context) = (TestStore::new(), WriterKey::generate().unwrap(), context());
    let stranger = WriterKey::generate().unwrap();
    let ledger = Ledger::new(&store, &context);
    let good = ledger.write(&record(Level::Checksum, Outcome::Passed, 0), &key).unwrap();
    let unknown = ledger.write(&record(Level::Restore, Outcome::Passed, 1), &stranger).unwrap();
    let place = format!("evidence/default/state/{}", snapshot(1).id);
    // A pass of another snapshot, copied to where it would be wanted; garbage; an object that would fill the memory.
    let mut other = record(Level::Restore, Outcome::Passed, 2);
    other.id = snapshot(2).id;
    let other = ledger.write(&other, &key).unwrap();
    let copied = format!("{place}/{}", other.parts().next_back().unwrap());
    put(&store, &copied, &get(&store, &other));
    put(&store, &format!("{place}/20261123T201500Z-restore-passed-00000001.json"), b"{}");
    put(&store, &format!("{place}/20261123T201500Z-restore-passed-00000002.json"), &vec![b' '; 2 << 20]);
    put(&store, &format!("{place}/README"), b"?");

    let trusted = TrustedWriters::new([key.public()]);
    let records = ledger.read(&Scope::Context, &trusted).unwrap();
    assert_eq!(
        records.iter().map(|evidence| evidence.key().clone()).collect::<Vec<_>>(),
        [good.clone(), other]
    );
    let subject = snapshot(1);
    let question = Question { snapshot: &subject, checksum: checksum(1), origin: None, now: at(60) };
    let standing = records.standing(&question);
    assert_eq!(
        standing.proved().map(|(level, evidence)| (level, evidence.key())),
        Some((Level::Checksum, &good))
    );
    let mut why: Vec<_> = standing.ignored().iter().map(|ignored| ignored.why.code()).collect();
    why.sort_unstable();
    assert_eq!(why, ["misplaced", "not-an-envelope", "not-an-envelope", "too-long", "unknown-writer"]);
    assert!(standing.ignored().iter().any(|ignored| ignored.key == unknown));
    // Who trusts the stranger believes the stranger.
    let both = TrustedWriters::new([key.public(), stranger.public()]);
    let records = ledger.read(&Scope::Snapshot(subject.clone()), &both).unwrap();
    assert_eq!(records.standing(&question).proved().unwrap().0, Level::Restore);
}

#[test]
fn evidence_of_another_context_of_the_same_name_does_not_count() {
    let (store, key, context) = (TestStore::new(), WriterKey::generate().unwrap(), context());
    let ledger = Ledger::new(&store, &context);
    let ours = ledger.write(&record(Level::Checksum, Outcome::Passed, 0), &key).unwrap();
    // Signed by a trusted writer, at its right key, over the same bytes: and about the other host's context.
    let mut copied = record(Level::Restore, Outcome::Passed, 1);
    copied.origin = OriginId::generate().unwrap();
    let theirs = ledger.write(&copied, &key).unwrap();
    let mut failed = record(Level::Stored, Outcome::Failed, 2);
    failed.origin = copied.origin.clone();
    ledger.write(&failed, &key).unwrap();

    let trusted = TrustedWriters::new([key.public()]);
    let own = origin();
    let records = ledger.of_origin(&own).read(&Scope::Context, &trusted).unwrap();
    assert_eq!(records.iter().map(Evidence::key).collect::<Vec<_>>(), [&ours]);
    let subject = snapshot(1);
    let question = Question { snapshot: &subject, checksum: checksum(1), origin: None, now: at(60) };
    let standing = records.standing(&question);
    assert_eq!(standing.proved().map(|(level, _)| level), Some(Level::Checksum));
    assert!(standing.failure().is_none());
    let why: Vec<_> = standing.ignored().iter().map(|ignored| ignored.why.code()).collect();
    assert_eq!(why, ["other-origin"; 2]);
    let newest = records.newest_per_level(&Subject::State, at(60));
    assert!(newest[&Level::Restore].passed.is_none() && newest[&Level::Stored].failed.is_none());
    // The other host reads the same objects the other way round.
    let records = ledger.of_origin(&copied.origin).read(&Scope::Context, &trusted).unwrap();
    assert_eq!(records.len(), 2);
    assert!(records.iter().any(|evidence| *evidence.key() == theirs));
}

#[test]
fn a_record_that_cannot_be_read_is_an_error() {
    let (store, key, context) = (TestStore::new(), WriterKey::generate().unwrap(), context());
    let ledger = Ledger::new(&store, &context);
    ledger.write(&record(Level::Content, Outcome::Failed, 0), &key).unwrap();
    let trusted = TrustedWriters::new([key.public()]);
    // It could be the one that says failed: better no answer than a wrong one.
    store.set_reads_fail(true);
    assert!(matches!(ledger.read(&Scope::Context, &trusted), Err(Error::Store(_))));
    store.set_away(true);
    assert!(matches!(ledger.names(&Scope::Context), Err(Error::Store(_))));
    assert!(matches!(ledger.write(&record(Level::Content, Outcome::Failed, 0), &key), Err(Error::Store(_))));
}

#[test]
fn a_pass_by_a_clock_that_was_ahead_never_outranks_a_failure() {
    let (home, key, context) = (tempfile::tempdir().unwrap(), WriterKey::generate().unwrap(), context());
    let store = DirStore::open(home.path()).unwrap();
    let trusted = TrustedWriters::new([key.public()]);
    let ledger = Ledger::new(&store, &context);
    let hour = 3_600;
    let stored_at = |key: &backup_store::Key, seconds: i64| {
        let file = std::fs::File::options().write(true).open(home.path().join(key.as_str())).unwrap();
        file.set_modified(at(seconds).into()).unwrap();
    };
    // Stored in the first minute, by a clock that was an hour ahead; ten minutes later the snapshot fails.
    let ahead = ledger.write(&record(Level::Restore, Outcome::Passed, hour), &key).unwrap();
    stored_at(&ahead, 60);
    let failed = ledger.write(&record(Level::Stored, Outcome::Failed, 600), &key).unwrap();
    stored_at(&failed, 600);
    let snapshot = snapshot(1);
    let question = Question { snapshot: &snapshot, checksum: checksum(1), origin: None, now: at(2 * hour) };
    let proved = |ledger: &Ledger<'_>| {
        let records = ledger.read(&Scope::Context, &trusted).unwrap();
        let standing = records.standing(&question);
        let codes: Vec<_> = standing.ignored().iter().map(|ignored| ignored.why.code()).collect();
        (standing.proved().map(|(level, _)| level), codes)
    };
    let held = ledger.held_to_its_store();
    assert_eq!(proved(&ledger), (Some(Level::Restore), vec![]), "nobody asked the store");
    assert_eq!(proved(&held), (None, vec!["ahead-of-its-store"]));
    // A copy without times was stored later than anything in it says.
    stored_at(&ahead, 10 * hour);
    assert_eq!(proved(&held), (Some(Level::Restore), vec![]));
    // A failure counts whatever its date.
    stored_at(&failed, -10 * hour);
    let later = ledger.write(&record(Level::Content, Outcome::Failed, 2 * hour), &key).unwrap();
    stored_at(&later, 60);
    assert_eq!(proved(&held), (Some(Level::Checksum), vec![]));
    // What two clocks may differ by is no reason against a pass.
    let tolerance = future_tolerance().num_seconds();
    let pass = ledger.write(&record(Level::Restore, Outcome::Passed, 2 * hour + 1), &key).unwrap();
    stored_at(&pass, 2 * hour + 1 - tolerance);
    assert_eq!(proved(&held).0, Some(Level::Restore));
    stored_at(&pass, 2 * hour - tolerance);
    assert_eq!(proved(&held), (Some(Level::Checksum), vec!["ahead-of-its-store"]));
}
