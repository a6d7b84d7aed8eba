//! Ten thousand files.

use super::support::{names, now, permit, write};
use crate::{Growth, Journal, Plan, Protected, Writes};
use std::time::Instant;

/// How long each part takes, on the disk that temporary files are on. Only `cargo test --release` says something about
/// the time; the order of it is held in every build.
#[test]
fn ten_thousand_files_are_promoted_in_a_moment() {
    let count = if super::support::is_full() || !cfg!(debug_assertions) { 10_000 } else { 1_000 };
    let home = tempfile::tempdir().unwrap();
    let (live, staged) = (home.path().join("live"), home.path().join("staged"));
    let mut protected = Vec::new();
    for n in 0..count {
        let path = format!("{:02}/{n}.json", n % 20);
        write(&live.join(&path), "old", 0o640);
        write(&staged.join(&path), "the new one", 0o600);
        protected.push(Protected { path, growth: Growth::Any });
    }
    // What was just made is on its way to the disk; that is not what is measured.
    rustix::fs::sync();
    let journal = Journal::new(home.path().join("journal"));
    let time = |what: &str, act: &mut dyn FnMut()| {
        let begun = Instant::now();
        act();
        eprintln!("{count} files, {what}: {:?}", begun.elapsed());
        begun.elapsed()
    };
    let mut plan = None;
    let planned = time("plan", &mut || plan = Some(Plan::files(&live, &staged, &protected).unwrap()));
    let plan = plan.unwrap();
    let promoted = time("promote", &mut || {
        journal.promote(&plan, permit(), now()).unwrap();
    });
    time("undo", &mut || {
        journal.undo(Writes::Refuse, now()).unwrap();
    });
    time("confirm", &mut || journal.confirm(now()).unwrap());
    assert_eq!(names(&live.join("00")).len(), count / 20);
    assert!(planned.as_secs() < 5 && promoted.as_secs() < 10, "{planned:?} {promoted:?}");
}
