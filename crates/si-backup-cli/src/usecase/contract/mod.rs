//! `contract`: what an app must have, and whether it has it.

mod check;
mod compose;
mod live;
mod render;

pub(super) use check::{facts, of_env_file};

use crate::args::ContractArgs;
use crate::report::row;
use crate::view::{ContractRow, ProfileRow, profile_text};
use crate::{CliError, Report, Session};
use backup_contract::profile::Profile;

const COMMAND: &str = "backup contract";

/// Shows a profile, holds apps against theirs, or renders what they lack.
pub(super) fn contract(session: &Session<'_>, args: &ContractArgs) -> Result<Report, CliError> {
    if let Some(pack) = args.render {
        return render::render(session, pack, args);
    }
    if args.check {
        return check::check(session, args.app.as_ref());
    }
    let profile = match &args.app {
        Some(app) => session.app_settings(app)?.profile,
        None => &Profile::all()[0],
    };
    let view = ContractRow::Profile(ProfileRow::of(profile, args.app.as_ref()));
    Ok(Report::new(COMMAND, vec![row(&view)], profile_text(profile)))
}
