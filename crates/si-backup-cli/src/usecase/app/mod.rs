//! What the commands do about the database of an app, whose backups lie in a WAL-G bucket.

mod doctor;
mod extract;
mod list;
mod prove;
mod ready;
mod rehearse;
mod run;
mod service;
mod show;
mod status;
mod tables;
mod verify;

pub(super) use doctor::diagnose;
pub(super) use extract::extract;
pub(super) use list::list;
pub(super) use run::run;
pub(super) use show::show;
pub(super) use status::status;
pub(super) use verify::verify;
