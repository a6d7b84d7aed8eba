//! What the fuzz targets share.

use backup_store::{DirStore, Key};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A directory of this process, in memory where there is such a place.
pub fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<TempDir> = OnceLock::new();
    SCRATCH.get_or_init(|| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()).path()
}

/// Writes a file of the scratch directory, readable by its owner only.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = scratch().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// An empty store in the scratch directory.
pub fn empty_store() -> DirStore {
    let path = scratch().join("store");
    let _ = fs::remove_dir_all(&path);
    DirStore::create(path).unwrap()
}

/// Writes an object past the store.
pub fn object(key: &Key, bytes: &[u8]) {
    file(&format!("store/{key}"), bytes);
}

/// A SHA-256 in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is said to a person must not steer the terminal, and must not be without end.
pub fn is_fit_to_print(text: &str) {
    assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    assert!(text.len() < 16 * 1024, "{} bytes", text.len());
}
