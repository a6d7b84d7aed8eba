//! The suite that every [`Store`] passes, and what tests of stores and leases need besides.
//!
//! ```
//! # #[cfg(feature = "conformance")] {
//! use backup_store::{DirStore, conformance};
//!
//! # let home = tempfile::tempdir().unwrap();
//! # let count = std::sync::atomic::AtomicU32::new(0);
//! let empty_store = || {
//!     let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
//!     let store = DirStore::create(home.path().join(number.to_string())).unwrap();
//!     Box::new(store) as Box<dyn backup_store::Store>
//! };
//! # if false {
//! conformance::run(&empty_store);
//! # }
//! conformance::CASES[0].run(&empty_store); // or one promise at a time
//! # }
//! ```
#![expect(clippy::unwrap_used, reason = "a broken promise ends its case at once")]

mod copying;
mod leases;
mod listing;
mod locks;
mod manual_clock;
#[cfg(test)]
mod memory;
mod reading;
mod versions;
mod writing;

pub use manual_clock::ManualClock;
#[cfg(test)]
pub(crate) use memory::MemoryStore;

use crate::{Key, PutOptions, Result, Store, Stored, put_bytes, read_bytes};

/// Makes an empty store, another one with each call.
pub type Make<'a> = &'a (dyn Fn() -> Box<dyn Store> + Sync);

/// One promise.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What is promised.
    pub name: &'static str,
    check: fn(Make<'_>),
}

impl Case {
    /// Holds a store to the promise.
    ///
    /// # Panics
    /// When it is broken.
    pub fn run(&self, make: Make<'_>) {
        (self.check)(make);
    }
}

const fn case(name: &'static str, check: fn(Make<'_>)) -> Case {
    Case { name, check }
}

/// All promises.
pub const CASES: &[Case] = &[
    case("a key is written once", writing::once),
    case("of many writers of a key one wins, whole", writing::race),
    case("an object is visible whole or not at all", writing::whole_or_not),
    case("a dropped upload leaves nothing", writing::dropped),
    case("every key that is accepted can be written", writing::any_key),
    case("no bytes are an object too", writing::empty),
    case("keys are listed in the order of their bytes, from anywhere", listing::order),
    case("a prefix is whole parts", listing::prefixes),
    case("a listing of many pages is complete", listing::pages),
    case("a read can begin anywhere", reading::offsets),
    case("a big object streams both ways", reading::big),
    case("an altered object is found", reading::altered),
    case("what is not there is an answer", versions::missing),
    case("a key written again is another version", versions::incarnations),
    case("many objects go at once", versions::batches),
    case("a locked object stays", locks::hold),
    case("of many deleted at once the locked ones stay", locks::batch),
    case("a lock only grows", locks::grow),
    case("a lock belongs to its object", locks::belong),
    case("of many writers the winner's lock holds", locks::race),
    case("a lease has one holder", leases::exclusive),
    case("of many who want a lease one gets it", leases::race),
    case("a dead holder is replaced", leases::takeover),
    case("a slow holder finds out", leases::slow),
    case("a holder can come back at once", leases::same_holder),
    case("who waits gets the lease", leases::wait),
    case("old generations go", leases::prune),
    case("a copy is equal, and can be repeated", copying::repeat),
    case("a copy writes nothing that was altered", copying::altered),
    case("a copy is locked", copying::locked),
];

/// Holds a store to all of them.
///
/// # Panics
/// At the first that is broken.
pub fn run(make: Make<'_>) {
    for case in CASES {
        case.run(make);
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put(store: &dyn Store, at: &str, bytes: &[u8]) -> Result<Stored> {
    put_bytes(store, &key(at), bytes, &PutOptions::default())
}

fn get(store: &dyn Store, at: &str) -> Result<Vec<u8>> {
    read_bytes(store, &key(at), None, 1 << 20)
}

/// The keys below a prefix, `""` for all.
fn keys(store: &dyn Store, prefix: &str, after: Option<&str>) -> Vec<String> {
    let prefix = if prefix.is_empty() { crate::Prefix::all() } else { crate::Prefix::new(prefix).unwrap() };
    let after = after.map(key);
    store.list(&prefix, after.as_ref()).unwrap().map(|meta| meta.unwrap().key.to_string()).collect()
}

/// The code of the error that there must be.
fn code<T>(result: Result<T>) -> &'static str {
    result.err().map_or("no error", |error| error.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DirStore;
    use std::sync::Mutex;

    #[test]
    fn memory_passes() {
        run(&|| Box::new(MemoryStore::default()));
    }

    #[test]
    fn a_directory_passes() {
        let homes = Mutex::new(Vec::new());
        let make = || {
            let home = tempfile::tempdir().unwrap();
            let store = DirStore::open(home.path()).unwrap();
            homes.lock().unwrap().push(home);
            Box::new(store) as Box<dyn Store>
        };
        run(&make);
        for home in homes.into_inner().unwrap() {
            let left = std::fs::read_dir(home.path().join(".si-store/tmp")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "no case leaves a temporary file");
        }
    }
}
