//! Everything that is named: keys of the store, snapshots, subjects, digests, levels, contexts, writers.
#![no_main]

use backup_contract::{AppSlug, Checksum, ContextName, Level, SnapshotId, Subject};
use backup_store::{Key, Prefix};
use libfuzzer_sys::fuzz_target;
use restore_guard::{OriginId, TrustedWriters, WriterId, WriterPublicKey};
use std::fmt::{Debug, Display};
use std::path::{Component, Path};
use std::str::FromStr;

/// What is read is what is shown, and is itself when it is read again.
fn reads_again<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(value) => {
            let shown = value.to_string();
            assert!(shown.parse::<T>().is_ok_and(|again| again == value), "{text:?} is shown as {shown:?}");
            Some(value)
        }
        Err(e) => {
            let _ = e.to_string();
            None
        }
    }
}

fuzz_target!(|text: &str| {
    if let Some(key) = reads_again::<Key>(text) {
        assert!(Path::new(key.as_str()).components().all(|part| matches!(part, Component::Normal(_))));
        assert_eq!(key.parts().collect::<Vec<_>>().join("/"), text);
    }
    let _ = Prefix::new(text);
    if let Some(id) = reads_again::<SnapshotId>(text) {
        assert!(!id.to_string().contains(['/', '\\']));
        let _ = id.state_time();
    }
    reads_again::<Subject>(text);
    reads_again::<Checksum>(text);
    reads_again::<Level>(text);
    reads_again::<ContextName>(text);
    reads_again::<AppSlug>(text);
    reads_again::<WriterId>(text);
    reads_again::<OriginId>(text);
    reads_again::<WriterPublicKey>(text);
    let _ = TrustedWriters::parse(text.split(','));
});
