//! What others do to live and staged files: before the first step, during the steps, and after the last.

use super::super::dir::Dir;
use super::super::swap::{Spot, swap};
use super::support::{Kind, MANY, World, access_list, names, now, permit, set_extended, temp, tree, write};
use crate::{Error, Growth, Journal, Phase, Plan, Protected, Writes};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
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

/// Each directory on the way, replaced by a link to one that looks the same.
#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    for kind in [Kind::Files, Kind::Directory] {
        for swapped in ["live", "live/sub", "live/.si-backup", "staged", "staged/sub", "journal"] {
            let home = temp();
            let world = World::new(home.path(), kind);
            fs::create_dir_all(world.journal().path()).unwrap();
            let plan = world.plan().unwrap();
            let place = match swapped.split_once('/') {
                _ if swapped == "journal" => world.journal().path().to_owned(),
                Some(("live", name)) => world.live().join(name),
                Some((_, name)) => world.staged().join(name),
                None if swapped == "live" => world.live(),
                None => world.staged(),
            };
            if !place.exists() || kind == Kind::Directory && swapped.contains('/') {
                // Of a directory only the root is looked at: what is in it goes along.
                continue;
            }
            let elsewhere = temp();
            let victim = elsewhere.path().join("victim");
            copy_tree(&place, &victim);
            fs::rename(&place, elsewhere.path().join("moved")).unwrap();
            symlink(&victim, &place).unwrap();
            let before = tree(&victim);
            let error = world.journal().promote(&plan, permit(), now());
            if swapped == "live/.si-backup" {
                // The way to the journal is the caller's; all that is made there is its lock.
                fs::remove_file(victim.join("restore/state/lock")).unwrap();
                assert!(error.is_err());
                assert_eq!(tree(&victim), before);
                continue;
            }
            let error = error.expect_err(swapped);
            assert!(
                matches!(error, Error::TargetChanged { .. } | Error::NotPromotable { .. } | Error::Io { .. }),
                "{swapped}: {error}"
            );
            assert_eq!(tree(&victim), before, "{kind:?} {swapped}: {error}");
            assert_eq!(world.journal().pending().ok().flatten(), None);
        }
    }
}

/// After the promotion: an undo must not be led away either.
#[test]
fn an_undo_follows_no_link() {
    for swapped in ["live", "live/sub", "journal", "kept"] {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        world.promote().unwrap();
        let place = match swapped {
            "live" => world.live(),
            "live/sub" => world.live().join("sub"),
            "journal" => world.journal().path().to_owned(),
            _ => world.journal().path().join("kept"),
        };
        let elsewhere = temp();
        let victim = elsewhere.path().join("victim");
        copy_tree(&place, &victim);
        fs::rename(&place, elsewhere.path().join("moved")).unwrap();
        symlink(&victim, &place).unwrap();
        let before = tree(&victim);
        for writes in [Writes::Refuse, Writes::Discard] {
            world.journal().undo(writes, now()).expect_err(swapped);
        }
        assert_eq!(tree(&victim), before, "{swapped}");
        // With the directory back, so is the way back.
        fs::remove_file(&place).unwrap();
        fs::rename(elsewhere.path().join("moved"), &place).unwrap();
        world.undo().unwrap();
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn links_and_odd_names_are_no_files_to_promote() {
    let one = |path: &str| vec![Protected { path: path.into(), growth: Growth::Any }];
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    let (live, staged) = (world.live(), world.staged());
    for path in ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\0b"] {
        let error = Plan::files(&live, &staged, &one(path)).unwrap_err();
        assert!(matches!(error, Error::NotPromotable { .. }), "{path:?}: {error}");
    }
    symlink("a.json", live.join("link")).unwrap();
    symlink(".", staged.join("round")).unwrap();
    fs::hard_link(staged.join("a.json"), staged.join("twice")).unwrap();
    for path in ["link", "other", "sub", "round/a.json", "twice", ".si-backup/staged/a.json"] {
        let error = Plan::files(&live, &staged, &one(path)).unwrap_err();
        assert!(matches!(error, Error::NotPromotable { .. }), "{path}: {error}");
    }
    for (live, staged) in [(&live, &live), (&live, &staged), (&staged, &live)] {
        let error = Plan::directory(live, staged).unwrap_err();
        assert!(matches!(error, Error::NotPromotable { .. }), "{error}");
    }
    Plan::directory(&live.join("a.json"), &staged).unwrap_err();
}

#[test]
fn a_journal_is_its_owners_alone_and_never_in_what_is_moved() {
    let home = temp();
    let world = World::new(home.path(), Kind::Directory);
    let plan = world.plan().unwrap();
    for inside in [world.live().join("journal"), world.staged().join("journal")] {
        let error = Journal::new(&inside).promote(&plan, permit(), now()).unwrap_err();
        assert!(matches!(error, Error::NotPromotable { .. }), "{error}");
    }
    let open = home.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    for error in [
        Journal::new(&open).promote(&plan, permit(), now()).unwrap_err(),
        Journal::new(&open).pending().unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotPromotable { .. }), "{error}");
    }
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
fn an_undo_refuses_to_lose_what_was_written_since() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    let old = world.seen();
    world.promote().unwrap();
    fs::write(world.live().join("a.json"), "edited since").unwrap();
    fs::remove_file(world.live().join("new.json")).unwrap();
    fs::write(world.live().join("sub/old.json"), "there again").unwrap();
    let promoted = world.seen();
    match world.undo().unwrap_err() {
        Error::LiveChanged { files, more: 0 } => assert_eq!(files, ["a.json", "new.json", "sub/old.json"]),
        other => panic!("{other}"),
    }
    assert_eq!(world.seen(), promoted);
    assert_eq!(world.journal().pending().unwrap().unwrap().phase, Phase::Moved);
    world.journal().undo(Writes::Discard, now()).unwrap();
    assert_eq!(world.seen(), old);
    // What was given up is there until the end is confirmed.
    let kept = world.journal().path().join("kept");
    assert_eq!(fs::read(kept.join("a.json")).unwrap(), b"edited since");
    assert_eq!(fs::read(kept.join("sub/old.json")).unwrap(), b"there again");
    world.journal().confirm(now()).unwrap();
}

/// What was given up once is not asked for again when the undo is finished.
#[test]
fn an_undo_that_gives_up_writes_is_resumed_as_one() {
    let mut resumed = 0;
    for call in 1..MANY {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        let old = world.seen();
        world.promote().unwrap();
        fs::write(world.live().join("a.json"), "edited since").unwrap();
        fs::write(world.live().join("sub/old.json"), "there again").unwrap();
        super::fault::fail_at(call, rustix::io::Errno::IO);
        let stopped = world.journal().undo(Writes::Discard, now());
        super::fault::fail_at(0, rustix::io::Errno::IO);
        if stopped.is_ok() {
            break;
        }
        if world.journal().pending().unwrap().unwrap().phase == Phase::Undoing {
            world.resume().unwrap();
            assert_eq!(world.seen(), old, "call {call}");
            resumed += 1;
        }
    }
    assert!(resumed > 5, "{resumed}");
}

#[test]
fn an_undo_of_a_directory_refuses_to_lose_what_was_written_since() {
    let home = temp();
    let world = World::new(home.path(), Kind::Directory);
    let old = world.seen();
    world.promote().unwrap();
    fs::write(world.live().join("sub/both.json"), "written since").unwrap();
    match world.undo().unwrap_err() {
        Error::LiveChanged { files, more: 0 } => assert_eq!(files, ["sub/both.json"]),
        other => panic!("{other}"),
    }
    world.journal().undo(Writes::Discard, now()).unwrap();
    assert_eq!(world.seen(), old);
    let kept = world.journal().path().join("kept/sub/both.json");
    assert_eq!(fs::read(kept).unwrap(), b"written since");

    let home = temp();
    let world = World::new(home.path(), Kind::Directory);
    world.promote().unwrap();
    fs::remove_file(world.live().join("new.json")).unwrap();
    assert!(matches!(world.undo().unwrap_err(), Error::LiveChanged { .. }));
}

fn append(world: &World, lines: &str) {
    let log = world.live().join("events.jsonl");
    let mut file = OpenOptions::new().append(true).create(true).open(log).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

#[test]
fn lines_that_were_added_since_go_along_with_the_old_log() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    let mut old = world.seen();
    world.promote().unwrap();
    append(&world, "{\"n\":3}\n{\"n\":4}\n");
    let undone = world.undo().unwrap();
    assert_eq!(undone.carried, ["events.jsonl"]);
    old.get_mut("events.jsonl").unwrap().4.extend(b"{\"n\":3}\n{\"n\":4}\n");
    assert_eq!(world.seen(), old);
}

#[test]
fn an_old_log_with_a_torn_end_keeps_its_lines_apart() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    append(&world, "torn");
    world.promote().unwrap();
    append(&world, "{\"n\":3}\n");
    world.undo().unwrap();
    let text = fs::read_to_string(world.live().join("events.jsonl")).unwrap();
    assert_eq!(text, "{\"n\":1}\n{\"n\":2}\ntorn\n{\"n\":3}\n");
}

#[test]
fn a_log_that_was_rewritten_is_no_log() {
    let rewritten: [fn(&Path); 3] = [
        |log| fs::write(log, "{\"n\":9}\n{\"n\":3}\n").unwrap(),
        |log| fs::write(log, "{}").unwrap(),
        |log| {
            fs::rename(log, log.with_extension("1")).unwrap();
            fs::write(log, "{\"n\":0}\n{\"n\":3}\n").unwrap();
        },
    ];
    for rewrite in rewritten {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        world.promote().unwrap();
        rewrite(&world.live().join("events.jsonl"));
        match world.undo().unwrap_err() {
            Error::LiveChanged { files, .. } => assert_eq!(files, ["events.jsonl"]),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn lines_go_along_when_only_one_side_has_the_log() {
    // The snapshot has none: what is written since is all of it.
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    fs::remove_file(world.staged().join("events.jsonl")).unwrap();
    world.promote().unwrap();
    append(&world, "{\"n\":3}\n");
    world.undo().unwrap();
    let text = fs::read_to_string(world.live().join("events.jsonl")).unwrap();
    assert_eq!(text, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");

    // The live directory had none: only the lines stay.
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    fs::remove_file(world.live().join("events.jsonl")).unwrap();
    let old = world.seen();
    world.promote().unwrap();
    append(&world, "{\"n\":3}\n");
    world.undo().unwrap();
    assert_eq!(fs::read_to_string(world.live().join("events.jsonl")).unwrap(), "{\"n\":3}\n");

    // And without lines nothing does.
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    fs::remove_file(world.live().join("events.jsonl")).unwrap();
    world.promote().unwrap();
    world.undo().unwrap();
    assert_eq!(world.seen(), old);
}

#[test]
fn a_missing_way_back_takes_nothing_live_away() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    world.promote().unwrap();
    let promoted = world.seen();
    fs::remove_file(world.journal().path().join("kept/a.json")).unwrap();
    let error = world.undo().unwrap_err();
    assert!(matches!(&error, Error::KeptMissing { path } if path.ends_with("a.json")), "{error}");
    assert_eq!(world.seen(), promoted);
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

#[test]
fn a_directory_that_was_made_stays_with_what_others_put_in_it() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    world.promote().unwrap();
    fs::write(world.live().join("deep/mine"), "somebody's").unwrap();
    let undone = world.undo().unwrap();
    assert_eq!(undone.findings.len(), 1);
    assert_eq!(
        (undone.findings[0].code, undone.findings[0].place.subject.as_str()),
        ("directory-stays", "deep")
    );
    assert_eq!(names(&world.live().join("deep")), ["mine"]);
}

#[test]
fn attributes_of_a_replaced_file_are_kept_and_no_others() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    set_extended(&world.staged().join("a.json"), "user.theirs", b"not wanted");
    set_extended(&world.staged().join("sub/both.json"), "system.posix_acl_access", &access_list());
    set_extended(&world.staged().join("new.json"), "system.posix_acl_access", &access_list());
    let old = world.seen();
    world.promote().unwrap();
    let new = world.seen();
    for path in ["a.json", "sub/both.json"] {
        let ((mode, owner, group, extended, _), now) = (&old[path], &new[path]);
        assert_eq!((mode, owner, group, extended), (&now.0, &now.1, &now.2, &now.3), "{path}");
    }
    assert_eq!(new["a.json"].3.keys().collect::<Vec<_>>(), ["system.posix_acl_access", "user.note"]);
    assert_eq!((new["new.json"].0, &new["new.json"].3), (0o600, &std::collections::BTreeMap::new()));
}

#[test]
fn an_attribute_that_cannot_be_kept_is_an_error_before_any_change() {
    let mut lost = Vec::new();
    for call in 1..MANY {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        let plan = world.plan().unwrap();
        let before = tree(&world.live());
        super::fault::fail_at(call, rustix::io::Errno::PERM);
        let outcome = world.journal().promote(&plan, permit(), now());
        super::fault::fail_at(0, rustix::io::Errno::PERM);
        if world.journal().pending().unwrap().is_some() {
            outcome.unwrap_err();
            break;
        }
        assert_eq!(tree(&world.live()), before);
        if let Err(Error::AttributeLost { attribute, path, source }) = outcome {
            assert!(path.starts_with(world.live()) && source.kind() == std::io::ErrorKind::PermissionDenied);
            lost.push(attribute);
        }
    }
    lost.sort();
    lost.dedup();
    let mut all = vec!["mode", "system.posix_acl_access", "user.note"];
    if rustix::process::geteuid().is_root() {
        all.insert(1, "owner");
    }
    assert_eq!(lost, all);
}
