use crate::settings::{RehearsalKind, RehearsalSettings};
use crate::{CliError, Session};
use backup_contract::{AppSlug, Finding, Place, Severity, same_host};
use walg_driver::bucket::{Backup, Bucket};
use walg_driver::mirror::free_bytes;
use walg_driver::scratch::Programs;

/// What would keep the newest backup from being rehearsed on this host, where rehearsals are to be made here: somebody
/// should hear of it before the night in which one is due.
pub(super) fn ready(
    session: &Session<'_>,
    app: &AppSlug,
    rehearsal: Option<&RehearsalSettings>,
    catalogue: &Bucket,
) -> Result<Vec<Finding>, CliError> {
    let (Some(rehearsal), Some(newest)) = (rehearsal, catalogue.newest_restorable()) else {
        return Ok(Vec::new());
    };
    if !same_host(&rehearsal.host, &session.world.host) {
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    let mut add = |code, detail: String, hint| {
        findings.push(Finding::new(
            code,
            Severity::Error,
            Place::of(format!("app {app}, rehearsal")),
            detail,
            hint,
        ));
    };
    if let Some(dir) = &rehearsal.dir {
        let dir = session.expand(dir)?;
        let (need, have) = (needed(catalogue, newest), free_bytes(&dir)?);
        if have < need {
            add(
                "no-space",
                format!(
                    "{} has {have} bytes free, and to restore {} there takes about {need}",
                    dir.display(),
                    newest.id
                ),
                "name a directory on a larger disk as 'dir'",
            );
        }
    }
    let version = newest.sentinel.as_ref().and_then(|sentinel| sentinel.pg_version);
    let major = version.and_then(|version| u32::try_from(version / 10_000).ok());
    if let (RehearsalKind::Local, Some(major)) = (rehearsal.kind, major) {
        let usual = Programs::usual_places(major);
        let places = rehearsal.bin_dir.clone().map_or(usual, |dir| vec![dir]);
        if let Err(error) = Programs::find(major, &places) {
            add(
                "no-server",
                crate::report::message_of(&error.into()),
                "install the server of that version, or name where it is as 'bin_dir'",
            );
        }
    }
    Ok(findings)
}

/// What is fetched, and the copy with a tenth more for what a recovery writes.
fn needed(catalogue: &Bucket, backup: &Backup) -> u64 {
    let links = || catalogue.chain(backup);
    let fetched: u64 = links().map(|link| link.bytes).sum();
    let copy = links().filter_map(|link| link.sentinel.as_ref()?.uncompressed_size).max().unwrap_or_default();
    fetched.saturating_add(copy).saturating_add(copy / 10)
}
