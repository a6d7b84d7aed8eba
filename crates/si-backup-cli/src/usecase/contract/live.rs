use crate::app::server::within;
use crate::{AppBucket, AppEnvironment, AppServer, CliError, Session};
use backup_contract::{AppSlug, Checked, ClauseId, Finding, Severity, Unjudged};
use std::collections::BTreeSet;
use std::time::Duration;
use walg_driver::process::Limits;

/// How long each question to a server may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What the running server of an app says of itself, held against the contract; unjudged where it does not answer, which says
/// nothing of what it would have said.
pub(super) fn check(session: &Session<'_>, app: &AppSlug) -> Checked {
    asked(session, app).ok().flatten().unwrap_or_else(|| {
        let why =
            "the running server was not asked: it does not answer from here; 'si-backup doctor' says why";
        Checked { unjudged: vec![Unjudged::new(ClauseId::AppContract, why)], ..Checked::default() }
    })
}

fn asked(session: &Session<'_>, app: &AppSlug) -> Result<Option<Checked>, CliError> {
    let environment = AppEnvironment::read(session, app)?;
    within(session, Limits::default().total(ANSWER), |control| {
        let server = AppServer::of(session, &environment, None, control)?;
        // A look starts nothing: least of all a container of an image that is not there yet.
        if let Some(containers) = server.runner.containers(control)?
            && !containers.iter().any(|container| container.state == "running")
        {
            return Ok(None);
        }
        let mut answers = server.ask(format!("app {app}"), BTreeSet::new(), control)?;
        // Without the bucket all but one of the questions can be judged.
        answers.facts.backed_up_systems =
            AppBucket::open(&environment).and_then(|bucket| bucket.read()).map(|read| read.systems()).ok();
        let mut checked = answers.facts.check();
        checked.findings.extend(server.compare_environment(&environment, control)?);
        // That it is not there, or does not tell its version, says nothing of the server; 'doctor' tells it.
        if let Ok(engine) = server.engine_there(control) {
            let run_into = environment.get().check_version(engine.version());
            let is_a_note = |fault: &&Finding| {
                fault.severity == Severity::Info && !run_into.iter().any(|it| it.code == fault.code)
            };
            checked.findings.extend(engine.faults().iter().filter(is_a_note).cloned());
            checked.findings.extend(run_into);
        }
        Ok(Some(checked))
    })
}
