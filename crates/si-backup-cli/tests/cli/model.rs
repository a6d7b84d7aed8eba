//! Whatever is done in whatever order, and wherever it is killed: nothing unproved is promoted, nothing is lost that was not
//! asked to be, the lock is shut from the first change to passed checks, the trail only grows.

use crate::harness::{Host, full, small, tree};
use crate::killed_restores::Act;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What may happen.
#[derive(Debug, Clone)]
enum Op {
    Change(u8),
    Damage,
    Run,
    Verify,
    Unprove,
    Restore,
    StepBack,
    /// Something that is killed at a fail point.
    Killed(Act, u16),
    /// The home is lost; with everything of the context but its vault, or without.
    Recover(bool),
    Resume,
    Undo,
    Confirm,
    Recheck,
    Release,
    BreakCheck,
    MendCheck,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let act = prop_oneof![3 => Just(Act::Restore), 4 => prop::sample::select(Act::ALL.to_vec())];
    let op = prop_oneof![
        2 => any::<u8>().prop_map(Op::Change),
        1 => Just(Op::Damage),
        3 => Just(Op::Run),
        1 => Just(Op::Verify),
        1 => Just(Op::Unprove),
        4 => Just(Op::Restore),
        1 => Just(Op::StepBack),
        5 => (act, 1..480_u16).prop_map(|(act, point)| Op::Killed(act, point)),
        1 => any::<bool>().prop_map(Op::Recover),
        3 => Just(Op::Resume),
        3 => Just(Op::Undo),
        2 => Just(Op::Confirm),
        2 => Just(Op::Recheck),
        1 => Just(Op::Release),
        1 => Just(Op::BreakCheck),
        1 => Just(Op::MendCheck),
    ];
    prop::collection::vec(op, 8..20)
}

/// The one file by which states are told apart.
const STATE: &str = "targets.json";

/// What is live under its name; nothing where it is not there.
type Live = Option<Vec<u8>>;

struct World {
    host: Host,
    /// Where the identity is kept besides.
    identity: PathBuf,
    /// What each snapshot holds.
    held: BTreeMap<String, Live>,
    /// Those of which the evidence was taken away.
    unproved: Vec<String>,
    /// Every live content that was ever seen: what comes back must be one of these.
    seen: Vec<Live>,
    trail: usize,
    logged: usize,
}

impl World {
    fn new() -> Self {
        let host = Host::bare_in_memory();
        small().write(&host.state_root(), "default").unwrap();
        host.run(["init", "--store", &host.store_url()]).expect(0);
        host.check_that_there_is(&host.path("well"));
        fs::write(host.path("well"), "").unwrap();
        let identity = host.path("usb-identity.txt");
        fs::copy(host.home().join("identity.txt"), &identity).unwrap();
        let seen = vec![fs::read(host.context().join(STATE)).ok()];
        let (held, unproved) = (BTreeMap::new(), Vec::new());
        Self { host, identity, held, unproved, seen, trail: 0, logged: 0 }
    }

    fn live(&self) -> Live {
        fs::read(self.host.context().join(STATE)).ok()
    }

    fn set(&mut self, text: &str) {
        let path = self.host.context().join(STATE);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        self.seen.push(Some(text.as_bytes().to_vec()));
    }

    /// Loses the home, and with `all` the context but for its vault; then it is taken over from the store.
    fn recover(&mut self, all: bool) {
        fs::remove_dir_all(self.host.home()).unwrap();
        // Until somebody comes back, whoever held a lease is dead.
        let _ = fs::remove_dir_all(self.host.store().join("leases"));
        if all {
            crate::stage::empty(&self.host);
            self.seen.push(None);
            self.logged = 0;
        }
        let published = tree(&self.host.store().join("audit/default")).len();
        let (url, identity) = (self.host.store_url(), self.identity.to_str().unwrap());
        self.host.json(["init", "--recover", "--store", &url, "--identity", identity]).expect(0);
        // What had not come into the store yet is lost with the home, and nothing else is.
        self.trail = published;
    }

    fn is_shut(&self) -> bool {
        self.host.json(["guard", "status"]).expect(0).data()[0]["shut"] == true
    }

    fn step(&mut self, op: &Op) {
        let before = self.live();
        match op {
            Op::Change(n) => self.set(&format!("{{\"targets\": [], \"n\": {n}}}")),
            Op::Damage => self.set("{\"targets\": ["),
            Op::Run => {
                let ran = self.host.json(["run", "--state"]);
                if ran.code == Some(0) {
                    self.held.insert(ran.row()["id"].as_str().unwrap().to_owned(), before.clone());
                }
            }
            Op::Verify => {
                let ran = self.host.json(["verify"]);
                if ran.code == Some(0) {
                    let id = ran.row()["id"].as_str().unwrap().to_owned();
                    self.unproved.retain(|other| *other != id);
                }
            }
            Op::Unprove => {
                if let Some(id) = self.held.keys().last() {
                    let _ = fs::remove_dir_all(self.host.store().join("evidence/default/state").join(id));
                    self.unproved.push(id.clone());
                }
            }
            Op::Recover(all) => self.recover(*all),
            Op::Restore => self.restored(&["restore", "--from", "LATEST", "--force"], &before),
            Op::StepBack => {
                self.restored(&["restore", "--from", "LATEST", "--or-last-verified", "--force"], &before);
            }
            Op::Killed(act, point) => {
                self.host.setenv("SI_BACKUP_FAIL_POINT", point.to_string());
                let ran = self.host.run(act.args());
                self.host.unsetenv("SI_BACKUP_FAIL_POINT");
                // Changed and not yet checked, or taken back, it is shut.
                let is_opened = || {
                    let rows = self.host.json(["audit", "list"]).expect(0).data();
                    let last = |action| rows.iter().rposition(|row| row["action"] == action);
                    last("lock-opened").max(last("lock-released")) > last("lock-shut")
                };
                let is_changed = ran.code.is_none() && self.live() != before;
                assert!(!is_changed || self.is_shut() || is_opened(), "{act:?}: {ran:?}");
                let may_change = matches!(act, Act::Restore | Act::Resume | Act::Undo);
                assert!(may_change || self.live() == before, "{act:?}: {ran:?}");
            }
            Op::Resume => drop(self.host.json(["restore", "resume"])),
            Op::Undo => drop(self.host.json(["restore", "undo", "--force"])),
            Op::Confirm => {
                self.host.json(["restore", "confirm"]);
                assert_eq!(self.live(), before);
            }
            Op::Recheck => {
                let was_shut = self.is_shut();
                let ran = self.host.json(["guard", "recheck"]);
                let is_well = self.host.path("well").exists();
                assert!(
                    is_well || !was_shut || self.is_shut(),
                    "opened by a check that failed: {}",
                    ran.stdout
                );
            }
            Op::Release => {
                self.host.json(["guard", "release", "--reason", "the model"]);
                assert_eq!(self.live(), before);
            }
            Op::BreakCheck => drop(fs::remove_file(self.host.path("well"))),
            Op::MendCheck => fs::write(self.host.path("well"), "").unwrap(),
        }
        self.laws();
    }

    /// A restore that says that it was made has made that, of a snapshot that was proved; one that does not has changed
    /// nothing, or has the lock shut.
    fn restored(&mut self, args: &[&str], before: &Live) {
        let ran = self.host.json(args);
        let changed = ran.code == Some(0) || ran.envelope()["error"]["code"] == "checks-failed";
        if changed {
            let id = ran.row()["id"].as_str().unwrap().to_owned();
            assert_eq!(self.live(), self.held[&id], "{}", ran.stdout);
            assert!(!self.unproved.contains(&id), "unproved: {}", ran.stdout);
            assert_eq!(ran.code == Some(0), self.host.path("well").exists());
            assert_eq!(self.is_shut(), ran.code != Some(0), "{}", ran.stdout);
        } else {
            assert_eq!(self.live(), *before, "{}", ran.stdout);
        }
    }

    fn laws(&mut self) {
        let live = self.live();
        assert!(self.seen.contains(&live) || self.held.values().any(|held| *held == live));
        let trail = self.host.json(["audit", "list"]).expect(0).data().len();
        assert!(trail >= self.trail, "the trail has shrunk");
        self.trail = trail;
        self.host.json(["audit", "verify"]).expect(0);
        let log = fs::read_to_string(self.host.context().join("events/audit.jsonl")).unwrap_or_default();
        let logged = log.lines().filter(|line| line.contains("\"si-backup\"")).count();
        assert!(logged >= self.logged, "events were lost: {log}");
        self.logged = logged;
        let mut lines: Vec<_> = log.lines().collect();
        lines.sort_unstable();
        let all = lines.len();
        lines.dedup();
        assert_eq!(lines.len(), all, "events were doubled");
    }
}

proptest! {
    #![proptest_config(Config {
        cases: if full() { 150 } else { 4 },
        max_shrink_iters: 40,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    })]

    #[test]
    fn the_laws_hold_whatever_is_done(ops in ops()) {
        let mut world = World::new();
        world.step(&Op::Run);
        for op in &ops {
            world.step(op);
        }
    }
}
