//! Restores from one of whose steps on the disk is full, or files may not be written: what is said, and what comes of them
//! once that is over.

use crate::harness::{Host, Ran, TinyDisk, full, skipped, small};
use crate::killed_restores::turn;
use crate::stage::{RESTORE, Stage, Start, Way};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that is wrong for as long as it is there.
trait Fault {
    fn begin(&mut self, host: &Host);
    fn end(&mut self, host: &Host);
}

/// A file system without room, neither for bytes nor for files.
struct Full(&'static str);

impl Fault for Full {
    fn begin(&mut self, host: &Host) {
        let dir = host.path(self.0).join("filling");
        fs::create_dir(&dir).unwrap();
        let mut file = fs::File::create(dir.join("bytes")).unwrap();
        for length in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; length]).is_ok() {}
        }
        for name in 0.. {
            if fs::File::create(dir.join(name.to_string())).is_err() {
                break;
            }
        }
    }

    fn end(&mut self, host: &Host) {
        fs::remove_dir_all(host.path(self.0).join("filling")).unwrap();
    }
}

/// Directories that may not be written to, and files in them where those are not to be either.
struct Closed {
    below: &'static str,
    with_files: bool,
    modes: Vec<(PathBuf, u32)>,
}

impl Closed {
    fn below(below: &'static str, with_files: bool) -> Self {
        Self { below, with_files, modes: Vec::new() }
    }

    fn close(&mut self, path: &Path) {
        let mode = fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.close(&entry.unwrap().path());
            }
        } else if !self.with_files {
            return;
        }
        fs::set_permissions(path, Permissions::from_mode(mode & !0o222)).unwrap();
        self.modes.push((path.to_owned(), mode));
    }
}

impl Fault for Closed {
    fn begin(&mut self, host: &Host) {
        self.close(&host.path(self.below));
    }

    fn end(&mut self, _: &Host) {
        for (path, mode) in self.modes.drain(..) {
            // An open directory may have lost an entry meanwhile.
            if path.exists() {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
        }
    }
}

/// A live file that nobody may replace, not even root.
struct Immutable;

impl Immutable {
    fn set(host: &Host, flag: &str) -> bool {
        let file = host.context().join("targets.json");
        Command::new("chattr").arg(flag).arg(file).output().is_ok_and(|output| output.status.success())
    }
}

impl Fault for Immutable {
    fn begin(&mut self, host: &Host) {
        assert!(Self::set(host, "+i"));
    }

    fn end(&mut self, host: &Host) {
        // What was put away is immutable too.
        let dirs = [host.context(), host.context().join(".si-backup")];
        for dir in dirs {
            let _ = Command::new("chattr").args(["-R", "-i"]).arg(dir).output().unwrap();
        }
    }
}

/// Said so that somebody can go on from there; the envelope has a message and a hint.
fn is_honest(ran: &Ran, at: &str) {
    assert!(!ran.stderr.contains("panicked"), "{at}: {ran:?}");
    assert!(matches!(ran.code, Some(0 | 1 | 2 | 11 | 12 | 13)), "{at}: {ran:?}");
    let envelope = ran.envelope();
    if ran.code != Some(0) {
        let hint = envelope["error"]["hint"].as_str().unwrap();
        assert!(hint.len() > 10, "{at}: {hint}");
    }
}

/// Restores; from each fail point on, one after the other, something is wrong.
fn matrix(stage: &Stage, fault: &mut dyn Fault, share: usize) {
    stage.reset();
    let calls = stage.points(RESTORE).len() / 2;
    let share = if full() { 1 } else { (calls / share).max(1) };
    let mut wrong = 0;
    for call in (0..calls).filter(|call| call % share == turn() % share) {
        let at = format!("from call {call} of {calls}");
        stage.reset();
        let ran = stage.run_around(RESTORE, 2 * call + 1, || fault.begin(&stage.host));
        is_honest(&ran, &at);
        wrong += usize::from(ran.code != Some(0));
        if ran.code == Some(0) {
            assert!(stage.live() == stage.restored && !stage.is_shut(), "{at}: {ran:?}");
        }
        let way = Way::BOTH[call / share % 2];
        stage.is_shut_where_it_must_be(&at);
        // It cannot be put right as long as that lasts, or it can.
        is_honest(&stage.host.json(way.args()), &at);
        fault.end(&stage.host);
        stage.lock_tells_the_truth(&at);
        stage.mend(way, 0, &at);
    }
    assert!(wrong > 0 || !full(), "nothing was ever wrong");
}

/// A host with a disk of its own at `dir`.
fn on_a_disk(dir: &'static str) -> Option<(Stage, TinyDisk)> {
    let host = Host::bare();
    let disk = TinyDisk::mount(&host.path(dir), "24m,nr_inodes=600")?;
    small().write(&host.state_root(), "default").unwrap();
    Some((Stage::on(host, Start::Damaged), disk))
}

fn bound() -> Stage {
    let stage = Stage::on(Host::with_state(&small()), Start::Damaged);
    stage.reset();
    stage.host.bind();
    stage.save();
    stage
}

#[test]
fn the_disk_of_the_context_is_full() {
    let Some((stage, _disk)) = on_a_disk("home") else { return };
    matrix(&stage, &mut Full("home"), 6);
}

#[test]
fn the_disk_of_the_store_is_full() {
    let Some((stage, _disk)) = on_a_disk("store") else { return };
    matrix(&stage, &mut Full("store"), 4);
}

#[test]
fn the_context_may_not_be_written() {
    matrix(&bound(), &mut Closed::below("home/.si/paas/contexts", false), 6);
}

#[test]
fn the_trail_may_not_be_written() {
    matrix(&bound(), &mut Closed::below("home/.si/backup", true), 6);
}

#[test]
fn the_store_may_not_be_written() {
    matrix(&bound(), &mut Closed::below("store", true), 4);
}

#[test]
fn a_live_file_may_not_be_replaced() {
    let stage = Stage::on(Host::with_state(&small()), Start::Damaged);
    stage.reset();
    if !Immutable::set(&stage.host, "+i") {
        return skipped("no file can be made immutable here");
    }
    Immutable.end(&stage.host);
    matrix(&stage, &mut Immutable, 4);
}
