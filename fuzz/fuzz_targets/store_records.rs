//! The records of leases and of locks, and what somebody else put into a store's directory.
#![no_main]

use backup_store::conformance::ManualClock;
use backup_store::{Holder, Key, Lease, LeaseRequest, Observation, Prefix, Store as _};
use libfuzzer_sys::fuzz_target;
use si_backup_fuzz::{empty_store, file, object};
use std::time::Duration;

fuzz_target!(|input: (u64, &[u8])| {
    let (generation, bytes) = input;
    let store = empty_store();
    object(&Key::new(format!("leases/work/{:012}.json", generation % 1_000_000_000_000)).unwrap(), bytes);
    let clock = ManualClock::default();
    let holder = Holder { id: "host".into(), description: "work on host".into() };
    let ttl = Duration::from_secs(60);
    let request = LeaseRequest { name: "work".into(), holder, ttl, wait: Duration::from_secs(600) };
    let mut seen: Observation = serde_json::from_slice(bytes).unwrap_or_default();
    if let Ok(mut lease) = Lease::acquire(&store, &clock, &request, &mut seen) {
        lease.renew().unwrap();
        lease.release().unwrap();
    }
    let key = Key::new("state/x").unwrap();
    object(&key, b"object");
    file("store/.si-store/locks/state/x.json", bytes);
    let locked = store.lock_of(&key, None);
    let now = chrono::DateTime::UNIX_EPOCH;
    let deleted = store.delete(&key, None, now).is_ok();
    assert!(!(deleted && locked.is_err()), "a lock that cannot be read does not let go");
    let _ = store.list(&Prefix::all(), None).unwrap().count();
});
