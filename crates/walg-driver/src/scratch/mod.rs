//! A backup restored into a scratch server: the proof that it comes back up, with what is in it.
//!
//! Never in place, and never near production: the copy lies in a directory of its own, with a configuration of its own
//! outside of it; the server listens on a socket in a private directory only, archives nothing, and where the system allows it
//! has a network in which there is nobody. What an engine has to be kept from (tablespaces would be unpacked over the
//! live ones) is refused before anything is fetched. What was fetched is held against what was recorded, and read to its end,
//! before anything of it is unpacked; and it is unpacked as the user that the server runs as, into the one directory that is
//! for that user to write to.
//!
//! WAL is decoded once, as far as the disk has room for it: what its checks have read lies ready beside the copy, nobody's
//! to alter but ours, until the server is started and takes it.
//!
//! What is wrong with the backup is a check that failed. What kept it from being tried, or says nothing of it, is an
//! [`Error`](crate::Error): no such server here, a disk too small, WAL that could not be fetched.
//!
//! Its programs are those of this machine, or of an [`Image`], whose containers are given the copy and nothing else of it.
//!
//! A server that is killed with its caller leaves a marked directory, which the next verification finds and removes.
//!
//! [`extract()`] makes such a copy for somebody else to start: with its WAL in it, and told how far to recover.

mod cluster;
mod collation;
mod container;
mod decoded;
mod docker;
mod extract;
mod fault;
mod followed;
mod held;
mod image;
mod inspect;
mod libraries;
mod programs;
mod psql;
mod questions;
mod replayed;
mod report;
mod request;
mod restore;
mod room;
mod run;
mod server;
mod settings;
mod target;
mod unpacked;
mod user;
mod verify;

pub use docker::Docker;
pub use extract::{ExtractRequest, Extracted, extract};
pub use fault::ScratchFault;
pub use image::{Image, UsedImage};
pub use programs::Programs;
pub use report::{AppCheck, ScratchReport, TableEstimate};
pub use request::{Limits, ScratchRequest};
pub use restore::{Restore, Step};
pub use room::Room;
pub use server::Network;
pub use settings::RestoreCommand;
pub use target::{Goal, Point, Target};
pub use verify::verify_by_restore;
