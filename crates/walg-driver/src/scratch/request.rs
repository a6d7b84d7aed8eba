use super::image::Image;
use super::report::AppCheck;
use super::restore::Restore;
use super::server::Network;
use super::settings::RestoreCommand;
use crate::Segments;
use crate::mirror::Mirror;
use std::path::Path;
use std::time::Duration;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The recovery, from the start of the server until it takes questions.
    pub recovery: Duration,
    /// A question, and everything else that a program is run for.
    pub question: Duration,
    /// Reading every block: for checksums, and for `amcheck`.
    pub reading: Duration,
}

/// What a verification by restore needs.
pub struct ScratchRequest<'a> {
    /// Which backup, from where, and how far.
    pub restore: Restore<'a>,
    /// Where the mirror lies; it stays, and is gone on with by the next one. Two at once need one each.
    pub mirror: &'a Path,
    /// Below which the scratch directory is made.
    pub place: &'a Path,
    /// The restore command for a mirror, and for what the copy says of its segments.
    pub restore_command: &'a dyn Fn(&Mirror, Segments) -> RestoreCommand,
    /// How many bytes of WAL may lie decoded beside the copy before the server asks for them: what is read for its checks is
    /// kept for it, as far as the disk has room. What is beyond that, `restore_command` brings.
    pub wal_ahead: u64,
    /// In containers of what its programs run; on this machine, when none is named. There all WAL is decoded for
    /// them beforehand, and `restore_command` is not asked for.
    pub image: Option<&'a Image>,
    /// Whether it gets a network of its own; in a container it always does.
    pub network: Network,
    /// A role of the database that is a superuser.
    pub superuser: &'a str,
    /// Libraries that the databases need at the server's start; those that are not installed here are left out.
    pub preload: &'a [String],
    /// What the app wants to be asked.
    pub app_checks: &'a [AppCheck],
    /// How long things may take.
    pub limits: Limits,
}
