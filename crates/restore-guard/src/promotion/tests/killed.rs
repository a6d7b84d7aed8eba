//! A process that is killed at every system call that changes something, and what can be made of what it leaves.

use super::child::{Ended, Verb, ended, run, start};
use super::support::{Kind, Tree, World, is_full, names, now, temp};
use crate::{Error, Phase};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A new world, as every one of its kind, with what it holds now and what it is to hold.
struct Fresh {
    world: World,
    old: Tree,
    new: Tree,
    _home: [TempDir; 2],
}

fn fresh(kind: Kind) -> Fresh {
    let (home, elsewhere) = (temp(), tempfile::tempdir().unwrap());
    let world = World::new(home.path(), kind);
    std::fs::write(home.path().join("elsewhere"), elsewhere.path().join("journal").to_str().unwrap())
        .unwrap();
    let old = world.seen();
    let new = world.expected(&old);
    Fresh { world, old, new, _home: [home, elsewhere] }
}

impl Fresh {
    /// Nothing is left but the lock, and nothing of it is under way.
    fn is_clean(&self) {
        let journal = self.world.journal();
        assert_eq!(journal.pending().unwrap(), None);
        let left = names(journal.path());
        assert!(left.iter().all(|name| name == "lock"), "{left:?}");
        if self.world.kind != Kind::InPlace {
            let beside = names(&self.world.root);
            assert!(
                beside.iter().all(|name| ["live", "staged", "restore", "elsewhere"].contains(&name.as_str())),
                "{beside:?}"
            );
        }
    }

    /// Where a killed promotion has begun nothing: live is untouched, and it can be done over.
    fn is_untouched(&self) {
        assert_eq!(self.world.seen(), self.old);
        self.world.promote().unwrap();
        assert_eq!(self.world.seen(), self.new);
    }
}

fn hits(ended: Ended) -> u64 {
    match ended {
        Ended::Done(hits) => hits.len() as u64,
        other => panic!("{other:?}"),
    }
}

/// Goes on with a killed promotion, dying again on the way, and holds the end against what it must be.
fn recover(fresh: &Fresh, plain: bool, forward: bool, deadly: u64) {
    let world = &fresh.world;
    let verb = if forward { Verb::Resume } else { Verb::Undo };
    if deadly > 0 {
        match run(world, verb, plain, deadly) {
            Ended::Killed | Ended::Done(_) => {}
            Ended::Failed(error) => panic!("{error}"),
        }
    }
    match (run(world, verb, plain, 0), forward) {
        (Ended::Done(_), true) => assert_eq!(world.seen(), fresh.new),
        (Ended::Done(_), false) => assert_eq!(world.seen(), fresh.old),
        (other, _) => panic!("{other:?}"),
    }
    match run(world, Verb::Confirm, plain, deadly) {
        Ended::Killed => {
            if world.journal().pending().unwrap().is_some() {
                world.journal().confirm(now()).unwrap();
            } else if let Ended::Failed(error) = run(world, Verb::Resume, plain, 0) {
                assert!(error.starts_with("no-restore"), "{error}");
            }
        }
        Ended::Done(_) => {}
        Ended::Failed(error) => panic!("{error}"),
    }
    assert_eq!(world.seen(), if forward { fresh.new.clone() } else { fresh.old.clone() });
    fresh.is_clean();
}

/// Kills a promotion at each `stride`-th point, and finishes or undoes it; killed again on the way at some point, another
/// one each time. In the full mode at every point.
fn matrix(kind: Kind, plain: bool, stride: u64) {
    let counted = fresh(kind);
    let points = hits(run(&counted.world, Verb::Promote, plain, 0));
    assert_eq!(counted.world.seen(), counted.new);
    let back = hits(run(&counted.world, Verb::Undo, plain, 0));
    let end = hits(run(&counted.world, Verb::Confirm, plain, 0));
    assert!(points > 30 && back > 15 && end > 10, "{points} {back} {end}");
    counted.is_clean();

    let stride = if is_full() { 1 } else { stride };
    let numbers: Vec<u64> = (1..=points).filter(|n| n % stride == 0 || *n == 1 || *n == points).collect();
    let (begun, untouched) = (AtomicU64::new(0), AtomicU64::new(0));
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(n) = numbers.get(usize::try_from(next.fetch_add(1, Ordering::SeqCst)).unwrap())
                {
                    for forward in [true, false] {
                        let again = if is_full() {
                            (1..=back.min(points)).collect()
                        } else {
                            vec![0, n * 7 % points + 1]
                        };
                        for deadly in again {
                            let fresh = fresh(kind);
                            let killed = run(&fresh.world, Verb::Promote, plain, *n);
                            assert!(matches!(killed, Ended::Killed), "point {n} is reached: {killed:?}");
                            if fresh.world.journal().pending().unwrap().is_some() {
                                begun.fetch_add(1, Ordering::SeqCst);
                                recover(&fresh, plain, forward, deadly);
                            } else {
                                untouched.fetch_add(1, Ordering::SeqCst);
                                fresh.is_untouched();
                                break;
                            }
                        }
                    }
                }
            });
        }
    });
    let (begun, untouched) = (begun.into_inner(), untouched.into_inner());
    assert!(begun > 0 && untouched > 0, "{begun} {untouched}");
    eprintln!(
        "{kind:?}, plain {plain}: {points} points to promote, {back} to undo, {end} to confirm; {} of them killed at",
        numbers.len()
    );
}

#[test]
fn files_are_all_new_or_all_old_wherever_it_is_killed() {
    matrix(Kind::Files, false, 3);
}

#[test]
fn so_they_are_where_nothing_can_be_exchanged() {
    matrix(Kind::Files, true, 5);
}

#[test]
fn a_directory_is_the_new_or_the_old_wherever_it_is_killed() {
    matrix(Kind::Directory, false, 3);
    matrix(Kind::Directory, true, 4);
}

#[test]
fn a_directory_where_none_was_is_there_or_not_wherever_it_is_killed() {
    matrix(Kind::NewDirectory, false, 6);
    matrix(Kind::NewDirectory, true, 6);
}

#[test]
fn what_stays_in_place_is_all_new_or_all_old_wherever_it_is_killed() {
    matrix(Kind::InPlace, false, 7);
}

/// Of an undo, with a log that has grown since.
#[test]
fn an_undo_that_is_killed_puts_everything_back_and_each_line_once() {
    let grown = || {
        let mut fresh = fresh(Kind::Files);
        fresh.world.promote().unwrap();
        let log = fresh.world.live().join("events.jsonl");
        let mut text = std::fs::read_to_string(&log).unwrap();
        text.push_str("{\"n\":3}\n{\"n\":4}\n");
        std::fs::write(&log, text).unwrap();
        fresh.old.get_mut("events.jsonl").unwrap().4.extend(b"{\"n\":3}\n{\"n\":4}\n");
        fresh
    };
    for plain in [false, true] {
        let counted = grown();
        let points = hits(run(&counted.world, Verb::Undo, plain, 0));
        assert_eq!(counted.world.seen(), counted.old);
        let stride = if is_full() { 1 } else { 4 };
        for n in (1..=points).filter(|n| n % stride == 0 || *n == points) {
            let fresh = grown();
            assert!(matches!(run(&fresh.world, Verb::Undo, plain, n), Ended::Killed), "point {n} is reached");
            if n % 2 == 0 {
                let again = run(&fresh.world, Verb::Undo, plain, n / 2);
                assert!(!matches!(again, Ended::Failed(_)), "{again:?}");
            }
            match run(&fresh.world, Verb::Undo, plain, 0) {
                Ended::Done(_) => assert_eq!(fresh.world.seen(), fresh.old, "killed at {n}"),
                other => panic!("{other:?}"),
            }
            fresh.world.journal().confirm(now()).unwrap();
            fresh.is_clean();
        }
    }
}

#[test]
fn random_kills_leave_all_or_nothing() {
    let rounds = if is_full() { 200 } else { 20 };
    let mut late = 0;
    for round in 0..rounds {
        let kind = [Kind::Files, Kind::Directory][round % 2];
        let fresh = fresh(kind);
        let longest = {
            let begun = Instant::now();
            let counted = self::fresh(kind);
            run(&counted.world, Verb::Promote, false, 0);
            begun.elapsed()
        };
        let part = u32::from_le_bytes(crate::id::random().unwrap()) % 1000;
        let mut child = start(&fresh.world, Verb::Promote, false, 0);
        std::thread::sleep(longest * part / 1000);
        child.kill().unwrap();
        if !matches!(ended(child), Ended::Killed) {
            late += 1;
        }
        match fresh.world.journal().pending().unwrap().map(|pending| pending.phase) {
            None => {
                assert_eq!(fresh.world.seen(), fresh.old);
                fresh.is_untouched();
            }
            Some(Phase::Moved) => assert_eq!(fresh.world.seen(), fresh.new),
            Some(_) => recover(&fresh, false, part % 2 == 0, 0),
        }
    }
    assert!(late < rounds, "some were killed in time");
}

#[test]
fn only_one_process_at_a_time() {
    let fresh = fresh(Kind::Files);
    let held = fresh.world.journal().hold_or_make().unwrap();
    let refused = fresh.world.promote().unwrap_err();
    assert!(matches!(refused, Error::RestoreRunning(_)), "{refused}");
    let refused = run(&fresh.world, Verb::Promote, false, 0);
    assert!(matches!(&refused, Ended::Failed(error) if error.starts_with("restore-running")), "{refused:?}");
    drop(held);
    assert_eq!(fresh.world.seen(), fresh.old);
    let deadline = Instant::now() + Duration::from_secs(10);
    fresh.world.promote().unwrap();
    assert!(Instant::now() < deadline);
}
