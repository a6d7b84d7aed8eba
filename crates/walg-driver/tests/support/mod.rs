//! The fixture buckets, where a test may change them.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A copy of a fixture, outside of the git work tree that it is kept in.
pub(crate) fn fixture(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wal-g-3.0.9").join(name), dir.path());
    dir
}

/// The files below a place of a directory, relative to it.
pub(crate) fn files(dir: &Path, below: &str, found: &mut Vec<PathBuf>) {
    let place = dir.join(below);
    for entry in fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() { files(dir, &name, found) } else { found.push(PathBuf::from(name)) }
    }
}
