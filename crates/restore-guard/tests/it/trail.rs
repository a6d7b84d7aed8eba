//! The trail's file: it only grows, and a crash costs nothing that was acknowledged.

use crate::support::{at, checksum, context, snapshot, writer};
use restore_guard::{ActOutcome, Action, Error, Trail, TrailEvent, TrailFinding, TrailLine, WriterId, merge};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

pub(crate) fn event(detail: &str) -> TrailEvent {
    TrailEvent::new("ada@host", Action::Run, ActOutcome::Done)
        .snapshot(snapshot(1))
        .checksum(checksum(1))
        .detail("note", detail)
}

pub(crate) fn trail_in(home: &Path) -> Trail {
    Trail::new(home.join("trail.jsonl"), context(), writer())
}

pub(crate) fn home() -> (TempDir, Trail) {
    let home = tempfile::tempdir().unwrap();
    let trail = trail_in(home.path());
    (home, trail)
}

#[test]
fn entries_are_chained_private_and_read_back() {
    let (_home, trail) = home();
    assert!(trail.verify().unwrap().is_sound());
    let first = trail.append(&event("one"), at(0)).unwrap().line;
    // The clock goes back; the chain goes on.
    let second = trail.append(&event("two"), at(-500)).unwrap().line;
    assert_eq!((first.entry.sequence, first.entry.previous), (1, None));
    assert_eq!((second.entry.sequence, second.entry.previous), (2, Some(first.digest)));
    let report = trail.verify().unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.last, report.stored, report.unpublished()), (2, None, None));
    assert_eq!(report.lines, [first, second]);
    assert_eq!(fs::metadata(trail.path()).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_line_is_the_digest_of_the_entry_as_it_stands() {
    use sha2::{Digest, Sha256};
    let (_home, trail) = home();
    trail.append(&event("one"), at(0)).unwrap();
    let line = fs::read_to_string(trail.path()).unwrap();
    let entry = line.strip_suffix("}\n").unwrap().split_once(r#","entry":"#).unwrap().1;
    let digest = format!("sha256:{:x}", Sha256::digest(entry));
    assert_eq!(line, format!("{{\"digest\":\"{digest}\",\"entry\":{entry}}}\n"));
    let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
    for (field, value) in [
        ("version", serde_json::json!(1)),
        ("context", "default".into()),
        ("sequence", 1.into()),
        ("at", "2026-11-23T20:15:00Z".into()),
        ("operator", "ada@host".into()),
        ("action", "run".into()),
        ("subject", "state".into()),
        ("outcome", "done".into()),
        ("previous", serde_json::Value::Null),
    ] {
        assert_eq!(entry[field], value, "{field}");
    }
}

/// Appends raw bytes, as a crash leaves them.
fn smear(trail: &Trail, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).create(true).open(trail.path()).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_torn_end_is_set_aside_and_recorded() {
    let whole = {
        let (_home, trail) = home();
        trail.append(&event("x"), at(0)).unwrap();
        fs::read(trail.path()).unwrap()
    };
    let half = whole[..whole.len() / 2].to_vec();
    let garbage_line = b"\x00\x00garbage\n".to_vec();
    for entries in [0, 3] {
        for torn in [
            b"{".to_vec(),
            half.clone(),
            vec![0; 5_000],
            garbage_line.clone(),
            [garbage_line.clone(), half.clone()].concat(),
        ] {
            let (_home, trail) = home();
            for n in 0..entries {
                trail.append(&event(&n.to_string()), at(n)).unwrap();
            }
            smear(&trail, &torn);
            assert!(!trail.verify().unwrap().is_sound(), "it is found before it is mended");
            let appended = trail.append(&event("after"), at(10)).unwrap();
            let aside = appended.set_aside.unwrap();
            assert_eq!(fs::read(&aside.path).unwrap(), torn, "no byte is lost");
            assert_eq!(aside.bytes, torn.len() as u64);

            let report = trail.verify().unwrap();
            assert!(report.is_sound(), "{:?}", report.findings);
            assert_eq!(report.last, u64::try_from(entries).unwrap() + 2);
            let [.., recovered, last] = report.lines.as_slice() else { panic!("two entries") };
            assert_eq!(recovered.entry.action, Action::TrailRecovered);
            assert_eq!(recovered.entry.detail["digest"], aside.digest.to_string());
            assert_eq!(recovered.entry.detail["bytes"], aside.bytes);
            assert_eq!(recovered.entry.detail["file"], aside.path.file_name().unwrap().to_str().unwrap());
            assert_eq!(last, &appended.line);
            // Once.
            assert_eq!(trail.append(&event("again"), at(11)).unwrap().set_aside, None);
        }
    }
}

#[test]
fn a_crash_while_setting_aside_loses_nothing_either() {
    let torn = b"{\"digest\":\"sha".as_slice();
    // Killed after the bytes were kept, before they were cut off; after that; and in the middle of the record of it.
    for left in [torn, b"".as_slice(), b"{\"digest\":\"sha256:77".as_slice()] {
        let (home, trail) = home();
        trail.append(&event("one"), at(0)).unwrap();
        fs::write(home.path().join("trail.jsonl.torn"), torn).unwrap();
        smear(&trail, left);
        let aside = trail.append(&event("two"), at(1)).unwrap().set_aside.unwrap();
        let kept = fs::read(&aside.path).unwrap();
        assert!(kept.starts_with(torn) && kept.ends_with(left), "{}", String::from_utf8_lossy(&kept));
        assert_eq!(
            kept.len(),
            if left.len() > torn.len() { torn.len() + 1 + left.len() } else { torn.len() }
        );
        let report = trail.verify().unwrap();
        assert!(report.is_sound() && report.last == 3, "{:?}", report.findings);
    }
}

#[test]
fn entries_longer_than_the_window_are_found_from_the_end() {
    let (_home, trail) = home();
    for n in 0..6 {
        let long = "x".repeat(if n % 2 == 0 { 300_000 } else { 10 });
        assert_eq!(
            trail.append(&event(&long), at(n)).unwrap().line.entry.sequence,
            u64::try_from(n).unwrap() + 1
        );
    }
    smear(&trail, &vec![b'y'; 400_000]);
    assert_eq!(trail.append(&event("end"), at(9)).unwrap().line.entry.sequence, 8);
    assert!(trail.verify().unwrap().is_sound());
    assert!(matches!(trail.append(&event(&"x".repeat(1 << 20)), at(9)), Err(Error::TooLong { .. })));
    assert!(trail.verify().unwrap().is_sound());
}

#[test]
fn the_trail_of_another_writer_is_not_continued() {
    let (home, trail) = home();
    trail.append(&event("one"), at(0)).unwrap();
    let other = Trail::new(home.path().join("trail.jsonl"), context(), WriterId::generate().unwrap());
    assert!(matches!(other.append(&event("two"), at(1)), Err(Error::ForeignTrail { .. })));
    assert!(matches!(other.verify().unwrap().findings[0], TrailFinding::Foreign { sequence: 1, .. }));
    let other = Trail::new(home.path().join("trail.jsonl"), "other".parse().unwrap(), writer());
    assert!(matches!(other.append(&event("two"), at(1)), Err(Error::ForeignTrail { .. })));
}

#[test]
fn a_newer_trail_is_checked_and_not_continued() {
    use sha2::{Digest, Sha256};
    let (_home, trail) = home();
    trail.append(&event("one"), at(0)).unwrap();
    let entry = r#"{"version":2,"sequence":2,"who":"knows"}"#;
    smear(
        &trail,
        format!("{{\"digest\":\"sha256:{:x}\",\"entry\":{entry}}}\n", Sha256::digest(entry)).as_bytes(),
    );
    let before = fs::read(trail.path()).unwrap();
    assert!(matches!(
        trail.append(&event("two"), at(1)),
        Err(Error::NewerFormat { found: 2, supported: 1, .. })
    ));
    assert_eq!(fs::read(trail.path()).unwrap(), before);
    let report = trail.verify().unwrap();
    assert_eq!(report.findings, [TrailFinding::Newer { sequence: 2, version: 2 }]);
    assert!(report.findings[0].is_harmless());
}

#[test]
fn fields_and_words_of_later_programs_are_read() {
    use sha2::{Digest, Sha256};
    let (_home, trail) = home();
    let first = trail.append(&event("one"), at(0)).unwrap().line;
    let mut entry = serde_json::to_value(&first.entry).unwrap();
    entry["sequence"] = 2.into();
    entry["action"] = "teleport".into();
    entry["outcome"] = "sublime".into();
    entry["mood"] = "good".into();
    entry["previous"] = first.digest.to_string().into();
    let entry = entry.to_string();
    smear(
        &trail,
        format!("{{\"digest\":\"sha256:{:x}\",\"entry\":{entry}}}\n", Sha256::digest(&entry)).as_bytes(),
    );
    let report = trail.verify().unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.lines[1].entry.action, Action::Other("teleport".into()));
    assert_eq!(trail.append(&event("three"), at(1)).unwrap().line.entry.sequence, 3);
}

#[test]
fn an_append_that_cannot_be_made_leaves_the_trail_as_it_was() {
    let (home, _) = home();
    let nowhere = Trail::new(home.path().join("missing/trail.jsonl"), context(), writer());
    let error = nowhere.append(&event("one"), at(0)).unwrap_err();
    assert_eq!(error.code(), "file-not-found");
    fs::create_dir(home.path().join("directory")).unwrap();
    let directory = Trail::new(home.path().join("directory"), context(), writer());
    assert!(matches!(directory.append(&event("one"), at(0)), Err(Error::Io { .. })));
    // A device that is always full.
    let full = Trail::new("/dev/full", context(), writer());
    assert!(full.append(&event("one"), at(0)).is_err());
}

#[test]
fn a_file_that_was_moved_away_while_waiting_is_not_written_to() {
    let (home, trail) = home();
    trail.append(&event("one"), at(0)).unwrap();
    let held = fs::File::open(trail.path()).unwrap();
    held.lock().unwrap();
    let moved = home.path().join("moved");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| trail.append(&event("two"), at(1)).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
        fs::rename(trail.path(), &moved).unwrap();
        held.unlock().unwrap();
        assert_eq!(waiting.join().unwrap().line.entry.sequence, 1, "a new file, a new chain");
    });
    assert_eq!(fs::read_to_string(&moved).unwrap().lines().count(), 1);
    assert_eq!(fs::read_to_string(trail.path()).unwrap().lines().count(), 1);
}

#[test]
fn a_reader_waits_for_an_append_under_way() {
    let (_home, trail) = home();
    trail.append(&event("one"), at(0)).unwrap();
    let line = {
        let (_home, copy) = home();
        fs::copy(trail.path(), copy.path()).unwrap();
        copy.append(&event("two"), at(1)).unwrap();
        fs::read(copy.path()).unwrap()[usize::try_from(fs::metadata(trail.path()).unwrap().len()).unwrap()..]
            .to_vec()
    };
    let held = fs::File::open(trail.path()).unwrap();
    held.lock().unwrap();
    smear(&trail, &line[..9]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| trail.verify().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
        smear(&trail, &line[9..]);
        held.unlock().unwrap();
        let report = waiting.join().unwrap();
        assert!(report.is_sound() && report.last == 2, "{:?}", report.findings);
    });
}

#[test]
fn chains_are_merged_by_time_and_each_keeps_its_order() {
    let chain = |times: &[i64]| -> Vec<TrailLine> {
        let home = tempfile::tempdir().unwrap();
        let trail = Trail::new(home.path().join("t"), context(), WriterId::generate().unwrap());
        times.iter().map(|seconds| trail.append(&event(""), at(*seconds)).unwrap().line).collect()
    };
    // The second writer's clock was set back after its second entry.
    let (a, b) = (chain(&[0, 10, 20, 30]), chain(&[5, 25, 1, 2, 40]));
    let expected = [&a[0], &b[0], &a[1], &a[2], &b[1], &b[2], &b[3], &a[3], &b[4]];
    assert_eq!(merge([a.clone(), b.clone()]).iter().collect::<Vec<_>>(), expected);
    assert_eq!(merge([b.clone(), a.clone()]).iter().collect::<Vec<_>>(), expected);
}
