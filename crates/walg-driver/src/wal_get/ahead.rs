use super::{Segments, WalGet, WalSource, wal_get};
use crate::several::several;
use crate::wal::SegmentName;
use crate::{Error, Result};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// How the name begins of what is kept in the directory that a caller names, so that nothing else in that is ever touched.
const WITHIN: &str = "si-backup-wal-ahead";
/// How many segments are fetched at once, the one that was asked for among them.
const SEGMENTS: u64 = 8;

/// Where segments are kept that a recovery will ask for next.
///
/// They are fetched together with the one that is asked for, several at a time, by the same call: nothing runs in the
/// background that a killed recovery would leave behind. Each is decoded, held against its name and its cluster, and there
/// whole or not at all. The directory is on the file system of `pg_wal`; several servers may share it, for each has one of its
/// own in there, which is gone when its recovery comes to an end.
#[derive(Debug, Clone)]
pub struct Ahead {
    within: PathBuf,
}

impl Ahead {
    /// In a directory of its own below this one.
    #[must_use]
    pub fn in_directory(within: &Path) -> Self {
        Self { within: within.to_owned() }
    }

    /// The place of the server that wants a file at `path`, of this cluster, from these sources.
    fn of(&self, path: &Path, system: u64, sources: &[WalSource<'_>]) -> Result<Place> {
        let wanted_in = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let wanted_in = wanted_in.canonicalize().map_err(Error::io("resolve", wanted_in))?;
        let mut digest = Sha256::new();
        digest.update(system.to_le_bytes());
        digest.update(wanted_in.as_os_str().as_encoded_bytes());
        for source in sources {
            digest.update([0]);
            digest.update(source.store.location());
        }
        let own = digest.finalize().iter().take(8).fold(0_u64, |own, byte| own << 8 | u64::from(*byte));
        Ok(Place { dir: self.within.join(format!("{WITHIN}-{own:016x}")) })
    }
}

/// The directory of one server.
struct Place {
    dir: PathBuf,
}

impl Place {
    /// Moves a segment that was fetched before to where it is wanted.
    fn take(&self, name: SegmentName, path: &Path) -> Result<bool> {
        match fs::rename(self.dir.join(name.to_string()), path) {
            Ok(()) => Ok(true),
            // On another file system it is brought anew.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::CrossesDevices) => Ok(false),
            Err(e) => Err(Error::io("move a segment that was fetched ahead to", path)(e)),
        }
    }

    /// Makes the directory, or sees that it is nobody else's: what others could put there would be replayed.
    fn open(&self) -> Result<()> {
        let failed = |what, e| Error::io(what, &self.dir)(e);
        match fs::DirBuilder::new().mode(0o700).create(&self.dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed("make", e)),
        }
        let found = fs::symlink_metadata(&self.dir).map_err(|e| failed("look at", e))?;
        let is_own = found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.permissions().mode() & 0o777 == 0o700;
        if is_own {
            return Ok(());
        }
        let why = std::io::Error::new(ErrorKind::PermissionDenied, "it is not a directory of ours alone");
        Err(failed("keep segments in", why))
    }

    /// Drops what lies there: it was fetched on a way that the recovery did not take, or by an earlier recovery.
    fn empty(&self) -> Result<()> {
        for entry in fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))? {
            let path = entry.map_err(Error::io("list", &self.dir))?.path();
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }
}

/// As [`wal_get`], and brings the segments that come next into `ahead` when it has to go to the sources at all.
///
/// What comes next and is not there, or cannot be used, is no failure of this call: it is told when it is asked for. Where
/// nobody knows of which cluster the segments are, nothing is kept: names do not say it.
#[must_use]
pub fn wal_get_ahead(
    sources: &[WalSource<'_>],
    name: &str,
    path: &Path,
    segments: Segments,
    ahead: &Ahead,
) -> WalGet {
    let Some(system) = segments.system_identifier else { return wal_get(sources, name, path, segments) };
    let place = match ahead.of(path, system, sources).and_then(|place| place.open().map(|()| place)) {
        Ok(place) => place,
        Err(error) => return WalGet::Failed(error),
    };
    let brought = match name.parse::<SegmentName>() {
        Ok(segment) => match place.brought(sources, segment, path, segments) {
            Ok(WalGet::Found) => return WalGet::Found,
            Ok(got) => Some(got),
            Err(error) => return WalGet::Failed(error),
        },
        // A recovery begins by asking for histories: what lies there is not its own.
        Err(_) => None,
    };
    if let Err(error) = place.remove() {
        return WalGet::Failed(error);
    }
    match brought {
        Some(WalGet::Absent) => WalGet::Absent,
        // It may have been for want of room.
        _ => wal_get(sources, name, path, segments),
    }
}

impl Place {
    /// A segment that was fetched before, or is now, with those that come next.
    fn brought(
        &self,
        sources: &[WalSource<'_>],
        segment: SegmentName,
        path: &Path,
        segments: Segments,
    ) -> Result<WalGet> {
        if self.take(segment, path)? {
            return Ok(WalGet::Found);
        }
        self.empty()?;
        let number = segments.size.number(segment).unwrap_or(u64::MAX);
        let next = (1..SEGMENTS)
            .filter_map(|more| segments.size.name(segment.timeline, number.checked_add(more)?))
            .map(|next| (next, self.dir.join(next.to_string())));
        let all: Vec<_> = std::iter::once((segment, path.to_owned())).chain(next).collect();
        let mut got = several(&all, all.len(), |(name, path), _| {
            Ok(wal_get(sources, &name.to_string(), path, segments))
        })?;
        Ok(got.swap_remove(0))
    }

    /// Drops it and what lies there.
    fn remove(&self) -> Result<()> {
        self.empty()?;
        fs::remove_dir(&self.dir).map_err(Error::io("remove", &self.dir))
    }
}
