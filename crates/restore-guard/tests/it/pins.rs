//! Pins: the newest word decides.

use crate::support::{TestStore, at, context, put, snapshot};
use chrono::{DateTime, Utc};
use restore_guard::{Error, PinAction, PinRecord, PinStanding, Pins};

fn record(action: PinAction, seconds: i64, until: Option<DateTime<Utc>>) -> PinRecord {
    PinRecord { action, reason: "before the move".into(), until, operator: "ada".into(), at: at(seconds) }
}

#[test]
fn the_newest_word_decides() {
    let (store, context) = (TestStore::new(), context());
    let pins = Pins::new(&store, &context);
    let pinned = |now| pins.read(None).unwrap().is_pinned(&snapshot(1), at(now));
    assert!(!pinned(0));
    pins.write(&snapshot(1), &record(PinAction::Pin, 0, None)).unwrap();
    assert!(pinned(1) && pinned(1_000_000_000));
    pins.write(&snapshot(1), &record(PinAction::Unpin, 10, None)).unwrap();
    assert!(!pinned(11));
    pins.write(&snapshot(1), &record(PinAction::Pin, 20, Some(at(100)))).unwrap();
    assert!(pinned(21) && pinned(99) && !pinned(100), "until is the first moment at which it is free");
    let set = pins.read(None).unwrap();
    assert!(!set.is_pinned(&snapshot(2), at(21)));
    assert!(
        matches!(set.standing(&snapshot(1), at(21)), PinStanding::Pinned(pin) if pin.reason == "before the move")
    );
    assert_eq!(set.snapshots().collect::<Vec<_>>(), [&snapshot(1)]);
    assert!(pins.read(Some(&"app:shop".parse().unwrap())).unwrap().snapshots().next().is_none());
}

#[test]
fn a_doubt_keeps_the_snapshot() {
    let (store, context) = (TestStore::new(), context());
    let pins = Pins::new(&store, &context);
    pins.write(&snapshot(1), &record(PinAction::Pin, 0, None)).unwrap();
    // An unpin from the future does not count yet.
    pins.write(&snapshot(1), &record(PinAction::Unpin, 100_000, None)).unwrap();
    assert!(pins.read(None).unwrap().is_pinned(&snapshot(1), at(10)));
    assert!(!pins.read(None).unwrap().is_pinned(&snapshot(1), at(100_000)));
    // A record that cannot be read may be a pin, until a newer one says otherwise.
    let place = format!("pins/default/state/{}", snapshot(2).id);
    put(&store, &format!("{place}/20261123T201510Z-00000001.json"), br#"{"version":2,"what":"ever"}"#);
    assert!(matches!(
        pins.read(None).unwrap().standing(&snapshot(2), at(60)),
        PinStanding::Unreadable(Error::NewerFormat { .. })
    ));
    pins.write(&snapshot(2), &record(PinAction::Unpin, 20, None)).unwrap();
    assert!(!pins.read(None).unwrap().is_pinned(&snapshot(2), at(60)));
    // What is no pin is said to be none.
    put(&store, &format!("{place}/README"), b"?");
    assert_eq!(pins.read(None).unwrap().strays().len(), 1);
}

#[test]
fn a_pin_that_cannot_be_fetched_is_an_error() {
    let (store, context) = (TestStore::new(), context());
    let pins = Pins::new(&store, &context);
    pins.write(&snapshot(1), &record(PinAction::Pin, 0, None)).unwrap();
    store.set_reads_fail(true);
    assert!(matches!(pins.read(None), Err(Error::Store(_))));
    let mut other = snapshot(1);
    other.subject = "app:shop".parse().unwrap();
    assert!(matches!(pins.write(&other, &record(PinAction::Pin, 0, None)), Err(Error::OtherSubject { .. })));
}
