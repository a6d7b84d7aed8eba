//! `contract`: what an app must have, and whether it has it.

mod check;
mod env_file;

use crate::args::ContractArgs;
use crate::report::row;
use crate::view::{ContractRow, profile_text};
use crate::{CliError, Report, Session};
use backup_contract::profile::Profile;

const COMMAND: &str = "backup contract";

/// Shows a profile, or holds apps against theirs.
pub(super) fn contract(session: &Session<'_>, args: &ContractArgs) -> Result<Report, CliError> {
    if args.check {
        return check::check(session, args.app.as_ref());
    }
    let profile = match &args.app {
        Some(app) => session.app_settings(app)?.profile,
        None => &Profile::all()[0],
    };
    let view = ContractRow::of(profile, args.app.as_ref());
    Ok(Report::new(COMMAND, vec![row(&view)], profile_text(profile)))
}
