use super::list::faults;
use crate::args::ShowArgs;
use crate::report::row;
use crate::usecase::list::list_row;
use crate::usecase::show::{evidence_rows, ignored_rows, text_of};
use crate::view::{ShowRow, time};
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Report, Session};
use backup_contract::AppSlug;
use std::fmt::Write;
use walg_driver::wal::Stop;

/// Shows one backup of an app's database: its chain, how far the archive leads from it, its evidence.
pub(in crate::usecase) fn show(
    session: &Session<'_>,
    args: &ShowArgs,
    app: &AppSlug,
) -> Result<Report, CliError> {
    let control = session.open_store()?;
    let bucket = AppBucket::open(&AppEnvironment::read(session, app)?)?;
    let shelf = AppShelf::read(session, &*control, &bucket)?;
    let snapshot = shelf.resolve(&args.id)?;
    let view = ShowRow {
        list: list_row(&shelf, snapshot)?,
        host: None,
        tool: None,
        keep: None,
        reasons: Vec::new(),
        drop_reason: None,
        drop_detail: None,
        evidence: evidence_rows(&shelf.evidence, snapshot),
        ignored_evidence: ignored_rows(&shelf, snapshot),
        manifest: None,
    };
    let mut text = text_of(&view, &[]).replace("  files       not readable here\n", "");
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12}{value}");
    };
    if let Some(backup) = shelf.backup(snapshot) {
        if let Some(sentinel) = &backup.sentinel {
            if let Some(system) = sentinel.system_identifier {
                line("cluster", system.to_string());
            }
            if let Some(version) = sentinel.pg_version {
                line("server", format!("PostgreSQL {}", version / 10_000));
            }
        }
        if let Some((start, finish)) = backup.span() {
            let timeline = backup.timeline.map_or_else(|| "?".into(), |timeline| timeline.to_string());
            line("WAL", format!("{start} to {finish} on timeline {timeline}"));
        }
        let chain: Vec<_> = backup.chain.iter().map(ToString::to_string).collect();
        line("chain", chain.join(" ← "));
        for reach in &backup.reach {
            let archived = reach.archived.map_or_else(String::new, |at| format!(", archived {}", time(at)));
            let stop = if reach.stop == Stop::Newest { "" } else { ", where a segment is missing" };
            line("leads to", format!("{} on timeline {}{archived}{stop}", reach.end, reach.timeline));
        }
    }
    text += &faults(&shelf);
    Ok(Report::new("backup show", vec![row(&view)], text))
}
