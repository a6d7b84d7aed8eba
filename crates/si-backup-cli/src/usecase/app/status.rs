use super::list::wal_lines;
use crate::judge::Judge;
use crate::report::row;
use crate::usecase::prove::millis;
use crate::view::{self, Status, StatusRow};
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Report, Session};
use backup_contract::{AppSlug, Level, Snapshot, SnapshotKind};
use chrono::{DateTime, Utc};
use std::fmt::Write;

/// Says how safe an app's database is now: first what the loss of its host would cost, then why.
pub(in crate::usecase) fn status(session: &Session<'_>, app: &AppSlug) -> Result<Report, CliError> {
    let began = session.world.clock.monotonic();
    let control = session.open_store()?;
    let bucket = AppBucket::open(&AppEnvironment::read(session, app)?)?;
    let shelf = AppShelf::read(session, &*control, &bucket)?;
    let now = session.now();
    let newest = shelf.newest_restorable();
    let is_proved = |snapshot: &Snapshot, least: Level| {
        shelf.proved(snapshot).is_some_and(|(level, _)| level.covers(least))
    };
    let proved =
        shelf.snapshots().iter().rev().find(|snapshot| {
            snapshot.restorable() && !snapshot.suspect && is_proved(snapshot, Level::Content)
        });
    let mut text = first_line(app, &shelf, newest, proved, now);
    let verified = newest.and_then(|newest| shelf.proved(newest));
    if let Some(newest) = newest {
        let kind = match newest.kind {
            SnapshotKind::Delta => "delta",
            _ => "full",
        };
        let _ = writeln!(text, "newest      {} ({kind}, {})", newest.id, view::bytes(newest.bytes));
        let said = match verified {
            Some((level, at)) => format!("at level '{level}' on {}", view::time(at)),
            None => format!("no; 'si-backup verify --app {app}' does"),
        };
        let _ = writeln!(text, "proved      {said}");
        if let Some(backup) = shelf.backup(newest) {
            let fulls = backup.chain.last().map_or_else(String::new, ToString::to_string);
            let _ =
                writeln!(text, "chain       {} of {fulls}", view::count(backup.chain.len(), "link", "links"));
        }
    }
    let _ = writeln!(text, "backups     {} in {}", shelf.snapshots().len(), bucket.store.location());
    text += &wal_lines(&shelf);
    let is_safe = newest.is_some_and(|newest| is_proved(newest, Level::Checksum)) && proved.is_some();
    let view = StatusRow {
        target: "local".into(),
        app: app.to_string(),
        release: String::new(),
        service: String::new(),
        operation: "status",
        command: String::new(),
        status: Status::of(is_safe),
        duration_ms: millis(session.world.clock.monotonic().saturating_sub(began)),
        subject: shelf.subject().clone(),
        id: newest.map(|newest| newest.id.clone()),
        checksum: newest.and_then(|newest| newest.checksum),
        kind: newest.map(|newest| newest.kind),
        bytes: newest.map_or(0, |newest| newest.bytes),
        restorable: newest.is_some(),
        verified: verified.map(Into::into),
        age_seconds: newest.and_then(|newest| reached(&shelf, newest)).map(|at| (now - at).num_seconds()),
        snapshots: shelf.snapshots().len(),
        newest_proved: proved.map(|proved| proved.id.clone()),
        due: Vec::new(),
    };
    let report = Report::new("backup status", vec![row(&view)], text);
    let (message, hint) = match (newest, proved) {
        _ if is_safe => return Ok(report),
        (Some(_), None) => {
            ("the content of no backup is proved", "prove the newest with 'si-backup verify --app SLUG'")
        }
        (Some(_), Some(_)) => {
            ("the bytes of the newest backup are not proved", "prove it with 'si-backup verify --app SLUG'")
        }
        (None, _) => {
            ("there is no restorable backup", "'si-backup list --app SLUG' says what each one lacks")
        }
    };
    Ok(report.with_error(CliError::Findings { code: "not-proved", message: message.into(), hint }))
}

/// When what a restore from this backup brings back was archived last.
fn reached(shelf: &AppShelf, snapshot: &Snapshot) -> Option<DateTime<Utc>> {
    let backup = shelf.backup(snapshot)?;
    backup.reach.last().and_then(|reach| reach.archived).or(snapshot.finished_at)
}

/// What the loss of the host would cost, in one line.
fn first_line(
    app: &AppSlug,
    shelf: &AppShelf,
    newest: Option<&Snapshot>,
    proved: Option<&Snapshot>,
    now: DateTime<Utc>,
) -> String {
    let loss = |snapshot| {
        reached(shelf, snapshot).map_or_else(|| "an unknown time".to_owned(), |at| view::span(now - at))
    };
    let recovery = |snapshot: &Snapshot| {
        let evidence = shelf.evidence.of(&crate::shelf::reference(snapshot)).iter().rev();
        let rehearsed = evidence
            .clone()
            .find(|evidence| evidence.passed() && evidence.record().recovery_seconds.is_some());
        match rehearsed.map(restore_guard::Evidence::record) {
            Some(record) => format!(
                ", is back in about {} (rehearsed {})",
                view::span(chrono::TimeDelta::seconds(
                    record
                        .recovery_seconds
                        .and_then(|seconds| i64::try_from(seconds).ok())
                        .unwrap_or_default()
                )),
                view::time(record.finished_at)
            ),
            None => ", and nobody has rehearsed how long it takes to be back".to_owned(),
        }
    };
    match (newest, proved) {
        (None, _) => format!("if this host were lost now: {app} would be lost\n"),
        (Some(_), Some(proved)) => {
            format!("if this host were lost now: {app} loses {}{}\n", loss(proved), recovery(proved))
        }
        (Some(newest), None) => format!(
            "if this host were lost now: {app} loses {}, by a backup whose content is not proved\n",
            loss(newest)
        ),
    }
}
