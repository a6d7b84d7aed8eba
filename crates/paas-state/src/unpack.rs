use crate::open::Sink;
use crate::{Error, Manifest, Result, StatePath};
use backup_contract::SnapshotId;
use backup_store::fail_point::step;
use backup_store::{durable, outside_git_work_tree};
use cap_fs_ext::{DirExt, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// From how many files on the file system is flushed whole, which then costs less than flushing one after the other.
const MANY: usize = 64;

/// Why a directory cannot be replaced.
const MOUNTED: &str = "a mount point";

/// The files of a snapshot, unpacked beside their target and proved equal to the manifest, not yet visible there.
///
/// Only a bundle that was read to its end and found right becomes one; dropped, it leaves nothing behind.
///
/// ```compile_fail
/// fn publish_without_proof(staging: paas_state::Staging) {
///     staging.publish(); // only a `StagedTree` can be published
/// }
/// ```
#[derive(Debug)]
pub struct StagedTree {
    staging: Staging,
    manifest: Manifest,
}

impl StagedTree {
    /// What was unpacked.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The directory that holds the unpacked files until they are published.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.staging.path
    }

    /// Makes everything durable, then visible at the target, in one rename. An empty directory that is there is replaced:
    /// to fill it would take a rename for each of its entries, and who looks meanwhile would see a part.
    ///
    /// # Errors
    /// [`Error::TargetNotEmpty`] when something was put there meanwhile; [`Error::TargetInUse`] when something was
    /// mounted there; [`Error::Io`].
    pub fn publish(mut self) -> Result<Manifest> {
        let staging = &mut self.staging;
        staging.settle(&self.manifest)?;
        let io = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { operation, path, source }
        };
        match step("rename", || std::fs::rename(&staging.path, &staging.target)) {
            Ok(()) => {}
            // rename(2) replaces an empty directory, and nothing else.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::DirectoryNotEmpty
                        | io::ErrorKind::AlreadyExists
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(Error::TargetNotEmpty(staging.target.clone()));
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices) => {
                return Err(Error::TargetInUse { path: staging.target.clone(), why: MOUNTED });
            }
            Err(e) => return Err(io("rename", &staging.target)(e)),
        }
        staging.published = true;
        if let Some(parent) = staging.target.parent() {
            durable::sync_dir(parent)?;
        }
        Ok(self.manifest)
    }
}

/// A directory beside the target into which a bundle is unpacked while it is being proved.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    target: PathBuf,
    dir: Dir,
    published: bool,
    only: Option<StatePath>,
    /// The directories made so far.
    made: HashSet<String>,
    /// The one that was written into last: a handle for each would soon be more than a process may have.
    at: Option<(String, Dir)>,
    written: Vec<StatePath>,
    current: Option<File>,
}

impl Staging {
    /// Makes the staging directory for `target`, which is to be new or an empty directory outside of git work trees.
    /// With `only`, that file alone is unpacked; the rest of the bundle is read and proved all the same.
    ///
    /// # Errors
    /// [`Error::TargetNotEmpty`]; [`Error::TargetInUse`] for the working directory of this process and for a mount point,
    /// which cannot be replaced; [`Error::Store`] inside a git work tree; [`Error::Io`].
    pub fn beside(target: &Path, only: Option<StatePath>) -> Result<Self> {
        let target = std::path::absolute(target).map_err(|source| Error::Io {
            operation: "resolve",
            path: target.to_owned(),
            source,
        })?;
        // What a link leads to is replaced, not the link.
        let target = std::fs::canonicalize(&target).unwrap_or(target);
        outside_git_work_tree(&target)?;
        let io = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { operation, path, source }
        };
        match std::fs::read_dir(&target) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Error::TargetNotEmpty(target));
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(Error::TargetNotEmpty(target)),
            Err(e) => return Err(io("list", &target)(e)),
        }
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Error::TargetNotEmpty(target));
        };
        if let Some(why) = why_it_stays(&target, parent).map_err(io("look at", &target))? {
            return Err(Error::TargetInUse { path: target, why });
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|_| Error::Random)?;
        hidden.push(format!(".si-backup-{:08x}.partial", u32::from_ne_bytes(random)));
        let above = Dir::open_ambient_dir(parent, ambient_authority()).map_err(io("open", parent))?;
        let path = parent.join(&hidden);
        let mut private = DirBuilder::new();
        private.mode(0o700);
        step("mkdir", || above.create_dir_with(&hidden, &private)).map_err(io("create", &path))?;
        let dir = above.open_dir_nofollow(&hidden).map_err(io("open", &path))?;
        Ok(Self {
            path,
            target,
            dir,
            published: false,
            only,
            made: HashSet::new(),
            at: None,
            written: Vec::new(),
            current: None,
        })
    }

    /// What was unpacked is what the manifest says.
    pub(crate) fn proved(self, manifest: Manifest, id: &SnapshotId) -> Result<StagedTree> {
        match &self.only {
            Some(only) if !self.written.contains(only) => {
                Err(Error::NoSuchFile { id: id.clone(), path: only.to_string() })
            }
            _ => Ok(StagedTree { staging: self, manifest }),
        }
    }

    fn io(&self, operation: &'static str, at: &str) -> impl FnOnce(io::Error) -> Error + use<> {
        let path = self.path.join(at);
        move |source| Error::Io { operation, path, source }
    }

    /// The handle of the directory of a file below the staging directory, made on the way.
    fn directory(&mut self, path: &StatePath) -> Result<&Dir> {
        let above = path.as_str().rsplit_once('/').map_or("", |(above, _)| above);
        if self.at.as_ref().is_none_or(|(at, _)| at != above) {
            self.at = self.descend(path)?.map(|dir| (above.to_owned(), dir));
        }
        Ok(self.at.as_ref().map_or(&self.dir, |(_, dir)| dir))
    }

    /// `None` for a file that lies directly in the staging directory.
    fn descend(&mut self, path: &StatePath) -> Result<Option<Dir>> {
        let mut dir: Option<Dir> = None;
        let mut at = String::new();
        for part in path.split().0 {
            if !at.is_empty() {
                at.push('/');
            }
            at.push_str(part);
            let above = dir.as_ref().unwrap_or(&self.dir);
            if !self.made.contains(&at) {
                let mut private = DirBuilder::new();
                private.mode(0o700);
                above.create_dir_with(part, &private).map_err(self.io("create", &at))?;
                self.made.insert(at.clone());
            }
            dir = Some(above.open_dir_nofollow(part).map_err(self.io("open", &at))?);
        }
        Ok(dir)
    }

    /// Gives every file its time, and makes files and directories durable.
    fn settle(&mut self, manifest: &Manifest) -> Result<()> {
        let entries: HashMap<_, _> = manifest.files.iter().map(|file| (&file.path, file)).collect();
        let written = std::mem::take(&mut self.written);
        let at_once = cfg!(target_os = "linux") && written.len() > MANY;
        for path in written {
            let Some(entry) = entries.get(&path) else { continue };
            let seconds = u64::try_from(entry.mtime.timestamp()).unwrap_or(0);
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let (failed, unsynced) =
                (self.io("set the time of", path.as_str()), self.io("flush", path.as_str()));
            let (_, name) = path.split();
            let mut options = OpenOptions::new();
            options.write(true).follow(cap_fs_ext::FollowSymlinks::No);
            let file = self.directory(&path)?.open_with(name, &options).map(File::into_std);
            let file = file.and_then(|file| file.set_modified(at).map(|()| file)).map_err(failed)?;
            if !at_once {
                file.sync_all().map_err(unsynced)?;
            }
        }
        #[cfg(target_os = "linux")]
        if at_once {
            // The handle that files are reached through is good for nothing else.
            let whole = std::fs::File::open(&self.path).and_then(|dir| Ok(rustix::fs::syncfs(&dir)?));
            return whole.map_err(self.io("flush", ""));
        }
        for at in &self.made {
            durable::sync_dir(&self.path.join(at))?;
        }
        Ok(durable::sync_dir(&self.path)?)
    }
}

/// Why a directory that is there must stay the one that it is: a process that works in it would be left in one that is
/// deleted, and a file system cannot be replaced by a directory.
fn why_it_stays(target: &Path, parent: &Path) -> io::Result<Option<&'static str>> {
    let found = match std::fs::metadata(target) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    // A working directory that was deleted is none that could be replaced.
    let here = std::fs::metadata(".").ok();
    if here.is_some_and(|here| (here.dev(), here.ino()) == (found.dev(), found.ino())) {
        return Ok(Some("the working directory"));
    }
    Ok((std::fs::metadata(parent)?.dev() != found.dev()).then_some(MOUNTED))
}

impl Sink for Staging {
    fn begin(&mut self, path: &StatePath) -> Result<()> {
        if self.only.as_ref().is_some_and(|only| only != path) {
            return Ok(());
        }
        let failed = self.io("create", path.as_str());
        let (_, name) = path.split();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).follow(cap_fs_ext::FollowSymlinks::No);
        let file = self.directory(path)?.open_with(name, &options).map_err(failed)?;
        self.current = Some(file);
        self.written.push(path.clone());
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        let failed = self.io("write", self.written.last().map_or("", StatePath::as_str));
        match &mut self.current {
            Some(file) => file.write_all(bytes).map_err(failed),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<()> {
        // Made durable once all is proved: a bundle that is refused is not worth a write to the disk.
        self.current = None;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be said from here; what stays is hidden, private and named after this software.
            let _ = step("remove", || std::fs::remove_dir_all(&self.path));
        }
    }
}
