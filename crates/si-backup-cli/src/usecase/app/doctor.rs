use super::ready::ready;
use crate::app::server::within;
use crate::usecase::doctor::of_error;
use crate::{AppBucket, AppEnvironment, AppServer, CliError, Session};
use backup_contract::{AppSlug, Finding, Place, Severity};
use std::fmt::Write;
use std::time::Duration;
use walg_driver::bucket::Bucket;
use walg_driver::process::Limits;
use walg_driver::runner::Control;
use walg_driver::wal::Stop;

/// How long the server may take to answer, and a segment of WAL to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is wrong with the backups of an app, and with its server; and what is said when nothing
/// is.
pub(in crate::usecase) fn diagnose(
    session: &Session<'_>,
    app: &AppSlug,
) -> Result<(Vec<Finding>, String), CliError> {
    let environment = AppEnvironment::read(session, app)?;
    let bucket = AppBucket::open(&environment)?;
    let catalogue = bucket.read()?;
    let mut findings = of_bucket(app, &catalogue);
    findings.extend(ready(session, app, environment.settings.rehearsal.as_ref(), &catalogue)?);
    let mut said = crate::view::count(catalogue.backups.len(), "backup", "backups");
    let asked = within(session, Limits::default().total(PATIENCE), |control| {
        let server = AppServer::of(session, &environment, None, control)?;
        findings.extend(server.compare_environment(&environment, control)?);
        said += &about_engine(&environment, &server, control, &mut findings)?;
        let answers = server.ask(format!("app {app}"), catalogue.systems(), control)?;
        let facts = answers.facts.check();
        let can_archive = !facts.has_errors() && answers.facts.archive_mode.as_deref() != Some("off");
        findings.extend(facts.findings);
        server.works_in(&answers.data_directory, control)?;
        if can_archive {
            said += &arrives(&server, &bucket, control, app, &mut findings)?;
        }
        Ok::<_, CliError>(())
    });
    // A server that does not answer is one thing more that is wrong, and hides nothing of the others.
    match asked {
        Err(error) if error.findings().is_empty() => findings.push(of_error(&format!("app {app}"), &error)),
        Err(error) => findings.extend(error.findings().to_vec()),
        Ok(()) => {}
    }
    Ok((findings, said))
}

/// Which engine there is, and how much is known to go wrong in it; what of that the app's settings run into is found.
fn about_engine(
    environment: &AppEnvironment<'_>,
    server: &AppServer,
    control: &Control<'_>,
    findings: &mut Vec<Finding>,
) -> Result<String, CliError> {
    let engine = server.engine_there(control)?;
    let mut said = format!(", engine {} {}", server.engine.kind(), engine.version());
    if let Some(service) = &server.service {
        let _ = write!(said, " in service '{service}'");
    }
    let harmless = engine.faults().iter().filter(|fault| fault.severity == Severity::Info).count();
    if harmless > 0 {
        let count = crate::view::count(harmless, "known fault", "known faults");
        let _ = write!(said, " with {count} that are worked around ('contract --check --app' lists them)");
    }
    findings.extend(environment.get().check_version(engine.version()));
    Ok(said)
}

/// Has the server hand over its WAL, and looks for it where it has to come to, by its very name: later ones of another
/// timeline, or of another cluster, say nothing of this server.
fn arrives(
    server: &AppServer,
    bucket: &AppBucket,
    control: &Control<'_>,
    app: &AppSlug,
    findings: &mut Vec<Finding>,
) -> Result<String, CliError> {
    server.write_wal(control)?;
    let segment = server.end_segment(control)?;
    let began = control.clock.monotonic();
    loop {
        if bucket.has_wal(&segment)? {
            let took = control.clock.monotonic().saturating_sub(began);
            return Ok(format!(", and a segment of WAL arrived within {} s", took.as_secs() + 1));
        }
        if control.clock.monotonic().saturating_sub(began) >= PATIENCE || control.watch.is_interrupted() {
            findings.push(Finding::new(
                "wal-does-not-arrive",
                Severity::Error,
                Place::of(format!("app {app}")),
                format!("ended the segment {segment}, and it was not in the bucket {} s later", PATIENCE.as_secs()),
                "look into the server's log for what its archive_command says; pg_wal grows until it succeeds",
            ));
            return Ok(String::new());
        }
        control.clock.sleep(Duration::from_millis(500));
    }
}

fn of_bucket(app: &AppSlug, catalogue: &Bucket) -> Vec<Finding> {
    let mut findings = Vec::new();
    let place = || Place::of(format!("app {app}"));
    if catalogue.systems().len() > 1 {
        findings.push(Finding::new(
            "bucket-several-clusters",
            Severity::Error,
            place(),
            "shares its bucket with backups of another cluster: the names of WAL segments do not say of which they are",
            "give each cluster a prefix of its own; no WAL may be deleted here",
        ));
    }
    for backup in catalogue.backups.iter().filter(|backup| !backup.restorable()) {
        let problems: Vec<_> = backup.problems.iter().map(|problem| problem.detail.as_str()).collect();
        findings.push(Finding::new(
            "backup-not-restorable",
            Severity::Warning,
            Place::of(format!("app {app}, {}", backup.id)),
            format!("cannot be restored: {}", problems.join("; ")),
            "do not count on it; make a new one with 'si-backup run --app'",
        ));
    }
    let reach = catalogue.newest_restorable().and_then(|newest| newest.reach.last());
    if let Some(Stop::Hole { missing, beyond }) = reach.map(|reach| reach.stop) {
        findings.push(Finding::new(
            "wal-unreachable",
            Severity::Error,
            place(),
            format!(
                "lacks {missing} in its archive: {beyond} segments behind it cannot be reached from the newest backup"
            ),
            "make a backup now with 'si-backup run --app': it begins behind the hole",
        ));
    }
    findings
}
