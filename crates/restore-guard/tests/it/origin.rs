//! A context's place in a store belongs to whoever came first.

use crate::support::{TestStore, at, context, put};
use restore_guard::{Claim, Error, OriginId, OriginRecord, WriterId, claim_origin, read_origin};

fn claim() -> OriginRecord {
    OriginRecord {
        context: context(),
        origin: OriginId::generate().unwrap(),
        writer: WriterId::generate().unwrap(),
        host: "host-1".into(),
        operator: "ada".into(),
        claimed_at: at(0),
    }
}

#[test]
fn the_first_claim_holds() {
    let store = TestStore::new();
    assert_eq!(read_origin(&store, &context()).unwrap(), None);
    let (ours, theirs) = (claim(), claim());
    assert_eq!(claim_origin(&store, &ours).unwrap(), Claim::Claimed);
    assert_eq!(claim_origin(&store, &ours).unwrap(), Claim::Ours);
    assert_eq!(claim_origin(&store, &theirs).unwrap(), Claim::Foreign(ours.clone()));
    assert_eq!(read_origin(&store, &context()).unwrap(), Some(ours));
    let elsewhere = OriginRecord { context: "default-2".parse().unwrap(), ..theirs };
    assert_eq!(claim_origin(&store, &elsewhere).unwrap(), Claim::Claimed);
}

#[test]
fn of_many_claims_at_once_one_succeeds() {
    let store = TestStore::new();
    let answers: Vec<Claim> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..16).map(|_| scope.spawn(|| claim_origin(&store, &claim()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| **answer == Claim::Claimed).count(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Claim::Foreign(_))).count(), 15);
}

#[test]
fn a_claim_that_cannot_be_read_is_not_taken_for_ours() {
    let store = TestStore::new();
    put(&store, "origin/default.json", br#"{"version":2}"#);
    assert!(matches!(claim_origin(&store, &claim()), Err(Error::NewerFormat { found: 2, .. })));
    let store = TestStore::new();
    put(&store, "origin/default.json", b"{}");
    assert!(matches!(read_origin(&store, &context()), Err(Error::Malformed { .. })));
}
