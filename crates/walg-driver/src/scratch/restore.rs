use super::ScratchFault;
use super::held::refuse_tablespaces;
use super::programs::Programs;
use super::run::Runner;
use super::target::{Goal, Target};
use crate::Result;
use crate::bucket::{Backup, Bucket, Root};
use crate::codec::Cipher;
use crate::engine::Unpack;
use crate::mirror::{MirrorPlan, space};
use crate::process::User;
use crate::{Error, mirror::Fetch, mirror::Mirror};
use backup_contract::{Checksum, SnapshotId};
use backup_store::{Clock, Store};
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The first major version that recovers with `recovery.signal`.
const OLDEST: u32 = 12;

/// What systems say of a disk that is full, or of a user who may write no more; as programs pass it on, each with capitals of
/// its own.
const FULL: [&str; 5] =
    ["no space left on device", "os error 28", "disk quota exceeded", "os error 122", "error 53100"];

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes, of so many, came into the mirror.
    Fetching {
        /// Those that just came.
        bytes: u64,
        /// All that there are.
        of: u64,
    },
    /// What came is read to its end; told again and again.
    Reading,
    /// The engine unpacks.
    Unpacking,
    /// The server recovers; told again and again.
    Recovering,
    /// The server is asked; told again and again.
    Asking,
}

/// A backup that is to be restored somewhere else than where it was: from where, how far, and with what.
pub struct Restore<'a> {
    /// Where the bucket is.
    pub store: &'a dyn Store,
    /// Where in that.
    pub root: &'a Root,
    /// What opens its objects.
    pub cipher: &'a Cipher,
    /// Its catalogue.
    pub bucket: &'a Bucket,
    /// The backup.
    pub backup: &'a SnapshotId,
    /// By what it and those that it is a delta of were recognised before, as far as that was recorded: other bytes are never
    /// unpacked.
    pub recorded: &'a BTreeMap<SnapshotId, Checksum>,
    /// What is to be reached.
    pub target: &'a Target,
    /// What unpacks: as `user`, where there is one, so that what is in a tar has no more rights than a server.
    pub engine: &'a dyn Unpack,
    /// Where server programs may be; [`Programs::usual_places`] when empty.
    pub server_dirs: &'a [PathBuf],
    /// Whose the copy becomes, and as whom a server runs; needed where the caller is root.
    pub user: Option<&'a User>,
    /// How many objects are fetched and read at once.
    pub threads: usize,
    /// How many bytes are free where a path is: [`free_bytes`](crate::mirror::free_bytes), but in tests.
    pub free: &'a (dyn Fn(&Path) -> Result<u64> + Sync),
    /// For time limits.
    pub clock: &'a dyn Clock,
    /// Is told how far it is, and decides whether to go on.
    pub watch: &'a (dyn Fn(Step) -> ControlFlow<()> + Sync),
}

/// What is known before anything is written.
pub(super) struct Plan<'a> {
    pub(super) backup: &'a Backup,
    pub(super) goal: Goal,
    pub(super) programs: Programs,
    pub(super) mirror: MirrorPlan,
}

impl Restore<'_> {
    /// What is refused here costs nothing: tablespaces, a target out of reach, no such server.
    pub(super) fn plan(&self) -> Result<Plan<'_>> {
        self.plan_with(|major| {
            let usual = Programs::usual_places(major);
            let places = if self.server_dirs.is_empty() { &usual } else { self.server_dirs };
            Programs::find(major, places)
        })
    }

    /// The same, with what finds the programs of a major version.
    pub(super) fn plan_with(&self, find: impl FnOnce(u32) -> Result<Programs>) -> Result<Plan<'_>> {
        let backup = self.bucket.backup(self.backup).ok_or_else(|| Error::NoBackup(self.backup.clone()))?;
        for id in &backup.chain {
            self.bucket.backup(id).map_or(Ok(()), refuse_tablespaces)?;
        }
        let goal = self.target.within(backup, self.bucket.archive.segment_size())?;
        let version = backup.sentinel.as_ref().and_then(|sentinel| sentinel.pg_version);
        let major = version.and_then(|version| u32::try_from(version / 10_000).ok());
        let major = major.ok_or_else(|| ScratchFault::NoVersion(backup.id.clone()))?;
        if major < OLDEST {
            return Err(ScratchFault::TooOld(major).into());
        }
        let programs = find(major)?;
        let mirror = MirrorPlan::new(self.store, self.root, self.bucket, &backup.id, &goal.wal())?;
        Ok(Plan { backup, goal, programs, mirror })
    }

    /// Whether the disk takes the mirror and the copy. How large the copy becomes, only the sentinels say: the largest of
    /// the chain, and a tenth for what a recovery writes; and `wal` for what is put beside it.
    pub(super) fn must_fit(&self, plan: &MirrorPlan, mirror: &Path, copy_in: &Path, wal: u64) -> Result<()> {
        let sizes = plan.chain().iter().filter_map(|backup| backup.sentinel.as_ref()?.uncompressed_size);
        let copy = sizes.max().unwrap_or_default();
        let copy =
            copy.saturating_add(copy / 10).saturating_add(8 * self.bucket.archive.segment_size().bytes());
        let missing = plan.missing_bytes(mirror)?;
        let disk =
            |path: &Path| path.ancestors().find_map(|above| fs::metadata(above).ok()).map(|meta| meta.dev());
        let copy = copy.saturating_add(wal);
        let shared = if disk(mirror) == disk(copy_in) { missing } else { 0 };
        space::must_fit(copy_in, copy.saturating_add(shared), (self.free)(copy_in)?)
    }

    /// Tells a full disk apart from a backup that cannot be used, by what a program that failed has said and by the disk.
    pub(super) fn must_have_had_room(&self, place: &Path, said: &str) -> Result<()> {
        let have = (self.free)(place)?;
        let need = self.bucket.archive.segment_size().bytes();
        if have < need || says_that_it_is_full(said) {
            return Err(Error::NoSpace {
                path: place.to_owned(),
                need: need.max(have.saturating_add(1)),
                have,
            });
        }
        Ok(())
    }

    pub(super) fn fetch(&self, plan: &MirrorPlan, into: &Path) -> Result<Mirror> {
        plan.fetch(&Fetch {
            store: self.store,
            root: self.root,
            into,
            threads: self.threads,
            free: self.free,
            read: &|bytes| (self.watch)(Step::Fetching { bytes, of: plan.bytes() }),
        })
    }

    /// What runs programs on this machine, as the user that the copy belongs to.
    pub(super) fn runner<'r>(
        &'r self,
        limit: Duration,
        interrupted: &'r (dyn Fn() -> bool + Sync),
    ) -> Runner<'r> {
        Runner { user: self.user, inside: None, clock: self.clock, limit, interrupted }
    }

    pub(super) fn step(&self, step: Step) -> Result<()> {
        match (self.watch)(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ScratchFault::Interrupted.into()),
        }
    }
}

fn says_that_it_is_full(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    FULL.iter().any(|full| said.contains(full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_by_what_each_kind_of_program_says_of_it() {
        for said in [
            "could not extend file: No space left on device",
            "ERROR: failed to write: write /x: no space left on device",
            "Error: No space left on device (os error 28)",
            "write /x: disk quota exceeded",
        ] {
            assert!(says_that_it_is_full(said), "{said}");
        }
        assert!(!says_that_it_is_full("could not read block 3"));
    }
}
