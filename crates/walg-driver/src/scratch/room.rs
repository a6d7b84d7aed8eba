use super::ScratchFault;
use super::user::{must_be_ours, must_reach, own, show};
use crate::process::User;
use crate::{Error, Result};
use backup_store::Clock;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the name of a scratch directory begins with.
const NAME: &str = "si-scratch-";
/// What says that a directory is one.
const MARKER: &str = "scratch.json";
/// The longest path of a socket, in bytes.
const SOCKET: usize = 107;
/// How long a server that was left behind may take to stop, before it is killed.
const STOPPING: Duration = Duration::from_secs(10);

/// What lies in a marker.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
    /// The random part of the directory's name: a marker that was copied elsewhere marks nothing.
    id: String,
    /// Who made it; for people, because numbers of processes are used again.
    pid: u32,
    /// What its server runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<Contained>,
}

/// The container that a directory is for. It is written down before there is one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Contained {
    /// What it is called.
    pub(super) name: String,
    /// Which engine keeps it: another one knows nothing of it.
    pub(super) engine: String,
}

/// A directory of one verification, in which everything is that it writes but the mirror. Dropped, it is removed.
///
/// Its marker is locked as long as its process lives. One whose lock can be had is a leftover, and only such a one is
/// ever removed: see [`Room::sweep`].
#[derive(Debug)]
pub struct Room {
    dir: PathBuf,
    contained: Option<Contained>,
    stays: AtomicBool,
    _lock: File,
}

impl Room {
    /// Makes one below `place`; for a server in a container, when the engine that keeps it is named.
    pub(super) fn create(place: &Path, user: Option<&User>, engine: Option<&str>) -> Result<Self> {
        must_be_ours(place)?;
        let temp = tempfile::Builder::new()
            .prefix(NAME)
            .rand_bytes(8)
            .tempdir_in(place)
            .map_err(Error::io("write in", place))?;
        let path = temp.path().join(MARKER);
        let id =
            temp.path().file_name().and_then(|name| name.to_str()?.strip_prefix(NAME)).unwrap_or_default();
        let contained = engine
            .map(|engine| Contained { name: format!("si-backup-scratch-{id}"), engine: engine.to_owned() });
        let marker =
            Marker { format: 1, id: id.to_owned(), pid: std::process::id(), container: contained.clone() };
        let bytes = serde_json::to_vec(&marker).unwrap_or_default();
        // Locked before it says what it is: a sweep between the two would find a directory that is nobody's.
        let lock = File::create_new(&path).map_err(Error::io("write", &path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|e| Error::io("lock", &path)(e.into()))?;
        fs::write(&path, bytes).map_err(Error::io("write", &path))?;
        let room = Self { dir: temp.keep(), contained, stays: AtomicBool::new(false), _lock: lock };
        for below in [room.data(), room.conf(), room.sockets(), room.wal()] {
            DirBuilder::new().mode(0o700).create(&below).map_err(Error::io("make", &below))?;
        }
        if let Some(user) = user {
            // What the server reads stays ours, and what it writes lies in directories that it cannot put others in the
            // place of.
            for path in [&room.dir, &room.conf()] {
                show(path, user)?;
            }
            for path in [&room.data(), &room.sockets()] {
                own(path, user)?;
            }
            must_reach(&room.data(), user)?;
        }
        Ok(room)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the copy of the cluster is unpacked.
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Where what is fetched for this once lies.
    pub(super) fn mirror(&self) -> PathBuf {
        self.dir.join("mirror")
    }

    /// Where WAL is decoded.
    pub(super) fn wal(&self) -> PathBuf {
        self.dir.join("wal")
    }

    /// Refuses a place in which the server could have no socket.
    pub(super) fn must_have_a_socket(&self) -> Result<()> {
        let socket = self.sockets().join(".s.PGSQL.5432");
        if socket.as_os_str().len() > SOCKET {
            return Err(ScratchFault::SocketPath(socket).into());
        }
        Ok(())
    }

    /// The container that it is for.
    pub(super) const fn contained(&self) -> Option<&Contained> {
        self.contained.as_ref()
    }

    /// Leaves it as it is: something may run in it still. It is marked, and swept when that is over.
    pub(super) fn must_stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    pub(super) fn conf(&self) -> PathBuf {
        self.dir.join("conf")
    }

    pub(super) fn sockets(&self) -> PathBuf {
        self.dir.join("s")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// Removes it, which dropping it would do without a word about what is in the way.
    pub(super) fn discard(self) -> Result<()> {
        if self.stays.load(Ordering::Relaxed) {
            return Err(ScratchFault::Container(format!(
                "it could not be removed, and {} stays until it is",
                self.dir.display()
            ))
            .into());
        }
        remove(&self.dir)
    }

    /// Removes what killed verifications have left below `place`, and returns which directories. A server that still runs
    /// in one is stopped first. What has no marker of its own, or is in use, is left alone; so is what is for a container,
    /// which may run still: a verification in containers of the same engine removes both.
    ///
    /// # Errors
    /// [`Error::Io`] when one of them cannot be removed.
    pub fn sweep(place: &Path, clock: &dyn Clock) -> Result<Vec<PathBuf>> {
        Self::sweep_with(place, clock, &|_, _| Ok(false))
    }

    /// The same, where `end` removes the container of a directory and says whether it is gone.
    pub(super) fn sweep_with(
        place: &Path,
        clock: &dyn Clock,
        end: &dyn Fn(&Contained, &Path) -> Result<bool>,
    ) -> Result<Vec<PathBuf>> {
        let mut removed = Vec::new();
        for entry in fs::read_dir(place).map_err(Error::io("list", place))? {
            let dir = entry.map_err(Error::io("list", place))?.path();
            let Some((lock, contained)) = leftover(&dir) else { continue };
            match contained {
                Some(contained) if !end(&contained, &dir)? => continue,
                Some(_) => {}
                None => stop_server_of(&dir.join("data"), clock)?,
            }
            remove(&dir)?;
            drop(lock);
            removed.push(dir);
        }
        Ok(removed)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover, and swept by the next verification.
        if !self.stays.load(Ordering::Relaxed) {
            let _ = remove(&self.dir);
        }
    }
}

/// Removes a scratch directory, its marker last: whoever is killed on the way leaves one that is still marked.
fn remove(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = match () {
            () if entry.file_name() == MARKER => Ok(()),
            () if is_dir => fs::remove_dir_all(&path),
            () => fs::remove_file(&path),
        };
        removed.map_err(Error::io("remove", &path))?;
    }
    fs::remove_dir_all(dir).map_err(Error::io("remove", dir))
}

/// The lock of a directory of ours whose process is gone, and the container that it was for; `None` for anything else.
fn leftover(dir: &Path) -> Option<(File, Option<Contained>)> {
    let id = dir.file_name()?.to_str()?.strip_prefix(NAME)?;
    let meta = fs::symlink_metadata(dir).ok()?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let path = dir.join(MARKER);
    let marker: Marker = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    if marker.id != id {
        return None;
    }
    let lock = File::open(&path).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some((lock, marker.container))
}

/// Stops the server of a data directory, if one runs in it: by the process that has that directory as its own, which its
/// number alone would not tell.
fn stop_server_of(data: &Path, clock: &dyn Clock) -> Result<()> {
    let Some(pid) = server_of(data) else { return Ok(()) };
    let began = clock.monotonic();
    let _ = kill_process(pid, Signal::QUIT);
    while server_of(data) == Some(pid) {
        if clock.monotonic().saturating_sub(began) > STOPPING {
            let _ = kill_process(pid, Signal::KILL);
            clock.sleep(Duration::from_millis(500));
            break;
        }
        clock.sleep(Duration::from_millis(50));
    }
    if server_of(data).is_some() {
        return Err(Error::io("stop the server of", data)(std::io::ErrorKind::TimedOut.into()));
    }
    Ok(())
}

fn server_of(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    let pid = Pid::from_raw(number)?;
    let place = fs::read_link(format!("/proc/{number}/cwd")).ok()?;
    (place == data.canonicalize().ok()?).then_some(pid)
}
