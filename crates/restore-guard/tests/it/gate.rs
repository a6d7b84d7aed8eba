//! What the gate lets through, and every reason for which it does not.

mod laws;
mod world;
mod wrong;

pub(crate) use world::{World, id};

use crate::support::{at, checksum};
use restore_guard::{Decision, Latest, Obstacle, Wanted};
use world::{Answer, C, F, NOW, P, R, S, T, Word, answer, entry, refuses, takes, word};
use wrong::{
    ALL, AcceptedTooLow, Foreign, InUse, LockShut, NoSuchId, NotRestorable, NothingThere, OtherChecksum,
    Pending, RunActive, Suspect, Wrong, codes_of, sets, world_of,
};

#[test]
fn nothing_wrong_is_let_through() {
    assert_eq!(answer(&World::new()), takes(2));
}

#[test]
fn a_refusal_has_exactly_its_reasons_alone_and_in_pairs() {
    let sets = sets();
    assert_eq!(sets.len(), 17 + 101, "no pair is lost unseen");
    for set in sets {
        assert_eq!(answer(&world_of(&set)), Answer::Refuses(codes_of(&set)), "{set:?}");
    }
}

#[test]
fn a_refusal_names_what_would_be_let_through() {
    for set in sets() {
        let Decision::Refused(refusal) = world_of(&set).decide() else { panic!("{set:?}") };
        let expected = if set.contains(&NothingThere) || set.contains(&OtherChecksum) {
            // A checksum that was given means one snapshot.
            None
        } else if set.iter().all(|wrong| wrong.is_obstacle() || matches!(wrong, AcceptedTooLow | NoSuchId)) {
            Some(id(2))
        } else {
            Some(id(1))
        };
        assert_eq!(refusal.last_verified.as_ref().map(|last| last.id.clone()), expected, "{set:?}");
        if let Some(last) = refusal.last_verified {
            assert_eq!((last.level, last.at), (R, at(NOW - 100)), "{set:?}");
            let of = world_of(&set).snapshots.into_iter().find(|snapshot| snapshot.id == last.id).unwrap();
            assert_eq!(Some(last.checksum), of.checksum);
        }
        let meant = match set[0] {
            NothingThere => None,
            NoSuchId => Some(id(9)),
            _ => Some(id(2)),
        };
        assert_eq!(refusal.id, meant, "{set:?}");
    }
}

#[test]
fn the_last_verified_is_told_with_one_word_about_it_not_two() {
    // Restored long before its bytes were read again: the later word says nothing about restoring.
    let mut world = World::new().saying(&[word(1, R, P, NOW - 500), word(1, T, P, NOW - 100)]);
    world.request.least = C;
    let Decision::Refused(refusal) = world.decide() else { panic!() };
    let last = refusal.last_verified.unwrap();
    assert_eq!((last.id, last.level, last.at), (id(1), T, at(NOW - 100)));
}

#[test]
fn stepping_back_takes_the_last_verified_and_says_what_it_passed_over() {
    for wrong in ALL {
        let mut world = world_of(&[wrong]).stepping_back();
        let expected = match wrong {
            wrong if wrong.is_obstacle() => Answer::Refuses(codes_of(&[wrong])),
            NothingThere | NoSuchId | OtherChecksum | AcceptedTooLow => Answer::Refuses(codes_of(&[wrong])),
            _ => Answer::Takes(id(1), vec![(id(2), codes_in_order(wrong))]),
        };
        assert_eq!(answer(&world), expected, "{wrong:?}");
        // And nothing else is taken when something stands in the way; what it answers is no reason any more.
        world.request.obstacles.push(Obstacle::RunActive("a backup".into()));
        if let Answer::Takes(..) = expected {
            assert_eq!(answer(&world), refuses(&["run-active"]), "{wrong:?}");
        }
    }
}

fn codes_in_order(wrong: Wrong) -> Vec<&'static str> {
    wrong.codes().to_vec()
}

#[test]
fn whatever_was_asked_for_by_name_and_not_taken_is_passed_over() {
    // The one that is asked for is older than the last verified one.
    let mut world = World::new().stepping_back().saying(&[word(2, R, P, NOW - 100)]);
    world.request.wanted = Wanted::Id(id(1));
    assert_eq!(answer(&world), Answer::Takes(id(2), vec![(id(1), vec!["not-verified"])]));
    // Newer ones that nobody asked for are not.
    let mut world = World::new().stepping_back().saying(&[word(1, R, P, NOW - 100)]);
    world.snapshots.push(entry(3));
    assert_eq!(answer(&world), Answer::Takes(id(1), vec![(id(2), vec!["not-verified"])]));
    let over = |world: &World| match world.decide() {
        Decision::Allowed(allowed) => allowed.event(restore_guard::ActOutcome::Announced).detail,
        Decision::Refused(refusal) => panic!("{refusal:?}"),
    };
    assert_eq!(over(&world)["passed_over"], serde_json::json!([id(2).to_string()]));
    assert_eq!(over(&world)["requested"], id(2).to_string());
}

#[test]
fn the_newest_is_the_newest_restorable_and_an_older_one_only_where_wal_makes_up_for_it() {
    let mut world = World::new();
    world.snapshots.push(entry(3));
    // Not verified: of a state nothing older is taken unasked.
    assert_eq!(answer(&world.clone().wanting(Latest::Newest)), refuses(&["not-verified"]));
    let passing = world.clone().wanting(Latest::NewestPassing);
    assert_eq!(answer(&passing), Answer::Takes(id(2), vec![(id(3), vec!["not-verified"])]));
    assert_eq!(
        answer(&world.clone().wanting(Latest::Newest).stepping_back()),
        Answer::Takes(id(2), vec![(id(3), vec!["not-verified"])])
    );
    // One that is suspect, foreign or broken is never the newest.
    for wrong in [Suspect, Foreign, NotRestorable] {
        let mut world = world_of(&[wrong]).wanting(Latest::Newest);
        assert_eq!(answer(&world), Answer::Takes(id(1), vec![(id(2), codes_in_order(wrong))]), "{wrong:?}");
        // Where there is no other one, its own reasons are told.
        world.snapshots.remove(0);
        for latest in [Latest::Newest, Latest::NewestPassing] {
            assert_eq!(answer(&world.clone().wanting(latest)), Answer::Refuses(codes_of(&[wrong])));
        }
    }
    // Nothing passes: what speaks against the newest is told.
    let none = passing.saying(&[word(3, S, F, NOW - 1)]);
    assert_eq!(answer(&none), refuses(&["verification-failed"]));
}

#[test]
fn a_lower_level_is_accepted_down_to_what_some_snapshot_has() {
    let low = |words: &[Word]| World::new().saying(words).accepting(C);
    let checked = word(2, C, P, NOW - 10);
    assert_eq!(answer(&World::new().saying(std::slice::from_ref(&checked))), refuses(&["not-verified"]));
    assert_eq!(answer(&low(std::slice::from_ref(&checked))), takes(2));
    assert_eq!(answer(&low(&[checked.clone(), word(1, C, P, NOW - 10)])), takes(2));
    for better in [T, R] {
        let words = [checked.clone(), word(1, better, P, NOW - 10)];
        assert_eq!(answer(&low(&words)), refuses(&["accepted-too-low"]), "{better}");
        let Decision::Refused(refusal) = low(&words).decide() else { panic!() };
        // Only what passes at the level that holds then is named.
        assert_eq!(refusal.last_verified.unwrap().id, id(1));
        let reason = refusal.reasons[0].to_string();
        assert!(reason.contains("'content'"), "never above the level that is asked for: {reason}");
    }
    // Nor is it stepped back to at the lower level.
    let words = [checked.clone(), word(1, T, P, NOW - 10)];
    assert_eq!(answer(&low(&words).stepping_back()), refuses(&["accepted-too-low"]));
    // What cannot be restored, or is another's, or is in doubt, has no level.
    for wrong in [Suspect, Foreign, NotRestorable] {
        let mut world = World::new().saying(&[word(1, C, P, NOW - 10), word(2, R, P, NOW - 10)]).accepting(C);
        wrong.apply(&mut world);
        world.request.wanted = Wanted::Id(id(1));
        assert_eq!(answer(&world), takes(1), "{wrong:?}");
    }
    // A level above the asked one does not raise it.
    assert_eq!(answer(&World::new().saying(&[word(2, T, P, NOW - 10)]).accepting(R)), takes(2));
    // A later failure took the better one away.
    let failed = [checked, word(1, R, P, NOW - 20), word(1, T, F, NOW - 10)];
    assert_eq!(answer(&low(&failed)), takes(2));
}

#[test]
fn a_checksum_stands_in_for_trust_and_not_against_words_that_were_said() {
    let world = |given: u8, words: &[Word]| {
        let mut world = World::new().saying(words);
        world.request.checksum = Some(checksum(given));
        world
    };
    let stranger = Word { by_stranger: true, ..word(2, R, P, NOW - 10) };
    let other_bytes = Word { bytes: checksum(55), ..word(2, R, P, NOW - 10) };
    for words in [vec![], vec![stranger.clone()], vec![other_bytes], vec![word(1, R, P, NOW - 1)]] {
        assert_eq!(answer(&world(2, &words)), takes(2), "{words:?}");
        let Decision::Allowed(allowed) = world(2, &words).decide() else { panic!() };
        assert_eq!(allowed.evidence(), None);
        let event = allowed.event(restore_guard::ActOutcome::Announced);
        assert_eq!(event.detail["evidence"], "checksum-given-by-operator");
        assert!(
            matches!(answer(&world(3, &words)), Answer::Refuses(codes) if codes.contains("other-checksum"))
        );
    }
    // Another checksum is no knowledge of these bytes: then every reason is told.
    assert_eq!(answer(&world(3, &[])), refuses(&["other-checksum", "not-verified"]));
    assert_eq!(
        answer(&world(3, &[stranger])),
        refuses(&["other-checksum", "not-verified", "unknown-writer"])
    );
    for (words, expected) in [
        (&[word(2, S, F, NOW - 10)][..], &["verification-failed"][..]),
        (&[word(2, T, F, NOW - 10)], &["verification-failed"]),
        (&[word(2, R, F, NOW - 10)], &["not-verified"]),
        (&[word(2, C, P, NOW - 10)], &["not-verified"]),
        (&[word(2, R, P, NOW - 4 * 86_400)], &["evidence-too-old"]),
    ] {
        assert_eq!(answer(&world(2, words)), refuses(expected), "{words:?}");
    }
    // It does not make anything else good.
    for wrong in [Suspect, Foreign, NotRestorable, InUse, LockShut, RunActive, Pending] {
        let mut world = world(2, &[]);
        wrong.apply(&mut world);
        assert_eq!(answer(&world), Answer::Refuses(codes_of(&[wrong])), "{wrong:?}");
    }
    // With proof the proof is named.
    let Decision::Allowed(allowed) = world(2, &[word(2, T, P, NOW - 10)]).decide() else { panic!() };
    assert_eq!(allowed.evidence().map(|(_, level, at)| (*level, *at)), Some((T, at(NOW - 10))));
}

#[test]
fn evidence_is_fresh_up_to_its_last_second() {
    let age = 3 * 86_400;
    assert_eq!(answer(&World::new().saying(&[word(2, T, P, NOW - age)])), takes(2));
    assert_eq!(answer(&World::new().saying(&[word(2, T, P, NOW - age - 1)])), refuses(&["evidence-too-old"]));
}
