use crate::stage::{AT_THE_END, Stage, Tars, check, failed};
use backup_contract::{CheckResult, Checksum, SnapshotId};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use walg_driver::Result;
use walg_driver::engine::Unpack;
use walg_driver::scratch::{Point, ScratchReport, Target};

const FIRST: &str = "base_000000010000000000000002";

/// Alters an object of the bucket.
pub(crate) fn damage(stage: &Stage, object: &str, damage: impl FnOnce(&mut Vec<u8>)) {
    let path = stage.bucket.path().join(object);
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    fs::write(&path, bytes).unwrap();
}

/// What must not be asked to unpack.
struct Never;

impl Unpack for Never {
    fn unpack(&self, _: &Path, _: &SnapshotId, _: &Path) -> Result<()> {
        panic!("something of it was unpacked")
    }
}

fn names(report: &ScratchReport) -> Vec<&str> {
    report.checks.iter().map(|check| check.name.as_str()).collect()
}

fn to_the_end() -> Stage {
    Stage::new("plain", 0, Target::new(Point::End))
}

/// The one check that failed, of a backup of which nothing was unpacked.
fn refused(stage: &Stage) -> CheckResult {
    let report = stage.verify(&Never).unwrap();
    let [name] = failed(&report)[..] else { panic!("{:#?}", report.checks) };
    check(&report, name).clone()
}

pub(crate) fn damaged_wal() {
    let truncated = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    // Which the backup itself needs, and which lies behind its end.
    let stage = to_the_end();
    damage(&stage, "wal_005/000000010000000000000002.zst", truncated);
    let wal = refused(&stage);
    assert!(wal.name == "wal" && wal.detail.contains("000000010000000000000002: "), "{wal:?}");
    assert!(!wal.detail.contains("can be reached"), "{wal:?}");
    let stage = to_the_end();
    damage(&stage, "wal_005/000000010000000000000005.zst", truncated);
    let wal = refused(&stage);
    assert!(wal.detail.contains("000000010000000000000005: "), "{wal:?}");
    assert!(wal.detail.contains("what was written up to 0/5000000 can be reached"), "{wal:?}");
    // A sound segment of another place.
    let stage = to_the_end();
    let archive = stage.bucket.path().join("wal_005");
    fs::copy(archive.join("000000010000000000000004.zst"), archive.join("000000010000000000000005.zst"))
        .unwrap();
    let wal = refused(&stage);
    assert!(wal.detail.contains("says that it is the one at"), "{wal:?}");
    // What no replay to the target asks for is left alone.
    let stage = Stage::new("plain", 0, Target::new(Point::Backup));
    damage(&stage, "wal_005/000000010000000000000007.zst", truncated);
    let report = stage.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
}

pub(crate) fn other_bytes_than_recorded() {
    let first: SnapshotId = FIRST.parse().unwrap();
    let sound = to_the_end().expecting(AT_THE_END, true).verify(&Tars("plain")).unwrap();
    let (id, found) = &sound.fingerprints[0];
    assert_eq!((id, &names(&sound)[..4]), (&first, &["fingerprint", "tars", "wal", "unpacked"][..]));
    let mut stage = to_the_end();
    stage.recorded.insert(first.clone(), found.checksum);
    let report = stage.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert!(check(&report, "fingerprint").detail.contains("1 of 1"), "{:#?}", report.checks);
    // In the backup itself, and in one that it is a delta of.
    for index in [0, 2] {
        let mut stage = Stage::new("plain", index, Target::new(Point::End));
        stage.recorded.insert(first.clone(), Checksum::from_sha256([7; 32]));
        let report = stage.verify(&Never).unwrap();
        assert_eq!(names(&report), ["fingerprint"]);
        let detail = &check(&report, "fingerprint").detail;
        assert!(detail.contains("it was changed") && detail.contains(FIRST), "{detail}");
    }
}

/// An engine would write through it, as whoever it runs as.
pub(crate) fn ways_out_of_a_tar() {
    type Write = fn(&mut tar::Builder<Vec<u8>>);
    let entries: [(&str, Write); 4] = [
        ("is a link", |tar| link(tar, tar::EntryType::Symlink, "base/out", "/etc")),
        ("is a link", |tar| link(tar, tar::EntryType::Link, "base/out", "../../../etc/passwd")),
        ("no file and no directory", |tar| link(tar, tar::EntryType::Fifo, "base/pipe", "x")),
        ("leads out of the directory", |tar| {
            let mut header = tar::Header::new_old();
            let name = b"base/../../out";
            header.as_old_mut().name[..name.len()].copy_from_slice(name);
            header.set_size(2);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, &b"hi"[..]).unwrap();
        }),
    ];
    for (said, write) in entries {
        let stage = to_the_end();
        let mut tar = tar::Builder::new(Vec::new());
        write(&mut tar);
        let plain = tar.into_inner().unwrap();
        let part = format!("basebackups_005/{FIRST}/tar_partitions/part_001.tar.zst");
        damage(&stage, &part, |bytes| *bytes = zstd::encode_all(&plain[..], 1).unwrap());
        let tars = refused(&stage);
        assert!(tars.name == "tars" && tars.detail.contains(said), "{said}: {tars:?}");
    }
    let stage = to_the_end();
    damage(&stage, &format!("basebackups_005/{FIRST}/tar_partitions/part_001.tar.zst"), |bytes| {
        bytes.truncate(bytes.len() / 2);
    });
    assert_eq!(refused(&stage).name, "tars");
    // A key that is not the bucket's says nothing of what is in it.
    let stage = Stage { cipher: "plain", ..Stage::new("sodium", 0, Target::new(Point::End)) };
    assert_eq!(stage.verify(&Never).unwrap_err().code(), "key-does-not-open");
}

fn link(tar: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, to: &str) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    tar.append_link(&mut header, name, to).unwrap();
}

/// Who can put another directory in the place of ours has us write where we do not mean to.
pub(crate) fn a_place_that_others_can_write_to() {
    let stage = to_the_end();
    let mode = |mode| fs::set_permissions(stage.home.path(), fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o777, 0o775] {
        mode(open);
        let error = stage.verify(&Never).unwrap_err();
        assert_eq!(error.code(), "scratch-exposed", "{error}");
        assert!(error.to_string().contains(&*stage.home.path().to_string_lossy()), "{error}");
    }
    mode(0o755);
    if let Some(user) = crate::stage::user() {
        std::os::unix::fs::chown(stage.home.path(), Some(user.uid()), None).unwrap();
        assert_eq!(stage.verify(&Never).unwrap_err().code(), "scratch-exposed");
    }
}

/// What a mirror holds of an earlier fetch, and the bucket has no longer, is not replayed.
pub(crate) fn an_older_mirror() {
    let mut stage = to_the_end().expecting(AT_THE_END, true);
    let report = stage.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    for gone in ["7", "8"] {
        fs::remove_file(stage.bucket.path().join(format!("wal_005/00000001000000000000000{gone}.zst")))
            .unwrap();
    }
    stage.app_checks.clear();
    let report = stage.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert!(report.reached.unwrap() <= walg_driver::wal::Lsn(0x700_0000), "{:?}", report.reached);
}

/// A sentinel that got tablespaces between the look and the fetch.
pub(crate) fn a_sentinel_that_is_altered_meanwhile() {
    let stage = to_the_end();
    let path = stage.bucket.path().join(format!("basebackups_005/{FIRST}_backup_stop_sentinel.json"));
    let alter = |path: &Path| {
        let mut sentinel: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        sentinel["Spec"] =
            json!({"base_prefix": "/d", "tablespaces": ["16385"], "16385": {"loc": "/fast", "link": "x"}});
        let mut file = fs::File::create(path).unwrap();
        file.write_all(sentinel.to_string().as_bytes()).unwrap();
    };
    let catalogue = stage.catalogue();
    alter(&path);
    let error = stage.verify_of(&catalogue, &Never).unwrap_err();
    assert_eq!(error.code(), "not-restorable", "{error}");
    assert!(error.to_string().contains("altered while it was fetched"), "{error}");
}

/// What unpacks may write to the copy, and to nothing else that is used later.
pub(crate) fn an_engine_has_the_copy_alone() {
    struct Looks;
    impl Unpack for Looks {
        fn unpack(&self, mirror: &Path, _: &SnapshotId, into: &Path) -> Result<()> {
            let of = |path: &Path| fs::symlink_metadata(path).unwrap();
            let us = rustix::process::geteuid().as_raw();
            let theirs = crate::stage::user().map_or(us, |user| user.uid());
            assert_eq!(of(into).uid(), theirs);
            let room = into.parent().unwrap();
            let wal = mirror.join("wal_005/000000010000000000000002.zst");
            let record = mirror.parent().unwrap().join("fetched.jsonl");
            let decoded = room.join("wal/000000010000000000000002");
            let ours = [room, &room.join("conf"), mirror, &mirror.join("wal_005"), &wal, &record];
            for ours in ours.into_iter().chain([&*room.join("wal"), &decoded]) {
                assert!(of(ours).uid() == us && of(ours).mode() & 0o022 == 0, "{}", ours.display());
                assert_eq!(of(ours).mode() & 0o007, 0, "{} is for everybody to read", ours.display());
            }
            Tars("plain").unpack(mirror, &FIRST.parse().unwrap(), into)
        }
    }
    let report = Stage { wal_ahead: u64::MAX, ..to_the_end() }.verify(&Looks).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
}
