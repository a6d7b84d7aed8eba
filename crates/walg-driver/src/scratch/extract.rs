use super::cluster::Cluster;
use super::followed::Way;
use super::held::{Held, Left, asked_for};
use super::inspect::make_ready;
use super::questions::Said;
use super::replayed::Recovering;
use super::request::Limits;
use super::restore::{Plan, Restore, Step};
use super::target::{Goal, Point};
use super::unpacked::looked_at;
use super::user::{must_be_ours, must_reach, own, show_all, walk};
use super::{Room, ScratchFault, decoded};
use crate::mirror::Mirror;
use crate::verify::Fingerprint;
use crate::wal::{Lsn, Timeline};
use crate::{Error, Result};
use backup_contract::SnapshotId;
use backup_store::{durable, outside_git_work_tree};
use chrono::{DateTime, Utc};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is told of the directory of tablespaces.
const SHUT: &str = "nobody can write to pg_tblspc of the copy, so that a recovery that came to a tablespace would end there: \
                    before one is made in it, give it the mode 0700 again";

/// What an extraction needs.
pub struct ExtractRequest<'a> {
    /// Which backup, from where, and how far its server is to recover.
    pub restore: Restore<'a>,
    /// The directory that becomes the copy: new, or empty.
    pub into: &'a Path,
    /// How long a program may take.
    pub limits: Limits,
}

/// A data directory that is ready to be started: what it needs of WAL is in it, and the server recovers by itself.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// Where it is, without symbolic links.
    pub into: PathBuf,
    /// The fingerprints of the chain, the full first, of the very bytes that were unpacked.
    pub fingerprints: Vec<(SnapshotId, Fingerprint)>,
    /// How many files it has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Up to where its server will recover.
    pub until: Point,
    /// What it will reach at least.
    pub least: Lsn,
    /// Where the last of its WAL ends.
    pub end: Lsn,
    /// Along which timeline.
    pub timeline: Timeline,
    /// When the last of the WAL was archived, where it goes to the end of that.
    pub archived: Option<DateTime<Utc>>,
    /// Where the programs of its server are.
    pub programs: PathBuf,
    /// What whoever starts it should know.
    pub notes: Vec<String>,
}

/// Unpacks a backup into a directory of its own, and puts beside it in there what its server needs to recover: WAL, and what
/// tells it how far. No server is started; nothing else is touched.
///
/// It is made in a scratch directory beside the target, and renamed once it is whole and on the disk: killed on the way, it
/// leaves a marked directory, which the next extraction beside it removes. Nothing of a backup is unpacked before it was held
/// against what was recorded and read to its end.
///
/// # Errors
/// [`Error::Scratch`], with `Unsound` for what is wrong with the backup; [`Error::NoSpace`]; [`Error::NotRestorable`];
/// [`Error::Store`]; whatever the engine fails with.
pub fn extract(request: &ExtractRequest<'_>) -> Result<Extracted> {
    let into = new_or_empty(request.into)?;
    let above = into.parent().unwrap_or(&into);
    must_be_ours(above)?;
    if let Some(user) = request.restore.user {
        must_reach(above, user)?;
    }
    Room::sweep(above, request.restore.clock)?;
    let restore = &request.restore;
    let plan = restore.plan()?;
    let wal = decoded::bytes(restore, &plan)?;
    let room = Room::create(above, restore.user, None)?;
    restore.must_fit(&plan.mirror, &room.mirror(), room.dir(), wal)?;
    let mirror = restore.fetch(&plan.mirror, &room.mirror())?;
    let mut made = Making { request, restore, plan: &plan, mirror: &mirror, room: &room, notes: Vec::new() };
    made.make()?;
    let (files, bytes) = measured(&room.data())?;
    flush(&room.data())?;
    publish(&room.data(), &into)?;
    let Goals { least, end, archived } = goals(&plan.goal);
    let mut notes = made.notes;
    // The copy is there, whole: what is left beside it is swept by the next one.
    if let Err(error) = room.discard() {
        notes.push(format!("what it was made in stays: {error}"));
    }
    Ok(Extracted {
        into,
        fingerprints: mirror.fingerprints,
        files,
        bytes,
        until: plan.goal.point().clone(),
        least,
        end,
        timeline: plan.goal.reach().timeline,
        archived,
        programs: plan.programs.dir().to_owned(),
        notes,
    })
}

struct Goals {
    least: Lsn,
    end: Lsn,
    archived: Option<DateTime<Utc>>,
}

fn goals(goal: &Goal) -> Goals {
    let least = goal.least();
    match goal.point() {
        Point::Backup | Point::Lsn(_) => Goals { least, end: least, archived: None },
        Point::End | Point::Reachable | Point::Time(_) | Point::Name(_) => {
            Goals { least, end: goal.reach().end, archived: goal.reach().archived }
        }
    }
}

/// A copy that is being made.
struct Making<'a> {
    request: &'a ExtractRequest<'a>,
    restore: &'a Restore<'a>,
    plan: &'a Plan<'a>,
    mirror: &'a Mirror,
    room: &'a Room,
    notes: Vec<String>,
}

impl Making<'_> {
    fn make(&mut self) -> Result<()> {
        let Self { request, restore, plan, mirror, room, .. } = *self;
        let interrupted = || (restore.watch)(Step::Reading).is_break();
        let held =
            Held { mirror, cipher: restore.cipher, threads: restore.threads, interrupted: &interrupted };
        held.refuse_tablespaces()?;
        self.must(held.fingerprints(restore.recorded))?;
        self.must(held.tars()?)?;
        self.bring_wal(&held)?;
        if let Some(user) = restore.user {
            show_all(mirror.dir(), user)?;
            must_reach(mirror.prefix(), user)?;
        }
        restore.step(Step::Unpacking)?;
        if let Some(why) = restore.unpack(plan, mirror, &room.data())? {
            return Err(self.unsound(why));
        }
        self.must(looked_at(plan, mirror, &room.data())?)?;
        self.notes.extend(make_ready(&room.data(), restore.user)?);
        self.notes.push(SHUT.into());
        let runner = restore.runner(request.limits.question, &interrupted);
        let cluster = Cluster::read(&plan.programs, &room.data(), &runner)?;
        let recovering = Recovering {
            data: &room.data(),
            user: restore.user,
            goal: &plan.goal,
            cluster: &cluster,
            programs: &plan.programs,
            runner,
        };
        self.notes.extend(recovering.configure()?);
        self.place_wal()
    }

    fn must(&self, (ok, why): Said) -> Result<()> {
        if ok { Ok(()) } else { Err(self.unsound(why)) }
    }

    fn unsound(&self, why: String) -> Error {
        ScratchFault::Unsound { id: self.plan.backup.id.clone(), why }.into()
    }

    /// Decodes the WAL on the way beside the copy, each segment held against its name; and the history of every timeline, so
    /// that the one that the server begins has a number that no other has.
    fn bring_wal(&mut self, held: &Held<'_>) -> Result<()> {
        let Self { restore, plan, room, mirror, .. } = *self;
        let archive = &restore.bucket.archive;
        let size = archive.segment_size();
        let last = size.before(goals(&plan.goal).end);
        let names = asked_for(plan.backup, &plan.goal, archive)?;
        let way = Way::new(plan.backup, &plan.goal)?;
        let left = Left { dir: &room.wal(), first: names.len() };
        let found = held.followed((plan.backup, &way), &names, archive, left)?;
        // A server looks ahead; what lies behind the target it can do without. Of histories it needs every one.
        let mut followed = Vec::new();
        for (name, one) in names.iter().zip(found) {
            match one {
                Ok(one) => followed.push(one),
                Err(why) if size.number(*name).is_some_and(|number| number > last) => {
                    self.notes.push(format!("{name}: {why}; it lies behind the target, and was left out"));
                }
                Err(why) => return Err(self.unsound(format!("{name}: {why}"))),
            }
        }
        match decoded::histories((restore, plan), mirror, room, held.interrupted) {
            Err(Error::BadWal { name, why }) => Err(self.unsound(format!("{name}: {why}"))),
            done => done.and_then(|_| way.must_be_safe(&followed)),
        }
    }

    /// Moves the WAL into the copy: there nothing is written as who we are.
    fn place_wal(&self) -> Result<()> {
        let (from, to) = (self.room.wal(), self.room.data().join("pg_wal"));
        for entry in fs::read_dir(&from).map_err(Error::io("list", &from))? {
            let entry = entry.map_err(Error::io("list", &from))?;
            let path = entry.path();
            if let Some(user) = self.restore.user {
                own(&path, user)?;
            }
            fs::rename(&path, to.join(entry.file_name())).map_err(Error::io("move", &path))?;
        }
        Ok(())
    }
}

/// The target without symbolic links, which is to be new or an empty directory outside of git work trees.
fn new_or_empty(into: &Path) -> Result<PathBuf> {
    let into = std::path::absolute(into).map_err(Error::io("resolve", into))?;
    // What a link leads to is replaced, not the link.
    let into = match (into.canonicalize(), into.parent(), into.file_name()) {
        (Ok(whole), _, _) => whole,
        (Err(_), Some(above), Some(name)) => {
            above.canonicalize().map_err(Error::io("look at", above))?.join(name)
        }
        (Err(e), _, _) => return Err(Error::io("look at", &into)(e)),
    };
    outside_git_work_tree(&into)?;
    let Some(above) = into.parent() else { return Err(ScratchFault::TargetNotEmpty(into).into()) };
    match fs::read_dir(&into) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(ScratchFault::TargetNotEmpty(into).into());
            }
        }
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(into),
        Err(e) if e.kind() == ErrorKind::NotADirectory => {
            return Err(ScratchFault::TargetNotEmpty(into).into());
        }
        Err(e) => return Err(Error::io("list", &into)(e)),
    }
    let of = |path: &Path| fs::metadata(path).map_err(Error::io("look at", path));
    let found = of(&into)?;
    // A working directory that was deleted is none that could be replaced.
    let is_here = of(Path::new(".")).is_ok_and(|here| (here.dev(), here.ino()) == (found.dev(), found.ino()));
    let why = match () {
        () if is_here => "the working directory",
        () if of(above)?.dev() != found.dev() => "a mount point",
        () => return Ok(into),
    };
    Err(ScratchFault::TargetInUse { path: into, why }.into())
}

/// How many files there are below a directory, and how many bytes they have.
fn measured(data: &Path) -> Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    walk(data, &mut |path, kind| {
        if kind.is_file() {
            files += 1;
            bytes += fs::symlink_metadata(path).map_err(Error::io("look at", path))?.len();
        }
        Ok(())
    })?;
    Ok((files, bytes))
}

/// Puts everything onto the disk that the copy lies on.
fn flush(data: &Path) -> Result<()> {
    let dir = File::open(data).map_err(Error::io("open", data))?;
    #[cfg(target_os = "linux")]
    return rustix::fs::syncfs(&dir).map_err(|e| Error::io("flush", data)(e.into()));
    #[cfg(not(target_os = "linux"))]
    {
        walk(data, &mut |path, kind| {
            if kind.is_symlink() {
                return Ok(());
            }
            File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("flush", path))
        })?;
        dir.sync_all().map_err(Error::io("flush", data))
    }
}

/// Makes the copy visible at the target in one rename, which replaces an empty directory, and nothing else.
fn publish(data: &Path, into: &Path) -> Result<()> {
    match fs::rename(data, into) {
        Ok(()) => {}
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory
            ) =>
        {
            return Err(ScratchFault::TargetNotEmpty(into.to_owned()).into());
        }
        Err(e) => return Err(Error::io("rename to", into)(e)),
    }
    Ok(durable::sync_dir(into.parent().unwrap_or(into))?)
}
