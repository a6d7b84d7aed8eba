//! A WAL-G bucket whose sentinels, metadata, lists of files and histories say anything.
#![no_main]

use arbitrary::Arbitrary;
use backup_store::Key;
use libfuzzer_sys::fuzz_target;
use si_backup_fuzz::{empty_store, is_fit_to_print, object};
use walg_driver::Cipher;
use walg_driver::bucket::{Bucket, Root, objects_of};

#[derive(Debug, Arbitrary)]
struct Written<'a> {
    full: &'a [u8],
    delta: &'a [u8],
    metadata: Option<&'a [u8]>,
    list: Option<&'a [u8]>,
    history: Option<&'a [u8]>,
    parts: u8,
    segments: u8,
}

const FULL: &str = "base_000000010000000000000002";
const DELTA: &str = "base_000000010000000000000004_D_000000010000000000000002";

fn put(key: &str, bytes: &[u8]) {
    object(&key.parse::<Key>().unwrap(), bytes);
}

fuzz_target!(|written: Written<'_>| {
    let store = empty_store();
    for (id, sentinel) in [(FULL, written.full), (DELTA, written.delta)] {
        put(&format!("basebackups_005/{id}_backup_stop_sentinel.json"), sentinel);
        for (name, bytes) in [("metadata.json", written.metadata), ("files_metadata.json", written.list)] {
            if let Some(bytes) = bytes {
                put(&format!("basebackups_005/{id}/{name}"), bytes);
            }
        }
        for (at, name) in ["part_001.tar.zst", "pg_control.tar.zst", "part_002.tar"].iter().enumerate() {
            if written.parts & (1 << at) != 0 {
                put(&format!("basebackups_005/{id}/tar_partitions/{name}"), b"x");
            }
        }
    }
    for at in 0..8 {
        if written.segments & (1 << at) != 0 {
            put(&format!("wal_005/00000001000000000000000{at}.zst"), b"x");
        }
    }
    if let Some(history) = written.history {
        put("wal_005/00000002.history", history);
    }
    let root = Root::default();
    let bucket = Bucket::read(&store, &root, &Cipher::None).unwrap();
    assert_eq!(bucket.backups.len(), 2, "whatever its sentinel says, it is there");
    for backup in &bucket.backups {
        backup.problems.iter().for_each(|problem| is_fit_to_print(&problem.detail));
        assert_eq!(backup.restorable(), backup.problems.is_empty());
        assert!(backup.chain.first() == Some(&backup.id) && backup.chain.len() <= 2);
        assert_eq!(objects_of(&root, backup).unwrap().last().unwrap(), &root_sentinel(backup.id.as_str()));
    }
});

fn root_sentinel(id: &str) -> Key {
    format!("basebackups_005/{id}_backup_stop_sentinel.json").parse().unwrap()
}
