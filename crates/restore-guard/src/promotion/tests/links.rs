//! Links, odd names and other people's directories lead nowhere.

use super::support::{Kind, World, now, permit, temp, tree};
use crate::{Error, Growth, Journal, Plan, Protected, Writes};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

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
    if rustix::process::geteuid().is_root() {
        let theirs = home.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&theirs, Some(1234), None).unwrap();
        let error = Journal::new(&theirs).promote(&plan, permit(), now()).unwrap_err();
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
