mod running;

use super::restore::{failed, passed};
use crate::args::AppCommand;
use crate::report::row;
use crate::view::{self, AppStatusRow};
use crate::{CliError, Report, Session};
use backup_contract::{CheckResult, Known};
use paas_state::{DeployedApp, deployed_apps};
use running::{Place, Running};
use std::path::Path;

/// Shows what is expected to run, and what does.
pub(super) fn app(session: &Session<'_>, command: &AppCommand) -> Result<Report, CliError> {
    let AppCommand::Status { app } = command;
    let deployed = deployed_apps(&session.open_context()?)?;
    if let Some(app) = app
        && !deployed.iter().any(|deployed| deployed.slug == *app)
    {
        return Err(CliError::usage(
            format!("the context has never deployed an app '{app}'"),
            "'si-backup app status' lists those that it has",
        ));
    }
    let mut running = Running::new(session);
    let rows: Vec<_> = deployed
        .iter()
        .filter(|deployed| app.as_ref().is_none_or(|app| deployed.slug == *app))
        .map(|deployed| status_of(deployed, &running.place_of(deployed)))
        .collect();
    let lines = rows.iter().map(|row| {
        [
            row.app.clone(),
            row.expected.clone().unwrap_or_else(|| "-".into()),
            if row.running.is_empty() { "-".into() } else { row.running.join(", ") },
            row.detail.clone(),
        ]
    });
    let text = if rows.is_empty() {
        "no apps\n".to_owned()
    } else {
        view::table(["APP", "EXPECTED", "RUNNING", ""], lines)
    };
    let is_other = rows.iter().any(|row| !row.ok && !row.running.is_empty());
    let wrong = rows.iter().any(|row| !row.ok);
    let report = Report::new("backup app status", rows.iter().map(row).collect(), text);
    if wrong && !is_other {
        return Ok(report.with_error(CliError::Findings {
            code: "expected-release-not-seen",
            message: "a release that the state of the context names is not seen to run".into(),
            hint: "start it where it belongs, or deploy it with si; see that docker can be asked there",
        }));
    }
    if wrong {
        return Ok(report.with_error(CliError::Findings {
            code: "other-release-running",
            message: "another release runs than the state of the context says".into(),
            hint: "deploy the expected one with si, or restore the state that names the one that runs",
        }));
    }
    Ok(report)
}

/// Whether every app runs the release that the restored state says.
pub(super) fn check(session: &Session<'_>, deployed: &[DeployedApp]) -> Vec<CheckResult> {
    if deployed.is_empty() {
        return vec![passed("app status", "no app is deployed".into())];
    }
    let mut running = Running::new(session);
    let rows = deployed.iter().map(|deployed| {
        let status = status_of(deployed, &running.place_of(deployed));
        let name = format!("app status {}", status.app);
        if status.ok { passed(&name, status.detail) } else { failed(&name, status.detail) }
    });
    rows.collect()
}

/// Holds what runs against what is expected.
///
/// Where it is known on which host an app runs, that one has to say that the expected release does: nothing, another, and no
/// answer are all none. Where neither the settings nor a directory of its releases tells that it runs here, an answer of this
/// host counts where there is one, and that there is none is said, and keeps nothing shut: nobody could ever open it else.
fn status_of(app: &DeployedApp, place: &Place<'_>) -> AppStatusRow {
    let expected = app.current_release.clone();
    let host = &place.host;
    let remote_dir = app.remote_dir.as_deref().map(Path::new).or(place.remote_dir.as_deref());
    let releases = match (remote_dir, place.running) {
        (_, Known::Unknown(why)) => Err(why.clone()),
        (None, Known::Known(_)) => Err("the context does not say where its releases lie".to_owned()),
        (Some(remote_dir), Known::Known(dirs)) => Ok(dirs
            .iter()
            .map(|dir| Path::new(dir.as_str()))
            .filter(|dir| dir.parent() == Some(remote_dir))
            .filter_map(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()))
            .collect::<Vec<_>>()),
    };
    let (ok, detail) = match (expected.as_deref(), &releases) {
        (None, Err(why)) => (true, format!("nothing is expected to run; not compared: {why}")),
        (None, Ok(running)) if running.is_empty() => (true, "nothing is expected to run, nor does it".into()),
        (Some(expected), Ok(running)) if *running == [expected] => {
            (true, format!("{expected} runs on {host}, as docker says"))
        }
        (Some(expected), Err(why)) if place.is_known => {
            (false, format!("{expected} is expected to run on {host}, which could not be asked: {why}"))
        }
        (Some(expected), Ok(running)) if running.is_empty() && place.is_known => {
            (false, format!("{expected} is expected to run, and nothing of it runs on {host}"))
        }
        (Some(expected), Err(why)) => (true, elsewhere(expected, why)),
        (Some(expected), Ok(running)) if running.is_empty() => {
            (true, elsewhere(expected, &format!("nothing of it runs on {host}")))
        }
        (expected, Ok(running)) => {
            let (expected, running) = (expected.unwrap_or("nothing"), running.join(", "));
            (false, format!("{expected} is expected to run, and docker on {host} says that {running} does"))
        }
    };
    AppStatusRow { app: app.slug.to_string(), expected, running: releases.unwrap_or_default(), ok, detail }
}

fn elsewhere(expected: &str, why: &str) -> String {
    format!(
        "not compared: {why}, and nothing tells where {expected} is expected to run: neither the settings nor a directory of it on this host"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expected: Option<&str>, running: &Known<Vec<String>>, is_known: bool) -> bool {
        let app = DeployedApp {
            slug: "shop".parse().unwrap(),
            current_release: expected.map(str::to_owned),
            remote_dir: Some("/srv/shop".into()),
        };
        status_of(&app, &Place { running, host: "this host".into(), remote_dir: None, is_known }).ok
    }

    fn ok(expected: Option<&str>, dirs: &[&str]) -> bool {
        let dirs = Known::Known(dirs.iter().map(|dir| (*dir).to_owned()).collect());
        let (known, unknown) = (told(expected, &dirs, true), told(expected, &dirs, false));
        // What is seen counts the same wherever it is.
        assert!(
            known == unknown
                || dirs.known().is_some_and(|dirs| !dirs.iter().any(|it| it.starts_with("/srv/shop/")))
        );
        known
    }

    #[test]
    fn another_release_than_the_expected_one_is_told() {
        assert!(ok(Some("r7"), &["/srv/shop/r7", "/srv/other/r1"]));
        assert!(!ok(Some("r7"), &["/srv/shopping/r6"]), "another app's");
        assert!(!ok(Some("r7"), &[]), "nothing runs");
        assert!(ok(None, &[]), "nothing is to");
        assert!(!ok(Some("r7"), &["/srv/shop/r6"]));
        assert!(!ok(Some("r7"), &["/srv/shop/r6", "/srv/shop/r7"]), "two at once");
        assert!(!ok(None, &["/srv/shop/r6"]));
    }

    #[test]
    fn what_cannot_be_asked_is_not_right_where_it_is_known_who_is_to_be() {
        let away = Known::unknown("docker cannot be asked");
        assert!(!told(Some("r7"), &away, true));
        assert!(told(None, &away, true), "nothing is expected");
        // On a new machine, before anything is deployed there.
        assert!(told(Some("r7"), &away, false));
        assert!(told(Some("r7"), &Known::Known(Vec::new()), false));
    }
}
