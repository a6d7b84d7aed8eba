//! Sound bundles, damaged: cut short at every place that could matter, and with single bits turned over.

use crate::cases::{Layer, sound_archive};
use crate::forge::{BLOCK, compress, seal, sound_files};
use crate::support::{Numbers, Place, full, id};
use crate::{Way, bundle_of, read_in_every_way};
use paas_state::Unwatched;
use std::fs;

/// The plain bytes of a chunk of age, and what its seal adds.
const CHUNK: usize = 64 * 1024;
const SEAL: usize = 16;

/// Stores damaged bytes with a record that fits them, and has them read.
fn outcome_of(bundle: &[u8], place: &Place, ways: &[Way]) -> Vec<Result<(), paas_state::Error>> {
    let record = place.plant(&id(), bundle);
    let outcomes = read_in_every_way(place, &record, ways);
    fs::remove_dir_all(place.home.path().join("store/state")).unwrap();
    outcomes
}

fn refused(what: &str, bundle: &[u8], place: &Place, ways: &[Way]) {
    for outcome in outcome_of(bundle, place, ways) {
        let error = outcome.expect_err(what);
        // A header that was cut or altered may look like one for somebody else.
        assert!(matches!(error.code(), "bundle-refused" | "wrong-identity"), "{what}: {error}");
    }
}

const WAYS: [Way; 2] = [Way::Verify, Way::StageNew];

#[test]
fn a_bundle_cut_short_anywhere_is_refused() {
    let place = Place::new();
    let tar = sound_archive(&sound_files(true));
    let zstd = compress(&tar);
    let sealed = seal(&place.recipients(), &zstd);
    // All of age's header, byte by byte, its nonce, and both sides of the edges of its chunks.
    let header = sealed.len() - zstd.len() - SEAL * zstd.len().div_ceil(CHUNK);
    let mut places: Vec<usize> = (0..=header + SEAL).collect();
    places.extend((header..sealed.len()).step_by(CHUNK + SEAL).flat_map(|edge| edge - 1..=edge + 1));
    places.extend((0..sealed.len()).step_by(4096));
    places.extend([sealed.len() - SEAL - 1, sealed.len() - SEAL, sealed.len() - 1]);
    for at in &places {
        refused(&format!("cut short at {at}"), &sealed[..*at], &place, &[Way::Verify]);
    }
    for at in places.iter().step_by(10) {
        refused(&format!("cut short at {at}"), &sealed[..*at], &place, &[Way::StageNew]);
    }
    println!("{} places in {} bytes", places.len(), sealed.len());
}

#[test]
fn what_is_inside_cut_short_anywhere_is_refused() {
    let place = Place::new();
    let tar = sound_archive(&sound_files(false));
    for at in (0..tar.len()).step_by(BLOCK).flat_map(|edge| [edge, edge + 1, edge + BLOCK / 2]) {
        let layer = Layer::Tar(tar[..at].to_vec());
        refused(&format!("archive cut short at {at}"), &bundle_of(&place, layer), &place, &WAYS);
    }
    let zstd = compress(&tar);
    for at in (0..zstd.len()).filter(|at| full() || *at < 64 || at % 16 == 0 || at + 64 > zstd.len()) {
        let layer = Layer::Zstd(zstd[..at].to_vec());
        refused(&format!("frame cut short at {at}"), &bundle_of(&place, layer), &place, &[Way::Verify]);
    }
}

/// Places for single bits: all of the first bytes, and a sample of the rest.
fn places(bytes: usize, count: usize) -> Vec<usize> {
    let mut numbers = Numbers::new(42);
    let first = (0..bytes.min(200) * 8).step_by(8).map(|bit| bit + numbers.below(8)).collect::<Vec<_>>();
    let rest = (first.len()..count).map(|_| numbers.below(bytes * 8)).collect::<Vec<_>>();
    [first, rest].concat()
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Whoever turned the bit over made a record that fits: only the seal stands in the way.
#[test]
fn a_flipped_bit_with_a_record_that_fits_is_refused() {
    let place = Place::new();
    let sealed = bundle_of(&place, Layer::Tar(sound_archive(&sound_files(false))));
    let count = if full() { 10_000 } else { 1_000 };
    for (n, bit) in places(sealed.len(), count).into_iter().enumerate() {
        let ways: &[Way] = if n % 10 == 0 { &WAYS } else { &[Way::Verify] };
        refused(&format!("bit {bit} flipped"), &flipped(&sealed, bit), &place, ways);
    }
}

/// The medium turned it over: that is what is said, whatever the layers above made of it.
#[test]
fn a_flipped_bit_beneath_a_record_is_told_from_anything_else() {
    let place = Place::new();
    let sealed = bundle_of(&place, Layer::Tar(sound_archive(&sound_files(false))));
    let record = place.plant(&id(), &sealed);
    let path = place
        .home
        .path()
        .join("store")
        .join(paas_state::bundle_key(&record.context, &record.id).unwrap().as_str());
    let count = if full() { 10_000 } else { 1_000 };
    for bit in places(sealed.len(), count) {
        fs::write(&path, flipped(&sealed, bit)).unwrap();
        let error = place.bundle(&record).verify(&place.identities, &Unwatched).unwrap_err();
        assert_eq!(error.code(), "object-corrupt", "bit {bit}: {error}");
    }
}

/// Somebody with the recipient can seal anything: what is not the same is refused, what is accepted is the same.
#[test]
fn a_flipped_bit_beneath_the_seal_changes_nothing_unseen() {
    let place = Place::new();
    let files = sound_files(false);
    let tar = sound_archive(&files);
    let zstd = compress(&tar);
    let count = if full() { 10_000 } else { 1_000 };
    let target = place.home.path().join("target");
    let mut accepted = 0;
    let layers = places(tar.len(), count).into_iter().map(|bit| Layer::Tar(flipped(&tar, bit)));
    let layers =
        layers.chain(places(zstd.len(), count).into_iter().map(|bit| Layer::Zstd(flipped(&zstd, bit))));
    for layer in layers {
        let record = place.plant(&id(), &bundle_of(&place, layer));
        if let Ok(staged) = place.bundle(&record).stage(&place.identities, &target, None, &Unwatched) {
            accepted += 1;
            staged.publish().unwrap();
            for (path, bytes) in &files {
                assert_eq!(fs::read(target.join(path)).unwrap(), *bytes, "{path}");
            }
            fs::remove_dir_all(&target).unwrap();
        }
        assert!(!target.exists());
        fs::remove_dir_all(place.home.path().join("store/state")).unwrap();
    }
    println!("{accepted} of {} flipped bits were in what nobody reads", 2 * count);
}
