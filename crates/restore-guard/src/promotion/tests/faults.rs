//! Calls that fail, and disks that are full.

use super::super::tests::fault;
use super::support::{Kind, MANY, World, now, temp, tree};
use crate::{Error, Phase, Writes, require_space};
use rustix::io::Errno;
use std::path::Path;
use std::process::Command;

/// Each call that changes something fails once; then it is resumed, or undone.
fn fails_everywhere(kind: Kind, plain: bool, error: Errno) {
    fault::set_plain(plain);
    let mut pending = 0;
    for forward in [true, false] {
        for call in 1..MANY {
            let home = temp();
            let world = World::new(home.path(), kind);
            let old = world.seen();
            let new = world.expected(&old);
            fault::fail_at(call, error);
            let outcome = world.promote();
            let calls = fault::calls();
            fault::fail_at(0, error);
            if calls < call {
                outcome.unwrap();
                break;
            }
            // A file system that cannot sync a directory, or has no such rename, need not be an error.
            match world.journal().pending().unwrap().map(|pending| pending.phase) {
                None => {
                    assert_eq!(world.seen(), old, "call {call}");
                    world.promote().unwrap();
                    assert_eq!(world.seen(), new, "call {call}");
                }
                Some(Phase::Moved) if outcome.is_ok() => assert_eq!(world.seen(), new),
                Some(_) => {
                    outcome.unwrap_err();
                    pending += 1;
                    if forward {
                        world.resume().unwrap();
                        assert_eq!(world.seen(), new, "call {call}");
                    }
                    undo_with_faults(&world, error);
                    assert_eq!(world.seen(), old, "call {call}");
                    world.journal().confirm(now()).unwrap();
                }
            }
        }
    }
    fault::set_plain(false);
    assert!(pending > 5, "{pending}");
}

/// Undoes; each of its calls fails once, one after the other.
fn undo_with_faults(world: &World, error: Errno) {
    for call in 1..MANY {
        fault::fail_at(call, error);
        let outcome = world.undo();
        let calls = fault::calls();
        fault::fail_at(0, error);
        if calls < call {
            outcome.unwrap();
            return;
        }
    }
    panic!("it never comes to its end");
}

#[test]
fn a_call_that_fails_is_made_good() {
    for kind in [Kind::Files, Kind::Directory, Kind::NewDirectory] {
        for plain in [false, true] {
            fails_everywhere(kind, plain, Errno::ACCESS);
        }
        fails_everywhere(kind, false, Errno::NOSPC);
    }
}

#[test]
fn room_is_asked_for_before_anything_is_written() {
    let home = temp();
    require_space(home.path(), 1).unwrap();
    require_space(&home.path().join("not/yet/there"), 1).unwrap();
    let error = require_space(&home.path().join("not/yet/there"), u64::MAX).unwrap_err();
    assert!(matches!(error, Error::NoSpace { needed: u64::MAX, .. }), "{error}");
}

/// A small file system in memory; `None` where this user may not mount one.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mount = ["-t", "tmpfs", "-o", "size=1m", "none"];
        let done = Command::new("mount").args(mount).arg(at).output().ok()?;
        done.status.success().then_some(Self(at))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(self.0).status().unwrap();
    }
}

fn fill(path: &Path, leave: u64) {
    let free = rustix::fs::statvfs(path).map(|it| it.f_bavail * it.f_frsize).unwrap();
    let bytes = vec![0; usize::try_from(free.saturating_sub(leave)).unwrap()];
    std::fs::write(path.join("filling"), bytes).unwrap();
}

#[test]
fn a_full_disk_is_told_before_the_first_step_and_stands_in_no_undos_way() {
    let home = temp();
    let Some(small) = Small::mount(home.path()) else {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    };
    let world = World::new(&small.0.join("world"), Kind::Files);
    let (old, staged) = (world.seen(), tree(&world.staged()));
    let new = world.expected(&old);
    fill(small.0, 64 * 1024);
    let error = world.promote().unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    assert_eq!((world.seen(), tree(&world.staged()).len()), (old.clone(), staged.len()));
    assert_eq!(world.journal().pending().unwrap(), None);

    std::fs::remove_file(small.0.join("filling")).unwrap();
    world.promote().unwrap();
    assert_eq!(world.seen(), new);
    fill(small.0, 0);
    let error = world.undo().unwrap_err();
    assert_eq!(error.code(), "disk-full", "{error}");
    assert_eq!(world.seen(), new, "nothing is taken back that is not written down");
    std::fs::remove_file(small.0.join("filling")).unwrap();
    world.journal().undo(Writes::Refuse, now()).unwrap();
    assert_eq!(world.seen(), old);
}
