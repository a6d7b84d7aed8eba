use crate::report::row;
use crate::usecase::list::{line, list_row};
use crate::view::{self, ListRow};
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Report, Session};
use backup_contract::AppSlug;
use std::fmt::Write;
use walg_driver::wal::Stop;

/// Lists the backups of an app's database, oldest first, and what else its bucket holds.
pub(in crate::usecase) fn list(session: &Session<'_>, app: &AppSlug) -> Result<Report, CliError> {
    let control = session.open_store()?;
    let bucket = AppBucket::open(&AppEnvironment::read(session, app)?)?;
    let shelf = AppShelf::read(session, &*control, &bucket)?;
    let rows: Vec<ListRow> =
        shelf.snapshots().iter().map(|snapshot| list_row(&shelf, snapshot)).collect::<Result<_, _>>()?;
    let mut text = if rows.is_empty() {
        format!("no backups of '{app}' in {}\n", bucket.store.location())
    } else {
        view::table(["SNAPSHOT", "TAKEN", "SIZE", "PROVED", "NOTES"], rows.iter().map(line))
    };
    text += &wal_lines(&shelf);
    Ok(Report::new("backup list", rows.iter().map(row).collect(), text))
}

/// What the bucket holds besides its backups, where that is not as it should be.
pub(super) fn faults(shelf: &AppShelf) -> String {
    let mut text = String::new();
    let bucket = &shelf.bucket;
    let systems = bucket.systems();
    if systems.len() > 1 {
        let names: Vec<_> = systems.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "wrong: backups of {} clusters share this bucket ({}): the names of WAL segments do not say of which they are",
            systems.len(),
            names.join(", "),
        );
    }
    for hole in bucket.archive.timelines().flat_map(|timeline| bucket.archive.holes(timeline)) {
        let named: Vec<_> = hole.named.iter().map(ToString::to_string).collect();
        let more = hole.count.saturating_sub(hole.named.len() as u64);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let missing = view::count(
            usize::try_from(hole.count).unwrap_or(usize::MAX),
            "WAL segment is",
            "WAL segments are",
        );
        let _ = writeln!(text, "hole: {missing} missing: {}{more}", named.join(", "));
    }
    for unread in &bucket.unread_histories {
        let _ = writeln!(
            text,
            "unread: the history of timeline {}: {}; what lies behind that promotion cannot be reached",
            unread.timeline, unread.why
        );
    }
    for leftover in &bucket.leftovers {
        let _ = writeln!(
            text,
            "unfinished: {} ({}), last written {}: a push that crashed, or that is under way",
            leftover.id,
            view::bytes(leftover.bytes),
            view::time(leftover.newest),
        );
    }
    text
}

/// How far the archive leads, and what of the bucket is not as it should be.
pub(super) fn wal_lines(shelf: &AppShelf) -> String {
    let mut text = faults(shelf);
    if let Some(newest) = shelf.newest_restorable().and_then(|newest| shelf.backup(newest))
        && let Some(reach) = newest.reach.last()
    {
        let archived = reach.archived.map_or_else(String::new, |at| format!(", archived {}", view::time(at)));
        let stop = match reach.stop {
            Stop::Newest => "",
            Stop::Hole { .. } => "; what lies beyond a hole cannot be reached",
        };
        let _ = writeln!(text, "WAL leads to {} on timeline {}{archived}{stop}", reach.end, reach.timeline);
    }
    text
}
