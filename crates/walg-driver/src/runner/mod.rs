//! Where an app's server is, and how a command is run there.
//!
//! | runner | where |
//! |---|---|
//! | [`LocalRunner`] | on this machine, as the user that the server runs as |
//! | [`ComposeRunner`] | in a container of a compose project on this machine |
//! | [`SshRunner`] | on another machine, in a container there or plainly |
//!
//! Each runs a [`Job`] and tells what became of it, as [`process::run`](crate::process::run) does. That a job could not be
//! run at all, or that nobody knows what became of it because a connection was lost, is an error and never a status: an exit
//! code of 1 or 255 is only believed to be the job's own when a mark that the job's shell prints after it came too.
//!
//! Secrets are on no command line: locally they are in the child's environment, in a container they are the service's own.

mod compose;
mod far;
mod job;
mod local;
mod marks;
mod quote;
mod service_env;
mod sql;
mod ssh;

pub use compose::{Compose, ComposeRunner, Container};
pub use far::Far;
pub use job::{Job, Reads};
pub use local::LocalRunner;
pub use service_env::compare_environment;
pub use ssh::SshRunner;

use crate::Result;
use crate::process::{Ended, Limits, Watch};
use backup_store::Clock;
use std::fmt;

/// How a job is watched over.
#[derive(Debug, Clone, Copy)]
pub struct Control<'a> {
    /// How long it may take.
    pub limits: Limits,
    /// What the caller knows while it runs.
    pub watch: Watch<'a>,
    /// What time is measured with.
    pub clock: &'a dyn Clock,
}

/// Runs commands where the server of an app is.
pub trait Runner: fmt::Debug + Send + Sync {
    /// Runs a job to its end.
    ///
    /// # Errors
    /// Where the job was not run, or nobody knows what became of it. That it failed is in what is returned.
    fn run(&self, job: &Job, control: &Control<'_>) -> Result<Ended>;

    /// The containers of the service that jobs run in, as compose tells of them; none where there is no service.
    fn containers(&self, control: &Control<'_>) -> Result<Option<Vec<Container>>>;

    /// The compose project that jobs run in, as compose resolves it and without a value of its variables; none where there is
    /// none.
    ///
    /// # Errors
    /// Where compose refuses it, or was not reached.
    fn project(&self, control: &Control<'_>) -> Result<Option<Vec<u8>>>;

    /// Has the server carry out SQL, and returns its rows: one a line, fields apart by `|`, neither quoted.
    ///
    /// It goes through `psql`, which connects as the `PG*` settings say; the text is on its standard input. At the first
    /// statement that fails the rest is left out.
    ///
    /// ```no_run
    /// # fn example(runner: &dyn walg_driver::runner::Runner, control: &walg_driver::runner::Control<'_>)
    /// #     -> walg_driver::Result<()> {
    /// let identifier = runner.sql("select system_identifier from pg_control_system()", control)?;
    /// # Ok(())
    /// # }
    /// ```
    fn sql(&self, sql: &str, control: &Control<'_>) -> Result<String> {
        sql::rows(&self.run(&sql::job(sql), control)?)
    }
}
