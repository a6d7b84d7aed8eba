//! One of those who use the store: what it does, and what it was told.

use super::beliefs::Beliefs;
use crate::support::{LONG_AGO, RealClock, key, noise};
use backup_store::{
    Deletion, Digest, Error, Holder, Lease, LeaseRequest, Observation, Prefix, PutOptions, S3Store, Store,
    put_bytes, read_bytes, read_checked,
};
use si_backup_tests::Random;
use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

/// More than one part.
const BIG: usize = (5 << 20) + 100_000;

/// What an actor knows of a key that only it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was told that it is stored.
    Stored(Digest),
    /// It was not told what became of it.
    Perhaps,
    /// It was told that it is gone.
    Gone,
    /// It was not told whether it is gone.
    PerhapsGone,
}

/// What an actor was told of the keys that it and others write.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) who: usize,
    /// Its own keys, with what it wrote there.
    pub(super) own: BTreeMap<String, (Vec<u8>, Known)>,
    /// Those that both write: what it was told, and what it wrote.
    pub(super) shared: BTreeMap<String, (Vec<u8>, Result<(), String>)>,
}

pub(super) struct Actor<'a> {
    store: &'a S3Store,
    beliefs: &'a Beliefs,
    clock: &'a RealClock,
    random: Random,
    history: History,
    lease: Option<Lease<'a>>,
    observation: Observation,
    done: u32,
    failed: u32,
}

impl<'a> Actor<'a> {
    pub(super) fn new(who: usize, store: &'a S3Store, beliefs: &'a Beliefs, random: Random) -> Self {
        let history = History { who, ..History::default() };
        // As long as the process, like the clock of a program.
        let clock = Box::leak(Box::new(RealClock::new()));
        let observation = Observation::new();
        Self { store, beliefs, clock, random, history, lease: None, observation, done: 0, failed: 0 }
    }

    pub(super) fn step(&mut self) {
        match self.random.below(20) {
            0..=4 => self.put(),
            5 => self.put_again(),
            6 | 7 => self.put_shared(),
            8..=10 => self.get(),
            11 => self.head(),
            12 | 13 => self.list(),
            14 | 15 => self.delete(),
            _ => self.lease(),
        }
    }

    /// Gives back what it holds, and tells what it knows, and how many operations were done and failed.
    pub(super) fn finish(mut self) -> (History, u32, u32) {
        if let Some(lease) = self.lease.take() {
            self.beliefs.give_up(self.history.who);
            match lease.release() {
                Ok(()) | Err(Error::LeaseLost { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let own: Vec<_> = self.history.own.keys().cloned().collect();
        for name in &own {
            self.get_own(name);
        }
        self.list();
        (self.history, self.done, self.failed)
    }

    /// An operation that failed for a reason that a bad network may be.
    #[track_caller]
    fn failed(&mut self, error: &Error) {
        self.failed += 1;
        let code = error.code();
        let network = [
            "outcome-unknown",
            "store-failed",
            "store-throttled",
            "store-timeout",
            "store-unreachable",
            "store-answer",
        ];
        // What arrived altered at the server is refused by the server; what arrived altered here is found here.
        let altered =
            ["store-credentials", "store-refused", "store-denied", "object-corrupt", "object-malformed"];
        assert!(network.contains(&code) || altered.contains(&code), "{code}: {error}");
    }

    fn put(&mut self) {
        let name = format!("own-{}/{}", self.history.who, self.history.own.len());
        let size =
            if self.random.percent(4) { BIG } else { usize::try_from(self.random.below(3_000)).unwrap() };
        let bytes = noise(self.random.next_u64(), size);
        let size_hint = self.random.percent(50).then_some(size as u64);
        let known = match put_bytes(self.store, &key(&name), &bytes, &PutOptions { lock: None, size_hint }) {
            Ok(stored) => {
                self.done += 1;
                assert_eq!(stored.meta.size, size as u64);
                Known::Stored(stored.digest)
            }
            Err(error) => {
                // Nobody else writes this key.
                assert_ne!(error.code(), "object-exists", "{name}: {error}");
                self.failed(&error);
                Known::Perhaps
            }
        };
        self.history.own.insert(name, (bytes, known));
    }

    fn pick(&mut self, known: impl Fn(Known) -> bool) -> Option<String> {
        let names: Vec<_> =
            self.history.own.iter().filter(|(_, (_, state))| known(*state)).map(|(name, _)| name).collect();
        if names.is_empty() { None } else { Some(self.random.pick(&names).clone()) }
    }

    fn put_again(&mut self) {
        let Some(name) = self.pick(|known| matches!(known, Known::Stored(_))) else { return };
        match put_bytes(self.store, &key(&name), b"written twice", &PutOptions::default()) {
            Ok(_) => panic!("{name} was written twice"),
            Err(Error::AlreadyExists { .. }) => self.done += 1,
            Err(error) => self.failed(&error),
        }
    }

    fn put_shared(&mut self) {
        let name = format!("shared/{}", self.random.below(3));
        if self.history.shared.contains_key(&name) {
            return;
        }
        let bytes = noise(self.random.next_u64(), 500);
        let told = match put_bytes(self.store, &key(&name), &bytes, &PutOptions::default()) {
            Ok(_) => Ok(()),
            Err(error) => {
                if error.code() != "object-exists" {
                    self.failed(&error);
                }
                Err(error.code().to_owned())
            }
        };
        self.history.shared.insert(name, (bytes, told));
    }

    fn get(&mut self) {
        if let Some(name) = self.pick(|_| true) {
            self.get_own(&name);
        }
    }

    fn get_own(&mut self, name: &str) {
        let (written, known) = self.history.own[name].clone();
        let read = match known {
            Known::Stored(digest) if self.random.percent(50) => {
                let size = written.len() as u64;
                let mut read = Vec::new();
                read_checked(self.store, &key(name), None, digest, size).and_then(|mut reader| {
                    let all = reader.read_to_end(&mut read);
                    all.map_err(|error| Error::from_io(error, "read", name))?;
                    reader.finish()?;
                    Ok(read)
                })
            }
            // What is longer than one answer has nothing to be compared with but a recorded digest.
            Known::Perhaps | Known::Stored(_) if written.len() > 1 << 20 => return,
            _ => read_bytes(self.store, &key(name), None, 8 << 20),
        };
        match (read, known) {
            (Ok(_), Known::Gone) => panic!("{name} was deleted, and is read"),
            (Ok(read), _) => {
                assert!(read == written, "{name} was read as {} other bytes", read.len());
                self.done += 1;
            }
            (Err(Error::NotFound { .. }), Known::Stored(_)) => panic!("{name} was stored, and is not found"),
            (Err(Error::NotFound { .. }), _) => self.done += 1,
            (Err(error), _) => self.failed(&error),
        }
    }

    fn head(&mut self) {
        let Some(name) = self.pick(|_| true) else { return };
        let (written, known) = &self.history.own[&name];
        match (self.store.head(&key(&name), None), known) {
            (Ok(meta), Known::Stored(_) | Known::Perhaps | Known::PerhapsGone) => {
                assert_eq!(meta.size, written.len() as u64, "{name}");
                self.done += 1;
            }
            (Ok(_), Known::Gone) => panic!("{name} was deleted, and is there"),
            (Err(Error::NotFound { .. }), Known::Stored(_)) => panic!("{name} was stored, and is not there"),
            (Err(Error::NotFound { .. }), _) => self.done += 1,
            (Err(error), _) => self.failed(&error),
        }
    }

    fn list(&mut self) {
        let prefix = Prefix::new(&format!("own-{}", self.history.who)).unwrap();
        let listed =
            self.store.list(&prefix, None).and_then(Iterator::collect::<backup_store::Result<Vec<_>>>);
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => return self.failed(&error),
        };
        self.done += 1;
        assert!(listed.is_sorted_by(|a, b| a.key < b.key), "{listed:?}");
        for meta in &listed {
            let (written, known) = self
                .history
                .own
                .get(meta.key.as_str())
                .unwrap_or_else(|| panic!("{} was never written", meta.key));
            assert_ne!(*known, Known::Gone, "{} was deleted, and is listed", meta.key);
            assert_eq!(meta.size, written.len() as u64, "{}", meta.key);
        }
        for (name, (_, known)) in &self.history.own {
            let is_listed = listed.iter().any(|meta| meta.key.as_str() == name);
            assert!(is_listed || !matches!(known, Known::Stored(_)), "{name} was stored, and is not listed");
        }
    }

    fn delete(&mut self) {
        let Some(name) = self.pick(|known| known != Known::Gone) else { return };
        let known = match self.store.delete(&key(&name), None, LONG_AGO) {
            // An upload whose end nobody knows may still arrive.
            Ok(Deletion::Missing) if self.history.own[&name].1 == Known::Perhaps => Known::Perhaps,
            Ok(Deletion::Deleted | Deletion::Missing) => Known::Gone,
            Ok(other) => panic!("{name} is {other:?}"),
            Err(error) => {
                self.failed(&error);
                match self.history.own[&name].1 {
                    Known::Perhaps => Known::Perhaps,
                    _ => Known::PerhapsGone,
                }
            }
        };
        self.done += u32::from(known == Known::Gone);
        if let Some(entry) = self.history.own.get_mut(&name) {
            entry.1 = known;
        }
    }

    fn lease(&mut self) {
        let who = self.history.who;
        let Some(mut lease) = self.lease.take() else { return self.acquire() };
        let told = match self.random.below(6) {
            0 | 1 => lease.renew(),
            2 => lease.check(),
            // It stops working, and then it says so.
            3 | 4 => {
                self.beliefs.give_up(who);
                match lease.release() {
                    Ok(()) => self.done += 1,
                    Err(Error::LeaseLost { .. }) => {}
                    Err(error) => self.failed(&error),
                }
                return;
            }
            // Its process dies, and another one begins.
            _ => return self.beliefs.give_up(who),
        };
        match told {
            Ok(()) => {
                self.done += 1;
                self.beliefs.believe(who, &lease, false);
                self.lease = Some(lease);
            }
            Err(Error::LeaseLost { .. }) => {
                assert!(self.beliefs.ttl < Duration::from_secs(1), "lost, though nobody may have taken over");
                self.beliefs.give_up(who);
            }
            Err(error) => {
                self.failed(&error);
                self.lease = Some(lease);
            }
        }
    }

    fn acquire(&mut self) {
        let id = self.history.who.to_string();
        let request = LeaseRequest {
            name: "tick".into(),
            holder: Holder { id: id.clone(), description: id },
            ttl: self.beliefs.ttl,
            wait: Duration::ZERO,
        };
        match Lease::acquire(self.store, self.clock, &request, &mut self.observation) {
            Ok(lease) => {
                self.done += 1;
                self.beliefs.believe(self.history.who, &lease, true);
                self.lease = Some(lease);
            }
            Err(Error::LeaseHeld { .. }) => self.done += 1,
            Err(error) => self.failed(&error),
        }
    }
}
