use crate::held::damage;
use crate::stage::{AT_THE_END, Boot, IN_THE_SECOND, Stage, check, failed, user};
use backup_contract::SnapshotId;
use backup_contract::engine::EngineKind;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use walg_driver::Result;
use walg_driver::engine::{Engine, Unpack, Unpacker};
use walg_driver::process::{Limits, Status, Variables, Watch};
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
        // A copy that the server's user can start lies beside the mirror.
        let program =
            mirror.ancestors().map(|above| above.join("wal-get")).find(|path| path.is_file()).unwrap();
        let engine = Engine::new(EngineKind::Embedded, program);
        let mut settings = Variables::new();
        if self.fixture == "sodium" {
            let key = (0..32).fold(String::new(), |mut key, byte| {
                write!(key, "{byte:02x}").unwrap();
                key
            });
            settings =
                settings.secret("WALG_LIBSODIUM_KEY", key).plain("WALG_LIBSODIUM_KEY_TRANSFORM", "hex");
        }
        let unpacker = Unpacker::new(engine, control).keys(&settings);
        let unpacker = match user() {
            Some(user) => unpacker.run_as(user),
            None => unpacker,
        };
        unpacker.unpack(mirror, id, into)
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
        // Up to the hole.
        ("wal-hole", 0, Point::Reachable, IN_THE_SECOND, false),
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

/// An engine that ends in an error has said something of the backup: the rest was on this machine. A byte of a block that was
/// altered before it was packed only the block's own checksum tells.
pub(crate) fn engine_gives_up() {
    struct GivesUp;
    impl Unpack for GivesUp {
        fn unpack(&self, _: &Path, _: &SnapshotId, _: &Path) -> Result<()> {
            let (program, said) = ("walrus".to_owned(), "no such thing".to_owned());
            Err(walg_driver::Error::Stopped { program, status: Status::Exited(1), said })
        }
    }
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    let report = stage.verify(&GivesUp).unwrap();
    assert_eq!(failed(&report), ["unpacked"], "{:#?}", report.checks);
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    damage(
        &stage,
        "basebackups_005/base_000000010000000000000002/tar_partitions/part_001.tar.zst",
        |bytes| {
            let mut plain = zstd::decode_all(&bytes[..]).unwrap();
            let middle = plain.len() / 2;
            plain[middle] ^= 0x55;
            *bytes = zstd::encode_all(&plain[..], 1).unwrap();
        },
    );
    let report = stage.verify(&Walrus { fixture: "plain" }).unwrap();
    assert_eq!(failed(&report), ["data-checksums"], "{:#?}", report.checks);
}
