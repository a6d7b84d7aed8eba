//! What a directory adds to the promises of every store: files, links, modes and what is in the way.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, in its helpers too")]

use backup_store::{
    Deletion, DirStore, Error, Key, Lock, LockKeeper, LockMode, PutOptions, Store as _, put_bytes, read_bytes,
};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use tempfile::TempDir;

fn store() -> (TempDir, DirStore) {
    let home = tempfile::tempdir().unwrap();
    let store = DirStore::open(home.path()).unwrap();
    (home, store)
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put(store: &DirStore, at: &str, bytes: &[u8]) -> backup_store::Result<backup_store::Stored> {
    put_bytes(store, &key(at), bytes, &PutOptions::default())
}

#[test]
fn a_missing_directory_is_refused_and_made_only_on_request() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b");
    let refused = DirStore::open(&path).unwrap_err();
    assert!(matches!(&refused, Error::NoStore(found) if *found == path), "{refused}");
    assert!(!path.exists());
    let store = DirStore::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    assert!(fs::read_dir(&path).unwrap().next().is_none(), "opening writes nothing");
    assert_eq!(store.capabilities().unwrap().locks, LockKeeper::Client);
    fs::write(home.path().join("file"), b"").unwrap();
    assert_eq!(DirStore::open(home.path().join("file")).unwrap_err().code(), "io");
}

#[test]
fn a_git_work_tree_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".git")).unwrap();
    fs::create_dir(home.path().join("store")).unwrap();
    assert_eq!(DirStore::open(home.path().join("store")).unwrap_err().code(), "inside-git-work-tree");
    assert_eq!(DirStore::create(home.path().join("new")).unwrap_err().code(), "inside-git-work-tree");
    assert!(!home.path().join("new").exists());
}

#[test]
fn an_object_is_a_plain_private_file() {
    let (home, store) = store();
    put(&store, "a/b/c", b"bytes").unwrap();
    let path = home.path().join("a/b/c");
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    for dir in ["a", "a/b", ".si-store", ".si-store/tmp"] {
        assert_eq!(fs::metadata(home.path().join(dir)).unwrap().mode() & 0o7777, 0o700, "{dir}");
    }
    assert!(fs::read_dir(home.path().join(".si-store/tmp")).unwrap().next().is_none());
}

#[test]
fn an_unfinished_upload_is_a_private_file_and_goes_when_dropped() {
    let (home, store) = store();
    let mut upload = store.create(&key("a/b"), &PutOptions::default()).unwrap();
    upload.write_all(&vec![1; 300_000]).unwrap();
    let temp = fs::read_dir(home.path().join(".si-store/tmp")).unwrap().next().unwrap().unwrap();
    assert_eq!(temp.metadata().unwrap().mode() & 0o7777, 0o600);
    assert!(!home.path().join("a").exists());
    drop(upload);
    assert!(!temp.path().exists());
    assert!(!home.path().join("a").exists());
}

#[test]
fn clashes_are_typed_errors() {
    let (home, store) = store();
    put(&store, "a", b"x").unwrap();
    put(&store, "d/e", b"x").unwrap();
    for clashing in ["a/b", "a/b/c", "d"] {
        let refused = store.create(&key(clashing), &PutOptions::default()).err().unwrap();
        assert!(matches!(refused, Error::KeyClash { .. }), "{clashing}: {refused}");
        assert!(refused.to_string().contains(home.path().canonicalize().unwrap().to_str().unwrap()));
        assert_eq!(store.head(&key(clashing), None).unwrap_err().code(), "object-not-found");
        assert_eq!(store.open(&key(clashing), None, 0).err().unwrap().code(), "object-not-found");
    }
    // Found late, when the other writer is first.
    let late = store.create(&key("f/g"), &PutOptions::default()).unwrap();
    put(&store, "f", b"x").unwrap();
    assert_eq!(late.finish().unwrap_err().code(), "key-clash");
}

#[test]
fn no_link_is_followed() {
    let (home, store) = store();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("secret"), b"secret").unwrap();
    symlink(elsewhere.path(), home.path().join("dir")).unwrap();
    symlink(elsewhere.path().join("secret"), home.path().join("file")).unwrap();
    for at in ["dir/secret", "file"] {
        assert_eq!(store.open(&key(at), None, 0).err().unwrap().code(), "foreign-file", "{at}");
        assert_eq!(store.head(&key(at), None).unwrap_err().code(), "foreign-file", "{at}");
        let deleted = store.delete(&key(at), None, chrono::DateTime::UNIX_EPOCH);
        assert_eq!(deleted.unwrap_err().code(), "foreign-file", "{at}");
    }
    assert_eq!(put(&store, "dir/new", b"x").unwrap_err().code(), "foreign-file");
    assert_eq!(put(&store, "file", b"x").unwrap_err().code(), "foreign-file");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    // Planted where the store keeps its own.
    let (home, store) = self::store();
    fs::create_dir(home.path().join(".si-store")).unwrap();
    symlink(elsewhere.path(), home.path().join(".si-store/tmp")).unwrap();
    assert_eq!(put(&store, "a", b"x").unwrap_err().code(), "foreign-file");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn a_pipe_is_not_opened() {
    let (home, store) = store();
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        home.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    );
    made.unwrap();
    assert_eq!(store.open(&key("pipe"), None, 0).err().unwrap().code(), "foreign-file");
}

#[test]
fn an_earlier_failure_cannot_be_finished_over() {
    let (home, store) = store();
    fs::create_dir_all(home.path().join(".si-store/tmp")).unwrap();
    let mut upload = store.create(&key("a"), &PutOptions::default()).unwrap();
    upload.write_all(b"bytes").unwrap();
    // Somebody shortens the file behind the writer's back.
    upload.flush().unwrap();
    let temp = fs::read_dir(home.path().join(".si-store/tmp")).unwrap().next().unwrap().unwrap();
    fs::File::options().write(true).open(temp.path()).unwrap().set_len(2).unwrap();
    let refused = upload.finish().unwrap_err();
    assert!(refused.to_string().contains("cannot write"), "{refused}");
    assert_eq!(store.head(&key("a"), None).unwrap_err().code(), "object-not-found");
}

#[test]
fn empty_directories_go_with_their_last_object() {
    let (home, store) = store();
    put(&store, "a/b/c/d", b"x").unwrap();
    put(&store, "a/e", b"x").unwrap();
    store.delete(&key("a/b/c/d"), None, chrono::DateTime::UNIX_EPOCH).unwrap();
    assert!(home.path().join("a").exists());
    assert!(!home.path().join("a/b").exists());
    put(&store, "a/b", b"now an object").unwrap();
}

#[test]
fn objects_that_are_not_readable_or_gone_are_named() {
    let (home, store) = store();
    put(&store, "a", b"0123456789").unwrap();
    assert_eq!(read_bytes(&store, &key("a"), None, 9).unwrap_err().code(), "object-too-large");
    assert_eq!(read_bytes(&store, &key("a"), None, 10).unwrap(), b"0123456789");
    let mut rest = String::new();
    store.open(&key("a"), None, 7).unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "789");
    fs::set_permissions(home.path().join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_dir_all(home.path()).unwrap();
    assert_eq!(read_bytes(&store, &key("a"), None, 10).unwrap_err().code(), "object-not-found");
}

/// A lock as in the documentation of formats.
const LOCK: &str = r#"{"format":1,"mode":"compliance","until":"2100-01-01T00:00:00Z"}"#;

fn until_2100() -> Lock {
    Lock { mode: LockMode::Compliance, until: "2100-01-01T00:00:00Z".parse().unwrap() }
}

#[test]
fn a_lock_is_a_private_file_beside_the_objects() {
    let (home, store) = store();
    let options = PutOptions { lock: Some(until_2100()), size_hint: None };
    put_bytes(&store, &key("a/b"), b"x", &options).unwrap();
    let record = home.path().join(".si-store/locks/a/b.json");
    assert_eq!(fs::read_to_string(&record).unwrap(), LOCK);
    assert_eq!(fs::metadata(&record).unwrap().mode() & 0o7777, 0o600);
    put_bytes(&store, &key("a/b.json/c"), b"x", &options).unwrap();
    assert_eq!(store.lock_of(&key("a/b.json/c"), None).unwrap(), Some(until_2100()));
    let late = until_2100().until;
    assert_eq!(store.delete(&key("a/b.json/c"), None, late).unwrap(), Deletion::Deleted);
    assert_eq!(store.delete(&key("a/b"), None, late).unwrap(), Deletion::Deleted);
    assert!(!home.path().join(".si-store/locks/a").exists());
}

#[test]
fn a_lock_that_cannot_be_read_still_holds() {
    let (home, store) = store();
    put(&store, "a", b"x").unwrap();
    fs::create_dir(home.path().join(".si-store/locks")).unwrap();
    for record in ["", "{}", "{\"format\":1,\"mode\":\"comp", &LOCK.replace("\"format\":1", "\"format\":2")] {
        fs::write(home.path().join(".si-store/locks/a.json"), record).unwrap();
        let refused = store.delete(&key("a"), None, chrono::DateTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(refused.code(), "object-malformed", "{record}: {refused}");
        assert_eq!(store.lock(&key("a"), None, until_2100()).unwrap_err().code(), "object-malformed");
    }
    assert_eq!(read_bytes(&store, &key("a"), None, 10).unwrap(), b"x");
}

#[test]
fn a_lock_without_object_does_not_hold_the_next_one() {
    // A writer that died between writing the lock and publishing the object.
    let (home, store) = store();
    fs::create_dir_all(home.path().join(".si-store/locks")).unwrap();
    fs::write(home.path().join(".si-store/locks/a.json"), LOCK).unwrap();
    put(&store, "a", b"x").unwrap();
    assert_eq!(store.lock_of(&key("a"), None).unwrap(), None);
    assert_eq!(store.delete(&key("a"), None, chrono::DateTime::UNIX_EPOCH).unwrap(), Deletion::Deleted);
}

#[test]
fn a_copy_of_the_directory_is_as_locked() {
    let (home, store) = store();
    let options = PutOptions { lock: Some(until_2100()), size_hint: None };
    put_bytes(&store, &key("a/b"), b"x", &options).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let copied =
        std::process::Command::new("cp").arg("-r").arg(home.path()).arg(copy.path().join("c")).status();
    assert!(copied.unwrap().success());
    let copy = DirStore::open(copy.path().join("c")).unwrap();
    let deleted = copy.delete(&key("a/b"), None, chrono::DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(deleted, Deletion::Locked(until_2100()));
}

#[test]
fn an_object_is_locked_from_the_first_moment() {
    let (_home, store) = store();
    let options = PutOptions { lock: Some(until_2100()), size_hint: None };
    for number in 0..50 {
        let name = key(&format!("a/{number}"));
        std::thread::scope(|scope| {
            scope.spawn(|| put_bytes(&store, &name, b"x", &options).unwrap());
            while store.head(&name, None).is_err() {
                std::hint::spin_loop();
            }
            assert_eq!(store.lock_of(&name, None).unwrap(), Some(until_2100()));
            let deleted = store.delete(&name, None, chrono::DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(deleted, Deletion::Locked(until_2100()));
        });
    }
}

#[test]
fn what_was_locked_is_not_deleted_by_whoever_came_at_the_same_time() {
    let (_home, store) = store();
    for number in 0..100 {
        let name = key(&format!("a/{number}"));
        put(&store, name.as_str(), b"x").unwrap();
        let start = std::sync::Barrier::new(2);
        let (locked, deleted) = std::thread::scope(|scope| {
            let locked = scope.spawn(|| {
                start.wait();
                store.lock(&name, None, until_2100()).is_ok()
            });
            start.wait();
            let deleted = store.delete(&name, None, chrono::DateTime::UNIX_EPOCH).unwrap();
            (locked.join().unwrap(), deleted == Deletion::Deleted)
        });
        assert!(locked != deleted, "{name}: locked {locked}, deleted {deleted}");
        assert_eq!(store.head(&name, None).is_ok(), locked);
    }
}

#[test]
fn modification_times_tell_incarnations_of_one_tick_apart() {
    let (home, store) = store();
    let mut odd = 0;
    for number in 0..20 {
        let at = format!("a/{number}");
        put(&store, &at, b"x").unwrap();
        let meta = fs::metadata(home.path().join(at)).unwrap();
        assert!((meta.ctime() - meta.mtime()).abs() <= 1, "still the time at which it was written");
        odd += i32::from((meta.ctime_nsec() - meta.mtime_nsec()).abs() > 50_000_000);
    }
    assert!(odd > 0, "the fraction of the second is random");
}
