//! Reading a state beside a running si, so that no file is torn and no two files are of different generations.
//!
//! si truncates a store and writes it again in place, and appends to its logs. Stores are therefore read whole, twice,
//! with a pause between, until two rounds agree: nothing was written for as long as the pause. A log's length is fixed
//! once, back to its last whole line, and exactly that prefix is streamed later; whatever is appended meanwhile belongs
//! to the next backup.
//!
//! A writer that stops between two stores for longer than the pause cannot be told from one that has finished. The
//! pause begins at 20 ms and shrinks only while the context keeps changing. A shorter one is believed only if it is also
//! longer than the stores that were seen changing took to be written, by their times: a gap among them as long as the
//! silence behind them would mean that the silence is another gap.

use crate::inventory::Taken;
use crate::layout::{Class, MAX_STORE, Shape};
use crate::{ContextDir, Error, Result, StatePath};
use backup_contract::{Finding, Place, Severity};
use backup_store::Clock;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions};
use serde::de::IgnoredAny;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::Duration;

/// How many rounds may agree on a store that is no JSON before it counts as broken rather than as being written.
const TORN_ROUNDS: u32 = 25;
/// How much of a log's end is looked at again after it was streamed, in bytes.
const TAIL: usize = 4096;

/// How patiently a busy context is read.
#[derive(Debug, Clone)]
pub struct Patience {
    /// How many rounds are read before giving up.
    pub rounds: u32,
    /// The first pause between two rounds. It halves with each round that disagrees.
    pub longest_pause: Duration,
    /// The shortest pause.
    pub shortest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            rounds: 200,
            longest_pause: Duration::from_millis(20),
            shortest_pause: Duration::from_millis(2),
        }
    }
}

/// A file whose content, or whose extent, is fixed.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: StatePath,
    pub(crate) class: Class,
    pub(crate) shape: Shape,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// Read whole.
    Memory(Snapshotted),
    /// Appended to while it is read.
    Log(LogPrefix),
    /// A file of an optional tree: si writes it once, so it is opened when its turn comes.
    OnDemand,
}

/// A file as it was in one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshotted {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stamp: Stamp,
}

/// What identifies a file's incarnation and its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) mode: u32,
    pub(crate) mtime: i64,
    pub(crate) mtime_nanos: i64,
    pub(crate) size: u64,
}

impl From<&Metadata> for Stamp {
    fn from(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            mode: meta.mode() & 0o7777,
            mtime: meta.mtime(),
            mtime_nanos: meta.mtime_nsec(),
            size: meta.len(),
        }
    }
}

impl Stamp {
    /// When it was last changed, since 1970.
    fn modified(&self) -> Duration {
        let nanos = u32::try_from(self.mtime_nanos).unwrap_or(0);
        Duration::new(u64::try_from(self.mtime).unwrap_or(0), nanos)
    }

    fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The whole lines that a log had at one moment.
#[derive(Debug)]
pub(crate) struct LogPrefix {
    pub(crate) file: File,
    pub(crate) stamp: Stamp,
    /// The length of the prefix in bytes; it ends in a newline or is 0.
    pub(crate) length: u64,
    tail: Vec<u8>,
}

/// Reads everything that `taken` names, consistently.
pub(crate) fn collect(
    context: &ContextDir,
    taken: Vec<Taken>,
    clock: &dyn Clock,
    patience: &Patience,
) -> Result<Vec<Source>> {
    let is_store = |t: &Taken| t.class == Class::Protected && t.shape != Shape::Log;
    let (stores, rest): (Vec<_>, Vec<_>) = taken.into_iter().partition(is_store);

    let mut pause = patience.longest_pause;
    let mut last = round(context, &stores)?;
    let mut culprit = None;
    let mut changing = vec![false; stores.len()];
    let (mut torn, mut torn_rounds) = (Vec::new(), 0);
    for _ in 1..patience.rounds.max(2) {
        clock.sleep(pause);
        let now = round(context, &stores)?;
        let mut changed = stores.iter().enumerate().filter(|(at, _)| last[*at] != now[*at]).peekable();
        if let Some((_, store)) = changed.peek() {
            culprit = Some(store.path.clone());
            for (at, _) in changed {
                changing[at] = true;
            }
            (torn, torn_rounds) = (Vec::new(), 0);
            pause = (pause / 2).max(patience.shortest_pause);
        } else {
            torn = malformed(&stores, &now);
            if !torn.is_empty() {
                // A writer that was stopped between truncating and writing looks like this: let it go on.
                torn_rounds += 1;
                if torn_rounds == TORN_ROUNDS {
                    break;
                }
                pause = patience.longest_pause;
            } else if pause >= patience.longest_pause || pause > time_to_write(&changing, &now) {
                return finish(context, stores, now, rest);
            } else {
                pause = (pause * 2).min(patience.longest_pause);
            }
        }
        last = now;
    }
    if !torn.is_empty() {
        return Err(Error::Blocked(torn));
    }
    let path = culprit.map_or_else(|| context.path().to_owned(), |path| context.path().join(path));
    Err(Error::Busy { path, tries: patience.rounds })
}

fn finish(
    context: &ContextDir,
    stores: Vec<Taken>,
    contents: Vec<Option<Snapshotted>>,
    rest: Vec<Taken>,
) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (taken, read) in stores.into_iter().zip(contents) {
        // A store that was removed since the inventory is an empty store: not taken, and recorded as absent.
        let Some(read) = read else { continue };
        sources.push(source(taken, Content::Memory(read)));
    }
    for taken in rest {
        let fixed = match (taken.class, taken.shape) {
            (Class::Protected, Shape::Log) => match LogPrefix::fix(context, &taken.path)? {
                Some(prefix) => Content::Log(prefix),
                None => continue,
            },
            _ => Content::OnDemand,
        };
        sources.push(source(taken, fixed));
    }
    Ok(sources)
}

fn source(taken: Taken, content: Content) -> Source {
    Source { path: taken.path, class: taken.class, shape: taken.shape, content }
}

/// Every store as it is now; `None` for one that is not there.
fn round(context: &ContextDir, stores: &[Taken]) -> Result<Vec<Option<Snapshotted>>> {
    stores.iter().map(|store| read_whole(context, &store.path)).collect()
}

fn read_whole(context: &ContextDir, path: &StatePath) -> Result<Option<Snapshotted>> {
    let Some((mut file, stamp)) = open(context, path)? else { return Ok(None) };
    let io = |e| context.io("read", path.as_str(), e);
    if stamp.size > MAX_STORE {
        return Err(Error::Blocked(vec![Finding::new(
            "store-too-large",
            Severity::Error,
            Place::of(path.as_str()),
            format!("has {} bytes; no store of si comes near {MAX_STORE}", stamp.size),
            "find out what wrote it",
        )]));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0) + 1);
    file.by_ref().take(MAX_STORE).read_to_end(&mut bytes).map_err(io)?;
    let stamp = Stamp::from(&file.metadata().map_err(io)?);
    Ok(Some(Snapshotted { bytes, stamp }))
}

/// How long it took to write the stores that were seen changing, by the times of their last changes.
fn time_to_write(changing: &[bool], contents: &[Option<Snapshotted>]) -> Duration {
    let times = changing.iter().zip(contents).filter(|(changing, _)| **changing);
    let times = times.filter_map(|(_, content)| content.as_ref().map(|content| content.stamp.modified()));
    let (first, last) = times.fold((Duration::MAX, Duration::ZERO), |(a, b), at| (a.min(at), b.max(at)));
    last.saturating_sub(first)
}

/// Stores that hold still and yet are no JSON: torn by a crash of si, or by hand.
fn malformed(stores: &[Taken], contents: &[Option<Snapshotted>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (store, content) in stores.iter().zip(contents) {
        let Some(content) = content else { continue };
        if store.shape != Shape::Json {
            continue;
        }
        if let Err(e) = serde_json::from_slice::<IgnoredAny>(&content.bytes) {
            findings.push(Finding::new(
                "malformed-json",
                Severity::Error,
                Place::of(store.path.as_str()).line(e.line() as u64),
                format!("is not JSON: {e}"),
                "mend it, or bring it back with 'si-backup extract'",
            ));
        }
    }
    findings
}

/// Opens a plain file through the context's handle: no link is followed on the way, and no pipe is waited for.
pub(crate) fn open(context: &ContextDir, path: &StatePath) -> Result<Option<(File, Stamp)>> {
    let io = |e| context.io("open", path.as_str(), e);
    let (dirs, name) = path.split();
    let mut dir: Option<Dir> = None;
    for part in dirs {
        match dir.as_ref().unwrap_or(context.dir()).open_dir_nofollow(part) {
            Ok(sub) => dir = Some(sub),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        }
    }
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = match dir.as_ref().unwrap_or(context.dir()).open_with(name, &options) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(io(io::Error::new(ErrorKind::InvalidInput, "it is not a plain file")));
    }
    let stamp = Stamp::from(&meta);
    Ok(Some((file, stamp)))
}

impl Source {
    /// Hands the file's bytes to `body`, and looks afterwards whether they were still its own. `None` when a file of an
    /// optional tree is gone since it was listed.
    pub(crate) fn read<T>(
        &mut self,
        context: &ContextDir,
        body: impl FnOnce(Stamp, u64, &mut dyn Read) -> Result<T>,
    ) -> Result<Option<(Stamp, u64, T)>> {
        match &mut self.content {
            Content::Memory(file) => {
                let size = file.bytes.len() as u64;
                let value = body(file.stamp, size, &mut file.bytes.as_slice())?;
                Ok(Some((file.stamp, size, value)))
            }
            Content::Log(log) => {
                let value = body(log.stamp, log.length, &mut Read::take(&log.file, log.length));
                // Said first: a log that was cut short makes the body fail too.
                log.check_after(context, &self.path)?;
                Ok(Some((log.stamp, log.length, value?)))
            }
            Content::OnDemand => {
                let Some((file, stamp)) = open(context, &self.path)? else { return Ok(None) };
                let value = body(stamp, stamp.size, &mut (&file).take(stamp.size));
                let after = file.metadata().map_err(|e| context.io("look at", self.path.as_str(), e))?;
                if Stamp::from(&after) != stamp {
                    return Err(Error::Busy { path: context.path().join(&self.path), tries: 1 });
                }
                Ok(Some((stamp, stamp.size, value?)))
            }
        }
    }
}

impl LogPrefix {
    /// Fixes the extent of a log; `None` when there is none.
    fn fix(context: &ContextDir, path: &StatePath) -> Result<Option<Self>> {
        let Some((mut file, stamp)) = open(context, path)? else { return Ok(None) };
        let io = |e| context.io("read", path.as_str(), e);
        let length = end_of_last_line(&mut file, stamp.size).map_err(io)?;
        let tail = tail_before(&mut file, length).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        Ok(Some(Self { file, stamp, length, tail }))
    }

    /// Whether what was streamed is still what the log holds.
    pub(crate) fn check_after(&mut self, context: &ContextDir, path: &StatePath) -> Result<()> {
        let conflict = |what| Err(Error::LogConflict { path: context.path().join(path), what });
        let io = |e| context.io("read", path.as_str(), e);
        match open(context, path)? {
            Some((_, now)) if now.same_file(&self.stamp) => {}
            _ => return conflict("replaced"),
        }
        if self.file.metadata().map_err(io)?.len() < self.length {
            return conflict("cut short");
        }
        if tail_before(&mut self.file, self.length).map_err(io)? != self.tail {
            return conflict("rewritten");
        }
        Ok(())
    }
}

fn tail_before(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let from = end.saturating_sub(TAIL as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::with_capacity(TAIL);
    file.by_ref().take(end - from).read_to_end(&mut tail)?;
    Ok(tail)
}

/// The offset behind the last newline at or before `end`.
fn end_of_last_line(file: &mut File, mut end: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    while end > 0 {
        let from = end.saturating_sub(buffer.len() as u64);
        let part = &mut buffer[..usize::try_from(end - from).unwrap_or(0)];
        file.seek(SeekFrom::Start(from))?;
        match file.read_exact(part) {
            Ok(()) => {}
            // It shrank: the stream will find the same and say so.
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(end),
            Err(e) => return Err(e),
        }
        if let Some(newline) = memchr::memrchr(b'\n', part) {
            return Ok(from + newline as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}
