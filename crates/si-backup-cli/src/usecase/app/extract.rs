use super::prove::{AT_ONCE, told_step};
use super::rehearse::{LIMITS, readable_key, server_user, unpacker};
use crate::args::ExtractArgs;
use crate::report::{message_of, row, shell_word};
use crate::shelf::reference;
use crate::view::{self, ExtractRow, ExtractedServerRow};
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Report, Session, metered};
use backup_contract::{AppSlug, Checksum, Snapshot, SnapshotId};
use chrono::SecondsFormat;
use paas_state::Watch as _;
use restore_guard::{ActOutcome, Action};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use walg_driver::bucket::Backup;
use walg_driver::mirror::free_bytes;
use walg_driver::process::User;
use walg_driver::scratch::{ExtractRequest, Extracted, Point, Restore, Target};

/// Unpacks a backup of an app's database into a new or empty directory, ready to be started. Needs no evidence; where there
/// is some, other bytes than those that it is about are refused.
pub(in crate::usecase) fn extract(
    session: &Session<'_>,
    args: &ExtractArgs,
    app: &AppSlug,
) -> Result<Report, CliError> {
    let control = session.open_store()?;
    let environment = AppEnvironment::read(session, app)?;
    let bucket = AppBucket::open(&environment)?;
    let shelf = AppShelf::read(session, &*control, &bucket)?;
    let is_latest = args.id == "LATEST";
    let point = args.until.clone().unwrap_or(if is_latest { Point::End } else { Point::Backup });
    let target = Target::new(point);
    let snapshot = match newest_before(&shelf, &target).filter(|_| is_latest) {
        Some(snapshot) => snapshot,
        None => shelf.resolve(&args.id)?,
    };
    let known = shelf.recorded();
    let entry = |outcome| {
        let entry = session.event(Action::Extract, outcome).snapshot(reference(snapshot));
        let entry = snapshot.checksum.map_or(entry.clone(), |checksum| entry.checksum(checksum));
        entry.detail("into", args.into.display().to_string()).detail("until", said(&target.point))
    };
    // Before the act: whoever reads the trail must be able to trust that nothing was unpacked in silence.
    session.record(&entry(ActOutcome::Announced), Some(&*control))?;
    let one = One { session, environment: &environment, bucket: &bucket, shelf: &shelf, known: &known };
    match one.extract(args, snapshot, &target) {
        Ok((extracted, user)) => {
            // It is there, whatever becomes of the word on it: that it was begun is in the trail.
            if let Err(error) = session.record(&entry(ActOutcome::Done), Some(&*control)) {
                session.warn(format!(
                    "that it was done could not be put into the trail: {}",
                    message_of(&error)
                ));
            }
            report(snapshot, &known, &extracted, user.as_ref())
        }
        Err(error) => {
            let error = session.explain(error);
            session.record_failure(entry, &error, Some(&*control));
            Err(error)
        }
    }
}

struct One<'a> {
    session: &'a Session<'a>,
    environment: &'a AppEnvironment<'a>,
    bucket: &'a AppBucket,
    shelf: &'a AppShelf,
    known: &'a BTreeMap<SnapshotId, Checksum>,
}

impl One<'_> {
    fn extract(
        &self,
        args: &ExtractArgs,
        snapshot: &Snapshot,
        target: &Target,
    ) -> Result<(Extracted, Option<User>), CliError> {
        let Self { session, environment, bucket, shelf, known } = *self;
        let user = whose(session, environment)?;
        let key = readable_key(environment, &snapshot.id)?;
        let rehearsal = environment.settings.rehearsal.as_ref();
        let server_dirs: Vec<PathBuf> =
            rehearsal.and_then(|rehearsal| rehearsal.bin_dir.clone()).into_iter().collect();
        let total = shelf.backup(snapshot).map_or(0, |backup| self.bytes(backup));
        let (mode, interrupts) = (session.progress(), &session.world.interrupts);
        let what = format!("unpacking {}", snapshot.id);
        let extracted = metered(mode, &what, total, interrupts, None, |meter| {
            let interrupted = || meter.stop();
            let unpacker = unpacker(session, environment, &key, user.as_ref(), &interrupted);
            walg_driver::scratch::extract(&ExtractRequest {
                restore: Restore {
                    store: &*bucket.store,
                    root: &bucket.root,
                    cipher: &bucket.cipher,
                    bucket: &shelf.bucket,
                    backup: &snapshot.id,
                    recorded: known,
                    target,
                    engine: &unpacker,
                    server_dirs: &server_dirs,
                    user: user.as_ref(),
                    threads: AT_ONCE,
                    free: &free_bytes,
                    clock: &*session.world.clock,
                    watch: &|step| told_step(meter, step),
                },
                into: &args.into,
                limits: LIMITS,
            })
        })?;
        Ok((extracted, user))
    }

    fn bytes(&self, backup: &Backup) -> u64 {
        self.shelf.bucket.chain(backup).map(|link| link.bytes).sum()
    }
}

/// Whose the copy becomes: ours, but where that is root, as whom no server runs.
fn whose(session: &Session<'_>, environment: &AppEnvironment<'_>) -> Result<Option<User>, CliError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let rehearsal = environment.settings.rehearsal.as_ref();
    let named = rehearsal.and_then(|rehearsal| rehearsal.run_as.as_deref());
    let user = server_user(session, environment, named)?;
    user.map(Some).ok_or_else(|| {
        CliError::usage(
            "PostgreSQL does not run as root, and the settings do not say as whom it would run",
            "name a user in 'run_as' of the app's 'runner' or 'rehearsal', or run this as that user",
        )
    })
}

/// For a place or a time, the newest backup that was finished by then: WAL leads forwards only.
fn newest_before<'a>(shelf: &'a AppShelf, target: &Target) -> Option<&'a Snapshot> {
    if !matches!(target.point, Point::Time(_) | Point::Lsn(_)) {
        return None;
    }
    let size = shelf.bucket.archive.segment_size();
    shelf.snapshots().iter().rev().find(|snapshot| {
        snapshot.restorable()
            && !snapshot.suspect
            && shelf.backup(snapshot).is_some_and(|backup| target.within(backup, size).is_ok())
    })
}

/// A point in the words of `--until`.
fn said(point: &Point) -> String {
    match point {
        Point::End | Point::Reachable => "end".to_owned(),
        Point::Backup => "backup".to_owned(),
        Point::Time(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        Point::Lsn(lsn) => format!("lsn:{lsn}"),
        Point::Name(name) => format!("name:{name}"),
    }
}

fn report(
    snapshot: &Snapshot,
    known: &BTreeMap<SnapshotId, Checksum>,
    extracted: &Extracted,
    user: Option<&User>,
) -> Result<Report, CliError> {
    let into = extracted.into.display().to_string();
    let found = extracted.fingerprints.iter().find(|(id, _)| *id == snapshot.id);
    let checksum = found.map(|(_, found)| found.checksum);
    let checksum = checksum.ok_or_else(|| walg_driver::Error::NoBackup(snapshot.id.clone()))?;
    let mut notes = extracted.notes.clone();
    let unknown: Vec<_> =
        extracted.fingerprints.iter().map(|(id, _)| id).filter(|id| !known.contains_key(id)).collect();
    for id in unknown {
        notes.push(format!(
            "no fingerprint of {id} was recorded: whether it was changed since it was made is not known"
        ));
    }
    let program = extracted.programs.join("pg_ctl").display().to_string();
    let log = format!("{into}/recovery.log");
    let start = [&program, "--wait", "--timeout=86400", "--pgdata", &into, "--log", &log, "start"];
    let server = ExtractedServerRow {
        until: said(&extracted.until),
        timeline: extracted.timeline.0,
        reaches_lsn: extracted.least.to_string(),
        wal_end_lsn: extracted.end.to_string(),
        archived_at: extracted.archived,
        archiving: false,
        run_as: user.map(|user| user.name().to_owned()),
        start: start.map(str::to_owned).to_vec(),
        notes,
    };
    let view = ExtractRow {
        id: snapshot.id.clone(),
        subject: snapshot.subject.clone(),
        checksum,
        into,
        files: usize::try_from(extracted.files).unwrap_or(usize::MAX),
        bytes: extracted.bytes,
        server: Some(server.clone()),
    };
    let text = text(snapshot, &view, &server, &extracted.until);
    Ok(Report::new("backup extract", vec![row(&view)], text))
}

fn text(snapshot: &Snapshot, view: &ExtractRow, server: &ExtractedServerRow, until: &Point) -> String {
    let mut text = format!(
        "unpacked {}: {}, {}, into {}\n",
        reference(snapshot),
        view::count(view.files, "file", "files"),
        view::bytes(view.bytes),
        view.into,
    );
    let archived = server.archived_at.map_or_else(String::new, |at| format!(", archived {}", view::time(at)));
    let _ = writeln!(
        text,
        "its server recovers to {until} on timeline {}: to {} at least; its WAL ends at {}{archived}",
        server.timeline, server.reaches_lsn, server.wal_end_lsn,
    );
    for note in &server.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let words: Vec<_> = server.start.iter().map(|word| shell_word(word)).collect();
    let sudo =
        server.run_as.as_ref().map_or_else(String::new, |name| format!("sudo -u {} ", shell_word(name)));
    let _ = writeln!(text, "start it: {sudo}{}", words.join(" "));
    text += "it may answer before it has recovered: 'select pg_is_in_recovery()' is false once it has\n";
    if *until == Point::End {
        let _ = writeln!(
            text,
            "what the server that is lost had not archived yet lies in its own pg_wal alone: segments copied from there into {}/pg_wal before the start bring its last commits back",
            view.into,
        );
    }
    text += "it archives nothing: give it an archive of its own before 'archive_mode' is set to on\n";
    text
}
