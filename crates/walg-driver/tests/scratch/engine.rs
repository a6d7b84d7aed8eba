use crate::stage::{AT_THE_END, Boot, IN_THE_SECOND, Stage, check, failed};
use backup_contract::SnapshotId;
use backup_contract::engine::EngineKind;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use walg_driver::Result;
use walg_driver::engine::{Engine, Unpack, Unpacker};
use walg_driver::process::{Limits, Variables, Watch};
use walg_driver::runner::Control;
use walg_driver::scratch::{Point, Target};

/// The engine that is linked in, with this program run as it.
pub(crate) struct Walrus {
    pub(crate) fixture: &'static str,
}

impl Unpack for Walrus {
    fn unpack(&self, mirror: &Path, id: &SnapshotId, into: &Path) -> Result<()> {
        let clock = Boot::new();
        let control = Control { limits: Limits::default(), watch: Watch::none(), clock: &clock };
        let engine = Engine::new(EngineKind::Embedded, std::env::current_exe().unwrap());
        let mut settings = Variables::new();
        if self.fixture == "sodium" {
            let key = (0..32).fold(String::new(), |mut key, byte| {
                write!(key, "{byte:02x}").unwrap();
                key
            });
            settings =
                settings.secret("WALG_LIBSODIUM_KEY", key).plain("WALG_LIBSODIUM_KEY_TRANSFORM", "hex");
        }
        Unpacker::new(engine, control).keys(&settings).unpack(mirror, id, into)
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

/// Half a tar, and a key that is not the bucket's: the engine says so, and the check fails. A tar in which a byte was altered it
/// unpacks without a word, because its compression has no checksum: that only the blocks' own tell.
pub(crate) fn engine_gives_up() {
    let verify = |damage: &dyn Fn(&mut Vec<u8>)| {
        let stage = Stage::new("plain", 0, Target::new(Point::End));
        let path = "basebackups_005/base_000000010000000000000002/tar_partitions/part_001.tar.zst";
        let path = stage.bucket.path().join(path);
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        stage.verify(&Walrus { fixture: "plain" }).unwrap()
    };
    let report = verify(&|bytes| bytes.truncate(bytes.len() / 2));
    assert_eq!(failed(&report), ["unpacked"], "{:#?}", report.checks);
    let report = verify(&|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
    });
    assert_eq!(failed(&report), ["data-checksums"], "{:#?}", report.checks);
    let stage = Stage::new("sodium", 0, Target::new(Point::End));
    let report = stage.verify(&Walrus { fixture: "plain" }).unwrap();
    assert_eq!(failed(&report), ["unpacked"], "{:#?}", report.checks);
}
