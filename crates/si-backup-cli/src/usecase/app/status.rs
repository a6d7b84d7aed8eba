use super::list::wal_lines;
use super::service::Service;
use crate::judge::Judge;
use crate::report::row;
use crate::usecase::policy;
use crate::usecase::prove::millis;
use crate::view::{self, Status, StatusRow};
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Report, Session};
use backup_contract::{AppSlug, Level, Snapshot, SnapshotKind};
use chrono::{DateTime, TimeDelta, Utc};
use restore_guard::{Evidence, LevelStanding};
use std::fmt::Write;

/// Says how safe an app's database is now: first what the loss of its host would cost, then why.
pub(in crate::usecase) fn status(session: &Session<'_>, app: &AppSlug) -> Result<Report, CliError> {
    let began = session.world.clock.monotonic();
    let control = session.open_store()?;
    let environment = AppEnvironment::read(session, app)?;
    let bucket = AppBucket::open(&environment)?;
    let shelf = AppShelf::read(session, &*control, &bucket)?;
    let service = Service::ask(session, &environment);
    let now = session.now();
    let newest = shelf.newest_restorable();
    let is_proved = |snapshot: &Snapshot, least: Level| {
        shelf.proved(snapshot).is_some_and(|(level, _)| level.covers(least))
    };
    let proved =
        shelf.snapshots().iter().rev().find(|snapshot| {
            snapshot.restorable() && !snapshot.suspect && is_proved(snapshot, Level::Content)
        });
    let mut text = first_line(app, &shelf, newest, proved, &service, now);
    let verified = newest.and_then(|newest| shelf.proved(newest));
    if let Some(newest) = newest {
        let kind = match newest.kind {
            SnapshotKind::Delta => "delta",
            _ => "full",
        };
        let _ = writeln!(text, "newest      {} ({kind}, {})", newest.id, view::bytes(newest.bytes));
        let failed = shelf.failed(newest);
        let failed = failed.map(|(level, at)| format!("failed at level '{level}' on {}", view::time(at)));
        let said = match (verified, failed) {
            (Some((level, at)), None) => format!("at level '{level}' on {}", view::time(at)),
            (Some((level, _)), Some(failed)) => format!("at level '{level}'; {failed}"),
            (None, Some(failed)) => format!("no: {failed}"),
            (None, None) => format!("no; 'si-backup verify --app {app}' does"),
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
    let _ = writeln!(text, "server      {}", service.line(now));
    let due = policy::due_of_app(session, app, &shelf)?;
    text += &view::due_lines(&due);
    let failed = newest.filter(|newest| shelf.failed(newest).is_some());
    let is_safe = newest.is_some_and(|newest| is_proved(newest, Level::Checksum))
        && proved.is_some()
        && failed.is_none();
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
        age_seconds: newest
            .and_then(|newest| reached(&shelf, newest, &service))
            .map(|at| (now - at).num_seconds()),
        snapshots: shelf.snapshots().len(),
        newest_proved: proved.map(|proved| proved.id.clone()),
        due,
    };
    let report = Report::new("backup status", vec![row(&view)], text);
    let (message, hint) = match (newest, proved) {
        _ if is_safe => return Ok(report),
        (Some(_), _) if failed.is_some() => (
            "the newest backup failed its newest verification",
            "'si-backup show LATEST --app SLUG' says what failed; 'si-backup run --app SLUG' makes another one",
        ),
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

/// Since when what a restore from this backup brings back lacks what the server did: when the last WAL that it leads to was
/// archived, or earlier, where the archive is behind.
fn reached(shelf: &AppShelf, snapshot: &Snapshot, service: &Service) -> Option<DateTime<Utc>> {
    let backup = shelf.backup(snapshot)?;
    let archived = backup.reach.last().and_then(|reach| reach.archived).or(snapshot.finished_at)?;
    Some(service.holds_alone_since().map_or(archived, |since| archived.min(since)))
}

/// What the loss of the host would cost, in one line.
fn first_line(
    app: &AppSlug,
    shelf: &AppShelf,
    newest: Option<&Snapshot>,
    proved: Option<&Snapshot>,
    service: &Service,
    now: DateTime<Utc>,
) -> String {
    // When an object was stored says when its bytes were lost at the earliest: what waits beside it is the server's to tell.
    let least = if service.answers() { "" } else { "at least " };
    let loss = |snapshot| match reached(shelf, snapshot, service) {
        None => "an unknown time".to_owned(),
        Some(at) => format!("{least}{}", view::span(now - at)),
    };
    match (newest, proved) {
        (None, _) => format!("if this host were lost now: {app} would be lost\n"),
        (Some(_), Some(proved)) => {
            format!("if this host were lost now: {app} loses {}{}\n", loss(proved), recovery(shelf))
        }
        (Some(newest), None) => format!(
            "if this host were lost now: {app} loses {}, by a backup whose content is not proved\n",
            loss(newest)
        ),
    }
}

/// How long it takes to be back, by the newest rehearsal of any backup of the app that still stands; and whether one has
/// failed since.
fn recovery(shelf: &AppShelf) -> String {
    let standings = || shelf.snapshots().iter().filter_map(|snapshot| shelf.standing(snapshot));
    let at = |evidence: &&Evidence| evidence.record().finished_at;
    let rehearsed = standings()
        .filter_map(|standing| standing.proof_of(Level::Restore))
        .filter(|evidence| evidence.record().recovery_seconds.is_some())
        .max_by_key(at);
    let failed = standings()
        .filter_map(|standing| match standing.at(Level::Restore) {
            LevelStanding::Failed(evidence) => Some(evidence),
            LevelStanding::Proved(_) | LevelStanding::Unproved => None,
        })
        .max_by_key(at)
        .filter(|failed| rehearsed.is_none_or(|rehearsed| at(&rehearsed) <= at(failed)));
    let failed = failed.map_or_else(String::new, |failed| {
        format!("; a verification failed on {}", view::time(failed.record().finished_at))
    });
    let Some(record) = rehearsed.map(Evidence::record) else {
        return format!(", and nobody has rehearsed how long it takes to be back{failed}");
    };
    let seconds = record.recovery_seconds.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(i64::MAX);
    format!(
        ", is back in about {} (rehearsed {}){failed}",
        view::span(TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX)),
        view::time(record.finished_at)
    )
}
