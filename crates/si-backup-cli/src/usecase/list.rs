use crate::report::row;
use crate::view::{self, ListRow, ProblemRow};
use crate::{CliError, Judge, Report, Session, Shelf};
use backup_contract::Snapshot;
use std::fmt::Write;

/// Lists the snapshots, oldest first.
pub(super) fn list(session: &Session<'_>) -> Result<Report, CliError> {
    let store = session.open_store()?;
    let shelf = Shelf::read(session, &*store)?;
    let rows: Vec<_> =
        shelf.snapshots().iter().map(|snapshot| list_row(&shelf, snapshot)).collect::<Result<_, _>>()?;
    let mut text = if rows.is_empty() {
        format!("no snapshots in {}; 'si-backup run --state' makes one\n", store.location())
    } else {
        view::table(["SNAPSHOT", "TAKEN", "SIZE", "PROVED", "NOTES"], rows.iter().map(line))
    };
    if !shelf.catalogue.strays.is_empty() {
        let strays = &shelf.catalogue.strays;
        let _ = writeln!(
            text,
            "{} to no snapshot, left by a run that did not finish: {}",
            view::count(strays.len(), "object belongs", "objects belong"),
            strays.iter().map(|stray| stray.key.to_string()).collect::<Vec<_>>().join(", "),
        );
    }
    Ok(Report::new("backup list", rows.iter().map(row).collect(), text))
}

/// What is known of a snapshot.
pub(super) fn list_row(shelf: &dyn Judge, snapshot: &Snapshot) -> Result<ListRow, CliError> {
    Ok(ListRow {
        id: snapshot.id.clone(),
        subject: snapshot.subject.clone(),
        kind: snapshot.kind,
        started_at: snapshot.started_at,
        finished_at: snapshot.finished_at,
        bytes: snapshot.bytes,
        checksum: snapshot.checksum,
        parent: snapshot.parent.clone(),
        lineage: snapshot.lineage.clone(),
        restorable: snapshot.restorable(),
        problems: snapshot
            .problems
            .iter()
            .map(|p| ProblemRow { code: p.code.clone(), detail: p.detail.clone() })
            .collect(),
        verified: shelf.proved(snapshot).map(Into::into),
        failed: shelf.failed(snapshot).map(Into::into),
        suspect: snapshot.suspect,
        pinned: shelf.is_pinned(snapshot),
        locked_until: shelf.locked_until(snapshot)?,
        releases: None,
    })
}

pub(super) fn line(row: &ListRow) -> [String; 5] {
    let mut notes = Vec::new();
    notes.extend(row.problems.iter().map(|problem| problem.detail.clone()));
    notes.extend(row.pinned.then(|| "pinned".to_owned()));
    notes.extend(row.locked_until.map(|until| format!("locked until {}", view::time(until))));
    notes.extend(row.suspect.then(|| "suspect".to_owned()));
    [
        row.id.to_string(),
        row.started_at.map_or_else(|| "?".into(), view::time),
        view::bytes(row.bytes),
        match (&row.verified, &row.failed) {
            (Some(verified), None) => verified.level.to_string(),
            (Some(verified), Some(failed)) => format!("{}, failed at {}", verified.level, failed.level),
            (None, Some(failed)) => format!("failed at {}", failed.level),
            (None, None) if row.restorable => "no".into(),
            (None, None) => "not restorable".into(),
        },
        notes.join("; "),
    ]
}
