//! What others do to live and staged files: before the first step, and during the steps.

use super::super::dir::Dir;
use super::super::swap::{Spot, swap};
use super::support::{Kind, MANY, World, append, names, now, permit, temp, tree, write};
use crate::{Error, Phase, Plan};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// What is refused, and that nothing was changed by it.
fn refused(world: &World, plan: &Plan, what: &str) -> Error {
    let (live, staged) = (tree(&world.live()), tree(&world.staged()));
    let error = world.journal().promote(plan, permit(), now()).expect_err(what);
    assert_eq!((tree(&world.live()), tree(&world.staged())), (live, staged), "{what}");
    assert_eq!(world.journal().pending().unwrap(), None, "{what}");
    error
}

#[test]
fn what_is_not_as_it_was_planned_is_refused_before_the_first_step() {
    type Change = fn(&Path, &Path);
    let changes: [(&str, Change); 9] = [
        ("written", |live, _| fs::write(live.join("a.json"), "somebody's").unwrap()),
        ("replaced", |live, _| {
            fs::write(live.join("tmp"), "old a").unwrap();
            fs::rename(live.join("tmp"), live.join("a.json")).unwrap();
        }),
        ("gone", |live, _| fs::remove_file(live.join("sub/both.json")).unwrap()),
        ("appeared", |live, _| fs::write(live.join("new.json"), "").unwrap()),
        ("a directory appeared", |live, _| fs::create_dir(live.join("deep")).unwrap()),
        ("another directory", |live, _| {
            fs::rename(live.join("sub"), live.join("gone")).unwrap();
            fs::create_dir(live.join("sub")).unwrap();
            for name in ["old.json", "both.json"] {
                fs::rename(live.join("gone").join(name), live.join("sub").join(name)).unwrap();
            }
        }),
        ("staged otherwise", |_, staged| fs::write(staged.join("a.json"), "forged").unwrap()),
        ("not staged", |_, staged| fs::remove_file(staged.join("a.json")).unwrap()),
        ("staged too", |_, staged| fs::write(staged.join("sub/old.json"), "").unwrap()),
    ];
    for (what, change) in changes {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        let plan = world.plan().unwrap();
        change(&world.live(), &world.staged());
        let error = refused(&world, &plan, what);
        assert!(matches!(error, Error::TargetChanged { .. }), "{what}: {error}");
    }
}

#[test]
fn a_log_may_have_grown_between_plan_and_promotion_and_all_of_it_is_kept() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    let plan = world.plan().unwrap();
    append(&world, "{\"n\":3}\n");
    let old = world.seen();
    assert_eq!(world.journal().promote(&plan, permit(), now()).unwrap().findings, []);
    world.undo().unwrap();
    assert_eq!(world.seen(), old);
}

#[test]
fn a_file_that_somebody_puts_there_at_the_last_moment_is_kept() {
    for plain in [false, true] {
        super::fault::set_plain(plain);
        let home = temp();
        let root = Dir::open(home.path()).unwrap();
        write(&home.path().join("ours"), "incoming", 0o600);
        write(&home.path().join("live"), "a stranger's", 0o600);
        let spot = |name| Spot { dir: &root, name };
        let before = spot("ours").look().unwrap().map(|it| it.inode);
        let came = swap(spot("ours"), spot("live"), before).unwrap().unwrap();
        assert_eq!(fs::read(home.path().join("live")).unwrap(), b"incoming");
        assert_eq!((fs::read(home.path().join("ours")).unwrap(), came.size), (b"a stranger's".into(), 12));
        // Once is enough.
        swap(spot("ours"), spot("live"), before).unwrap();
        assert_eq!(fs::read(home.path().join("live")).unwrap(), b"incoming");
        assert_eq!(names(home.path()), ["live", "ours"]);
    }
    super::fault::set_plain(false);
}

#[test]
fn what_changed_between_a_kill_and_the_next_run_is_kept_and_told() {
    let (_home, world) = stopped_at_first_step();
    fs::write(world.live().join("stranger"), "a stranger's").unwrap();
    fs::rename(world.live().join("stranger"), world.live().join("sub/both.json")).unwrap();
    fs::write(world.live().join("new.json"), "a stranger's too").unwrap();
    let crate::Resumed::Promoted(done) = world.resume().unwrap() else { panic!("promoted") };
    let told: Vec<_> = done.findings.iter().map(|it| (it.code, it.place.subject.as_str())).collect();
    assert_eq!(told, [("changed-meanwhile", "new.json"), ("changed-meanwhile", "sub/both.json")]);
    assert_eq!(fs::read(world.live().join("new.json")).unwrap(), b"new");
    world.undo().unwrap();
    assert_eq!(fs::read(world.live().join("new.json")).unwrap(), b"a stranger's too");
    assert_eq!(fs::read(world.live().join("sub/both.json")).unwrap(), b"a stranger's");
}

/// Somebody saves a file, as an editor does, right before each call; what they wrote is live, or kept.
///
/// Without an exchange there is one moment, between the last look and the rename, in which it is lost.
#[test]
fn what_a_stranger_saves_at_any_moment_is_live_or_kept() {
    for (plain, lost_at_most) in [(false, 0), (true, 1)] {
        for is_undo in [false, true] {
            let mut lost = Vec::new();
            let mut calls = 0;
            for call in 1..MANY {
                let home = temp();
                let world = World::new(home.path(), Kind::Files);
                super::fault::set_plain(plain);
                if is_undo {
                    world.promote().unwrap();
                }
                let live = world.live();
                super::fault::intrude_at(call, move || {
                    fs::write(live.join("other/saving"), "a stranger's").unwrap();
                    fs::rename(live.join("other/saving"), live.join("sub/both.json")).unwrap();
                });
                // Whether it goes well or is refused.
                let _ = if is_undo { world.undo().map(drop) } else { world.promote().map(drop) };
                calls = super::fault::calls();
                super::fault::set_plain(false);
                super::fault::intrude_never();
                if calls < call {
                    break;
                }
                let places = [
                    world.live().join("sub"),
                    world.staged().join("sub"),
                    world.journal().path().join("kept/sub"),
                ];
                let texts = places.iter().flat_map(|place| {
                    names(place).into_iter().map(move |name| fs::read(place.join(name)).unwrap())
                });
                if !texts.into_iter().any(|text| text == b"a stranger's") {
                    lost.push(call);
                }
            }
            assert!(
                calls > 10 && lost.len() <= lost_at_most,
                "plain {plain}, undo {is_undo}: {lost:?} of {calls}"
            );
        }
    }
}

/// A promotion that has written down that it moves, and has moved nothing.
fn stopped_at_first_step() -> (TempDir, World) {
    for call in 1..MANY {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        super::fault::fail_at(call, rustix::io::Errno::IO);
        world.promote().unwrap_err();
        super::fault::fail_at(0, rustix::io::Errno::IO);
        if world.journal().pending().unwrap().is_some_and(|pending| pending.phase == Phase::Moving) {
            return (home, world);
        }
    }
    panic!("no call fails there")
}

#[test]
fn a_journal_that_is_not_whole_is_not_guessed_from() {
    type Change = fn(&str) -> String;
    let change = |world: &World, name: &str, change: Change| {
        let path = world.journal().path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let changed = change(&text);
        assert_ne!(changed, text);
        fs::write(&path, changed).unwrap();
    };
    let cases: [(&str, Change, &str); 4] = [
        ("journal.json", |text| text[..text.len() / 2].to_owned(), "journal-malformed"),
        ("plan.json", |text| text.replace("sub/both.json", "sub/boTh.json"), "journal-malformed"),
        ("plan.json", |text| text[..text.len() / 2].to_owned(), "journal-malformed"),
        ("journal.json", |text| text.replace("\"version\":1", "\"version\":2"), "newer-format"),
    ];
    for (name, how, code) in cases {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        world.promote().unwrap();
        let promoted = world.seen();
        change(&world, name, how);
        for error in [
            world.journal().pending().unwrap_err(),
            world.undo().unwrap_err(),
            world.resume().unwrap_err(),
            world.journal().confirm(now()).unwrap_err(),
        ] {
            assert_eq!(error.code(), code, "{error}");
        }
        assert_eq!(world.seen(), promoted);
    }
}
