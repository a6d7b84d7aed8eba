use super::report::AppCheck;
use super::server::Network;
use super::settings::RestoreCommand;
use super::target::Target;
use crate::bucket::{Bucket, Root};
use crate::engine::Unpack;
use crate::mirror::Mirror;
use crate::process::User;
use crate::{Result, Segments};
use backup_contract::SnapshotId;
use backup_store::{Clock, Store};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
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

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes, of so many, came into the mirror.
    Fetching {
        /// Those that just came.
        bytes: u64,
        /// All that there are.
        of: u64,
    },
    /// The engine unpacks.
    Unpacking,
    /// The server recovers; told again and again.
    Recovering,
    /// The server is asked; told again and again.
    Asking,
}

/// What a verification by restore needs.
pub struct ScratchRequest<'a> {
    /// Where the bucket is.
    pub store: &'a dyn Store,
    /// Where in that.
    pub root: &'a Root,
    /// Its catalogue.
    pub bucket: &'a Bucket,
    /// The backup.
    pub backup: &'a SnapshotId,
    /// What is to be reached.
    pub target: &'a Target,
    /// Where the mirror lies; it stays, and is gone on with by the next one.
    pub mirror: &'a Path,
    /// Below which the scratch directory is made.
    pub place: &'a Path,
    /// What unpacks.
    pub engine: &'a dyn Unpack,
    /// The restore command for a mirror, and for what the copy says of its segments.
    pub restore_command: &'a dyn Fn(&Mirror, Segments) -> RestoreCommand,
    /// Where server programs may be; [`Programs::usual_places`](super::Programs::usual_places) when empty.
    pub server_dirs: &'a [PathBuf],
    /// As whom the server runs; needed where the caller is root.
    pub user: Option<&'a User>,
    /// Whether it gets a network of its own.
    pub network: Network,
    /// A role of the database that is a superuser.
    pub superuser: &'a str,
    /// Libraries that the databases need at the server's start; those that are not installed here are left out.
    pub preload: &'a [String],
    /// What the app wants to be asked.
    pub app_checks: &'a [AppCheck],
    /// How many objects are fetched at once.
    pub threads: usize,
    /// How many bytes are free where a path is: [`free_bytes`](crate::mirror::free_bytes), but in tests.
    pub free: &'a (dyn Fn(&Path) -> Result<u64> + Sync),
    /// For time limits.
    pub clock: &'a dyn Clock,
    /// How long things may take.
    pub limits: Limits,
    /// Is told how far it is, and decides whether to go on.
    pub watch: &'a (dyn Fn(Step) -> ControlFlow<()> + Sync),
}
