//! Whatever is done to a trail's file is found: by itself, or held against the store's copies.

use crate::support::{TestStore, at};
use crate::trail::{event, trail_in};
use proptest::prelude::*;
use restore_guard::{ChainReport, Trail, TrailFinding};
use std::fs;
use std::sync::LazyLock;
use tempfile::TempDir;

const ENTRIES: usize = 12;

/// A published trail of twelve entries, to be copied before it is hurt.
struct Original {
    bytes: Vec<u8>,
    store: TestStore,
}

static ORIGINAL: LazyLock<Original> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    let (trail, store) = (trail_in(home.path()), TestStore::new());
    for n in 0..ENTRIES {
        trail.append(&event(&format!("entry {n}")), at(i64::try_from(n).unwrap())).unwrap();
    }
    assert_eq!(trail.publish(&store).unwrap().copied, ENTRIES as u64);
    Original { bytes: fs::read(trail.path()).unwrap(), store }
});

fn lines() -> Vec<Vec<u8>> {
    ORIGINAL.bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

/// The reports on a file with these bytes: by itself, and with the store.
fn reports(bytes: &[u8]) -> (ChainReport, ChainReport) {
    let home = tempfile::tempdir().unwrap();
    let trail = write(&home, bytes);
    (trail.verify().unwrap(), trail.verify_against(&ORIGINAL.store).unwrap())
}

fn write(home: &TempDir, bytes: &[u8]) -> Trail {
    let trail = trail_in(home.path());
    fs::write(trail.path(), bytes).unwrap();
    trail
}

/// How many lines end in these bytes.
fn line_ends(bytes: &[u8]) -> usize {
    bytes.split(|b| *b == b'\n').count() - 1
}

fn sequence(index: usize) -> u64 {
    index as u64 + 1
}

#[test]
fn the_original_is_sound() {
    let (alone, held) = reports(&ORIGINAL.bytes);
    assert!(alone.is_sound() && held.is_sound());
    assert_eq!((held.stored, held.unpublished()), (Some(12), Some(0)));
    let none: [TrailFinding; 0] = [];
    assert_eq!(held.findings, none);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_byte_is_found(place in 0..ORIGINAL.bytes.len(), other: u8) {
        prop_assume!(ORIGINAL.bytes[place] != other);
        let mut bytes = ORIGINAL.bytes.clone();
        bytes[place] = other;
        let (alone, held) = reports(&bytes);
        let changed = sequence(line_ends(&ORIGINAL.bytes[..place]));
        for report in [&alone, &held] {
            prop_assert!(!report.is_sound());
            let first = report.findings[0].sequence();
            // A changed link is seen at either end of it.
            prop_assert!(first == Some(changed) || first == Some(changed + 1), "{:?}", report.findings);
        }
    }

    #[test]
    fn a_changed_text_is_a_changed_entry(index in 0..ENTRIES) {
        let mut lines = lines();
        let text = String::from_utf8(lines[index].clone()).unwrap().replace("entry ", "Entry ");
        lines[index] = text.into_bytes();
        let (alone, _) = reports(&lines.concat());
        prop_assert_eq!(alone.findings, [TrailFinding::Changed { sequence: sequence(index) }]);
    }

    #[test]
    fn removed_entries_are_found(from in 0..ENTRIES, count in 1..4_usize) {
        let to = (from + count).min(ENTRIES);
        let mut lines = lines();
        lines.drain(from..to);
        let (alone, held) = reports(&lines.concat());
        if to < ENTRIES {
            let missing = TrailFinding::Missing { from: sequence(from), to: sequence(to - 1) };
            prop_assert_eq!(&alone.findings, std::slice::from_ref(&missing));
            prop_assert_eq!(&held.findings, &[missing]);
        } else {
            // The end is not missed by those before it, only by the store.
            prop_assert!(alone.is_sound());
            let truncated = if from == 0 {
                TrailFinding::Removed { stored: 12 }
            } else {
                TrailFinding::Truncated { local: from as u64, stored: 12 }
            };
            prop_assert_eq!(&held.findings, &[truncated]);
        }
    }

    #[test]
    fn swapped_entries_are_found(a in 0..ENTRIES, b in 0..ENTRIES) {
        prop_assume!(a < b);
        let mut lines = lines();
        lines.swap(a, b);
        let (alone, _) = reports(&lines.concat());
        let reordered: Vec<_> = (a..b).map(|index| TrailFinding::Reordered { sequence: sequence(index) }).collect();
        prop_assert!(!alone.is_sound());
        for finding in &alone.findings {
            prop_assert!(reordered.contains(finding), "{:?}", alone.findings);
        }
        prop_assert!(alone.findings.contains(&reordered[0]));
    }

    #[test]
    fn a_cut_file_is_found(length in 0..ORIGINAL.bytes.len()) {
        let (alone, held) = reports(&ORIGINAL.bytes[..length]);
        let whole = line_ends(&ORIGINAL.bytes[..length]);
        let at_a_line = length == 0 || ORIGINAL.bytes[length - 1] == b'\n';
        prop_assert_eq!(alone.is_sound(), at_a_line);
        if !at_a_line {
            let torn = matches!(alone.findings[..], [TrailFinding::TornTail { sequence: found, .. }] if found == sequence(whole));
            prop_assert!(torn, "{:?}", alone.findings);
        }
        let gone = match whole {
            0 => TrailFinding::Removed { stored: 12 },
            whole => TrailFinding::Truncated { local: whole as u64, stored: 12 },
        };
        prop_assert!(held.findings.contains(&gone), "{:?}", held.findings);
    }

    #[test]
    fn duplicated_entries_are_found(from in 0..ENTRIES, to in 0..=ENTRIES) {
        let mut lines = lines();
        lines.insert(to, lines[from].clone());
        let (alone, held) = reports(&lines.concat());
        for report in [alone, held] {
            let duplicated = TrailFinding::Duplicated { sequence: sequence(from) };
            prop_assert!(report.findings.contains(&duplicated), "{:?}", report.findings);
        }
    }

    #[test]
    fn inserted_bytes_are_found(place in 0..=ORIGINAL.bytes.len(), inserted in proptest::collection::vec(0_u8.., 1..30)) {
        let mut bytes = ORIGINAL.bytes.clone();
        bytes.splice(place..place, inserted);
        prop_assume!(bytes != ORIGINAL.bytes);
        prop_assert!(!reports(&bytes).0.is_sound());
    }

    #[test]
    fn a_chain_written_anew_from_any_entry_on_is_found_by_the_copies(from in 0..ENTRIES) {
        let home = tempfile::tempdir().unwrap();
        let trail = write(&home, &lines()[..from].concat());
        for n in from..ENTRIES {
            trail.append(&event(&format!("another {n}")), at(i64::try_from(n).unwrap())).unwrap();
        }
        prop_assert!(trail.verify().unwrap().is_sound(), "the chain itself is flawless");
        let held = trail.verify_against(&ORIGINAL.store).unwrap();
        let differ: Vec<_> = (from..ENTRIES).map(|index| TrailFinding::CopyDiffers { sequence: sequence(index) }).collect();
        prop_assert_eq!(held.findings, differ);
    }

    #[test]
    fn an_entry_exchanged_with_a_right_digest_breaks_the_chain(index in 0..ENTRIES - 1) {
        let home = tempfile::tempdir().unwrap();
        let trail = write(&home, &lines()[..index].concat());
        trail.append(&event("exchanged"), at(0)).unwrap();
        let mut bytes = fs::read(trail.path()).unwrap();
        bytes.extend(lines()[index + 1..].concat());
        let (alone, held) = reports(&bytes);
        let unlinked = TrailFinding::Unlinked { sequence: sequence(index + 1) };
        prop_assert_eq!(&alone.findings, std::slice::from_ref(&unlinked));
        prop_assert_eq!(&held.findings, &[TrailFinding::CopyDiffers { sequence: sequence(index) }, unlinked]);
    }
}

#[test]
fn a_removed_file_is_found_by_the_copies() {
    let home = tempfile::tempdir().unwrap();
    let trail = trail_in(home.path());
    assert!(trail.verify().unwrap().is_sound());
    let held = trail.verify_against(&ORIGINAL.store).unwrap();
    assert_eq!(held.findings, [TrailFinding::Removed { stored: 12 }]);
    assert_eq!(trail.publish(&ORIGINAL.store).unwrap_err().code(), "trail-behind");
}

#[test]
fn an_entry_on_a_line_that_is_spelt_otherwise_is_found() {
    let text = String::from_utf8(lines()[3].clone()).unwrap();
    let (digest, entry) = text[1..text.len() - 2].split_once(",\"entry\":").unwrap();
    for other in [
        text.replacen("\":\"", "\": \"", 1),
        format!(" {text}"),
        text.replace('\n', " \n"),
        text.replace('\n', "\r\n"),
        format!("{{\"entry\":{entry},{digest}}}\n"),
        format!("{{{digest},\"entry\":{entry},\"more\":1}}\n"),
        format!("{{\"digest\":\"sha256:{}\",{digest},\"entry\":{entry}}}\n", "0".repeat(64)),
    ] {
        let mut lines = lines();
        lines[3] = other.into_bytes();
        let (alone, _) = reports(&lines.concat());
        let malformed = matches!(alone.findings[..], [TrailFinding::Malformed { sequence: 4, .. }]);
        assert!(malformed, "{:?}", alone.findings);
    }
}
