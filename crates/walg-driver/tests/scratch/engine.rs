use crate::stage::{AT_THE_END, Boot, IN_THE_SECOND, Stage, check, failed};
use backup_contract::SnapshotId;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use walg_driver::Result;
use walg_driver::process::{Command, Limits, Variables, Watch, run};
use walg_driver::scratch::{Point, Target, Unpack};

/// The engine that is linked in, with this program run as it.
pub(crate) struct Walrus {
    pub(crate) fixture: &'static str,
}

impl Unpack for Walrus {
    fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()> {
        let mut environment =
            Variables::new().plain("WALG_FILE_PREFIX", mirror).plain("PATH", "/usr/bin:/bin");
        if self.fixture == "sodium" {
            let key = (0..32).fold(String::new(), |mut key, byte| {
                write!(key, "{byte:02x}").unwrap();
                key
            });
            environment =
                environment.secret("WALG_LIBSODIUM_KEY", key).plain("WALG_LIBSODIUM_KEY_TRANSFORM", "hex");
        }
        let command = Command::new(std::env::current_exe().unwrap())
            .args(["engine", "--", "backup-fetch"])
            .arg(into)
            .arg(id.as_str())
            .environment(environment);
        let ended = run(&command, &Limits::default(), &Watch::none(), &Boot::new())?;
        assert!(ended.status.is_zero(), "{} {}", ended.status, ended.stderr.text());
        Ok(())
    }
}

pub(crate) fn chains() {
    for (fixture, index, point, orders, after) in [
        ("plain", 0, Point::End, AT_THE_END, true),
        ("plain", 1, Point::Backup, IN_THE_SECOND, false),
        ("plain", 1, Point::End, AT_THE_END, true),
        ("plain", 2, Point::Backup, AT_THE_END, false),
        ("plain", 2, Point::End, AT_THE_END, true),
        ("sodium", 2, Point::End, AT_THE_END, true),
        // A later link of a chain of which another link cannot be restored.
        ("wal-hole", 2, Point::End, AT_THE_END, true),
    ] {
        let stage = Stage::new(fixture, index, Target::new(point.clone())).expecting(orders, after);
        let report = stage.verify(&Walrus { fixture }).unwrap();
        assert_eq!(failed(&report), [""; 0], "{fixture} {index} {point}: {:#?}", report.checks);
        assert_eq!(report.fingerprints.len(), index + 1);
        if index > 0 {
            let amcheck = check(&report, "amcheck");
            assert!(amcheck.detail.contains("sound"), "{}", amcheck.detail);
        }
    }
}

/// The data of a backup gone: the engine exits with 0 and a few files.
pub(crate) fn restored_nothing() {
    struct Robbed(Walrus);
    impl Unpack for Robbed {
        fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()> {
            let tars = mirror.join(format!("basebackups_005/{id}/tar_partitions"));
            fs::remove_file(tars.join("part_001.tar.zst")).unwrap();
            self.0.unpack(mirror, id, into)
        }
    }
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    let report = stage.verify(&Robbed(Walrus { fixture: "plain" })).unwrap();
    assert_eq!(failed(&report), ["unpacked"], "{:#?}", report.checks);
    assert!(check(&report, "unpacked").detail.contains("PG_VERSION"));
}
