use std::env;
use std::path::{Path, PathBuf};

/// Where the program `versitygw` is: in `PATH`, or where `scripts/setup` puts what no distribution has.
#[must_use]
pub fn versitygw() -> Option<PathBuf> {
    find("versitygw")
}

/// Where the program `wal-g` is: where `WALG_BIN` says, else as [`versitygw`]. No set-up script can install it: where it is
/// not, nothing is missing.
#[must_use]
pub fn wal_g() -> Option<PathBuf> {
    env::var_os("WALG_BIN").map(PathBuf::from).or_else(|| find("wal-g"))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(cache().map(|cache| cache.join("bin")))
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// The servers of `PostgreSQL` majors that the distribution has not, by `scripts/setup`: `bin`, `lib` and `share` of each,
/// which may be moved, with `initdb`, `postgres` and `pg_ctl` alone.
#[must_use]
pub fn postgres_of(major: u32) -> Option<PathBuf> {
    let dir = cache()?.join(format!("postgres/{major}"));
    dir.join("bin/postgres").is_file().then_some(dir)
}

/// Where `scripts/setup` puts things.
fn cache() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    Some(cache?.join("si-backup"))
}

/// Whether files in a directory can have extended attributes, which `versitygw` keeps what it knows of objects in.
#[must_use]
pub fn has_extended_attributes(dir: &Path) -> bool {
    rustix::fs::setxattr(dir, "user.si-backup", b"x", rustix::fs::XattrFlags::empty()).is_ok()
}

/// Says in one line why a test has proved nothing here.
///
/// # Panics
/// Where `SI_BACKUP_REQUIRE_PARTS` is set: there a missing part is a failure.
#[expect(clippy::print_stderr, reason = "whoever reads the log of a test run should know what was not tried")]
pub fn skipped(why: &str) {
    assert!(env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(), "a part of the tests is missing: {why}");
    eprintln!("skipped: {why}");
}
