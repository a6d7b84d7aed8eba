use crate::held::damage;
use crate::stage::{Stage, Tars, Then, user};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use walg_driver::scratch::{Point, Target};
use walg_driver::wal::Timeline;

pub(crate) fn to(stage: &Stage) -> PathBuf {
    stage.home.path().join("extracted")
}

/// As Debian has it.
pub(crate) fn without_settings() {
    let stage = Stage::new("plain", 0, Target::new(Point::End));
    let bare = Then(|data: &Path| {
        for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
            fs::remove_file(data.join(name)).unwrap();
        }
        fs::write(data.join("postgresql.auto.conf"), "work_mem = '9MB'\nrecovery_target_xid = '7'\n")
            .unwrap();
    });
    // What is in its list of files was there when it was looked at.
    let list = "basebackups_005/base_000000010000000000000002/files_metadata.json";
    damage(&stage, list, |bytes| *bytes = b"{}".to_vec());
    let into = to(&stage);
    let extracted = stage.extract(&bare, &into).unwrap();
    assert_eq!((extracted.timeline, &extracted.into), (Timeline(1), &into.canonicalize().unwrap()));
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "recovery.signal", "postgresql.auto.conf"]
    {
        let owner = fs::metadata(into.join(name)).unwrap().uid();
        assert_eq!(user().map_or(owner, |user| user.uid()), owner, "{name}");
    }
    let auto = fs::read_to_string(into.join("postgresql.auto.conf")).unwrap();
    for line in [
        "work_mem = '9MB'",
        "archive_mode = 'off'",
        "recovery_target_timeline = '1'",
        "max_connections = '100'",
    ] {
        assert!(auto.lines().any(|found| found == line), "{line}: {auto}");
    }
    let targets: Vec<_> = auto.lines().filter(|line| line.starts_with("recovery_target_xid")).collect();
    assert_eq!(targets, ["recovery_target_xid = ''"], "{auto}");
    let notes = extracted.notes.join("\n");
    for said in
        ["kept its postgresql.conf elsewhere", "kept its pg_hba.conf elsewhere", "recovery_target_xid"]
    {
        assert!(notes.contains(said), "{notes}");
    }
    let wal = fs::read_dir(into.join("pg_wal")).unwrap();
    let segments: Vec<_> =
        wal.map(|entry| entry.unwrap()).filter(|entry| entry.file_name().len() == 24).collect();
    assert_eq!(segments.len(), 7, "{segments:?}");
    assert!(segments.iter().all(|segment| segment.metadata().unwrap().len() == 16 << 20));
    let error = stage.extract(&bare, &into).unwrap_err();
    assert_eq!(error.code(), "target-not-empty", "{error}");
}

/// What lies behind the target is not needed to come to it.
pub(crate) fn damaged_wal() {
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let stage = Stage::new("plain", 0, Target::new(Point::Backup));
    damage(&stage, "wal_005/000000010000000000000003.zst", cut);
    let extracted = stage.extract(&Tars("plain"), &to(&stage)).unwrap();
    let is_told = |note: &String| note.contains("000000010000000000000003") && note.contains("left out");
    assert!(extracted.notes.iter().any(is_told), "{:?}", extracted.notes);
    assert!(!to(&stage).join("pg_wal/000000010000000000000003").exists());
    for (object, point) in [
        ("wal_005/000000010000000000000002.zst", Point::Backup),
        ("wal_005/000000010000000000000005.zst", Point::End),
    ] {
        let stage = Stage::new("plain", 0, Target::new(point));
        damage(&stage, object, cut);
        let error = stage.extract(&Tars("plain"), &to(&stage)).unwrap_err();
        assert_eq!(error.code(), "backup-unsound", "{error}");
        assert!(error.to_string().contains(&object[8..32]), "{error}");
        let left: Vec<_> = fs::read_dir(stage.home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("scratch")), "{left:?}");
    }
}
