//! Bundles made by somebody who means harm are refused, with the right words, in bounded memory, and leave nothing
//! behind. Anyone who has the public recipient can make them; see `cases` for their names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bombs;
mod cases;
mod damage;
mod forge;
mod manifests;
#[path = "../support/mod.rs"]
mod support;

use cases::{Case, Layer};
use paas_state::{Error, Record, StagedTree, Unwatched, is_store};
use std::fs;
use support::{Place, id, tree};

/// Seals what a case left open.
fn bundle_of(place: &Place, layer: Layer) -> Vec<u8> {
    match layer {
        Layer::Tar(tar) => forge::seal(&place.recipients(), &forge::compress(&tar)),
        Layer::Zstd(zstd) => forge::seal(&place.recipients(), &zstd),
        Layer::Age(age) => age,
    }
}

/// A way to read a bundle: proving it, keeping the stores, unpacking into a new or into an empty directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Verify,
    Keep,
    StageNew,
    StageEmpty,
}

const EVERY_WAY: [Way; 4] = [Way::Verify, Way::Keep, Way::StageNew, Way::StageEmpty];

/// What each way of reading makes of a bundle. Nothing may be left of any of them but what `publish` brought.
fn read_in_every_way(place: &Place, record: &Record, ways: &[Way]) -> Vec<Result<(), Error>> {
    let bundle = place.bundle(record);
    let before = tree(place.home.path());
    let read = |way: &Way| {
        let target = place.home.path().join("target");
        let stage = || {
            let staged = bundle.stage(&place.identities, &target, None, &Unwatched);
            staged.and_then(StagedTree::publish).map(drop)
        };
        let outcome = match way {
            Way::Verify => bundle.verify(&place.identities, &Unwatched).map(drop),
            Way::Keep => bundle.read_files(&place.identities, &is_store, &Unwatched).map(drop),
            Way::StageNew => {
                let outcome = stage();
                assert_eq!(target.exists(), outcome.is_ok(), "what is visible is what was proved");
                outcome
            }
            Way::StageEmpty => {
                fs::create_dir(&target).unwrap();
                let outcome = stage();
                assert_eq!(fs::read_dir(&target).unwrap().next().is_some(), outcome.is_ok());
                outcome
            }
        };
        if target.exists() {
            fs::remove_dir_all(&target).unwrap();
        }
        assert_eq!(tree(place.home.path()), before, "{way:?}: something was left behind");
        outcome
    };
    ways.iter().map(read).collect()
}

fn refuses_each(large: bool) {
    let mut wrong = Vec::new();
    let cases = cases::all(large);
    let count = cases.len();
    for Case { name, layer, code, says } in cases {
        let place = Place::new();
        let bundle = bundle_of(&place, layer);
        let record = place.plant(&id(), &bundle);
        for (way, outcome) in EVERY_WAY.iter().zip(read_in_every_way(&place, &record, &EVERY_WAY)) {
            match outcome {
                Ok(()) => wrong.push(format!("{name}: {way:?}: it was accepted")),
                Err(e) if e.code() != code || !e.to_string().contains(says) => {
                    wrong.push(format!(
                        "{name}: {way:?}: expected {code} with \"{says}\", got {}: {e}",
                        e.code()
                    ));
                }
                Err(e) => assert!(!e.to_string().contains(char::is_control), "{name}: {e:?}"),
            }
        }
    }
    assert!(wrong.is_empty(), "of {count} cases:\n{}", wrong.join("\n"));
}

#[test]
fn each_hostile_bundle_is_refused() {
    refuses_each(false);
}

#[test]
fn each_hostile_bundle_is_refused_on_two_threads() {
    refuses_each(true);
}

/// Or else nothing is shown by the refusals.
#[test]
fn what_the_hostile_bundles_are_made_from_is_accepted() {
    for large in [false, true] {
        let place = Place::new();
        let files = forge::sound_files(large);
        let tar = cases::sound_archive(&files);
        for zstd in [forge::compress(&tar), forge::frame(20, &[forge::Block::Raw(&tar)])] {
            let bundle = bundle_of(&place, Layer::Zstd(zstd));
            let record = place.plant(&id(), &bundle);
            assert_eq!(bundle.len() > 512 * 1024, large);
            for outcome in read_in_every_way(&place, &record, &EVERY_WAY) {
                outcome.unwrap();
            }
            fs::remove_dir_all(place.home.path().join("store/state")).unwrap();
        }
    }
}

#[test]
fn names_of_cases_are_unique() {
    let mut names: Vec<_> = cases::all(false).into_iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    println!("{count} named cases");
}
