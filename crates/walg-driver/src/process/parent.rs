#[cfg(feature = "embedded")]
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
#[cfg(feature = "embedded")]
use std::ffi::OsStr;

/// Under which name a child is told whose it is.
pub(crate) const PARENT: &str = "SI_BACKUP_PARENT";

/// Has this process end when its parent does, if that is who it was told: a push whose caller was killed would go on alone,
/// and the caller's lease would run out beside it. What a server starts as its `archive_command`, or what such a child
/// starts in its turn, was told of nobody, or of somebody else.
///
/// Says whether it is to go on: not where the parent has gone meanwhile.
#[cfg(feature = "embedded")]
pub(crate) fn end_with_parent(told: Option<&OsStr>) -> bool {
    let told: Option<i32> = told.and_then(|text| text.to_str()?.parse().ok());
    let is_ours = || told.is_some() && getppid().map(Pid::as_raw_pid) == told;
    if !is_ours() {
        return true;
    }
    // A system that cannot do it leaves things as they are with any other engine.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    is_ours()
}
