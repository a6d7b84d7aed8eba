//! Which snapshots are kept, for how long, and the deletion of the others.

mod apply;
mod forecast;
mod json;
mod plan;
mod policy;
mod schedule;
mod state;
mod verdict;

pub(super) use verdict::Verdict;

pub(super) use policy::zone_of;
pub(super) use state::StatePlan;

use crate::args::RetentionCommand;
use crate::{CliError, Report, Session};
use retention::{Plan, Snapshot};

/// What snapshots are called here: short, and of any tool.
type Id = Box<str>;

/// Does what a command about retention says.
pub(super) fn retention(session: &Session<'_>, command: &RetentionCommand) -> Result<Report, CliError> {
    match command {
        RetentionCommand::Plan(args) => plan::plan(session, args),
        RetentionCommand::Apply(args) => apply::apply(session, args),
        RetentionCommand::Forecast(args) => forecast::forecast(session, args),
    }
}
