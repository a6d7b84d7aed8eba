//! Stores that are rewritten, torn, broken, made or removed while they are read.

use crate::hooks::{WhileSleeping, back_up, blocked, visible};
use crate::support::{Place, RealClock, context_name};
use backup_store::Clock;
use paas_state::{Backup, Error, OptionalTree, Patience, Side, StatePath, Unwatched};
use std::fs;
use std::time::Duration;

fn store(place: &Place, backup: &Backup, path: &str) -> Option<String> {
    let wanted = |p: &StatePath| p.as_str() == path;
    let (_, mut files) =
        place.bundle(&backup.record).read_files(&place.identities, &wanted, &Unwatched).unwrap();
    files.pop().map(|(_, bytes)| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_store_that_never_holds_still_is_named() {
    let place = Place::new();
    place.write("config.json", "{}");
    place.write("targets.json", "{}");
    let path = place.path("targets.json");
    let clock = WhileSleeping::new(|n| fs::write(&path, format!("{{\"n\":{n}}}")).unwrap());
    match back_up(&place, &[], &clock, &Unwatched).unwrap_err() {
        Error::Busy { path, tries } => {
            assert_eq!(path, place.context_path().join("targets.json"));
            assert_eq!(tries, Patience::default().rounds);
            assert_eq!(clock.slept(), u64::from(tries) - 1, "it ends");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(visible(&place), 0);
}

/// The same bytes written again are a change too: between the two, they were not there.
#[test]
fn a_store_that_is_replaced_by_its_like_does_not_hold_still() {
    let place = Place::new();
    place.write("config.json", "{}");
    let path = place.path("config.json");
    let clock = WhileSleeping::new(|_| {
        fs::write(path.with_extension("new"), "{}").unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
    });
    assert_eq!(back_up(&place, &[], &clock, &Unwatched).unwrap_err().code(), "state-busy");
}

#[test]
fn a_writer_that_pauses_between_truncating_and_writing_is_waited_for() {
    for torn in ["", "{\"half\":"] {
        let place = Place::new();
        place.write("config.json", torn);
        let path = place.path("config.json");
        let clock = WhileSleeping::new(|n| {
            if n == 5 {
                fs::write(&path, "{\"half\":\"and half\"}").unwrap();
            }
        });
        let backup = back_up(&place, &[], &clock, &Unwatched).unwrap();
        assert_eq!(store(&place, &backup, "config.json").unwrap(), "{\"half\":\"and half\"}");
    }
}

/// A busy writer that is kept from going on for a few pauses has left a gap between its stores as long as those pauses.
#[test]
fn a_writer_that_stands_still_between_two_stores_is_found_out() {
    const STORES: [&str; 4] = ["addons.json", "bluegreen.json", "config.json", "targets.json"];
    let place = Place::new();
    let write = |stores: &[&str], n: u64| {
        for store in stores {
            place.write(store, format!("{{\"generation\":{n}}}"));
        }
    };
    write(&STORES, 0);
    let clock = WhileSleeping::new(|n| match n {
        0..6 => {
            std::thread::sleep(Duration::from_millis(10));
            write(&STORES, n + 1);
        }
        6 => {
            std::thread::sleep(Duration::from_millis(10));
            write(&STORES[..2], 7);
        }
        8 => write(&STORES[2..], 7),
        _ => {}
    });
    let backup = back_up(&place, &[], &clock, &Unwatched).unwrap();
    let texts = STORES.map(|path| store(&place, &backup, path).unwrap());
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[test]
fn a_broken_store_is_a_finding_with_its_line() {
    let place = Place::new();
    place.write("config.json", "{\n  \"name\": \"default\",\n  oops\n}\n");
    place.write("targets.json", "");
    place.write("alerts/policy.json", [0; 64]);
    place.write("bluegreen.json", "{}");
    let findings = blocked(back_up(&place, &[], &RealClock::new(), &Unwatched));
    let told: Vec<_> = findings.iter().map(|finding| (finding.code, finding.place.to_string())).collect();
    assert_eq!(
        told,
        [
            ("malformed-json", "alerts/policy.json:1".into()),
            ("malformed-json", "config.json:3".into()),
            ("malformed-json", "targets.json:1".to_string()),
        ]
    );
    assert_eq!(visible(&place), 0);
}

#[test]
fn a_store_made_after_the_walk_is_in_the_backup() {
    let place = Place::new();
    place.write("addons.json", "{\"apps\":{}}");
    let clock = WhileSleeping::new(|n| {
        if n == 0 {
            place.write("addons/shop/walg.compose.yaml", "services: {}\n");
            place.write("addons.json", "{\"apps\":{\"shop\":[\"addons/shop/walg.compose.yaml\"]}}");
            place.write("webhooks/mappings.json", "{\"mappings\":[]}");
        }
    });
    let backup = back_up(&place, &[], &clock, &Unwatched).unwrap();
    assert!(store(&place, &backup, "addons.json").unwrap().contains("shop"));
    assert!(store(&place, &backup, "webhooks/mappings.json").is_some());
    assert!(store(&place, &backup, "addons/shop/walg.compose.yaml").is_some(), "what the store refers to");
    assert!(!backup.manifest.absent.iter().any(|path| path.as_str() == "webhooks/mappings.json"));
}

#[test]
fn a_store_removed_after_the_walk_is_recorded_as_absent() {
    let place = Place::new();
    place.write("config.json", "{}");
    place.write("targets.json", "{}");
    let path = place.path("targets.json");
    let clock = WhileSleeping::new(|n| {
        if n == 0 {
            fs::remove_file(&path).unwrap();
        }
    });
    let backup = back_up(&place, &[], &clock, &Unwatched).unwrap();
    assert!(backup.manifest.absent.iter().any(|path| path.as_str() == "targets.json"));
    assert!(store(&place, &backup, "config.json").is_some());
}

/// A context in which protected files come and go for ever.
#[test]
fn a_context_that_never_settles_is_busy() {
    let place = Place::new();
    place.write("config.json", "{}");
    let clock = WhileSleeping::new(|n| {
        place.write(&format!("addons/app-{n}/x.compose.yaml"), "services: {}\n");
    });
    assert_eq!(back_up(&place, &[], &clock, &Unwatched).unwrap_err().code(), "state-busy");
    assert_eq!(visible(&place), 0);
}

#[test]
fn a_store_beyond_all_stores_is_a_finding() {
    let place = Place::new();
    place.write("config.json", "{}");
    let file = fs::OpenOptions::new().write(true).open(place.path("config.json")).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    let findings = blocked(back_up(&place, &[], &RealClock::new(), &Unwatched));
    assert!(findings.iter().any(|finding| finding.code == "store-too-large"), "{findings:?}");
}

/// A file of the cache that compresses so well that no reader would believe it: better no backup than one that is
/// refused on the day it is needed.
#[test]
fn what_would_be_refused_when_it_is_read_is_not_made() {
    let place = Place::new();
    place.write("config.json", "{}");
    place.write("cache/zeroes.bin", "");
    let file = fs::OpenOptions::new().write(true).open(place.path("cache/zeroes.bin")).unwrap();
    file.set_len(1024 * 1024 * 1024 + 1).unwrap();
    let findings = blocked(back_up(&place, &[OptionalTree::Cache], &RealClock::new(), &Unwatched));
    assert_eq!(findings.last().unwrap().code, "unreadable-bundle", "{findings:?}");
    assert_eq!(visible(&place), 0);
}

#[test]
fn a_live_side_is_read_with_the_same_patience() {
    let place = Place::new();
    place.write("config.json", "{}");
    let path = place.path("config.json");
    let clock = WhileSleeping::new(|n| fs::write(&path, format!("{{\"n\":{n}}}")).unwrap());
    let context = paas_state::ContextDir::open(&place.state_root(), context_name()).unwrap();
    let error = Side::of_live(&context, &[], &clock, &Patience::default(), &Unwatched).unwrap_err();
    assert_eq!(error.code(), "state-busy");
    assert!(clock.monotonic() > Duration::ZERO);
}
