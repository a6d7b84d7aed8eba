//! Logs that are appended to, cut, replaced or rewritten while they are read.

use crate::hooks::{WhileReading, back_up, visible};
use crate::support::{Place, RealClock};
use paas_state::{Error, StatePath, Unwatched};
use std::fs::{self, File, OpenOptions};
use std::io::Write;

const LOG: &str = "events/deployments.jsonl";

fn lines(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |text, n| text + &format!("{{\"n\":\"{n:08}\",\"status\":\"ok\"}}\n"))
}

/// A log of several blocks, beside a store.
fn place() -> Place {
    let place = Place::new();
    place.write("config.json", "{}");
    place.write(LOG, lines(0, 40_000));
    place
}

fn text_of(place: &Place, backup: &paas_state::Backup, path: &str) -> String {
    let wanted = |p: &StatePath| p.as_str() == path;
    let (_, mut files) =
        place.bundle(&backup.record).read_files(&place.identities, &wanted, &Unwatched).unwrap();
    String::from_utf8(files.pop().unwrap().1).unwrap()
}

#[test]
fn what_is_appended_meanwhile_belongs_to_the_next_backup() {
    let place = place();
    let path = place.path(LOG);
    let append = WhileReading::new(usize::MAX, || {
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"late\":1}\n{\"torn").unwrap();
    });
    let backup = back_up(&place, &[], &RealClock::new(), &append).unwrap();
    assert!(text_of(&place, &backup, LOG) == lines(0, 40_000));
    assert_eq!(backup.manifest.file(LOG).unwrap().lines, Some(40_000));
}

/// Every time it is tried, the log is damaged; the error names it, and nothing is visible.
fn is_a_conflict(what: &str, damage: impl Fn() + Sync, place: &Place) {
    let watch = WhileReading::new(usize::MAX, damage);
    match back_up(place, &[], &RealClock::new(), &watch).map(drop).unwrap_err() {
        Error::LogConflict { path, what: found } => {
            assert_eq!((path, found), (place.context_path().join(LOG), what));
        }
        other => panic!("{other}"),
    }
    assert_eq!(visible(place), 0);
}

#[test]
fn a_log_that_is_cut_short_is_a_conflict() {
    let place = place();
    let path = place.path(LOG);
    // Shorter each time, and never empty: else there would be nothing left to cut.
    let cut = || {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    is_a_conflict("cut short", cut, &place);
}

#[test]
fn a_log_that_is_replaced_is_a_conflict() {
    let place = place();
    let path = place.path(LOG);
    let replace = || {
        fs::write(path.with_extension("new"), lines(0, 40_000)).unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
    };
    is_a_conflict("replaced", replace, &place);
}

#[test]
fn a_log_that_is_taken_away_is_a_conflict() {
    let place = place();
    let path = place.path(LOG);
    let watch = WhileReading::new(1, || fs::remove_file(&path).unwrap());
    // Once it is gone, an empty log is a state too.
    let backup = back_up(&place, &[], &RealClock::new(), &watch).unwrap();
    assert!(backup.manifest.file(LOG).is_none());
    assert!(backup.manifest.absent.iter().any(|path| path.as_str() == LOG));
}

#[test]
fn a_log_that_is_rewritten_in_place_is_a_conflict() {
    let place = place();
    let path = place.path(LOG);
    let turn = std::sync::atomic::AtomicUsize::new(1);
    // As long as before, or longer: its size alone tells nothing.
    let rewrite = || {
        let from = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        File::create(&path).unwrap().write_all(lines(from, from + 40_000 + from).as_bytes()).unwrap();
    };
    is_a_conflict("rewritten", rewrite, &place);
}

#[test]
fn a_conflict_that_passes_is_tried_again() {
    let place = place();
    let path = place.path(LOG);
    let watch = WhileReading::new(1, || fs::write(&path, lines(7, 30_000)).unwrap());
    let backup = back_up(&place, &[], &RealClock::new(), &watch).unwrap();
    assert!(text_of(&place, &backup, LOG) == lines(7, 30_000));
    assert_eq!(visible(&place), 2, "a bundle and its record");
}

#[test]
fn a_torn_line_in_the_middle_is_kept_and_the_last_one_left_out() {
    let place = place();
    let text = "{\"a\":1}\n{\"torn\":\n\0\0\0\n\n{\"b\":2}\n";
    place.write(LOG, format!("{text}{{\"unfinished\":"));
    place.write("events/audit.jsonl", "{\"never finished\":");
    let backup = back_up(&place, &[], &RealClock::new(), &Unwatched).unwrap();
    assert_eq!(text_of(&place, &backup, LOG), text);
    let entry = backup.manifest.file(LOG).unwrap();
    assert_eq!((entry.lines, entry.malformed_lines), (Some(5), 3));
    let finding = backup.findings.iter().find(|finding| finding.code == "malformed-line").unwrap();
    assert_eq!(finding.place.to_string(), format!("{LOG}:2"));
    assert_eq!(text_of(&place, &backup, "events/audit.jsonl"), "");
}

/// The end of a log may lie in another block than its last newline, which may be the very first byte.
#[test]
fn the_last_whole_line_is_found_however_far_back_it_ends() {
    for (whole, torn) in [(0, 300_000), (1, 65_535), (1, 65_536), (1, 65_537), (3, 200_000), (2, 0)] {
        let place = Place::new();
        let text = lines(0, whole);
        place.write(LOG, format!("{text}{}", "x".repeat(torn)));
        let backup = back_up(&place, &[], &RealClock::new(), &Unwatched).unwrap();
        assert_eq!(text_of(&place, &backup, LOG), text, "{whole} lines, then {torn} bytes");
    }
    let place = Place::new();
    place.write(LOG, format!("\n{}", "x".repeat(100_000)));
    let backup = back_up(&place, &[], &RealClock::new(), &Unwatched).unwrap();
    assert_eq!(text_of(&place, &backup, LOG), "\n");
}
