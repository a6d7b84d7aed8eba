//! What a `restore_command` is told: the file, a proven absence, or to stop.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

mod support;
#[path = "support/watched.rs"]
mod watched;

use backup_store::{DirStore, Prefix, Store};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use support::{files, fixture};
use walg_driver::bucket::Root;
use walg_driver::wal::SegmentSize;
use walg_driver::{Ahead, Cipher, Segments, SodiumKey, WalGet, WalSource, wal_get, wal_get_ahead};
use watched::{Fails, Watched};

const PLAIN: u64 = 7_711_480_237_486_108_024;
const SODIUM: u64 = 7_711_480_003_676_298_147;

fn sodium() -> Cipher {
    Cipher::Sodium(SodiumKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap())))
}

/// Asks for a file, and says how that ended: the exit code, and the code of the error. What is there afterwards must fit.
fn ask(stores: &[&dyn Store], cipher: &Cipher, system: u64, name: &str) -> (u8, &'static str) {
    let (root, home) = (Root::default(), tempfile::tempdir().unwrap());
    let path = home.path().join("RECOVERYXLOG");
    let sources: Vec<_> =
        stores.iter().map(|store| WalSource { store: *store, root: &root, cipher }).collect();
    let segments = Segments { size: SegmentSize::DEFAULT, system_identifier: Some(system) };
    let got = wal_get(&sources, name, &path, segments);
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, usize::from(matches!(got, WalGet::Found)), "{name}: {got:?}");
    if matches!(got, WalGet::Found) && name.len() == 24 {
        assert_eq!(fs::metadata(&path).unwrap().len(), 16 << 20);
    }
    let code = match &got {
        WalGet::Failed(error) => error.code(),
        WalGet::Found | WalGet::Absent => "",
    };
    (got.exit_code(), code)
}

fn segment(number: u8) -> String {
    format!("0000000100000000000000{number:02X}")
}

#[test]
fn every_file_of_an_archive_is_found_and_no_other_one() {
    for (bucket, cipher, system) in [("plain", Cipher::None, PLAIN), ("sodium", sodium(), SODIUM)] {
        let dir = fixture(bucket);
        let store = DirStore::open(dir.path()).unwrap();
        let mut names = Vec::new();
        files(dir.path(), "wal_005", &mut names);
        for name in &names {
            let name = name.file_name().unwrap().to_str().unwrap().strip_suffix(".zst").unwrap();
            let expected = if name.ends_with("_delta") { (126, "not-wal") } else { (0, "") };
            assert_eq!(ask(&[&store], &cipher, system, name), expected, "{bucket}: {name}");
        }
        for absent in ["00000002.history", "0000000100000000000000FF", "000000010000000000000002.partial"] {
            assert_eq!(ask(&[&store], &cipher, system, absent), (1, ""), "{bucket}: {absent}");
        }
    }
}

/// Only a listing that was read to its end, of an archive that holds something, proves an absence.
#[test]
fn what_could_not_be_looked_for_is_not_absent() {
    let dir = fixture("plain");
    for (fails, code) in [(Fails::List, "io"), (Fails::Open, "io"), (Fails::Read, "io")] {
        let store = Watched::new(dir.path(), fails);
        let (exit, said) = ask(&[&store], &Cipher::None, PLAIN, &segment(3));
        assert_eq!(exit, 126, "{fails:?}");
        assert!(said == code || said.starts_with("store"), "{fails:?}: {said}");
        let absent = ask(&[&store], &Cipher::None, PLAIN, "00000002.history").0;
        assert_eq!(absent, if fails == Fails::List { 126 } else { 1 }, "{fails:?}");
    }
    // Nothing that is WAL.
    let junk = tempfile::tempdir().unwrap();
    fs::create_dir(junk.path().join("wal_005")).unwrap();
    fs::write(junk.path().join("wal_005/README"), "x").unwrap();
    let junk = DirStore::open(junk.path()).unwrap();
    assert_eq!(ask(&[&junk], &Cipher::None, PLAIN, &segment(3)), (126, "empty-archive"));
    // A disk that is not mounted, and a prefix that is not the bucket's.
    let empty = tempfile::tempdir().unwrap();
    let nothing = DirStore::open(empty.path()).unwrap();
    assert_eq!(ask(&[&nothing], &Cipher::None, PLAIN, &segment(3)), (126, "empty-archive"));
    let (store, root) = (DirStore::open(dir.path()).unwrap(), Root::new(Prefix::new("elsewhere").unwrap()));
    let source = WalSource { store: &store, root: &root, cipher: &Cipher::None };
    let segments = Segments { size: SegmentSize::DEFAULT, system_identifier: None };
    let got = wal_get(&[source], &segment(3), &empty.path().join("x"), segments);
    assert!(matches!(&got, WalGet::Failed(error) if error.code() == "empty-archive"), "{got:?}");
    assert_eq!(wal_get(&[], &segment(3), &empty.path().join("x"), segments).exit_code(), 126);
}

#[test]
fn what_is_not_what_its_name_says_stops_the_recovery() {
    let dir = fixture("plain");
    let store = DirStore::open(dir.path()).unwrap();
    let at = |name: &str| dir.path().join("wal_005").join(name);
    let bad = (126, "bad-wal");
    assert_eq!(ask(&[&store], &Cipher::None, PLAIN + 1, &segment(3)), bad, "another cluster");
    assert_eq!(ask(&[&store], &sodium(), PLAIN, &segment(3)), bad, "another key");
    assert_eq!(ask(&[&store], &Cipher::Unknown, PLAIN, &segment(3)), bad, "no key");
    fs::copy(at(&format!("{}.zst", segment(4))), at(&format!("{}.zst", segment(0x20)))).unwrap();
    assert_eq!(ask(&[&store], &Cipher::None, PLAIN, &segment(0x20)), bad, "another segment");
    let path = at(&format!("{}.zst", segment(3)));
    let bytes = fs::read(&path).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(ask(&[&store], &Cipher::None, PLAIN, &segment(3)), bad, "cut to {length}");
    }
    // Whole in another compression beside it, or in the next source.
    fs::write(at(&segment(3)), zstd::decode_all(&*bytes).unwrap()).unwrap();
    assert_eq!(ask(&[&store], &Cipher::None, PLAIN, &segment(3)), (0, ""));
    fs::remove_file(at(&segment(3))).unwrap();
    let whole = fixture("plain");
    let other = DirStore::open(whole.path()).unwrap();
    assert_eq!(ask(&[&store, &other], &Cipher::None, PLAIN, &segment(3)), (0, ""));
    for name in ["", "x", "../../etc/passwd", "000000010000000000000003.zst", "00000001000000000000000a"] {
        assert_eq!(ask(&[&store], &Cipher::None, PLAIN, name), (126, "not-wal"), "{name:?}");
    }
}

/// A mirror has what it has; what it has not is asked of the store, and only that one proves an absence.
#[test]
fn a_mirror_is_asked_first_and_the_store_decides() {
    let (dir, mirror) = (fixture("plain"), fixture("plain"));
    fs::remove_file(mirror.path().join(format!("wal_005/{}.zst", segment(4)))).unwrap();
    let local = DirStore::open(mirror.path()).unwrap();
    let remote = Watched::new(dir.path(), Fails::Never);
    let opened = || remote.opened.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ask(&[&local, &remote], &Cipher::None, PLAIN, &segment(3)), (0, ""));
    assert_eq!(opened(), 0);
    assert_eq!(ask(&[&local, &remote], &Cipher::None, PLAIN, &segment(4)), (0, ""));
    assert_eq!(opened(), 1);
    let away = Watched::new(dir.path(), Fails::List);
    assert_eq!(ask(&[&local, &away], &Cipher::None, PLAIN, &segment(3)), (0, ""));
    assert_eq!(ask(&[&local, &away], &Cipher::None, PLAIN, &segment(4)).0, 126);
}

#[test]
fn where_it_cannot_be_written_is_not_the_archives_fault() {
    let dir = fixture("plain");
    let (store, root) = (DirStore::open(dir.path()).unwrap(), Root::default());
    let source = WalSource { store: &store, root: &root, cipher: &Cipher::None };
    let segments = Segments { size: SegmentSize::DEFAULT, system_identifier: None };
    let got = wal_get(&[source], &segment(3), Path::new("/nowhere/at/all"), segments);
    assert!(matches!(&got, WalGet::Failed(error) if error.code() == "io"), "{got:?}");
}

/// What comes next is fetched with what is asked for, and each file is still what its name says or not there.
#[test]
fn a_recovery_without_a_mirror_reads_ahead() {
    let dir = fixture("plain");
    let bad = dir.path().join(format!("wal_005/{}.zst", segment(5)));
    let cut = fs::read(&bad).unwrap();
    fs::write(&bad, &cut[..cut.len() / 2]).unwrap();
    let store = Watched::new(dir.path(), Fails::Never);
    let opened = || store.opened.load(std::sync::atomic::Ordering::Relaxed);
    let (root, home) = (Root::default(), tempfile::tempdir().unwrap());
    let segments = Segments { size: SegmentSize::DEFAULT, system_identifier: Some(PLAIN) };
    let path = home.path().join("RECOVERYXLOG");
    let ask_for = |name: &str, path: &Path, segments: Segments| {
        let _ = fs::remove_file(path);
        let sources = [WalSource { store: &store, root: &root, cipher: &Cipher::None }];
        wal_get_ahead(&sources, name, path, segments, &Ahead::in_directory(home.path())).exit_code()
    };
    let ask = |name: &str| ask_for(name, &path, segments);
    let places = || {
        let entries = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path());
        entries
            .filter(|path| path.is_dir() && path.to_str().unwrap().contains("-wal-ahead-"))
            .collect::<Vec<_>>()
    };
    let kept = || {
        let Some(place) = places().pop() else { return Vec::new() };
        let entries = fs::read_dir(place).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(ask("00000002.history"), 1);
    assert_eq!(ask(&segment(3)), 0);
    let after_the_first = opened();
    let ahead = kept();
    assert!(ahead.contains(&segment(4)) && !ahead.contains(&segment(5)), "{ahead:?}");
    assert_eq!(ask(&segment(4)), 0, "it was there already");
    assert_eq!(opened(), after_the_first);
    assert_eq!(fs::metadata(&path).unwrap().len(), 16 << 20);
    assert!(!kept().contains(&segment(4)), "it is moved, not copied");
    // What cannot be used is told when it is asked for, and what is not there is proved anew.
    assert_eq!(ask(&segment(5)), 126);
    assert_eq!(ask(&segment(0xFF)), 1);
    assert_eq!(kept(), [""; 0]);
    // A recovery begins by asking for a history: what an earlier one left is not its own.
    assert_eq!(ask(&segment(3)), 0);
    assert!(!kept().is_empty());
    assert_eq!(ask("00000002.history"), 1);
    assert_eq!(kept(), [""; 0]);
    assert!(places().is_empty(), "nothing is left behind");
    // Another server, another cluster: neither takes what was brought for this one, nor drops it.
    assert_eq!(ask(&segment(3)), 0);
    let ahead = kept();
    let other = home.path().join("other");
    fs::create_dir(&other).unwrap();
    assert_eq!(ask_for(&segment(4), &other.join("RECOVERYXLOG"), segments), 0);
    let foreign = Segments { system_identifier: Some(PLAIN + 1), ..segments };
    assert_eq!(ask_for(&segment(4), &path, foreign), 126);
    assert_eq!(places().len(), 2);
    fs::remove_dir_all(&other).unwrap();
    let unchanged = places().iter().any(|place| ahead.iter().all(|name| place.join(name).exists()));
    assert!(unchanged, "{ahead:?}");
    // Nobody knows of which cluster it is.
    let before = places();
    let unknown = Segments { system_identifier: None, ..segments };
    assert_eq!(ask_for(&segment(3), &path, unknown), 0);
    assert_eq!(places(), before);
    // What others may write to is not used.
    for place in places() {
        fs::set_permissions(place, Permissions::from_mode(0o777)).unwrap();
    }
    assert_eq!(ask(&segment(3)), 126);
}
