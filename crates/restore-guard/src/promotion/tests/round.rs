//! There and back again, undisturbed.

use super::support::{Kind, World, names, now, permit, temp, tree};
use crate::{Act, Error, Phase, Resumed, Writes};

const KINDS: [Kind; 3] = [Kind::Files, Kind::Directory, Kind::NewDirectory];

fn there_and_back(kind: Kind) {
    let home = temp();
    let world = World::new(home.path(), kind);
    let (old, staged) = (world.seen(), tree(&world.staged()));
    let expected = world.expected(&old);
    let plan = world.plan().unwrap();
    assert_eq!(world.plan().unwrap(), plan);
    assert_eq!((world.seen(), tree(&world.staged())), (old.clone(), staged), "planning touches nothing");
    assert_eq!(world.journal().pending().unwrap(), None);

    let done = world.journal().promote(&plan, permit(), now()).unwrap();
    assert_eq!((done.steps, done.findings.as_slice()), (plan.steps().len(), [].as_slice()));
    assert_eq!(world.seen(), expected);
    let pending = world.journal().pending().unwrap().unwrap();
    assert_eq!(
        (pending.phase, pending.live, pending.grant.operator.as_str()),
        (Phase::Moved, plan.live(), "ada@host-1")
    );
    let again = world.journal().promote(&plan, permit(), now()).unwrap_err();
    assert!(matches!(again, Error::RestorePending { .. }), "{again}");
    assert!(matches!(world.resume().unwrap(), Resumed::Promoted(_)));
    assert_eq!(world.seen(), expected);

    let undone = world.undo().unwrap();
    assert_eq!((undone.steps, undone.findings.len()), (plan.steps().len(), 0));
    assert_eq!(world.seen(), old);
    assert_eq!(world.undo().unwrap().steps, 0, "once is enough");
    world.journal().confirm(now()).unwrap();
    assert_eq!(world.seen(), old);
    assert_eq!(world.journal().pending().unwrap(), None);
    assert_eq!(names(world.journal().path()), ["lock"]);
    assert!(!world.staged().exists());
    for refused in [world.undo().unwrap_err(), world.journal().confirm(now()).unwrap_err()] {
        assert!(matches!(refused, Error::NoRestore(_)), "{refused}");
    }
}

#[test]
fn what_was_promoted_is_put_back() {
    for kind in KINDS {
        there_and_back(kind);
    }
}

#[test]
fn it_works_where_nothing_can_be_exchanged() {
    super::fault::set_plain(true);
    for kind in KINDS {
        there_and_back(kind);
    }
    super::fault::set_plain(false);
}

#[test]
fn what_was_confirmed_stays_and_its_way_back_is_gone() {
    for kind in KINDS {
        let home = temp();
        let world = World::new(home.path(), kind);
        let expected = world.expected(&world.seen());
        world.promote().unwrap();
        world.journal().confirm(now()).unwrap();
        assert_eq!(world.seen(), expected);
        assert_eq!(names(world.journal().path()), ["lock"]);
        assert!(!world.staged().exists());
    }
}

#[test]
fn a_plan_says_what_it_does() {
    let home = temp();
    let plan = World::new(home.path(), Kind::Files).plan().unwrap();
    let steps: Vec<_> =
        plan.steps().iter().map(|step| (step.act(), step.path.as_str(), step.detail())).collect();
    assert_eq!(
        steps,
        [
            (Act::Replace, "a.json", "17 bytes in place of 5 bytes".into()),
            (Act::Add, "deep/er/new.json", "12 bytes".into()),
            (Act::Add, "deep/new.json", "3 bytes".into()),
            (Act::Replace, "events.jsonl", "8 bytes in place of 16 bytes".into()),
            (Act::Add, "new.json", "3 bytes".into()),
            (Act::Replace, "sub/both.json", "8 bytes in place of 8 bytes".into()),
            (Act::Remove, "sub/old.json", "14 bytes are put away".into()),
        ]
    );
    assert_eq!(plan.new_directories().collect::<Vec<_>>(), ["deep", "deep/er"]);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<crate::Plan>(&json).unwrap(), plan);
}

#[test]
fn a_permit_that_ran_out_changes_nothing() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    let (old, late) = (world.seen(), permit().grant().valid_until);
    let refused = world.journal().promote(&world.plan().unwrap(), permit(), late).unwrap_err();
    assert!(matches!(refused, Error::PermitExpired { .. }), "{refused}");
    assert_eq!((world.seen(), world.journal().pending().unwrap()), (old, None));
}

#[test]
fn what_is_staged_stays_in_place_where_the_journal_is_on_another_file_system() {
    let (home, elsewhere) = (temp(), tempfile::tempdir_in("/tmp").unwrap());
    let world = World::new(home.path(), Kind::InPlace);
    let journal = elsewhere.path().join("journal");
    std::fs::write(home.path().join("elsewhere"), journal.to_str().unwrap()).unwrap();
    let old = world.seen();
    let expected = world.expected(&old);
    world.promote().unwrap();
    assert_eq!(world.seen(), expected);
    assert!(world.journal().pending().unwrap().unwrap().kept.join("sub/old.json").exists());
    world.undo().unwrap();
    assert_eq!(world.seen(), old);
    world.journal().confirm(now()).unwrap();
    assert!(!world.staged().exists());
    assert_eq!(names(&journal), ["lock"]);
}

#[test]
fn a_restore_that_is_half_done_is_not_confirmed() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    let plan = world.plan().unwrap();
    // The last directory that is synced: every step is done, and it is not written down.
    super::fault::fail_at(0, rustix::io::Errno::IO);
    world.promote().unwrap();
    let calls = super::fault::calls();
    world.undo().unwrap();
    world.journal().confirm(now()).unwrap();
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    assert_eq!(world.plan().unwrap().steps().len(), plan.steps().len());
    super::fault::fail_at(calls, rustix::io::Errno::IO);
    world.promote().unwrap_err();
    super::fault::fail_at(0, rustix::io::Errno::IO);
    assert_eq!(world.journal().pending().unwrap().unwrap().phase, Phase::Moving);
    let refused = world.journal().confirm(now()).unwrap_err();
    assert!(matches!(refused, Error::RestorePhase { .. }), "{refused}");
    world.journal().undo(Writes::Refuse, now()).unwrap();
}
