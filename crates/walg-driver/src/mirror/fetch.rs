use super::plan::{MirrorObject, MirrorPlan};
use super::record::{Fetched, Record};
use super::space::must_fit;
use crate::bucket::{Backup, Bucket, ProblemCode, Root};
use crate::codec::Cipher;
use crate::several::several;
use crate::verify::{Fingerprint, ObjectDigest};
use crate::{Error, Result};
use backup_contract::{Checksum, SnapshotId};
use backup_store::{DirStore, Store};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Below which, in the directory of a mirror, the WAL-G prefix lies.
const PREFIX: &str = "bucket";
/// What was fetched already.
const RECORD: &str = "fetched.jsonl";

/// How a plan is carried out.
#[derive(Clone, Copy)]
pub struct Fetch<'a> {
    /// Where the bucket is.
    pub store: &'a dyn Store,
    /// Where in that.
    pub root: &'a Root,
    /// Into which directory. One that an earlier fetch was broken off in is gone on with.
    pub into: &'a Path,
    /// How many objects at once.
    pub threads: usize,
    /// How many bytes are free where a path is: [`free_bytes`](super::free_bytes), but in tests.
    pub free: &'a (dyn Fn(&Path) -> Result<u64> + Sync),
    /// Is told of bytes as they pass, those that were there already included, and decides whether to go on.
    pub read: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
}

/// What a backup needs, in a local WAL-G prefix.
#[derive(Debug)]
pub struct Mirror {
    dir: PathBuf,
    prefix: PathBuf,
    chain: Vec<Backup>,
    /// The fingerprint of each backup of the chain, the full first, computed from the bytes that are here.
    pub fingerprints: Vec<(SnapshotId, Fingerprint)>,
    /// How many bytes were fetched.
    pub fetched: u64,
    /// How many were there already, from a fetch that was broken off.
    pub present: u64,
}

impl Mirror {
    /// The directory of the mirror: the prefix, and what is recorded beside it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory for `WALG_FILE_PREFIX`.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The backups of the chain as they lie here, the full first.
    #[must_use]
    pub fn chain(&self) -> &[Backup] {
        &self.chain
    }

    /// The mirror as a store; its bucket lies at [`Root::default`].
    ///
    /// # Errors
    /// [`Error::Store`] when it is not there any more.
    pub fn store(&self) -> Result<DirStore> {
        Ok(DirStore::open(&self.prefix)?)
    }
}

/// An object of which the mirror holds the bytes.
struct Held {
    digest: ObjectDigest,
    was_there: bool,
}

impl MirrorPlan {
    /// How many bytes are still to be fetched into a directory, as far as its record tells.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn missing_bytes(&self, into: &Path) -> Result<u64> {
        let path = into.join(RECORD);
        if !path.exists() {
            return Ok(self.bytes());
        }
        let record = Record::open(&path)?;
        let is_missing = |object: &&MirrorObject| {
            let is_here = || into.join(PREFIX).join(&object.path).exists();
            !record.of(&object.path).is_some_and(|fetched| fetched.is_of(&object.meta) && is_here())
        };
        Ok(self.objects().iter().filter(is_missing).map(|object| object.meta.size).sum())
    }

    /// Fetches what is not there yet.
    ///
    /// An object is written under another name and renamed once it is whole, so that a killed fetch leaves nothing that
    /// looks like one; what was there already is read again and counts only when its digest is the recorded one. At the end
    /// the mirror is read as a bucket of its own: what an engine will find is what was planned.
    ///
    /// # Errors
    /// [`Error::NoSpace`] before the first byte; [`Error::Store`], also with `interrupted` when `read` says so;
    /// [`Error::NotRestorable`], when the bucket was changed meanwhile.
    pub fn fetch(&self, how: &Fetch<'_>) -> Result<Mirror> {
        must_fit(how.into, self.missing_bytes(how.into)?, (how.free)(how.into)?)?;
        let prefix = how.into.join(PREFIX);
        DirStore::create(&prefix)?;
        let record = Record::open(&how.into.join(RECORD))?;
        let held = several(self.objects(), how.threads, |object, buffer| {
            how.held(object, &prefix, &record, buffer)
        })?;
        let bytes = |was_there| {
            held.iter().filter(|held| held.was_there == was_there).map(|held| held.digest.size).sum()
        };
        let (fetched, present) = (bytes(false), bytes(true));
        let mut digests: BTreeMap<_, _> =
            held.into_iter().map(|held| (held.digest.key.clone(), held.digest)).collect();
        self.remove_others(&prefix)?;
        let (chain, fingerprints) = self.recognise(how.root, &prefix, &mut digests)?.into_iter().unzip();
        Ok(Mirror { dir: how.into.to_owned(), prefix, chain, fingerprints, fetched, present })
    }

    /// Removes what an earlier fetch brought and this one does not want: a server would be given WAL that the bucket does not
    /// have, or has no longer.
    fn remove_others(&self, prefix: &Path) -> Result<()> {
        let wanted: HashSet<PathBuf> =
            self.objects().iter().map(|object| prefix.join(&object.path)).collect();
        remove_but(prefix, &wanted)
    }

    /// The chain with its fingerprints, by the sentinels as they lie here.
    fn recognise(
        &self,
        root: &Root,
        prefix: &Path,
        digests: &mut BTreeMap<backup_store::Key, ObjectDigest>,
    ) -> Result<Vec<(Backup, (SnapshotId, Fingerprint))>> {
        // Histories are encrypted; whether they can be read does not matter here.
        let here = Bucket::read(&DirStore::open(prefix)?, &Root::default(), &Cipher::None)?;
        let mut chain = Vec::new();
        let mut parent: Option<Checksum> = None;
        for planned in self.chain() {
            let backup = here.backup(&planned.id).ok_or_else(|| Error::NoBackup(planned.id.clone()))?;
            // Its WAL may have been left where it is.
            let problems = backup.problems.iter().filter(|problem| problem.code != ProblemCode::WalMissing);
            let mut why: Vec<_> = problems.map(|problem| problem.detail.clone()).collect();
            if backup.chain != planned.chain {
                why.push("it became a delta of something else while it was fetched".into());
            }
            let said = |backup: &Backup| backup.sentinel.as_ref().map(|s| s.unchanging().to_owned());
            if said(backup) != said(planned) {
                why.push("its sentinel was altered while it was fetched".into());
            }
            if !why.is_empty() {
                return Err(Error::NotRestorable { id: backup.id.clone(), why: why.join("; ") });
            }
            let objects = Fingerprint::covers(root, backup)?
                .into_iter()
                .map(|key| digests.remove(&key).ok_or_else(|| Error::NoBackup(backup.id.clone())))
                .collect::<Result<_>>()?;
            let fingerprint = Fingerprint::of(root, backup, objects, parent.as_ref())?;
            parent = Some(fingerprint.checksum);
            chain.push((backup.clone(), (backup.id.clone(), fingerprint)));
        }
        Ok(chain)
    }
}

impl Fetch<'_> {
    /// An object as it lies in the mirror, fetched where it does not yet.
    fn held(&self, object: &MirrorObject, prefix: &Path, record: &Record, buffer: &mut [u8]) -> Result<Held> {
        let path = prefix.join(&object.path);
        if let Some(fetched) = record.of(&object.path).filter(|fetched| fetched.is_of(&object.meta))
            && let Ok(mut file) = File::open(&path)
        {
            let digest = ObjectDigest::of(&object.meta.key, &mut file, buffer, |_| Ok(()))?;
            if (digest.size, digest.sha256) == (fetched.size, fetched.sha256) {
                self.tell(digest.size)?;
                return Ok(Held { digest, was_there: true });
            }
        }
        let digest = self.fetch(object, &path, buffer)?;
        record
            .add(&Fetched::new(&object.path, &object.meta, digest.sha256))
            .map_err(Error::io("note", &path))?;
        Ok(Held { digest, was_there: false })
    }

    fn fetch(&self, object: &MirrorObject, path: &Path, buffer: &mut [u8]) -> Result<ObjectDigest> {
        let parent = path.parent().unwrap_or(path);
        fs::create_dir_all(parent).map_err(Error::io("make", parent))?;
        let mut file = tempfile::NamedTempFile::new_in(parent).map_err(Error::io("write in", parent))?;
        let meta = &object.meta;
        let mut stored = self.store.open(&meta.key, meta.version.as_ref(), 0)?;
        let digest = ObjectDigest::of(&meta.key, &mut stored, buffer, |bytes| {
            file.write_all(bytes).map_err(Error::io("write", path))?;
            self.tell(bytes.len() as u64)
        })?;
        if digest.size != meta.size {
            // Replaced since it was listed, or an answer that ended early.
            let store = self.store.location();
            return Err(backup_store::Error::Changed { key: meta.key.clone(), store }.into());
        }
        file.persist(path).map_err(|e| Error::io("name", path)(e.error))?;
        Ok(digest)
    }

    fn tell(&self, bytes: u64) -> Result<()> {
        match (self.read)(bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(backup_store::Error::Interrupted("fetching a backup").into()),
        }
    }
}

/// Removes every file below a directory that is not wanted; no link is followed.
fn remove_but(dir: &Path, wanted: &HashSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let path = entry.path();
        if entry.file_type().map_err(Error::io("look at", &path))?.is_dir() {
            remove_but(&path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
