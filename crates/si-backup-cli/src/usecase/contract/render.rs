use super::{COMMAND, compose};
use crate::args::ContractArgs;
use crate::report::row;
use crate::settings::{AppSettings, RunnerSettings};
use crate::view::{ContractRow, FragmentRow};
use crate::{CliError, Report, Session};
use backup_contract::compose::Project;
use backup_contract::pack::{Databasus, Pack, SupabaseWalg};

/// How si puts a fragment beside a release's files.
const MERGE_STRATEGY: &str = "additive_no_override";

/// Prints the fragment of a pack, fitted to an app's project where one is named.
pub(super) fn render(session: &Session<'_>, pack: Pack, args: &ContractArgs) -> Result<Report, CliError> {
    let settings = args.app.as_ref().map(|app| session.app_settings(app)).transpose()?;
    let project = match settings {
        Some(settings) => project_of(session, settings)?,
        None => None,
    };
    let fragment = match pack {
        Pack::SupabaseWalg => walg(session, settings, project.as_ref(), args)?,
        Pack::Databasus => databasus(project.as_ref(), args)?,
    };
    let view = FragmentRow {
        pack: pack.as_str(),
        merge_strategy: MERGE_STRATEGY,
        fragment: fragment.clone(),
        app: args.app.clone(),
    };
    Ok(Report::new(COMMAND, vec![row(&ContractRow::Fragment(view))], fragment))
}

fn project_of(session: &Session<'_>, settings: &AppSettings) -> Result<Option<Project>, CliError> {
    let RunnerSettings::Compose { dir, files } = &settings.runner else { return Ok(None) };
    match compose::find(session, dir, files)? {
        compose::Found::Read(project) => Ok(Some(project)),
        compose::Found::Not(why) => Err(CliError::NoProject(why)),
    }
}

fn walg(
    session: &Session<'_>,
    settings: Option<&AppSettings>,
    project: Option<&Project>,
    args: &ContractArgs,
) -> Result<String, CliError> {
    let mut pack = project.map_or_else(SupabaseWalg::default, SupabaseWalg::fitted);
    if let Some(settings) = settings {
        let path = session.expand(&settings.env_file)?;
        pack.set("env-file", &path.display().to_string())?;
    }
    for (name, value) in &args.set {
        pack.set(name, value)?;
    }
    Ok(pack.render())
}

fn databasus(project: Option<&Project>, args: &ContractArgs) -> Result<String, CliError> {
    let mut pack = project.map_or_else(Databasus::default, Databasus::fitted);
    for (name, value) in &args.set {
        pack.set(name, value)?;
    }
    Ok(pack.render())
}
