mod running;

use super::restore::{failed, passed};
use crate::args::AppCommand;
use crate::report::row;
use crate::view::{self, AppStatusRow};
use crate::{CliError, Report, Session};
use backup_contract::{CheckResult, Known};
use paas_state::{DeployedApp, deployed_apps};
use running::Running;
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
        .map(|deployed| status_of(deployed, running.beside(&deployed.slug)))
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
    let wrong = rows.iter().any(|row| !row.ok);
    let report = Report::new("backup app status", rows.iter().map(row).collect(), text);
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
        let status = status_of(deployed, running.beside(&deployed.slug));
        let name = format!("app status {}", status.app);
        if status.ok { passed(&name, status.detail) } else { failed(&name, status.detail) }
    });
    rows.collect()
}

fn status_of(app: &DeployedApp, (running, host): (&Known<Vec<String>>, String)) -> AppStatusRow {
    let expected = app.current_release.clone();
    let (running, ok, detail) = match (&app.remote_dir, running) {
        (_, Known::Unknown(why)) => (Vec::new(), true, format!("not compared: {why}")),
        (None, Known::Known(_)) => {
            (Vec::new(), true, "not compared: the context does not say where its releases lie".to_owned())
        }
        (Some(remote_dir), Known::Known(dirs)) => {
            let below = |dir: &&String| Path::new(dir.as_str()).parent() == Some(Path::new(remote_dir));
            let releases: Vec<String> = dirs
                .iter()
                .filter(below)
                .filter_map(|dir| Some(Path::new(dir).file_name()?.to_string_lossy().into_owned()))
                .collect();
            judge(expected.as_deref(), releases, &host)
        }
    };
    AppStatusRow { app: app.slug.to_string(), expected, running, ok, detail }
}

fn judge(expected: Option<&str>, running: Vec<String>, host: &str) -> (Vec<String>, bool, String) {
    let (ok, detail) = match (expected, running.as_slice()) {
        (_, []) => (true, format!("nothing of it runs on {host}")),
        (Some(expected), [one]) if one == expected => {
            (true, format!("{expected} runs on {host}, as docker says"))
        }
        (expected, several) => {
            let expected = expected.unwrap_or("nothing");
            let several = several.join(", ");
            (false, format!("{expected} is expected to run, and docker on {host} says that {several} does"))
        }
    };
    (running, ok, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(expected: Option<&str>, dirs: &[&str]) -> bool {
        let app = DeployedApp {
            slug: "shop".parse().unwrap(),
            current_release: expected.map(str::to_owned),
            remote_dir: Some("/srv/shop".into()),
        };
        let dirs = Known::Known(dirs.iter().map(|dir| (*dir).to_owned()).collect());
        status_of(&app, (&dirs, "this host".into())).ok
    }

    #[test]
    fn another_release_than_the_expected_one_is_told() {
        assert!(ok(Some("r7"), &["/srv/shop/r7", "/srv/other/r1"]));
        assert!(ok(Some("r7"), &["/srv/shopping/r6"]), "another app's");
        assert!(ok(Some("r7"), &[]), "nothing runs yet");
        assert!(!ok(Some("r7"), &["/srv/shop/r6"]));
        assert!(!ok(Some("r7"), &["/srv/shop/r6", "/srv/shop/r7"]), "two at once");
        assert!(!ok(None, &["/srv/shop/r6"]));
    }
}
