//! What can be wrong, alone and together.

use super::world::{C, F, NOW, P, R, S, T, Word, World, id, word};
use crate::support::{at, checksum};
use backup_contract::Problem;
use restore_guard::{AcceptedLevel, Latest, Obstacle, Wanted};
use std::collections::BTreeSet;

/// What is wrong in a world, each with the reasons that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    NoSuchId,
    NothingThere,
    NoChecksum,
    OtherChecksum,
    NotRestorable,
    NotVerified,
    TooOld,
    OtherBytes,
    Stranger,
    Failed,
    Suspect,
    Foreign,
    AcceptedTooLow,
    InUse,
    LockShut,
    RunActive,
    Pending,
}

pub(super) use Wrong::{
    AcceptedTooLow, Failed, Foreign, InUse, LockShut, NoChecksum, NoSuchId, NotRestorable, NotVerified,
    NothingThere, OtherBytes, OtherChecksum, Pending, RunActive, Stranger, Suspect, TooOld,
};

pub(super) const ALL: [Wrong; 17] = [
    NoSuchId,
    NothingThere,
    NoChecksum,
    OtherChecksum,
    NotRestorable,
    NotVerified,
    TooOld,
    OtherBytes,
    Stranger,
    Failed,
    Suspect,
    Foreign,
    AcceptedTooLow,
    InUse,
    LockShut,
    RunActive,
    Pending,
];

impl Wrong {
    pub(super) fn codes(self) -> &'static [&'static str] {
        match self {
            NoSuchId => &["no-such-snapshot"],
            NothingThere => &["no-restorable-snapshot"],
            NoChecksum => &["no-checksum"],
            OtherChecksum => &["other-checksum"],
            NotRestorable => &["not-restorable"],
            NotVerified => &["not-verified"],
            TooOld => &["evidence-too-old"],
            // Who finds no proof is told what there is instead.
            OtherBytes => &["not-verified", "other-bytes-verified"],
            Stranger => &["not-verified", "unknown-writer"],
            Failed => &["verification-failed"],
            Suspect => &["suspect"],
            Foreign => &["foreign-snapshot"],
            AcceptedTooLow => &["accepted-too-low"],
            InUse => &["target-in-use"],
            LockShut => &["lock-shut"],
            RunActive => &["run-active"],
            Pending => &["restore-pending"],
        }
    }

    pub(super) const fn is_obstacle(self) -> bool {
        matches!(self, InUse | LockShut | RunActive | Pending)
    }

    /// Whether it is about what is known of the wanted snapshot's bytes.
    pub(super) const fn is_word(self) -> bool {
        matches!(self, NotVerified | TooOld | OtherBytes | Stranger | Failed)
    }

    pub(super) fn holds_with(self, other: Self) -> bool {
        let one_way = |a: Self, b: Self| match a {
            NothingThere => b.is_obstacle(),
            NoSuchId => b.is_obstacle() || b == AcceptedTooLow,
            NoChecksum => !b.is_word() && b != OtherChecksum && b != NothingThere && b != NoSuchId,
            // Without a proof it may be that others have proved other bytes, and that strangers have spoken.
            OtherBytes | Stranger => !matches!(b, TooOld | Failed),
            NotVerified => !matches!(b, TooOld | Failed),
            TooOld | Failed => !b.is_word(),
            _ => true,
        };
        one_way(self, other) && one_way(other, self)
    }

    pub(super) fn apply(self, world: &mut World) {
        let say = |world: &mut World, words: &[Word]| {
            world.words.retain(|word| word.n != 2 || (word.level, word.outcome) != (R, P));
            world.words.extend_from_slice(words);
        };
        match self {
            NoSuchId => world.request.wanted = Wanted::Id(id(9)),
            NothingThere => {
                world.snapshots.clear();
                world.request.wanted = Wanted::Latest(Latest::Newest);
            }
            NoChecksum => world.snapshots[1].checksum = None,
            OtherChecksum => world.request.checksum = Some(checksum(77)),
            NotRestorable => {
                world.snapshots[1]
                    .problems
                    .push(Problem { code: "gone".into(), detail: "it is gone".into() });
            }
            NotVerified => say(world, &[]),
            TooOld => {
                world.words.retain(|word| word.n != 2);
                world.words.push(word(2, R, P, NOW - 4 * 86_400));
            }
            OtherBytes => {
                say(world, &[Word { bytes: checksum(55), level: C, ..word(2, C, P, NOW - 50) }]);
            }
            Stranger => say(world, &[Word { by_stranger: true, ..word(2, T, P, NOW - 60) }]),
            Failed => say(world, &[word(2, S, F, NOW - 40)]),
            Suspect => world.snapshots[1].suspect = true,
            Foreign => {
                world.foreign.insert(id(2));
            }
            AcceptedTooLow => {
                world.request.accept = Some(AcceptedLevel { level: S, reason: "hurry".into() });
            }
            InUse => world.request.obstacles.push(Obstacle::TargetInUse("process 7".into())),
            LockShut => world.request.obstacles.push(Obstacle::LockShut {
                by: "bob".into(),
                why: "restore".into(),
                since: at(0),
            }),
            RunActive => world.request.obstacles.push(Obstacle::RunActive("a backup".into())),
            Pending => world.request.obstacles.push(Obstacle::RestorePending {
                id: id(1),
                operator: "bob".into(),
                phase: "moved".into(),
            }),
        }
    }
}

pub(super) fn world_of(wrongs: &[Wrong]) -> World {
    let mut world = World::new();
    for wrong in wrongs {
        wrong.apply(&mut world);
    }
    world
}

pub(super) fn codes_of(wrongs: &[Wrong]) -> BTreeSet<&'static str> {
    wrongs.iter().flat_map(|wrong| wrong.codes()).copied().collect()
}

/// Alone and in pairs.
pub(super) fn sets() -> Vec<Vec<Wrong>> {
    let mut sets: Vec<Vec<Wrong>> = ALL.iter().map(|wrong| vec![*wrong]).collect();
    for (index, a) in ALL.iter().enumerate() {
        sets.extend(ALL[index + 1..].iter().filter(|b| a.holds_with(**b)).map(|b| vec![*a, *b]));
    }
    sets
}
