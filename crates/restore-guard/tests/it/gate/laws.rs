//! Whatever the world is like: exactly what is proved is let through.

use super::world::{F, NOW, P, Word, World, entry, id, word};
use super::wrong::Wrong;
use crate::support::{at, checksum};
use backup_contract::{Level, Problem, Snapshot};
use proptest::prelude::*;
use restore_guard::{Decision, Latest, Wanted, future_tolerance};

/// What is let through, said once more without any of the gate's own words.
struct Oracle<'w>(&'w World);

impl Oracle<'_> {
    fn least(&self) -> Level {
        let request = &self.0.request;
        request.accept.as_ref().map_or(request.least, |accept| accept.level.min(request.least))
    }

    /// The trusted words about these bytes.
    fn said(&self, snapshot: &Snapshot) -> Vec<&Word> {
        let own = |word: &&Word| {
            let is_future = word.outcome == P && at(word.seconds) - self.0.now > future_tolerance();
            id(word.n) == snapshot.id
                && !word.by_stranger
                && Some(word.bytes) == snapshot.checksum
                && !is_future
        };
        self.0.words.iter().filter(own).collect()
    }

    /// Passes of at least a level that no failure at it or below has taken back.
    fn proofs(&self, snapshot: &Snapshot, level: Level) -> Vec<&Word> {
        let said = self.said(snapshot);
        let against = |pass: &Word| {
            said.iter().any(|no| no.outcome == F && no.level <= level && no.seconds >= pass.seconds)
        };
        said.iter()
            .copied()
            .filter(|word| word.outcome == P && word.level >= level && !against(word))
            .collect()
    }

    fn is_sound(&self, snapshot: &Snapshot) -> bool {
        snapshot.problems.is_empty() && !snapshot.suspect && !self.0.foreign.contains(&snapshot.id)
    }

    fn passes(&self, snapshot: &Snapshot) -> bool {
        let given = self.0.request.checksum;
        let fresh = |word: &&Word| self.0.now - at(word.seconds) <= self.0.request.max_age;
        self.is_sound(snapshot)
            && snapshot.checksum.is_some()
            && (given.is_none() || given == snapshot.checksum)
            && (self.proofs(snapshot, self.least()).iter().any(fresh)
                || (given.is_some() && self.said(snapshot).is_empty()))
    }

    fn is_too_low(&self) -> bool {
        let Some(accept) = &self.0.request.accept else { return false };
        let better = |level: &Level| *level > accept.level && *level <= self.0.request.least;
        self.0.snapshots.iter().any(|snapshot| {
            self.is_sound(snapshot)
                && Level::ALL
                    .iter()
                    .filter(|level| better(level))
                    .any(|level| !self.proofs(snapshot, *level).is_empty())
        })
    }

    fn takes(&self) -> Option<&Snapshot> {
        let request = &self.0.request;
        if !request.obstacles.is_empty() || self.is_too_low() {
            return None;
        }
        let newest_first = || self.0.snapshots.iter().rev();
        let passing = newest_first().find(|snapshot| self.passes(snapshot));
        let wanted = match &request.wanted {
            Wanted::Id(id) => newest_first().find(|snapshot| snapshot.id == *id),
            Wanted::Latest(Latest::NewestPassing) => return passing,
            Wanted::Latest(Latest::Newest) => newest_first().find(|snapshot| self.is_sound(snapshot)),
        };
        let may_step = request.step_back && request.checksum.is_none();
        // A name that no snapshot has may be a slip of the pen: nobody steps anywhere from there.
        let is_slip = matches!(&request.wanted, Wanted::Id(_)) && wanted.is_none();
        wanted.filter(|wanted| self.passes(wanted)).or(passing.filter(|_| may_step && !is_slip))
    }
}

fn levels() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL.to_vec())
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let one = (
        1..5_u32,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        levels(),
        prop::bool::weighted(0.7),
        // Some of one moment, some too old, some from the future.
        prop::sample::select(vec![NOW - 4 * 86_400, NOW - 300, NOW - 200, NOW - 100, NOW, NOW + 86_400]),
    );
    let one = one.prop_map(|(n, by_stranger, is_other, level, ok, seconds)| {
        let own = word(n, level, if ok { P } else { F }, seconds);
        Word { by_stranger, bytes: if is_other { checksum(55) } else { own.bytes }, ..own }
    });
    prop::collection::vec(one, 0..10)
}

fn worlds() -> impl Strategy<Value = World> {
    let rare = || prop::bool::weighted(0.1);
    let flags = prop::collection::vec((rare(), rare(), rare(), rare()), 4);
    let wanted = prop::sample::select(vec![
        Wanted::Id(id(1)),
        Wanted::Id(id(2)),
        Wanted::Id(id(3)),
        Wanted::Id(id(9)),
        Wanted::Latest(Latest::Newest),
        Wanted::Latest(Latest::NewestPassing),
    ]);
    let given = prop::option::weighted(0.3, 1..5_u8);
    let accept = prop::option::weighted(0.3, levels());
    (words(), flags, wanted, given, accept, (levels(), any::<bool>(), rare())).prop_map(
        |(words, flags, wanted, given, accept, (least, step_back, is_blocked))| {
            let mut world = World::new().saying(&words);
            world.snapshots = (1..=4).map(entry).collect();
            for (snapshot, (broken, suspect, foreign, unknown)) in world.snapshots.iter_mut().zip(flags) {
                snapshot.suspect = suspect;
                if broken {
                    snapshot.problems.push(Problem { code: "gone".into(), detail: "it is gone".into() });
                }
                if unknown {
                    snapshot.checksum = None;
                }
                if foreign {
                    world.foreign.insert(snapshot.id.clone());
                }
            }
            world.request.wanted = wanted;
            world.request.checksum = given.map(checksum);
            world.request.least = least;
            world.request.step_back = step_back;
            if is_blocked {
                Wrong::InUse.apply(&mut world);
            }
            match accept {
                Some(level) => world.accepting(level),
                None => world,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if is_full() { 20_000 } else { 700 }))]

    #[test]
    fn exactly_what_is_proved_is_let_through(world in worlds()) {
        let oracle = Oracle(&world);
        match (world.decide(), oracle.takes()) {
            (Decision::Allowed(allowed), Some(expected)) => {
                prop_assert_eq!(&allowed.snapshot().id, &expected.id);
                prop_assert_eq!(Some(allowed.checksum()), expected.checksum);
                if let Some((_, level, when)) = allowed.evidence() {
                    let proofs = oracle.proofs(expected, oracle.least());
                    let is_told = proofs.iter().any(|word| (word.level, at(word.seconds)) == (*level, *when));
                    prop_assert!(is_told, "{:?} of {:?}", allowed.evidence(), proofs);
                } else {
                    prop_assert_eq!(world.request.checksum, expected.checksum);
                    prop_assert!(oracle.said(expected).is_empty());
                }
            }
            (Decision::Refused(refusal), None) => {
                prop_assert!(!refusal.reasons.is_empty());
                if let Some(request) = refusal.instead_of(&world.request) {
                    // Asked for as it is told, it is let through.
                    let then = World { request, ..world.clone() };
                    let last = refusal.last_verified.unwrap();
                    let oracle = Oracle(&then);
                    prop_assert_eq!(oracle.takes().map(|taken| &taken.id), Some(&last.id));
                    let is_allowed =
                        matches!(then.decide(), Decision::Allowed(allowed) if allowed.snapshot().id == last.id);
                    prop_assert!(is_allowed, "{:?}", then.request);
                }
            }
            (decision, expected) => prop_assert!(false, "{decision:?}, and expected {expected:?}"),
        }
    }
}

fn is_full() -> bool {
    std::env::var("SI_BACKUP_FULL").is_ok_and(|full| full == "1")
}
