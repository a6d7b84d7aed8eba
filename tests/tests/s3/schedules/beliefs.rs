//! Who believes to hold the lease, until when, and who wrote which generation.

use backup_store::Lease;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(super) struct Beliefs {
    pub(super) ttl: Duration,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    until: [Option<Instant>; 2],
    writers: BTreeMap<u64, usize>,
    taken: u32,
    wrong: Vec<String>,
}

impl Beliefs {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, told: Mutex::default() }
    }

    /// An actor has just been told that the lease is its own.
    pub(super) fn believe(&self, who: usize, lease: &Lease<'_>, is_new: bool) {
        let mut told = self.told.lock().unwrap();
        let now = Instant::now();
        told.until[who] = now.checked_add(lease.remaining());
        let believes = |until: Option<Instant>| until.is_some_and(|until| until > now);
        if told.until.iter().all(|until| believes(*until)) {
            told.wrong.push(format!("both believe, {who} since just now, generation {}", lease.generation()));
        }
        let writer = *told.writers.entry(lease.generation()).or_insert(who);
        if writer != who {
            told.wrong.push(format!("generation {} is by {writer} and by {who}", lease.generation()));
        }
        told.taken += u32::from(is_new);
    }

    pub(super) fn give_up(&self, who: usize) {
        self.told.lock().unwrap().until[who] = None;
    }

    /// How often it was taken.
    pub(super) fn hold(&self) -> u32 {
        let told = self.told.lock().unwrap();
        assert!(told.wrong.is_empty(), "{:?}", told.wrong);
        told.taken
    }
}
