//! Pins, origins and writers: records in the store that anyone with the bucket can write.
#![no_main]

use backup_contract::{ContextName, SnapshotRef};
use backup_store::Key;
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use restore_guard::{Pins, TrustedWriters, published_writers, read_origin};
use si_backup_fuzz::{empty_store, object};

fuzz_target!(|bytes: &[u8]| {
    let context = ContextName::new("default").unwrap();
    let store = empty_store();
    let id = "state-20261123T201500Z-1a2b3c4d";
    for key in [
        "origin/default.json".to_owned(),
        format!("pins/default/state/{id}/20261123T201500Z-00000001.json"),
        "writers/default/00112233445566778899aabbccddeeff.json".to_owned(),
    ] {
        object(&Key::new(key).unwrap(), bytes);
    }
    let _ = read_origin(&store, &context).map_err(|e| e.to_string());
    let found = published_writers(&store, &context, &TrustedWriters::default()).unwrap();
    assert!(found.writers.iter().all(|writer| !writer.trusted), "nobody is trusted");
    let pins = Pins::new(&store, &context).read(None).unwrap();
    let snapshot = SnapshotRef { subject: "state".parse().unwrap(), id: id.parse().unwrap() };
    for at in [DateTime::UNIX_EPOCH, DateTime::from_timestamp(4_000_000_000, 0).unwrap()] {
        let _ = pins.is_pinned(&snapshot, at);
        let _ = format!("{:?}", pins.standing(&snapshot, at));
    }
});
