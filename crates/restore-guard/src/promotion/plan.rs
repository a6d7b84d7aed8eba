use super::dir::Dir;
use super::identity::{EntryKind, Seen};
use super::step::{Growth, Log, Protected, Step};
use super::walk::{Walk, split};
use crate::{Error, Result, disk};
use backup_contract::Checksum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What a promotion carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carries {
    /// Some files into a live directory; every other file of it stays.
    Files,
    /// A whole directory in place of a live one.
    Directory,
}

/// A directory of a plan, by its path and by its inode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
}

impl Root {
    fn of(dir: &Dir) -> Result<Self> {
        Ok(Self { path: dir.path().to_owned(), inode: dir.seen()?.identity.inode })
    }

    /// Opens it, if it still is this directory.
    pub(super) fn open(&self) -> Result<Dir> {
        let changed = |now| Error::TargetChanged { path: self.path.clone(), now };
        match Dir::open_if_there(&self.path) {
            Ok(Some(dir)) if dir.seen()?.identity.inode == self.inode => Ok(dir),
            Ok(Some(_)) => Err(changed("another directory")),
            Ok(None) => Err(changed("gone")),
            Err(error @ Error::Io { .. }) => match std::fs::symlink_metadata(&self.path) {
                Ok(meta) if !meta.is_dir() => Err(changed("no directory")),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

/// What a promotion will do, step by step. It is made without touching anything, can be shown, and is the only thing
/// that is carried out; what it was made from is looked at again before the first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub(super) carries: Carries,
    /// The live directory; where one takes the place of another, the directory that the live one is in.
    pub(super) live: Root,
    /// What is staged; where one directory takes the place of another, the directory that the staged one is in.
    pub(super) staged: Root,
    /// The name of the staged directory, where one takes the place of another.
    pub(super) staged_name: Option<String>,
    /// In the order of their paths.
    pub(super) steps: Vec<Step>,
    /// The inodes of the live directories in which something changes.
    pub(super) directories: BTreeMap<String, u64>,
    /// The directories that have to be made, each after the one that it is in.
    pub(super) missing: BTreeSet<String>,
    /// What whoever made the plan wants to know of it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<Value>,
}

impl Plan {
    /// Plans to bring staged files into a live directory.
    ///
    /// Of the protected paths, those that are staged replace the live ones or are added; those that are not are put
    /// away. Nothing else of the live directory is touched.
    ///
    /// # Errors
    /// [`Error::NotPromotable`], for a path that leads out of the directory, a link or any other thing than a plain file
    /// under one of the names, on either side; [`Error::OtherFileSystem`]; [`Error::Io`].
    pub fn files(live: &Path, staged: &Path, protected: &[Protected]) -> Result<Self> {
        let (live, staged) = (Dir::open(&real(live)?)?, Dir::open(&real(staged)?)?);
        let mut plan = Self {
            carries: Carries::Files,
            live: Root::of(&live)?,
            staged: Root::of(&staged)?,
            staged_name: None,
            steps: Vec::new(),
            directories: BTreeMap::new(),
            missing: BTreeSet::new(),
            note: None,
        };
        if plan.live.inode == plan.staged.inode {
            return Err(Error::NotPromotable {
                path: plan.live.path,
                reason: "it is staged and live at once",
            });
        }
        let device = live.seen()?.device;
        let mut from = Walk::new(&staged);
        let mut to = Walk::new(&live).forbidding([plan.staged.inode]);
        let protected: BTreeMap<&str, Growth> =
            protected.iter().map(|one| (one.path.as_str(), one.growth)).collect();
        for (path, growth) in protected {
            check_path(path, &plan.live.path)?;
            let name = split(path).1;
            let source = from.parent(path)?;
            let incoming = match source {
                Some(dir) => plain(dir, name, Names::One)?,
                None => None,
            };
            let target = to.parent(path)?;
            let outgoing = match target {
                Some(dir) => plain(dir, name, Names::Any)?,
                None => None,
            };
            let devices = [&source, &target].into_iter().flatten().map(|dir| dir.seen());
            for found in devices {
                if found?.device != device {
                    let other = plan.staged.path.join(path);
                    return Err(Error::OtherFileSystem { live: plan.live.path, other });
                }
            }
            let inode = |seen: &Option<Seen>| seen.map(|seen| seen.identity.inode);
            if inode(&incoming) == inode(&outgoing) {
                // Nothing on either side, or the live file itself.
                continue;
            }
            let mut log = None;
            if growth == Growth::Grows {
                let incoming = match source {
                    Some(dir) if incoming.is_some() => {
                        let path = dir.path_of(name);
                        Some(digest(&dir.open_file(name)?, u64::MAX).map_err(disk::io("read", &path))?)
                    }
                    _ => None,
                };
                log = Some(Log { incoming });
            }
            plan.steps.push(Step {
                path: path.to_owned(),
                incoming: incoming.map(|seen| seen.identity),
                outgoing: outgoing.map(|seen| seen.identity),
                log,
            });
        }
        plan.find_directories(&live)?;
        Ok(plan)
    }

    /// Plans to put a staged directory in the place of a live one, which may be absent.
    ///
    /// # Errors
    /// [`Error::NotPromotable`], when either is no directory, or one is in the other; [`Error::OtherFileSystem`], also
    /// when the live one is a mount point; [`Error::Io`].
    pub fn directory(live: &Path, staged: &Path) -> Result<Self> {
        let (above_live, live_name) = Dir::parent_of(&real_but_last(live)?)?;
        let (above_staged, staged_name) = Dir::parent_of(&real_but_last(staged)?)?;
        let directory = |dir: &Dir, name: &str| match dir.child(name)? {
            Some(child) => Ok(Some(child)),
            None => Ok::<_, Error>(None),
        };
        let outgoing = directory(&above_live, &live_name)?;
        let Some(incoming) = directory(&above_staged, &staged_name)? else {
            return Err(disk::io("open", staged)(std::io::ErrorKind::NotFound.into()));
        };
        let device = above_live.seen()?.device;
        for other in [Some(&above_staged), Some(&incoming), outgoing.as_ref()].into_iter().flatten() {
            if other.seen()?.device != device {
                let (live, other) = (above_live.path_of(&live_name), other.path().to_owned());
                return Err(Error::OtherFileSystem { live, other });
            }
        }
        let (new, old) = (incoming.seen()?, outgoing.as_ref().map(Dir::seen).transpose()?);
        let within = "one of the two directories is in the other";
        if is_inside(&above_live, new.identity.inode, device)?
            || old.map_or(Ok(false), |old| is_inside(&above_staged, old.identity.inode, device))?
        {
            return Err(Error::NotPromotable { path: incoming.path().to_owned(), reason: within });
        }
        if old.is_some_and(|old| old.identity.inode == new.identity.inode) {
            return Err(Error::NotPromotable {
                path: live.to_owned(),
                reason: "it is staged and live at once",
            });
        }
        Ok(Self {
            carries: Carries::Directory,
            live: Root::of(&above_live)?,
            staged: Root::of(&above_staged)?,
            staged_name: Some(staged_name),
            steps: vec![Step {
                path: live_name,
                incoming: Some(new.identity),
                outgoing: old.map(|old| old.identity),
                log: None,
            }],
            directories: BTreeMap::new(),
            missing: BTreeSet::new(),
            note: None,
        })
    }

    /// The same plan, with something that is kept with it, and handed out by [`Pending::note`](super::Pending::note) as long
    /// as the restore is not confirmed: what is needed to check it, wherever its backup is by then.
    #[must_use]
    pub fn noting(mut self, note: Value) -> Self {
        self.note = Some(note);
        self
    }

    /// How much of the disk the note takes, in bytes.
    pub(super) fn note_bytes(&self) -> u64 {
        self.note.as_ref().map_or(0, |note| note.to_string().len() as u64)
    }

    /// What it carries.
    #[must_use]
    pub const fn carries(&self) -> Carries {
        self.carries
    }

    /// Its steps, in order. None: the live data is what is staged, as far as the plan goes.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The directory that changes.
    #[must_use]
    pub fn live(&self) -> PathBuf {
        match (self.carries, self.steps.first()) {
            (Carries::Directory, Some(step)) => self.live.path.join(&step.path),
            _ => self.live.path.clone(),
        }
    }

    /// The staged directory. From the first step on it holds what was replaced.
    #[must_use]
    pub fn staged(&self) -> PathBuf {
        match &self.staged_name {
            Some(name) => self.staged.path.join(name),
            None => self.staged.path.clone(),
        }
    }

    /// The directories that will be made, in order.
    pub fn new_directories(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(String::as_str)
    }

    /// Whether its paths are such as it could have been made with: a plan may have lain on disk.
    pub(super) fn check(&self) -> Result<()> {
        let paths = self.steps.iter().map(|step| &step.path).chain(&self.missing).chain(&self.staged_name);
        for path in paths {
            check_path(path, &self.live.path)?;
        }
        let is_shaped = match self.carries {
            Carries::Files => self.staged_name.is_none(),
            Carries::Directory => {
                self.staged_name.is_some()
                    && matches!(self.steps.as_slice(), [one] if !one.path.contains('/'))
            }
        };
        if is_shaped {
            Ok(())
        } else {
            Err(Error::NotPromotable { path: self.live(), reason: "the plan does not hold together" })
        }
    }

    fn find_directories(&mut self, live: &Dir) -> Result<()> {
        let mut to = Walk::new(live);
        for step in &self.steps {
            let mut ends: Vec<usize> = step.path.match_indices('/').map(|(end, _)| end).collect();
            ends.reverse();
            let mut ahead: Vec<&str> = Vec::new();
            for end in ends {
                let Some(directory) = step.path.get(..end) else { continue };
                if self.directories.contains_key(directory) || self.missing.contains(directory) {
                    break;
                }
                ahead.push(directory);
            }
            for directory in ahead.into_iter().rev() {
                match to.parent(&format!("{directory}/"))? {
                    Some(dir) => {
                        self.directories.insert(directory.to_owned(), dir.seen()?.identity.inode);
                    }
                    None => {
                        self.missing.insert(directory.to_owned());
                    }
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Names {
    One,
    Any,
}

/// A plain file, or nothing.
fn plain(dir: &Dir, name: &str, names: Names) -> Result<Option<Seen>> {
    let seen = dir.look(name)?;
    let refuse = |reason| Err(Error::NotPromotable { path: dir.path_of(name), reason });
    match seen {
        Some(seen) if seen.identity.kind != EntryKind::File => refuse("it is no plain file"),
        Some(seen) if matches!(names, Names::One) && seen.is_linked => {
            refuse("the staged file has several names")
        }
        seen => Ok(seen),
    }
}

fn check_path(path: &str, root: &Path) -> Result<()> {
    let is_plain = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains('\0');
    if path.split('/').all(is_plain) {
        Ok(())
    } else {
        Err(Error::NotPromotable { path: root.join(path), reason: "the path leads elsewhere" })
    }
}

/// Whether a directory is in the one with this inode, or is it.
pub(super) fn is_inside(dir: &Dir, inode: u64, device: u64) -> Result<bool> {
    let mut at = dir.try_clone()?;
    loop {
        let here = at.seen()?;
        if (here.identity.inode, here.device) == (inode, device) {
            return Ok(true);
        }
        let above = at.above()?;
        let seen = above.seen()?;
        if (seen.identity.inode, seen.device) == (here.identity.inode, here.device) {
            return Ok(false);
        }
        at = above;
    }
}

pub(super) fn real(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(disk::io("open", path))
}

/// The path with the links above its last component followed; that one may be missing.
pub(super) fn real_but_last(path: &Path) -> Result<PathBuf> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::NotPromotable { path: path.to_owned(), reason: "it has no name" });
    };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    Ok(real(above)?.join(name))
}

/// The digest of the first bytes of a file.
pub(super) fn digest(file: &File, first: u64) -> std::io::Result<Checksum> {
    let mut hash = Sha256::new();
    std::io::copy(&mut file.take(first), &mut hash)?;
    Ok(Checksum::from_sha256(hash.finalize().into()))
}
