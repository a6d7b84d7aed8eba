//! Any set of files on either side.

use super::super::ground::Ground;
use super::super::record::{Phase, Record};
use super::super::swap::swap;
use super::super::tests::fault;
use super::support::{Kind, World, is_full, now, permit, temp, tree, write};
use crate::{Growth, Journal, Plan, Protected, Writes};
use proptest::collection::btree_map;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Names that meet in directories, and sort before and after their separators.
fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a-b", "b", "c.json", "ä"]).prop_flat_map(|name| {
        prop::sample::select(vec!["", "d/", "d/e/", "d-e/", "f/", "f/g/h/"])
            .prop_map(move |directory| format!("{directory}{name}"))
    })
}

type Files = BTreeMap<String, (Option<String>, Option<String>, bool)>;

/// Each path with its text in the live directory, in what is staged, and whether the snapshot speaks for it.
fn files() -> impl Strategy<Value = Files> {
    let text = || prop::option::of("[a-z]{0,9}");
    btree_map(path(), (text(), text(), any::<bool>()), 0..20)
}

fn texts(files: &BTreeMap<String, super::support::Entry>) -> BTreeMap<String, String> {
    let is_file = |mode: u32| mode == 0o600 || mode == 0o640;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    files.iter().filter(|(_, it)| is_file(it.0)).map(|(path, it)| (path.clone(), text(&it.4))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if is_full() { 3000 } else { 200 }, ..ProptestConfig::default() })]

    #[test]
    fn the_protected_files_are_the_staged_ones_and_others_are_untouched(files in files(), plain in any::<bool>()) {
        fault::set_plain(plain);
        let home = temp();
        let (live, staged) = (home.path().join("live"), home.path().join("staged"));
        for directory in [&live, &staged] {
            std::fs::create_dir(directory).unwrap();
        }
        let mut expected = BTreeMap::new();
        let mut protected = Vec::new();
        for (path, (here, there, is_protected)) in &files {
            if let Some(text) = here {
                write(&live.join(path), text, 0o640);
            }
            if let Some(text) = there {
                write(&staged.join(path), text, 0o600);
            }
            if *is_protected {
                protected.push(Protected { path: path.clone(), growth: Growth::Any });
            }
            if let Some(text) = if *is_protected { there } else { here } {
                expected.insert(path.clone(), text.clone());
            }
        }
        let old = tree(&live);
        let journal = Journal::new(home.path().join("journal"));
        let plan = Plan::files(&live, &staged, &protected).unwrap();
        let done = journal.promote(&plan, permit(), now()).unwrap();
        prop_assert_eq!(done.findings, vec![]);
        prop_assert_eq!(texts(&tree(&live)), expected.clone());
        prop_assert_eq!(journal.undo(Writes::Refuse, now()).unwrap().findings, vec![]);
        prop_assert_eq!(tree(&live), old.clone());
        journal.confirm(now()).unwrap();
        prop_assert_eq!(tree(&live), old);
        fault::set_plain(false);
    }

    /// A power cut in the middle: of the steps, and then of the steps back, any are on disk and any are not.
    #[test]
    fn whatever_a_power_cut_leaves_is_finished_or_undone(
        lost in prop::collection::vec(any::<bool>(), 7),
        lost_back in prop::collection::vec(any::<bool>(), 7),
        is_resumed in any::<bool>(),
        kind in prop::sample::select(vec![Kind::Files, Kind::Directory, Kind::NewDirectory]),
    ) {
        let home = temp();
        let world = World::new(home.path(), kind);
        let old = world.seen();
        let new = world.expected(&old);
        world.promote().unwrap();
        lose(&world, Phase::Moving, &lost);
        if is_resumed {
            world.resume().unwrap();
            prop_assert_eq!(world.seen(), new.clone());
            lose(&world, Phase::Moving, &lost_back);
        }
        world.undo().unwrap();
        prop_assert_eq!(world.seen(), old.clone());
        lose(&world, Phase::Undoing, &lost_back);
        world.undo().unwrap();
        prop_assert_eq!(world.seen(), old.clone());
        lose(&world, Phase::Undoing, &lost);
        world.resume().unwrap();
        prop_assert_eq!(world.seen(), old);
        world.journal().confirm(now()).unwrap();
    }
}

/// Takes some moves back, as if they had not come to the disk, and the phase that was written after them.
fn lose(world: &World, phase: Phase, lost: &[bool]) {
    let held = world.journal().hold().unwrap().unwrap();
    let (record, plan) = held.read().unwrap().unwrap();
    let ground = Ground::find(&held, &plan, record.is_in_journal).unwrap();
    ground.make_missing(&plan).unwrap();
    let moved: Vec<usize> = match phase {
        Phase::Undoing => held.read_back().unwrap().unwrap().moves.iter().map(|back| back.step).collect(),
        _ => (0..plan.steps().len()).collect(),
    };
    let mut ways = ground.ways(&plan);
    for (index, step) in plan.steps().iter().enumerate() {
        if lost[index % lost.len()] && moved.contains(&index) {
            let (ours, live) = ways.spots(step).unwrap();
            let before = ours.look().unwrap().map(|it| it.inode);
            swap(ours, live, before).unwrap();
        }
    }
    held.write_record(&Record { phase, ..record }).unwrap();
}
