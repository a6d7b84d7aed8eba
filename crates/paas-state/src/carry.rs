//! What only one log has, kept behind what another has: an event that was written is never lost by a restore.

use crate::layout::{PROTECTED, Shape, shape_of};
use crate::{ContextDir, Error, Result};
use backup_store::fail_point::step;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use chrono::{DateTime, FixedOffset};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How many lines a log was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The log, within its context.
    pub log: &'static str,
    /// How many lines it has now that only the other one had.
    pub lines: u64,
}

/// The logs of a context.
fn logs() -> impl Iterator<Item = &'static str> {
    PROTECTED.into_iter().filter(|path| shape_of(path) == Shape::Log)
}

/// Gives the logs that were unpacked at `staged` the lines that only the live ones have: behind their own, in the order of
/// their times, none twice. A log that was not unpacked is not made: the live one is then the whole of it.
///
/// Lines are the same when their bytes are. A last line that was torn when it was backed up, and that is whole in the live
/// log, is that one. Doing it again changes nothing.
///
/// # Errors
/// [`Error::Io`]; what was appended until then is not taken back.
pub fn carry_events_into(staged: &Path, live: &ContextDir) -> Result<Vec<Carried>> {
    let into = open_dir(staged)?;
    carry(live.dir(), live.path(), &into, staged)
}

/// Gives the live logs the lines that only those below `kept` have, which a restore has put away.
///
/// # Errors
/// As for [`carry_events_into`].
pub fn carry_events_from(kept: &Path, live: &ContextDir) -> Result<Vec<Carried>> {
    let from = open_dir(kept)?;
    carry(&from, kept, live.dir(), live.path())
}

fn open_dir(path: &Path) -> Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(failed("open", path.to_owned()))
}

fn failed(operation: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { operation, path, source }
}

fn carry(from: &Dir, from_path: &Path, into: &Dir, into_path: &Path) -> Result<Vec<Carried>> {
    let mut carried = Vec::new();
    for log in logs() {
        let (source, target) = (from_path.join(log), into_path.join(log));
        let Some(mut from) =
            open(from, log, OpenOptions::new().read(true)).map_err(failed("open", source.clone()))?
        else {
            continue;
        };
        let options = &mut OpenOptions::new();
        let Some(mut into) =
            open(into, log, options.read(true).append(true)).map_err(failed("open", target.clone()))?
        else {
            continue;
        };
        let known = Known::of(&mut into).map_err(failed("read", target.clone()))?;
        let mut missing = missing(&mut from, known.lines).map_err(failed("read", source.clone()))?;
        drop_pieces(&mut from, &mut into, &mut missing).map_err(failed("read", target.clone()))?;
        let lines =
            append(&mut into, &known.torn, &mut from, &missing).map_err(failed("append to", target))?;
        if lines > 0 {
            carried.push(Carried { log, lines });
        }
    }
    Ok(carried)
}

/// Opens a plain file below a directory, following no link; `None` where there is none.
fn open(dir: &Dir, path: &str, options: &mut OpenOptions) -> io::Result<Option<File>> {
    options.follow(FollowSymlinks::No).nonblock(true);
    let opened = match path.split_once('/') {
        Some((parent, name)) => dir.open_dir_nofollow(parent).and_then(|dir| dir.open_with(name, options)),
        None => dir.open_with(path, options),
    };
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
        Ok(_) => Err(io::Error::other("it is no plain file")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// How much is gathered before it is written, in bytes.
const AT_ONCE: usize = 1 << 20;

/// By what a line is recognised.
type Print = [u8; 16];

fn print_of(line: &[u8]) -> Print {
    let mut print = [0; 16];
    print.copy_from_slice(&Sha256::digest(line)[..16]);
    print
}

/// The lines of a log, and its end where that is no whole line.
struct Known {
    lines: HashMap<Print, u64>,
    torn: Vec<u8>,
}

impl Known {
    fn of(log: &mut File) -> io::Result<Self> {
        let mut known = Self { lines: HashMap::new(), torn: Vec::new() };
        log.seek(SeekFrom::Start(0))?;
        each_line(log, |_, line, is_whole| {
            *known.lines.entry(print_of(line)).or_default() += 1;
            if !is_whole {
                line.clone_into(&mut known.torn);
            }
        })?;
        Ok(known)
    }
}

/// Hands over each line without its newline, with its offset, and whether it had one.
fn each_line(log: &mut File, mut each: impl FnMut(u64, &[u8], bool)) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, log);
    let (mut line, mut at) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(());
        }
        let is_whole = line.pop_if(|last| *last == b'\n').is_some();
        each(at, &line, is_whole);
        at += length;
    }
}

/// A line that only one log has.
struct Missing {
    time: Option<DateTime<FixedOffset>>,
    at: u64,
    length: usize,
    /// Whether it is the end of a log that was cut within a line.
    is_torn: bool,
}

/// What `log` has beyond `known`, in the order of time; a line without one stays behind the line before it.
fn missing(log: &mut File, mut known: HashMap<Print, u64>) -> io::Result<Vec<Missing>> {
    #[derive(Deserialize)]
    struct Timed {
        timestamp: DateTime<FixedOffset>,
    }
    let mut missing = Vec::new();
    let mut last = None;
    log.seek(SeekFrom::Start(0))?;
    each_line(log, |at, line, is_whole| {
        last = serde_json::from_slice(line).ok().map(|timed: Timed| timed.timestamp).or(last);
        match known.get_mut(&print_of(line)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => missing.push(Missing { time: last, at, length: line.len(), is_torn: !is_whole }),
        }
    })?;
    missing.sort_by_key(|line| line.time);
    Ok(missing)
}

/// Forgets a torn end that is the beginning of a line that the other log has whole: that event is there already.
fn drop_pieces(from: &mut File, into: &mut File, missing: &mut Vec<Missing>) -> io::Result<()> {
    let Some(index) = missing.iter().position(|line| line.is_torn) else { return Ok(()) };
    let mut piece = Vec::new();
    if let Some(torn) = missing.get(index) {
        read(from, torn, &mut piece)?;
    }
    let mut is_there = false;
    into.seek(SeekFrom::Start(0))?;
    each_line(into, |_, line, _| is_there |= line.starts_with(&piece))?;
    if is_there {
        missing.remove(index);
    }
    Ok(())
}

/// Appends the missing lines. Where the log ends in a torn one, that is ended first: by its own rest where the other log
/// has it whole, so that no event is there both in part and whole.
fn append(into: &mut File, torn: &[u8], from: &mut File, missing: &[Missing]) -> io::Result<u64> {
    let (mut text, mut line) = (Vec::new(), Vec::new());
    let mut rest_of_torn = None;
    if !torn.is_empty() && !missing.is_empty() {
        for (index, candidate) in missing.iter().enumerate() {
            read(from, candidate, &mut line)?;
            if let Some(rest) = line.strip_prefix(torn) {
                text.extend_from_slice(rest);
                rest_of_torn = Some(index);
                break;
            }
        }
        text.push(b'\n');
    }
    for (_, other) in missing.iter().enumerate().filter(|(index, _)| Some(*index) != rest_of_torn) {
        read(from, other, &mut line)?;
        text.extend_from_slice(&line);
        text.push(b'\n');
        if text.len() > AT_ONCE {
            step("append", || into.write_all(&text))?;
            text.clear();
        }
    }
    if !missing.is_empty() {
        step("append", || into.write_all(&text))?;
        step("fsync", || into.sync_all())?;
    }
    Ok(missing.len() as u64)
}

fn read(log: &mut File, line: &Missing, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    log.seek(SeekFrom::Start(line.at))?;
    log.take(line.length as u64).read_to_end(into)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    fn event(second: u32, what: &str) -> String {
        format!("{{\"timestamp\":\"2026-11-23T20:15:{second:02}Z\",\"command\":\"{what}\"}}")
    }

    /// What a restored log becomes beside a live one.
    fn carried(restored: &[u8], live: &[u8]) -> Vec<u8> {
        let home = tempfile::tempdir().unwrap();
        let (staged, context) = (home.path().join("staged"), home.path().join("contexts/default"));
        for (dir, text) in [(&staged, restored), (&context, live)] {
            fs::create_dir_all(dir.join("events")).unwrap();
            fs::write(dir.join("events/audit.jsonl"), text).unwrap();
        }
        let live =
            ContextDir::open(home.path(), backup_contract::ContextName::new("default").unwrap()).unwrap();
        carry_events_into(&staged, &live).unwrap();
        let first = fs::read(staged.join("events/audit.jsonl")).unwrap();
        assert_eq!(carry_events_into(&staged, &live).unwrap(), [], "a second time changes nothing");
        assert_eq!(fs::read(staged.join("events/audit.jsonl")).unwrap(), first);
        first
    }

    fn lines(of: &[&str]) -> Vec<u8> {
        of.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
    }

    #[test]
    fn what_only_the_live_log_has_comes_behind_in_order_of_time() {
        let (a, b, c, d) = (event(1, "a"), event(2, "b"), event(3, "c"), event(4, "d"));
        let found = carried(&lines(&[&a, &b]), &lines(&[&d, &a, &b, "no json", &c]));
        // What has no time stays behind the line that it followed.
        assert_eq!(
            String::from_utf8(found).unwrap(),
            String::from_utf8(lines(&[&a, &b, "no json", &c, &d])).unwrap()
        );
    }

    #[test]
    fn a_line_that_is_there_twice_stays_there_twice() {
        let a = event(1, "a");
        assert_eq!(carried(&lines(&[&a]), &lines(&[&a, &a])), lines(&[&a, &a]));
        assert_eq!(carried(&lines(&[&a, &a]), &lines(&[&a])), lines(&[&a, &a]));
    }

    #[test]
    fn a_torn_line_is_ended_by_its_own_rest_or_by_a_newline() {
        let (a, b) = (event(1, "a"), event(0, "b"));
        let torn = &a.as_bytes()[..a.len() - 3];
        assert_eq!(carried(torn, &lines(&[&b, &a])), lines(&[&a, &b]));
        let other = [b"{\"torn".as_slice(), b"\n", &lines(&[&a])].concat();
        assert_eq!(carried(b"{\"torn", &lines(&[&a])), other);
        // The same torn line on both sides is one line.
        assert_eq!(carried(torn, torn), torn);
    }

    #[test]
    fn a_piece_of_a_line_that_is_there_whole_is_no_event() {
        let (a, b) = (event(1, "a"), event(2, "b"));
        let cut = &lines(&[&a, &b])[..a.len() + 1 + b.len() - 4];
        assert_eq!(carried(&lines(&[&a, &b]), cut), lines(&[&a, &b]));
        assert_eq!(
            carried(&lines(&[&a, &b]), b"{\"other"),
            [lines(&[&a, &b]), b"{\"other\n".to_vec()].concat()
        );
    }

    #[test]
    fn a_log_that_no_backup_had_stays_the_live_one() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("contexts/default/events")).unwrap();
        fs::create_dir(home.path().join("staged")).unwrap();
        fs::write(home.path().join("contexts/default/events/alerts.jsonl"), "{}\n").unwrap();
        let live =
            ContextDir::open(home.path(), backup_contract::ContextName::new("default").unwrap()).unwrap();
        assert_eq!(carry_events_into(&home.path().join("staged"), &live).unwrap(), []);
        assert!(!home.path().join("staged/events").exists());
    }

    #[test]
    fn no_link_is_followed() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("contexts/default/events")).unwrap();
        fs::create_dir_all(home.path().join("staged/events")).unwrap();
        fs::write(home.path().join("contexts/default/events/audit.jsonl"), "{}\n").unwrap();
        fs::write(home.path().join("theirs"), "").unwrap();
        std::os::unix::fs::symlink(home.path().join("theirs"), home.path().join("staged/events/audit.jsonl"))
            .unwrap();
        let live =
            ContextDir::open(home.path(), backup_contract::ContextName::new("default").unwrap()).unwrap();
        assert!(carry_events_into(&home.path().join("staged"), &live).is_err());
        assert_eq!(fs::read(home.path().join("theirs")).unwrap(), b"");
    }

    proptest! {
        /// Nothing of either side is lost, nothing is there more often than on the side that had it most, and the
        /// restored lines come first, as they were.
        #[test]
        fn nothing_is_lost_and_nothing_doubled(
            restored in prop::collection::vec(0_u32..6, 0..12),
            live in prop::collection::vec(0_u32..6, 0..12),
        ) {
            let text = |of: &[u32]| of.iter().fold(String::new(), |text, n| text + &event(*n, "x") + "\n");
            let found = String::from_utf8(carried(text(&restored).as_bytes(), text(&live).as_bytes())).unwrap();
            prop_assert!(found.starts_with(&text(&restored)));
            for n in 0..6 {
                let count = |of: &[u32]| of.iter().filter(|other| **other == n).count();
                let there = found.lines().filter(|line| *line == event(n, "x")).count();
                prop_assert_eq!(there, count(&restored).max(count(&live)));
            }
        }
    }
}
