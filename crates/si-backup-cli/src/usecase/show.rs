use super::list::list_row;
use super::prove::level_that_failed;
use super::retention::Verdict;
use crate::args::ShowArgs;
use crate::report::{message_of, row};
use crate::shelf::reference;
use crate::view::{self, EvidenceRow, ListRow, ProblemRow, ShowRow};
use crate::{CliError, Judge, Report, Session, Shelf, metered};
use backup_contract::{Level, Snapshot};
use paas_state::{Manifest, Side, is_store};
use restore_guard::{Evidence, Ignored, Records};
use std::fmt::Write;

/// Shows one snapshot: its record, its evidence, and, where the identity is, its files.
pub(super) fn show(session: &Session<'_>, args: &ShowArgs) -> Result<Report, CliError> {
    let store = session.open_store()?;
    let shelf = Shelf::read(session, &*store)?;
    let snapshot = shelf.resolve(&args.id)?;
    let record = shelf.catalogue.records.get(&snapshot.id);
    let mut failed = None;
    let opened = match (session.identities()?, record) {
        (Some(identities), Some(record)) => {
            let bundle = shelf.bundle(snapshot)?;
            let (mode, interrupts) = (session.progress(), &session.world.interrupts);
            metered(mode, "reading", record.bytes, interrupts, None, |meter| {
                match bundle.read_files(&identities, &is_store, meter) {
                    Ok((verified, stores)) => {
                        let releases = Side::of_snapshot(verified.manifest(), &stores).releases();
                        // Fingerprints of secrets are for a restore to compare, not for a screen.
                        Ok(Some((Manifest { vault: None, ..verified.into_manifest() }, releases)))
                    }
                    Err(e @ paas_state::Error::Stopped) => Err(CliError::from(e)),
                    Err(e) => {
                        let level = level_that_failed(&e, Level::Content);
                        let why = message_of(&e.into());
                        match level {
                            Some(level) => {
                                let id = reference(snapshot).to_string();
                                failed = Some(CliError::NotProved { id, level, why });
                            }
                            None => session.warn(format!("its files cannot be shown: {why}")),
                        }
                        Ok(None)
                    }
                }
            })?
        }
        _ => None,
    };
    let evidence = evidence_rows(&shelf.evidence, snapshot);
    let ignored = ignored_rows(&shelf, snapshot);
    // What is wrong with the policy is no reason not to show a snapshot.
    let verdict = match Verdict::on(session, &*store, &shelf, snapshot) {
        Ok(verdict) => Some(verdict),
        Err(e) => {
            session.warn(format!("whether it is kept cannot be said: {}", message_of(&e)));
            None
        }
    };
    let (manifest, releases) = opened.unzip();
    let (keep, why) = verdict.as_ref().map(|verdict| (verdict.keep, verdict.lines.clone())).unzip();
    let (reasons, drop_reason, drop_detail) = verdict
        .map(|verdict| (verdict.reasons, verdict.drop_reason, verdict.drop_detail))
        .unwrap_or_default();
    let view = ShowRow {
        list: ListRow { releases, ..list_row(&shelf, snapshot)? },
        host: record.map(|record| record.host.clone()),
        tool: record.map(|record| record.tool.clone()),
        keep,
        reasons,
        drop_reason,
        drop_detail,
        evidence,
        ignored_evidence: ignored,
        manifest,
    };
    let text = text_of(&view, &why.unwrap_or_default());
    let report = Report::new("backup show", vec![row(&view)], text);
    // What was just read does not care what was proved before.
    Ok(match failed {
        Some(error) => report.with_error(error),
        None => report,
    })
}

/// The evidence about a snapshot, oldest first.
pub(super) fn evidence_rows(evidence: &Records, snapshot: &Snapshot) -> Vec<EvidenceRow> {
    let of = |evidence: &Evidence| {
        let record = evidence.record();
        EvidenceRow {
            key: evidence.key().to_string(),
            level: record.level,
            outcome: record.outcome,
            at: record.finished_at,
            host: record.host.clone(),
            operator: record.operator.clone(),
            checks: record.checks.clone(),
        }
    };
    evidence.of(&reference(snapshot)).iter().map(of).collect()
}

/// What was found about a snapshot and does not count.
pub(super) fn ignored_rows(shelf: &dyn Judge, snapshot: &Snapshot) -> Vec<ProblemRow> {
    let say = |i: &Ignored| ProblemRow { code: i.why.code().into(), detail: format!("{}: {}", i.key, i.why) };
    shelf.standing(snapshot).map_or_else(Vec::new, |standing| standing.ignored().iter().map(say).collect())
}

pub(super) fn text_of(view: &ShowRow, why: &[String]) -> String {
    let list = &view.list;
    let mut text = format!("{}/{}\n", list.subject, list.id);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12}{value}");
    };
    if let Some(at) = list.started_at {
        line("taken", view::time(at));
    }
    if let (Some(host), Some(tool)) = (&view.host, &view.tool) {
        line("by", format!("{tool} on {host}"));
    }
    line("size", view::bytes(list.bytes));
    if let Some(checksum) = list.checksum {
        line("checksum", checksum.to_string());
    }
    line("restorable", if list.restorable { "yes".into() } else { "no".into() });
    list.problems.iter().for_each(|problem| line("problem", problem.detail.clone()));
    line("pinned", if list.pinned { "yes".into() } else { "no".into() });
    if let Some(until) = list.locked_until {
        line("locked", format!("until {}", view::time(until)));
    }
    for (at, reason) in why.iter().enumerate() {
        let name = if view.keep == Some(true) { "kept" } else { "goes" };
        line(if at == 0 { name } else { "" }, reason.clone());
    }
    match &list.verified {
        Some(verified) => line("proved", format!("{} on {}", verified.level, view::time(verified.at))),
        None => line("proved", "no".into()),
    }
    if let Some(failed) = &list.failed {
        line("failed", format!("{} on {}", failed.level, view::time(failed.at)));
    }
    for evidence in &view.evidence {
        line(
            "evidence",
            format!(
                "{} {} {} by {} on {}",
                view::time(evidence.at),
                evidence.level,
                evidence.outcome,
                evidence.operator,
                evidence.host
            ),
        );
        evidence
            .checks
            .iter()
            .filter(|check| !check.ok)
            .for_each(|check| line("", format!("failed: {}", check.detail)));
    }
    view.ignored_evidence.iter().for_each(|ignored| line("ignored", ignored.detail.clone()));
    match &view.manifest {
        None => line("files", "not readable here".into()),
        Some(manifest) => {
            for (at, (app, release)) in list.releases.iter().flatten().enumerate() {
                let name = if at == 0 { "releases" } else { "" };
                line(name, format!("{} {}", view::printable(app), view::printable(release)));
            }
            line("files", manifest.files.len().to_string());
            let rows = manifest.files.iter().map(|file| {
                let lines = file.lines.map_or_else(String::new, |n| format!("{n} lines"));
                [format!("    {}", file.path), view::bytes(file.size), lines]
            });
            text += view::table(["", "", ""], rows).split_once('\n').map_or("", |(_, rows)| rows);
            if !manifest.absent.is_empty() {
                let absent: Vec<_> = manifest.absent.iter().map(ToString::to_string).collect();
                let _ = writeln!(text, "  {:<12}{}", "absent", absent.join(", "));
            }
        }
    }
    text
}
