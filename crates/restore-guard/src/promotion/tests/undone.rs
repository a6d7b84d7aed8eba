//! What an undo puts back, takes along, and refuses to lose.

use super::support::{Kind, MANY, World, append, names, now, permit, temp};
use crate::{Error, Journal, Phase, Writes};
use std::fs;
use std::path::Path;

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

#[test]
fn what_has_touched_nothing_is_undone_whatever_became_of_the_live_directory() {
    let mut stopped = 0;
    for call in 1..MANY {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        let journal = Journal::new(home.path().join("journal"));
        let plan = world.plan().unwrap();
        super::fault::fail_at(call, rustix::io::Errno::IO);
        let outcome = journal.promote(&plan, permit(), now());
        super::fault::fail_at(0, rustix::io::Errno::IO);
        match journal.pending().unwrap().map(|pending| pending.phase) {
            None => {}
            Some(Phase::Prepared) => {
                stopped += 1;
                fs::rename(world.live(), home.path().join("gone")).unwrap();
                let error = journal.resume(now()).unwrap_err();
                assert!(matches!(error, Error::TargetChanged { .. }), "{error}");
                assert_eq!(journal.undo(Writes::Refuse, now()).unwrap().steps, 0);
                journal.confirm(now()).unwrap();
                assert_eq!(names(journal.path()), ["lock"]);
            }
            Some(_) => break,
        }
        outcome.unwrap_err();
    }
    assert!(stopped > 1, "{stopped}");
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

/// Somebody wrote while the one log took the place of the other, and their lines were brought to the new one since.
#[test]
fn lines_that_were_brought_over_from_the_old_log_are_there_once() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    // What the old one has is in the new one too, but for what is written after that was brought over.
    super::support::write(&world.staged().join("events.jsonl"), "{\"n\":1}\n{\"n\":2}\n", 0o600);
    append(&world, "{\"x\":1}\n{\"x\":1}\n");
    world.promote().unwrap();
    append(&world, "{\"x\":1}\n{\"n\":3}\n{\"x\":1}\n{\"n\":2}\n");
    world.undo().unwrap();
    let text = fs::read_to_string(world.live().join("events.jsonl")).unwrap();
    // One that was written twice more is there twice more.
    assert_eq!(text, "{\"n\":1}\n{\"n\":2}\n{\"x\":1}\n{\"x\":1}\n{\"n\":3}\n{\"n\":2}\n");
}
