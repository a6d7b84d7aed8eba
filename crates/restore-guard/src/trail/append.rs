use super::entry::{BadLine, TrailEntry, TrailEvent, TrailLine, VERSION, digest_of};
use super::{ActOutcome, Action, tail};
use crate::{Error, Result, WriterId, disk};
use backup_contract::{Checksum, ContextName};
use backup_store::durable;
use backup_store::fail_point::step;
use chrono::{DateTime, Utc};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The audit trail of one writer in one context: a local file of hash-chained JSON lines.
///
/// Any number of processes may append to it at once. Readers wait for an appender and see whole, durable entries only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    path: PathBuf,
    context: ContextName,
    writer: WriterId,
}

/// What an append has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The entry.
    pub line: TrailLine,
    /// What an earlier crash had torn, and where it lies now; an entry before this one records it.
    pub set_aside: Option<SetAside>,
}

/// The end of a trail that a crash had torn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where its bytes are now.
    pub path: PathBuf,
    /// How many they are.
    pub bytes: u64,
    /// Their SHA-256.
    pub digest: Checksum,
}

impl Trail {
    /// The trail in the file `path`, which the first append makes. Touches nothing.
    pub fn new(path: impl Into<PathBuf>, context: ContextName, writer: WriterId) -> Self {
        Self { path: path.into(), context, writer }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The context that it is about.
    #[must_use]
    pub const fn context(&self) -> &ContextName {
        &self.context
    }

    /// Whose chain it is.
    #[must_use]
    pub const fn writer(&self) -> &WriterId {
        &self.writer
    }

    /// Appends one entry. It is durable when this returns; so an act that it announces is never ahead of it.
    ///
    /// Waits for other appenders. What a crash has torn from the end of the file is moved to a file beside it, and the
    /// entry before this one says so.
    ///
    /// # Errors
    /// [`Error::Io`], and then nothing was appended (or, when the last sync failed, perhaps this entry was);
    /// [`Error::ForeignTrail`]; [`Error::NewerFormat`], when a newer program wrote the last entry;
    /// [`Error::TooLong`].
    pub fn append(&self, event: &TrailEvent, now: DateTime<Utc>) -> Result<Appended> {
        let file = self.open_locked()?;
        let length = file.metadata().map_err(disk::io("read", &self.path))?.len();
        let tail = tail::read(&file, length).map_err(disk::io("read", &self.path))?;
        let mut last = self.last_of(tail.last)?;
        if tail.end < length {
            self.keep_torn(&file, tail.end, length)?;
            step("truncate", || file.set_len(tail.end)).map_err(disk::io("cut", &self.path))?;
        }

        let mut bytes = Vec::new();
        let torn = self.torn()?;
        if let Some((set_aside, recorded_at)) = &torn {
            let name = recorded_at.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let recovered = TrailEvent::new(event.operator.clone(), Action::TrailRecovered, ActOutcome::Done)
                .detail("bytes", set_aside.bytes)
                .detail("digest", set_aside.digest.to_string())
                .detail("file", name);
            let (line, recorded) = self.next(last, recovered, now)?;
            bytes.extend(line);
            last = Some((recorded.entry.sequence, recorded.digest));
        }
        let (line, written) = self.next(last, event.clone(), now)?;
        bytes.extend(line);
        self.write(&file, &bytes, tail.end)?;

        let set_aside = torn.map(|(set_aside, recorded_at)| {
            // Recorded and durable. Should the renaming fail, the next append records the same bytes once more.
            let path = match step("rename", || std::fs::rename(&set_aside.path, &recorded_at)) {
                Ok(()) => recorded_at,
                Err(_) => set_aside.path.clone(),
            };
            SetAside { path, ..set_aside }
        });
        Ok(Appended { line: written, set_aside })
    }

    /// Opens the file, making it if need be, and waits for its lock.
    fn open_locked(&self) -> Result<File> {
        loop {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(disk::PRIVATE);
            let file = step("create", || options.open(&self.path)).map_err(disk::io("open", &self.path))?;
            file.lock().map_err(disk::io("lock", &self.path))?;
            if disk::is_still(&file, &self.path, std::fs::metadata(&self.path))? {
                return Ok(file);
            }
            // Whoever held the lock has moved the file away: the lock is on something that nobody reads.
        }
    }

    /// Opens the file for reading, and waits until no append is under way. `None` when there is no file.
    pub(super) fn open_shared(&self) -> Result<Option<File>> {
        match File::open(&self.path) {
            Ok(file) => {
                file.lock_shared().map_err(disk::io("lock", &self.path))?;
                Ok(Some(file))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk::io("open", &self.path)(error)),
        }
    }

    /// Sequence and digest of the entry that the next one is chained to.
    fn last_of(&self, last: Option<Result<TrailLine, BadLine>>) -> Result<Option<(u64, Checksum)>> {
        match last {
            None | Some(Err(BadLine::Malformed(_) | BadLine::Changed { .. })) => Ok(None),
            Some(Err(BadLine::Newer { version, .. })) => Err(Error::NewerFormat {
                place: self.path.display().to_string(),
                found: version,
                supported: VERSION,
            }),
            Some(Ok(TrailLine { digest, entry })) => {
                if entry.writer == self.writer && entry.context == self.context {
                    Ok(Some((entry.sequence, digest)))
                } else {
                    Err(Error::ForeignTrail {
                        path: self.path.clone(),
                        writer: entry.writer.to_string(),
                        context: entry.context.to_string(),
                    })
                }
            }
        }
    }

    /// The line that follows the entry `last`.
    fn next(
        &self,
        last: Option<(u64, Checksum)>,
        event: TrailEvent,
        now: DateTime<Utc>,
    ) -> Result<(Vec<u8>, TrailLine)> {
        let TrailEvent { operator, action, subject, id, checksum, outcome, detail } = event;
        let entry = TrailEntry {
            version: VERSION,
            context: self.context.clone(),
            writer: self.writer.clone(),
            sequence: last.map_or(1, |(sequence, _)| sequence.saturating_add(1)),
            at: now,
            operator,
            action,
            subject,
            id,
            checksum,
            outcome,
            detail,
            previous: last.map(|(_, digest)| digest),
        };
        let (line, digest) = entry.to_line()?;
        Ok((line, TrailLine { digest, entry }))
    }

    /// Appends whole lines at `end` and makes them durable.
    fn write(&self, mut file: &File, bytes: &[u8], end: u64) -> Result<()> {
        if let Err(error) = step("write", || file.write_all(bytes)) {
            // A full disk may have taken half a line. Should cutting it fail too, the next append sets it aside.
            let _ = step("truncate", || file.set_len(end));
            return Err(disk::io("append to", &self.path)(error));
        }
        step("fsync", || file.sync_all()).map_err(disk::io("sync", &self.path))?;
        if end == 0 {
            // Also when another process made the file: it may not have come this far.
            durable::sync_dir(disk::directory_of(&self.path))?;
        }
        Ok(())
    }

    /// Where torn bytes lie until an entry records them.
    fn torn_path(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".torn");
        name.into()
    }

    /// Keeps the bytes from `end` to `length` beside the trail before they are cut from it.
    fn keep_torn(&self, file: &File, end: u64, length: u64) -> Result<()> {
        let size = usize::try_from(length - end).map_err(std::io::Error::other);
        let mut bytes = vec![0; size.map_err(disk::io("read", &self.path))?];
        file.read_exact_at(&mut bytes, end).map_err(disk::io("read", &self.path))?;
        let path = self.torn_path();
        // An append that crashed after this step, before its entry was durable, has left some already.
        let mut kept = self.read_torn()?.unwrap_or_default();
        if !kept.ends_with(&bytes) {
            if !kept.is_empty() {
                kept.push(b'\n');
            }
            kept.extend(bytes);
            durable::replace(&path, &kept, disk::PRIVATE)?;
        }
        Ok(())
    }

    fn read_torn(&self) -> Result<Option<Vec<u8>>> {
        let path = self.torn_path();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk::io("read", &path)(error)),
        }
    }

    /// Torn bytes that no entry records yet, and where they go when one does.
    fn torn(&self) -> Result<Option<(SetAside, PathBuf)>> {
        let Some(bytes) = self.read_torn()? else { return Ok(None) };
        let digest = digest_of(&bytes);
        let path = self.torn_path();
        let mut recorded_at = path.clone().into_os_string();
        recorded_at.push(format!("-{}", &digest.to_hex()[..16]));
        Ok(Some((SetAside { path, bytes: bytes.len() as u64, digest }, recorded_at.into())))
    }
}
