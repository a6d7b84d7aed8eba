//! Random histories of holders that compete, are slow at every possible moment, lose answers and crash.
//!
//! Each holder is a thread; each of its operations on the store waits for its turn, and the schedule decides whose turn it
//! is and how much time passes. Only one thread runs at a time, so a failing schedule fails again.

use super::{Holder, Lease, LeaseRequest, Observation};
use crate::conformance::{ManualClock, MemoryStore};
use crate::{
    Capabilities, Clock as _, Deletion, Error, Key, Leftover, Lock, ObjectMeta, Prefix, PutOptions, Result,
    Store, Stored, Upload, Version,
};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use std::io::{self, Read, Write};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

const TTL: Duration = Duration::from_millis(100);
const HOLDERS: usize = 3;

/// One turn: whose, after which time, and what becomes of the operation.
#[derive(Debug, Clone)]
struct Turn {
    holder: usize,
    milliseconds: u64,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// Done, but its answer is lost.
    AnswerLost,
    /// The holder's process dies before it, and another one begins.
    Crash,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Renew,
    Check,
    Release,
}

/// Where the threads wait for their turn.
#[derive(Default)]
struct Turnstile {
    state: Mutex<Turns>,
    changed: Condvar,
}

#[derive(Default)]
struct Turns {
    granted: Option<(usize, Fate)>,
    waiting: [bool; HOLDERS],
    over: bool,
}

impl Turnstile {
    fn pass(&self, holder: usize) -> Fate {
        let mut turns = self.state.lock().unwrap();
        turns.waiting[holder] = true;
        self.changed.notify_all();
        loop {
            if turns.over {
                return Fate::Crash;
            }
            if let Some((whose, fate)) = turns.granted
                && whose == holder
            {
                turns.granted = None;
                turns.waiting[holder] = false;
                return fate;
            }
            turns = self.changed.wait(turns).unwrap();
        }
    }

    /// Waits until everybody waits or has ended, then gives one of them a turn.
    fn grant(&self, turn: &Turn, clock: &ManualClock) {
        let mut turns = self.state.lock().unwrap();
        while turns.granted.is_some() || (0..HOLDERS).any(|who| !turns.waiting[who]) {
            turns = self.changed.wait(turns).unwrap();
        }
        clock.advance(Duration::from_millis(turn.milliseconds));
        turns.granted = Some((turn.holder, turn.fate));
        self.changed.notify_all();
    }

    fn is_over(&self) -> bool {
        self.state.lock().unwrap().over
    }

    fn close(&self) {
        let mut turns = self.state.lock().unwrap();
        while turns.granted.is_some() {
            turns = self.changed.wait(turns).unwrap();
        }
        turns.over = true;
        self.changed.notify_all();
    }
}

/// The store as one holder sees it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    store: &'a MemoryStore,
    turnstile: &'a Turnstile,
    holder: usize,
}

impl std::fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "store of {}", self.holder)
    }
}

impl<'a> Seen<'a> {
    fn act<T>(&self, operation: impl FnOnce(&'a MemoryStore) -> Result<T>) -> Result<T> {
        match self.turnstile.pass(self.holder) {
            Fate::Done => operation(self.store),
            Fate::AnswerLost => {
                let _ = operation(self.store);
                let source = io::Error::from(io::ErrorKind::TimedOut);
                Err(Error::Io { operation: "ask", path: "store".into(), source })
            }
            Fate::Crash => Err(Error::Interrupted("the holder")),
        }
    }
}

struct SeenUpload<'a> {
    seen: Seen<'a>,
    inner: Box<dyn Upload + 'a>,
}

impl Write for SeenUpload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for SeenUpload<'_> {
    fn finish(self: Box<Self>) -> Result<Stored> {
        let Self { seen, inner } = *self;
        seen.act(|_| inner.finish())
    }
}

type Listing<'a> = Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + 'a>;

impl Store for Seen<'_> {
    fn location(&self) -> String {
        self.store.location()
    }
    fn capabilities(&self) -> Result<Capabilities> {
        self.store.capabilities()
    }
    fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>> {
        Ok(Box::new(SeenUpload { seen: *self, inner: self.store.create(key, options)? }))
    }
    fn open(&self, key: &Key, version: Option<&Version>, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        self.act(|store| store.open(key, version, offset))
    }
    fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
        self.act(|store| store.head(key, version))
    }
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> Result<Listing<'_>> {
        self.act(|store| store.list(prefix, after))
    }
    fn list_versions(&self, prefix: &Prefix) -> Result<Listing<'_>> {
        self.act(|store| store.list_versions(prefix))
    }
    fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        self.act(|store| store.delete(key, version, now))
    }
    fn lock(&self, key: &Key, version: Option<&Version>, lock: Lock) -> Result<()> {
        self.act(|store| store.lock(key, version, lock))
    }
    fn lock_of(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>> {
        self.act(|store| store.lock_of(key, version))
    }
    fn leftovers(&self) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }
    fn sweep(&self, _: DateTime<Utc>) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }
}

/// Until when each holder believes that nobody else can hold the lease.
#[derive(Default)]
struct Beliefs(Mutex<Told>);

#[derive(Default)]
struct Told {
    until: [Duration; HOLDERS],
    taken: u32,
    lost: u32,
    wrong: Option<String>,
}

impl Beliefs {
    fn believe(&self, holder: usize, lease: &Lease<'_>, now: Duration) {
        let mut told = self.0.lock().unwrap();
        told.until[holder] = now + lease.remaining();
        let believers: Vec<_> = (0..HOLDERS).filter(|who| told.until[*who] > now).collect();
        if believers.len() > 1 {
            told.wrong = Some(format!("at {now:?} {believers:?} all believe, {holder} since just now"));
        }
    }

    /// A look that found the own generation newest was the last thing that happened to the store.
    fn look(&self, holder: usize, lease: &Lease<'_>, store: &MemoryStore) {
        let newest =
            store.list(&Prefix::new("leases/x").unwrap(), None).unwrap().last().unwrap().unwrap().key;
        if newest.as_str() != format!("leases/x/{:012}.json", lease.generation()) {
            let mine = lease.generation();
            self.0.lock().unwrap().wrong =
                Some(format!("{holder} took its {mine} for the newest, not {newest}"));
        }
    }

    fn give_up(&self, holder: usize) {
        self.0.lock().unwrap().until[holder] = Duration::ZERO;
    }
}

/// One process of a holder, until it dies: it takes the lease whenever it can, and does with it what its script says.
fn live(
    seen: Seen<'_>,
    clock: &ManualClock,
    observation: &mut Observation,
    script: &mut impl Iterator<Item = Step>,
    beliefs: &Beliefs,
) {
    let holder = seen.holder;
    let request = LeaseRequest {
        name: "x".into(),
        holder: Holder { id: holder.to_string(), description: String::new() },
        ttl: TTL,
        wait: Duration::ZERO,
    };
    loop {
        let mut lease = match Lease::acquire(&seen, clock, &request, observation) {
            Ok(lease) => lease,
            Err(Error::Interrupted(_)) => return,
            Err(_) => continue,
        };
        beliefs.0.lock().unwrap().taken += 1;
        beliefs.believe(holder, &lease, clock.monotonic());
        loop {
            let before = lease.generation();
            let step = script.next().unwrap_or(Step::Renew);
            let done = match step {
                Step::Renew => lease.renew(),
                Step::Check => lease.check(),
                Step::Release => {
                    // Whoever releases has stopped working before.
                    beliefs.give_up(holder);
                    match lease.release() {
                        Err(Error::Interrupted(_)) => return,
                        _ => break,
                    }
                }
            };
            match done {
                Ok(()) => {
                    if matches!(step, Step::Check) && lease.generation() == before {
                        beliefs.look(holder, &lease, seen.store);
                    }
                    beliefs.believe(holder, &lease, clock.monotonic());
                }
                Err(Error::Interrupted(_)) => return,
                Err(Error::LeaseLost { .. }) => {
                    beliefs.0.lock().unwrap().lost += 1;
                    beliefs.give_up(holder);
                    break;
                }
                // Unknown: it goes on believing for as long as nobody can have taken over.
                Err(_) => {}
            }
        }
    }
}

fn play(turns: &[Turn], scripts: &[Vec<Step>]) -> Told {
    let (store, clock) = (MemoryStore::default(), ManualClock::at(Duration::from_secs(1)));
    let (turnstile, beliefs) = (Turnstile::default(), Beliefs::default());
    std::thread::scope(|scope| {
        for (holder, script) in scripts.iter().enumerate() {
            let seen = Seen { store: &store, turnstile: &turnstile, holder };
            let (clock, beliefs, turnstile) = (&clock, &beliefs, &turnstile);
            scope.spawn(move || {
                let (mut observation, mut script) = (Observation::new(), script.iter().copied().cycle());
                while !turnstile.is_over() {
                    live(seen, clock, &mut observation, &mut script, beliefs);
                    beliefs.give_up(holder);
                }
            });
        }
        for turn in turns {
            turnstile.grant(turn, &clock);
        }
        turnstile.close();
    });
    beliefs.0.into_inner().unwrap()
}

fn turn() -> impl Strategy<Value = Turn> {
    let fate = prop_oneof![40 => Just(Fate::Done), 2 => Just(Fate::AnswerLost), 1 => Just(Fate::Crash)];
    let time = prop_oneof![6 => Just(0_u64), 3 => 1..20_u64, 1 => 50..150_u64];
    (0..HOLDERS, time, fate).prop_map(|(holder, milliseconds, fate)| Turn { holder, milliseconds, fate })
}

/// Runs of turns of one holder, so that others are often asleep for long.
fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let run = (turn(), 1..30_usize).prop_map(|(turn, length)| {
        let mut run = vec![Turn { fate: Fate::Done, milliseconds: turn.milliseconds / 4, ..turn }; length];
        run.push(turn);
        run
    });
    proptest::collection::vec(run, 1..40).prop_map(|runs| runs.concat())
}

fn scripts() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![6 => Just(Step::Renew), 2 => Just(Step::Check), 1 => Just(Step::Release)];
    proptest::collection::vec(proptest::collection::vec(step, 1..12), HOLDERS)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn two_never_believe_at_once(turns in turns(), scripts in scripts()) {
        let told = play(&turns, &scripts);
        prop_assert_eq!(told.wrong, None);
    }
}

/// The histories are worth something only if in many of them somebody takes over.
#[test]
fn histories_have_takeovers_in_them() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut taken, mut lost) = (0, 0);
    for _ in 0..100 {
        let turns = turns().new_tree(&mut runner).unwrap().current();
        let scripts = scripts().new_tree(&mut runner).unwrap().current();
        let told = play(&turns, &scripts);
        taken += told.taken;
        lost += told.lost;
    }
    assert!(taken > 300 && lost > 50, "{taken} taken, {lost} lost");
}
