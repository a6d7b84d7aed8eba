//! Buckets that WAL-G 3.0.9 wrote, read as they are, and with each of their objects removed, emptied, cut or altered.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

mod support;

use backup_contract::SnapshotKind;
use backup_store::DirStore;
use std::fs;
use std::path::Path;
use support::{files, fixture};
use walg_driver::bucket::{Backup, Bucket, ProblemCode, Root};
use walg_driver::engine::{Choice, Situation, WhyFull, choose};
use walg_driver::wal::{
    Does, Expected, History, Records, SegmentSize, Stop, Timeline, WalObject, check_pages, read_pages,
};
use walg_driver::{Cipher, Compression, SodiumKey};

fn read(dir: &Path) -> Bucket {
    let key = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let cipher = Cipher::Sodium(SodiumKey::new(key));
    Bucket::read(&DirStore::open(dir).unwrap(), &Root::default(), &cipher).unwrap()
}

type Told = (String, bool, Option<(String, bool)>);

/// Each backup: its id without `base_`, whether it is restorable, where the newest reach ends, and whether that is the end.
fn told(bucket: &Bucket) -> Vec<Told> {
    bucket
        .backups
        .iter()
        .map(|backup| {
            let reach = backup.reach.last().map(|reach| (reach.end.to_string(), reach.stop == Stop::Newest));
            (backup.id.as_str()[5 + 22..].to_owned(), backup.restorable(), reach)
        })
        .collect()
}

fn row(id: &str, restorable: bool, reach: Option<(&str, bool)>) -> Told {
    (id.to_owned(), restorable, reach.map(|(end, newest)| (end.to_owned(), newest)))
}

#[test]
fn the_complete_buckets_are_restorable_to_their_end() {
    let dir = fixture("plain");
    let bucket = read(dir.path());
    let end = Some(("0/9000000", true));
    assert_eq!(
        told(&bucket),
        [
            row("02", true, end),
            row("04_D_000000010000000000000002", true, end),
            row("06_D_000000010000000000000004", true, end)
        ]
    );
    assert_eq!(bucket.systems().into_iter().collect::<Vec<_>>(), [7_711_480_237_486_108_024]);
    assert_eq!(bucket.archive.runs(Timeline(1)).len(), 1);
    assert!(bucket.leftovers.is_empty() && bucket.strangers.is_empty());
    let newest = bucket.newest_restorable().unwrap();
    let ids: Vec<_> = newest.chain.iter().map(|id| id.as_str()[5 + 22..][..2].to_owned()).collect();
    assert_eq!(ids, ["06", "04", "02"]);
    let snapshot = newest.snapshot(&"app:shop".parse().unwrap());
    assert_eq!(snapshot.kind, SnapshotKind::Delta);
    assert_eq!(snapshot.lineage.as_str(), "base_000000010000000000000002");
    assert_eq!(snapshot.bytes, 150_728 + 346 + 285 + 44_588 + 292 + 538);

    let sodium = fixture("sodium");
    let end = Some(("0/D000000", true));
    assert_eq!(
        told(&read(sodium.path())),
        [
            row("04", true, end),
            row("07_D_000000010000000000000004", true, end),
            row("0A_D_000000010000000000000007", true, end)
        ]
    );
}

/// The middle backup's own first segment is missing; the last one does not need it; the first one cannot get past it.
#[test]
fn a_hole_in_the_archive_stops_what_leads_into_it() {
    let dir = fixture("wal-hole");
    let bucket = read(dir.path());
    assert_eq!(
        told(&bucket),
        [
            row("02", true, Some(("0/6000000", false))),
            row("06_D_000000010000000000000002", false, None),
            row("09_D_000000010000000000000006", true, Some(("0/D000000", true))),
        ]
    );
    let codes: Vec<_> = bucket.backups[1].problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::WalMissing]);
    assert!(bucket.backups[1].problems[0].detail.contains("000000010000000000000006"));
    let Stop::Hole { missing, beyond } = bucket.backups[0].reach[0].stop else { panic!("a hole") };
    assert_eq!((missing.to_string().as_str(), beyond), ("000000010000000000000006", 6));
    let holes = bucket.archive.holes(Timeline(1));
    assert_eq!((holes.len(), holes[0].count), (1, 1));
}

/// Which backups of `plain` (first, second, third) a listing must find wanting when an object is gone.
fn suffers(name: &str) -> [bool; 3] {
    let of = |index: usize| match index {
        0 => "base_000000010000000000000002/",
        1 => "base_000000010000000000000004_D_000000010000000000000002/",
        _ => "base_000000010000000000000006_D_000000010000000000000004/",
    };
    if name.ends_with("/metadata.json") || name.ends_with(".backup.zst") {
        return [false; 3];
    }
    for (index, segment) in ["02.zst", "04.zst", "06.zst"].iter().enumerate() {
        if name == format!("wal_005/0000000100000000000000{segment}") {
            return std::array::from_fn(|at| at == index);
        }
    }
    // Of a chain, everything from the damaged one on.
    match (0..3).find(|index| name.contains(of(*index))) {
        Some(first) => std::array::from_fn(|at| at >= first),
        None => [false; 3],
    }
}

#[test]
fn each_object_that_is_gone_is_missed_and_no_good_backup_is_accused() {
    let whole = fixture("plain");
    let mut names = Vec::new();
    files(whole.path(), "", &mut names);
    assert_eq!(names.len(), 3 * 6 + 11);
    for name in &names {
        let path = whole.path().join(name);
        let text = name.to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let bucket = read(whole.path());
        if let Some(id) = text.strip_suffix("_backup_stop_sentinel.json") {
            // No sentinel, no backup: what it leaves is named, and what came out of it cannot be restored.
            let id = id.rsplit('/').next().unwrap();
            assert!(bucket.leftovers.iter().any(|leftover| leftover.id.as_str() == id), "{text}");
            assert_eq!(bucket.backups.len(), 2, "{text}");
            for backup in &bucket.backups {
                let younger = backup.id.as_str() > id;
                assert_eq!(backup.restorable(), !younger, "{text}: {:?}", backup.problems);
            }
        } else {
            let found: Vec<_> = bucket.backups.iter().map(|backup| !backup.restorable()).collect();
            assert_eq!(found, suffers(text), "{text}");
        }
        fs::write(&path, bytes).unwrap();
    }
    assert!(read(whole.path()).backups.iter().all(Backup::restorable), "everything is back");
}

#[test]
fn each_document_that_is_cut_or_emptied_is_told() {
    let whole = fixture("plain");
    let mut names = Vec::new();
    files(whole.path(), "basebackups_005", &mut names);
    for name in names.iter().filter(|name| name.extension().is_some_and(|ending| ending == "json")) {
        let path = whole.path().join(name);
        let bytes = fs::read(&path).unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            let bucket = read(whole.path());
            assert_eq!(bucket.backups.len(), 3);
            let accused = bucket.backups.iter().filter(|backup| !backup.restorable()).count();
            assert!(accused > 0, "{} cut to {length}", name.display());
            for backup in &bucket.backups {
                for problem in &backup.problems {
                    assert!(!problem.detail.is_empty() && problem.detail.len() < 400);
                }
            }
        }
        fs::write(&path, bytes).unwrap();
    }
}

/// Objects of one backup under the name of another: what a careless copy leaves.
#[test]
fn swapped_sentinels_and_doubled_tars_are_told() {
    let dir = fixture("plain");
    let base = dir.path().join("basebackups_005");
    let first = base.join("base_000000010000000000000002_backup_stop_sentinel.json");
    let second =
        base.join("base_000000010000000000000004_D_000000010000000000000002_backup_stop_sentinel.json");
    let (a, b) = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
    fs::write(&first, &b).unwrap();
    fs::write(&second, &a).unwrap();
    let bucket = read(dir.path());
    let codes = |index: usize| bucket.backups[index].problems.iter().map(|p| p.code).collect::<Vec<_>>();
    assert!(
        (0..2).all(|index| codes(index).contains(&ProblemCode::NameMismatch)),
        "{:?} {:?}",
        codes(0),
        codes(1)
    );
    fs::write(&first, &a).unwrap();
    fs::write(&second, &b).unwrap();

    let tars = base.join("base_000000010000000000000002/tar_partitions");
    for other in ["part_002.tar.zst", "part_001.tar.lz4"] {
        fs::copy(tars.join("part_001.tar.zst"), tars.join(other)).unwrap();
        let bucket = read(dir.path());
        assert!(bucket.backups.iter().all(|backup| !backup.restorable()), "{other}");
        fs::remove_file(tars.join(other)).unwrap();
    }
}

/// Every segment of every fixture, decrypted and decompressed, is the segment that its name says, and no other one's.
#[test]
fn the_segments_are_what_their_names_say() {
    let key = std::array::from_fn(|at| u8::try_from(at).unwrap());
    for (name, cipher, system) in [
        ("plain", Cipher::None, 7_711_480_237_486_108_024),
        ("sodium", Cipher::Sodium(SodiumKey::new(key)), 7_711_480_003_676_298_147),
        ("wal-hole", Cipher::None, 7_711_480_003_676_298_147),
    ] {
        let dir = fixture(name);
        let mut names = Vec::new();
        files(dir.path(), "wal_005", &mut names);
        let mut seen = 0;
        for path in names {
            let (WalObject::Segment(segment), compression) =
                WalObject::of(path.file_name().unwrap().to_str().unwrap())
            else {
                continue;
            };
            let history = History::of_first(Timeline(1));
            let size = SegmentSize::DEFAULT;
            let open = || cipher.open(compression, fs::File::open(dir.path().join(&path)).unwrap()).unwrap();
            let expected =
                Expected { name: segment, size, history: &history, system_identifier: Some(system) };
            let pages = check_pages(open(), expected).unwrap();
            let number = size.number(segment).unwrap();
            assert!(pages.end > size.start(number) && pages.end <= size.start(number + 1));
            let other = size.name(Timeline(1), number + 1).unwrap();
            check_pages(open(), Expected { name: other, ..expected }).unwrap_err();
            check_pages(open(), Expected { system_identifier: Some(system + 1), ..expected }).unwrap_err();
            seen += 1;
        }
        assert!(seen >= 8, "{name}: {seen}");
    }
}

const SYSTEM: u64 = 7_711_480_237_486_108_024;

fn chosen(change: impl FnOnce(&mut Bucket, &mut Situation<'_>)) -> Result<String, WhyFull> {
    let dir = fixture("plain");
    let store = DirStore::open(dir.path()).unwrap();
    let mut bucket = Bucket::read(&store, &Root::default(), &Cipher::None).unwrap();
    let empty =
        Bucket::read(&store, &Root::new(backup_store::Prefix::new("nothing").unwrap()), &Cipher::None)
            .unwrap();
    let mut situation = Situation {
        bucket: &empty,
        timeline: Timeline(1),
        system_identifier: SYSTEM,
        is_asked: false,
        is_due: &|_| false,
        is_sound: &|_| true,
    };
    change(&mut bucket, &mut situation);
    let situation = Situation { bucket: &bucket, ..situation };
    match choose(&situation) {
        Choice::Delta(full) => Ok(full.id.to_string()),
        Choice::Full(why) => Err(why),
    }
}

#[test]
fn a_delta_hangs_on_the_newest_full_that_can_be_counted_on() {
    assert_eq!(chosen(|_, _| {}).as_deref(), Ok("base_000000010000000000000002"));
    assert_eq!(chosen(|_, asked| asked.is_asked = true), Err(WhyFull::Asked));
    assert_eq!(chosen(|bucket, _| bucket.backups.clear()), Err(WhyFull::NoFull));
    assert_eq!(chosen(|_, at| at.system_identifier = 7), Err(WhyFull::NoFull));
    assert_eq!(chosen(|_, at| at.timeline = Timeline(2)), Err(WhyFull::OtherTimeline));
    assert_eq!(chosen(|_, at| at.is_due = &|_| true), Err(WhyFull::Due));
    assert_eq!(chosen(|_, at| at.is_sound = &|_| false), Err(WhyFull::Unsound));
    let many = |bucket: &mut Bucket| {
        let delta = bucket.backups[1].clone();
        bucket.backups.extend(std::iter::repeat_n(delta, 100));
    };
    assert_eq!(chosen(|bucket, _| many(bucket)), Err(WhyFull::ManyDeltas));
}

/// As `pg_waldump` tells them.
#[test]
fn the_records_of_every_segment_are_followed() {
    let dir = fixture("plain");
    let (mut counts, mut last) = (Vec::new(), None);
    for number in 1..=8 {
        let name = SegmentSize::DEFAULT.name(Timeline(1), number).unwrap();
        let file = fs::File::open(dir.path().join(format!("wal_005/{name}.zst"))).unwrap();
        let plain = Cipher::None.open(Compression::Zstd, file).unwrap();
        let history = History::of_first(Timeline(1));
        let expected =
            Expected { name, size: SegmentSize::DEFAULT, history: &history, system_identifier: None };
        let (mut records, mut ends) = (Records::default(), 0);
        read_pages(plain, expected, |at, page| {
            records.page(at, page, &mut |record| {
                ends += i32::from(matches!(record.does, Does::EndsTransaction(_)));
                last = Some(record);
            });
        })
        .unwrap();
        counts.push(ends);
    }
    assert_eq!(counts, [722, 0, 1, 0, 1, 0, 0, 1]);
    let last = last.unwrap();
    assert_eq!((last.at.to_string(), last.before.to_string()), ("0/8000028".into(), "0/701CCB0".into()));
    // 2026-11-23 21:21:51.697132
    let microseconds = 1_795_468_911_697_132 - 946_684_800_000_000;
    assert_eq!(last.does, Does::EndsTransaction(microseconds));
}
