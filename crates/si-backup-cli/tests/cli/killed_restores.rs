//! Restores, and what follows them, killed at every call by which they change something, and at random moments.

use crate::harness::full;
use crate::stage::{RESTORE, Stage, Start, Way};
use restore_guard::Phase;
use sha2::{Digest, Sha256};
use si_backup_tests::Random;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Restore,
    /// Of a restore that was killed between two of its steps.
    Resume,
    Undo,
    Confirm,
    /// The checks again, of a restore of which one had failed.
    Recheck,
    Release,
}

impl Act {
    pub(crate) const ALL: [Self; 6] =
        [Self::Restore, Self::Resume, Self::Undo, Self::Confirm, Self::Recheck, Self::Release];

    pub(crate) fn args(self) -> &'static [&'static str] {
        match self {
            Self::Restore => RESTORE,
            Self::Resume => Way::Resume.args(),
            Self::Undo => Way::Undo.args(),
            Self::Confirm => &["restore", "confirm"],
            Self::Recheck => &["guard", "recheck"],
            Self::Release => &["guard", "release", "--reason", "ticket 812"],
        }
    }

    /// Brings a stage to where this can be done.
    pub(crate) fn prepare(self, stage: &Stage) {
        stage.reset();
        match self {
            Self::Restore => {}
            Self::Resume => half_way(stage),
            Self::Undo | Self::Confirm => drop(stage.host.run(RESTORE).expect(0)),
            Self::Recheck | Self::Release => {
                stage.set_well(false);
                stage.host.run(RESTORE).expect(12);
                stage.set_well(true);
            }
        }
    }
}

/// Leaves a restore between two of its steps.
fn half_way(stage: &Stage) {
    static POINT: OnceLock<usize> = OnceLock::new();
    let is_half_way = |point| {
        stage.reset();
        stage.run_until(RESTORE, point);
        let live = stage.live();
        stage.phase() == Some(Phase::Moving) && live != stage.replaced && live != stage.restored
    };
    // From behind: the fewest are tried, and the most is done already.
    let point = *POINT.get_or_init(|| (1..1000).step_by(5).find(|point| is_half_way(*point)).unwrap());
    assert!(is_half_way(point));
}

/// Where a sample begins: another place with each build of the program, so that in time all are walked over.
pub(crate) fn turn() -> usize {
    static TURN: OnceLock<usize> = OnceLock::new();
    *TURN.get_or_init(|| {
        let program = std::fs::read(env!("CARGO_BIN_EXE_si-backup")).unwrap();
        let digest = Sha256::digest(program);
        usize::from(u16::from_be_bytes([digest[0], digest[1]]))
    })
}

/// Kills at each `stride`-th fail point, in the full mode at every one and with both ways to go on; there are `expected`.
fn matrix(act: Act, start: Start, expected: usize, stride: usize) {
    let stages = [Stage::new(start), Stage::new(start)];
    act.prepare(&stages[0]);
    let points = stages[0].points(act.args());
    assert_eq!(points.len(), expected, "fail points of {act:?}: {}", points.join(" "));
    assert!(stages[0].live() == stages[0].restored || act == Act::Undo);
    let sample = if full() { 1 } else { stride };
    let numbers: Vec<_> = (1..=points.len()).filter(|n| n % sample == turn() % sample).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for stage in stages {
            let (numbers, next) = (&numbers, &next);
            scope.spawn(move || {
                while let Some(n) = numbers.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let ways = if full() { &Way::BOTH[..] } else { &Way::BOTH[n / sample % 2..][..1] };
                    for way in ways {
                        act.prepare(&stage);
                        let ran = stage.run_until(act.args(), *n);
                        assert_eq!(ran.code, None, "{act:?} is killed at {n}: {ran:?}");
                        let at = format!("{act:?} killed at {n}, {}", points_at(*n));
                        stage.lock_tells_the_truth(&at);
                        let again = if n % 3 == 0 { n * 7 % expected + 1 } else { 0 };
                        stage.mend(*way, again, &at);
                    }
                }
            });
        }
    });
}

fn points_at(n: usize) -> &'static str {
    if n % 2 == 1 { "before a call" } else { "after it" }
}

#[test]
fn a_restore() {
    matrix(Act::Restore, Start::Damaged, 468, 37);
}

#[test]
fn a_restore_to_where_nothing_is() {
    matrix(Act::Restore, Start::Gone, 484, 67);
}

#[test]
fn a_resumption() {
    matrix(Act::Resume, Start::Damaged, 292, 37);
}

#[test]
fn an_undoing() {
    matrix(Act::Undo, Start::Damaged, 328, 37);
}

#[test]
fn a_confirmation() {
    matrix(Act::Confirm, Start::Damaged, 174, 37);
}

#[test]
fn checks_made_again() {
    matrix(Act::Recheck, Start::Damaged, 158, 23);
}

#[test]
fn a_release_of_the_lock() {
    matrix(Act::Release, Start::Damaged, 122, 11);
}

#[test]
fn whatever_is_killed_at_random_moments() {
    const ACTS: [Act; 6] = [Act::Restore, Act::Resume, Act::Undo, Act::Restore, Act::Confirm, Act::Recheck];
    let rounds = if full() { 200 } else { 12 };
    let met = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for half in 0..2 {
            let met = &met;
            scope.spawn(move || {
                let stage = Stage::new(Start::Damaged);
                let mut random = Random::new(20_261_130 + half);
                // How long each takes, as it was last seen.
                let mut whole = [Duration::ZERO; ACTS.len()];
                for round in 0..rounds / 2 {
                    let turn = usize::try_from(random.below(ACTS.len() as u64)).unwrap();
                    let act = ACTS[turn];
                    if whole[turn].is_zero() {
                        act.prepare(&stage);
                        let began = Instant::now();
                        stage.host.run(act.args()).expect(0);
                        whole[turn] = began.elapsed();
                    }
                    act.prepare(&stage);
                    let part = u32::try_from(random.below(1000)).unwrap();
                    let mut run = stage.host.start(act.args());
                    // The moment is what is tried here: nothing is waited for.
                    std::thread::sleep(whole[turn] * part / 1000);
                    met.fetch_add(usize::from(run.is_running()), Ordering::SeqCst);
                    run.kill();
                    let at = format!("{act:?} killed in round {round} of {half}, after {part}/1000");
                    stage.lock_tells_the_truth(&at);
                    stage.mend(Way::BOTH[round % 2], 0, &at);
                }
            });
        }
    });
    let met = met.into_inner();
    assert!(met > rounds / 2, "of {rounds} runs {met} were met alive");
}
