//! A host on which one and the same restore is made as often as a test wants, and what must hold whatever became of it.

use crate::harness::{Host, Ran, Running, small, wait_for, walk};
use crate::restoring::{OWN, damage, state_of, without_logs};
use backup_contract::Subject;
use restore_guard::{LockStanding, MutationLock, Phase};
use rustix::fs as sys;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub(crate) type Files = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// What is restored over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// A state that is damaged.
    Damaged,
    /// A context without anything in it but its vault.
    Gone,
}

/// A host with a snapshot, that is put back to where it was as often as a test wants.
pub(crate) struct Stage {
    pub(crate) host: Host,
    /// The live files that are restored over.
    pub(crate) replaced: Files,
    /// The live files after a restore that nothing has disturbed.
    pub(crate) restored: Files,
    /// The lines of each log before the restore.
    logged: BTreeMap<PathBuf, Vec<String>>,
}

/// How what was interrupted is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Resume,
    Undo,
}

impl Way {
    pub(crate) const BOTH: [Self; 2] = [Self::Resume, Self::Undo];

    pub(crate) fn args(self) -> &'static [&'static str] {
        match self {
            Self::Resume => &["restore", "resume"],
            Self::Undo => &["restore", "undo", "--force"],
        }
    }
}

pub(crate) const RESTORE: &[&str] = &["restore", "--state", "--from", "LATEST", "--force"];

impl Stage {
    pub(crate) fn new(start: Start) -> Self {
        let host = Host::bare_in_memory();
        small().write(&host.state_root(), "default").unwrap();
        Self::on(host, start)
    }

    /// On a host that has a state, and nothing else.
    pub(crate) fn on(host: Host, start: Start) -> Self {
        host.run(["init", "--store", &host.store_url()]).expect(0);
        host.check_that_there_is(&host.path("home/well"));
        fs::write(host.path("home/well"), "").unwrap();
        host.back_up();
        match start {
            Start::Damaged => damage(&host),
            Start::Gone => empty(&host),
        }
        let mut stage =
            Self { host, replaced: Files::new(), restored: Files::new(), logged: BTreeMap::new() };
        stage.replaced = stage.live();
        stage.logged = stage.lines();
        stage.save();
        stage.host.run(RESTORE).expect(0);
        stage.restored = stage.live();
        assert_ne!(stage.replaced, stage.restored);
        stage
    }

    /// Keeps the host as it is now, for [`Stage::reset`].
    pub(crate) fn save(&self) {
        for dir in ["home", "store"] {
            let saved = self.host.path("saved").join(dir);
            fs::create_dir_all(&saved).unwrap();
            clear(&saved);
            copy(&self.host.path(dir), &saved);
        }
    }

    /// Puts the host back to where it was.
    pub(crate) fn reset(&self) {
        for dir in ["home", "store"] {
            clear(&self.host.path(dir));
            copy(&self.host.path("saved").join(dir), &self.host.path(dir));
        }
    }

    /// Lets the check of the app fail, or pass.
    pub(crate) fn set_well(&self, is_well: bool) {
        let well = self.host.path("home/well");
        if is_well {
            fs::write(well, "").unwrap();
        } else {
            fs::remove_file(well).unwrap();
        }
    }

    /// The live files but the logs, with modes.
    pub(crate) fn live(&self) -> Files {
        without_logs(&self.host.context())
    }

    /// Runs the program until the fail point with this number; after the last one it comes to its end.
    pub(crate) fn run_until(&self, args: &[&str], point: usize) -> Ran {
        let mut command = self.host.command(args);
        Ran::of(command.env("SI_BACKUP_FAIL_POINT", point.to_string()).output().unwrap())
    }

    /// The fail points that the program comes to; it ends with exit code 0.
    pub(crate) fn points(&self, args: &[&str]) -> Vec<String> {
        let told = self.host.path("points");
        let _ = fs::remove_file(&told);
        let mut command = self.host.command(args);
        Ran::of(command.env("SI_BACKUP_FAIL_POINTS_TO", &told).output().unwrap()).expect(0);
        fs::read_to_string(told).unwrap().lines().map(str::to_owned).collect()
    }

    /// Runs the program with `--json` until the fail point with this number, lets `meanwhile` happen there, and then lets
    /// it go on. It always comes there.
    pub(crate) fn run_around(&self, args: &[&str], point: usize, meanwhile: impl FnOnce()) -> Ran {
        let pipe = self.host.path("pipe");
        let _ = fs::remove_file(&pipe);
        sys::mknodat(sys::CWD, &pipe, sys::FileType::Fifo, sys::Mode::RUSR | sys::Mode::WUSR, 0).unwrap();
        sys::chmod(&pipe, sys::Mode::from_raw_mode(0o666)).unwrap();
        let mut command = self.host.command(args);
        command.arg("--json").env("SI_BACKUP_FAIL_POINT", point.to_string());
        let mut run = Running::start(command.env("SI_BACKUP_FAIL_POINT_PIPE", &pipe));
        let mut opened = None;
        wait_for("a fail point", || {
            assert!(run.is_running(), "it has not come to fail point {point}");
            // There is nobody to write to until it waits.
            let flags = sys::OFlags::WRONLY | sys::OFlags::NONBLOCK | sys::OFlags::CLOEXEC;
            opened = sys::open(&pipe, flags, sys::Mode::empty()).ok();
            opened.is_some()
        });
        meanwhile();
        drop(opened);
        run.wait()
    }

    /// How far the restore is that is under way, by the files of its journal, whoever owns them.
    pub(crate) fn phase(&self) -> Option<Phase> {
        let journal = self.host.context().join(OWN).join("restore/state");
        let record = fs::read(journal.join("journal.json")).ok()?;
        let record: Value = serde_json::from_slice(&record).unwrap();
        let phase = serde_json::from_value(record["phase"].clone()).unwrap();
        // Where the plan is gone there is nothing left to be dropped.
        (phase != Phase::Dropping || journal.join("plan.json").exists()).then_some(phase)
    }

    pub(crate) fn is_shut(&self) -> bool {
        match MutationLock::new(self.host.context().join(OWN)).standing(&Subject::State).unwrap() {
            LockStanding::Open => false,
            LockStanding::Shut(_) => true,
            LockStanding::Unreadable { path, why } => panic!("{}: {why}", path.display()),
        }
    }

    /// Whatever has become of a restore: what is live is old or new, or the lock is shut. Whether it is half done.
    pub(crate) fn is_shut_where_it_must_be(&self, at: &str) -> bool {
        let (live, phase) = (self.live(), self.phase());
        let is_half_way = matches!(phase, Some(Phase::Prepared | Phase::Moving | Phase::Undoing));
        let is_whole = live == self.replaced || live == self.restored;
        assert!(is_whole || is_half_way, "{at}: neither old nor new, and nobody knows");
        assert!(self.is_shut() || !is_half_way, "{at}: open, and {phase:?}");
        is_half_way
    }

    /// The same, and the program says so: it is shut where anything is half done, or not yet checked.
    pub(crate) fn lock_tells_the_truth(&self, at: &str) {
        if self.is_shut_where_it_must_be(at) {
            self.host.json(["guard", "check"]).expect(11);
            self.host.json(["run", "--state"]).expect(11);
        } else if self.live() == self.restored && !self.is_shut() {
            let rows = self.host.json(["audit", "list"]).expect(0).data();
            let last = |actions: &[&str]| {
                rows.iter().rposition(|row| actions.contains(&row["action"].as_str().unwrap()))
            };
            let opened = last(&["lock-opened", "lock-released"]);
            assert!(opened > last(&["lock-shut"]), "{at}: open, and nobody has opened it: {rows:#?}");
        }
    }

    /// Puts right what was interrupted, and holds what comes of it against what must: all old, or all new. `again` is a
    /// fail point at which that is killed as well, once.
    pub(crate) fn mend(&self, way: Way, again: usize, at: &str) {
        let (phase, live) = (self.phase(), self.live());
        let expected = match (phase, way) {
            (None | Some(Phase::Dropping), _) => &live,
            (Some(Phase::Undoing | Phase::Undone), _) | (_, Way::Undo) => &self.replaced,
            _ => &self.restored,
        };
        let at = format!("{at}, {phase:?}, {way:?} {again}");
        if again > 0 {
            self.run_until(way.args(), again);
        }
        let before = self.phase();
        let ran = self.host.json(way.args());
        match (ran.code, way) {
            (Some(0), _) => {}
            // There is nothing to finish or to take back, or nothing any more.
            (Some(2), _) => assert_eq!(ran.envelope()["error"]["code"], "no-restore", "{at}"),
            // It was done, and killed before its checks.
            (Some(12), Way::Resume) => drop(self.host.json(["guard", "recheck"]).expect(0)),
            // It is being confirmed.
            (_, Way::Undo) if phase == Some(Phase::Dropping) => {}
            _ => panic!("{at}: {ran:?}"),
        }
        if before.is_none() && self.is_shut() {
            // Killed between the shutting and the journal: there is nothing to be taken back but the lock.
            self.host.json(["restore", "resume"]).expect(0);
        }
        assert!(self.live() == *expected, "{at}: what is live is not what it must be");
        self.is_well(&at);
        match self.phase() {
            Some(Phase::Dropping) => drop(self.host.json(["restore", "resume"]).expect(0)),
            Some(_) => drop(self.host.json(["restore", "confirm"]).expect(0)),
            None => {}
        }
        assert!(self.live() == *expected, "{at}: confirming has changed what is live");
        self.is_tidy(&at);
    }

    /// Nothing is left of a restore in the context but the files that are locked; or what the next one takes away.
    fn is_tidy(&self, at: &str) {
        assert_eq!(self.phase(), None, "{at}");
        if self.left().is_empty() {
            return;
        }
        let ran = self.host.json(["restore", "resume"]);
        assert!(matches!(ran.code, Some(0 | 2)), "{at}: {ran:?}");
        if self.left().is_empty() {
            return;
        }
        self.host.json(RESTORE).expect(0);
        self.host.json(["restore", "confirm"]).expect(0);
        assert!(self.left().is_empty(), "{at}: {:?}", self.left());
        assert!(self.live() == self.restored, "{at}");
    }

    /// The lock is open, for everybody; the trail verifies; no event is lost, and none is there twice.
    pub(crate) fn is_well(&self, at: &str) {
        assert!(!self.is_shut(), "{at}: it is still shut");
        self.host.json(["guard", "check"]).expect(0);
        self.host.json(["audit", "verify"]).expect(0);
        let lines = self.lines();
        for (log, before) in &self.logged {
            let after = &lines[log];
            let count = |lines: &[String], line: &String| lines.iter().filter(|it| *it == line).count();
            for line in before {
                assert_eq!(count(after, line), count(before, line), "{at}: {line} of {}", log.display());
            }
        }
        for (log, after) in &lines {
            let mut once: Vec<_> = after.iter().collect();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), after.len(), "{at}: lines of {} are there twice", log.display());
        }
    }

    fn left(&self) -> Vec<String> {
        let own = self.host.context().join(OWN);
        let mut left = Vec::new();
        if own.exists() {
            walk(&own, &mut |path| left.push(path.strip_prefix(&own).unwrap().display().to_string()));
        }
        left.retain(|path| !["mutations.lock", "restore/state/lock"].contains(&path.as_str()));
        left
    }

    fn lines(&self) -> BTreeMap<PathBuf, Vec<String>> {
        let mut logs = state_of(&self.host.context());
        logs.retain(|path, _| path.extension().is_some_and(|ending| ending == "jsonl"));
        let lines = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
        logs.into_iter().map(|(path, (_, bytes))| (path, lines(bytes))).collect()
    }
}

/// As after the loss of everything but the vault.
pub(crate) fn empty(host: &Host) {
    for entry in fs::read_dir(host.context()).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("vault") => {}
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
}

fn clear(dir: &std::path::Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// With owners, modes and times.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success());
}
