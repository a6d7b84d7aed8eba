use super::app;
use super::restore::LivePlace;
use crate::report::{finding_lines, message_of, row};
use crate::view::DoctorRow;
use crate::{CliError, Judge, Report, Rows, Session, Shelf};
use backup_contract::{Finding, Place, Severity, Subject};
use backup_store::{Store, Transport, WriteOnceKeeper};
use chrono::TimeDelta;
use paas_state::{Patience, Reading, Unwatched, foreign_files};
use restore_guard::LockStanding;
use serde_json::json;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;

/// What a dead writer leaves is reported once it is this old.
const LEFTOVER_AGE: TimeDelta = TimeDelta::hours(24);

/// Checks host, settings, keys, store and state, and says everything that it finds at once.
pub(super) fn doctor(session: &Session<'_>) -> Report {
    let mut checks = about_the_state(session);
    let apps = session.context_settings().map(|settings| settings.apps.keys().cloned().collect::<Vec<_>>());
    for app in apps.unwrap_or_default() {
        checks.add(&format!("app {app}"), app::diagnose(session, &app));
    }
    let findings = checks.findings;
    let count = findings.iter().filter(|finding| finding.severity > Severity::Info).count();
    let mut text = String::new();
    for check in checks.rows.iter().filter(|check| check.code.is_none()) {
        let _ = writeln!(text, "ok: {}: {}", check.name, check.detail);
    }
    text += &finding_lines(&findings);
    let mut report = Report::new("backup doctor", Vec::new(), text);
    report.rows = Rows::Checks(checks.rows.iter().map(row).collect());
    if count == 0 {
        return report;
    }
    report.with_error(CliError::Findings {
        code: "doctor-findings",
        message: format!("{} to mend", crate::view::count(count, "thing", "things")),
        hint: "each says what to do about it",
    })
}

/// What is wrong with everything but the apps: what must be well before a restored state may be changed again.
pub(super) fn of_the_state(session: &Session<'_>) -> Vec<Finding> {
    // Another snapshot that is damaged is no reason to keep a sound state shut: it may be why this one was restored.
    let of_others = ["snapshot-not-restorable", "verification-failed"];
    let is_wrong =
        |finding: &Finding| finding.severity == Severity::Error || CONTAMINATION.contains(&finding.code);
    let findings = about_the_state(session).findings;
    findings.into_iter().filter(|it| is_wrong(it) && !of_others.contains(&it.code)).collect()
}

/// What must not be in a restored state, though elsewhere it is only warned of: files that are open to others, and what a
/// restore has left. Secrets in the open, files of another context and a state root in a git work tree are errors anywhere.
const CONTAMINATION: [&str; 2] = ["mode-too-open", "restore-leftover"];

fn about_the_state(session: &Session<'_>) -> Checks {
    let mut checks = Checks::default();
    checks.add("state-root", state_root(session));
    checks.add("context", context(session));
    checks.add("restores", restores(session));
    checks.add("settings", settings(session));
    if session.context_settings().is_ok() {
        checks.add("encryption", encryption(session));
        checks.add("keys", keys(session));
        match session.open_store() {
            Err(e) => checks.add("store", Err(e)),
            Ok(store) => {
                checks.add("store", about_store(session, &*store));
                // As data too, whatever was found about it.
                if let (Some(row), Ok(can)) =
                    (checks.rows.iter_mut().rfind(|row| row.name == "store"), store.capabilities())
                {
                    row.capabilities = Some(json!(can));
                }
                checks.add("snapshots", snapshots(session, &*store));
                checks.add("trail", trail(session, &*store));
            }
        }
    }
    checks
}

/// What a check found, and what it says when it found nothing.
type Checked = Result<(Vec<Finding>, String), CliError>;

#[derive(Default)]
struct Checks {
    rows: Vec<DoctorRow>,
    findings: Vec<Finding>,
}

impl Checks {
    fn add(&mut self, name: &str, checked: Checked) {
        let (findings, ok) = match checked {
            Ok((findings, ok)) => (findings, ok),
            Err(error) if !error.findings().is_empty() => (error.findings().to_vec(), String::new()),
            Err(error) => (vec![of_error(name, &error)], String::new()),
        };
        if findings.iter().all(|finding| finding.severity == Severity::Info) {
            self.rows.push(DoctorRow::passed(name, ok));
        }
        self.rows.extend(findings.iter().map(|finding| DoctorRow::found(name, finding)));
        self.findings.extend(findings);
    }
}

/// An error as one of the things that are wrong.
pub(in crate::usecase) fn of_error(name: &str, error: &CliError) -> Finding {
    Finding::new(
        error.code(),
        Severity::Error,
        Place::of(name),
        format!("did not pass: {}", message_of(error)),
        error.hint(),
    )
}

fn state_root(session: &Session<'_>) -> Checked {
    session.check_state_root()?;
    Ok((Vec::new(), format!("{} is outside of git work trees", session.state_root().display())))
}

fn context(session: &Session<'_>) -> Checked {
    let context = session.open_context()?;
    let allow = match session.allow_list() {
        Err(CliError::Settings(_)) => paas_state::AllowList::default(),
        allow => allow?,
    };
    let reading = Reading {
        context: &context,
        with: &[],
        allow: &allow,
        patience: &Patience::default(),
        clock: &*session.world.clock,
        watch: &Unwatched,
    };
    let inspection = reading.inspect()?;
    let mut findings = inspection.findings;
    for entry in inspection.inventory.entries.iter().filter(|e| e.class == paas_state::Class::Unexpected) {
        findings.push(Finding::new(
            "unexpected-entry",
            Severity::Info,
            Place::of(&entry.path),
            entry.reason,
            "it is in no backup; remove it if nobody needs it",
        ));
    }
    Ok((
        findings,
        format!(
            "{} would be taken, without a secret among them",
            crate::view::count(inspection.files.len(), "file", "files")
        ),
    ))
}

/// What restores have left, and whether the mutation lock is shut.
fn restores(session: &Session<'_>) -> Checked {
    let place = LivePlace::open(session)?;
    let mut findings = Vec::new();
    let mut add = |code, severity, detail: String, hint: &str| {
        findings.push(Finding::new(code, severity, Place::of(".si-backup"), detail, hint));
    };
    let kept = place.journal().pending()?;
    if let Some(pending) = place.half_way()? {
        add(
            "restore-pending",
            Severity::Error,
            format!(
                "holds a restore of {} by {} that is {}: what is live is neither the old nor the new",
                pending.grant.id,
                pending.grant.operator,
                pending.phase.word()
            ),
            "'si-backup restore resume' finishes it, 'si-backup restore undo --force' puts everything back",
        );
    } else if let Some(pending) = &kept {
        add(
            "restore-kept",
            Severity::Info,
            format!(
                "keeps files of a restore of {} by {} that is {}",
                pending.grant.id,
                pending.grant.operator,
                pending.phase.word()
            ),
            "'si-backup restore confirm' drops it; otherwise it goes when its keeping time has run out",
        );
    }
    for leftover in place.leftovers() {
        add(
            "restore-leftover",
            Severity::Warning,
            format!("holds what a restore that was killed has unpacked: {}", leftover.display()),
            "the next restore removes it; 'si-backup restore resume' does now",
        );
    }
    match place.lock().standing(&Subject::State)? {
        LockStanding::Open => {}
        LockStanding::Shut(record) => add(
            "mutation-lock-shut",
            Severity::Warning,
            format!(
                "holds the mutation lock shut since {} by {}: {}",
                crate::view::time(record.since),
                record.by,
                record.why
            ),
            "'si-backup guard recheck' opens it when the checks pass",
        ),
        LockStanding::Unreadable { path, why } => add(
            "mutation-lock-unreadable",
            Severity::Error,
            format!("holds a mutation lock that nobody can read: {}: {why}", path.display()),
            "look at it, and open it with 'si-backup guard release --reason TEXT'",
        ),
    }
    findings.extend(foreign_files(&place.context)?);
    Ok((findings, "none is under way, and the mutation lock is open".into()))
}

fn settings(session: &Session<'_>) -> Checked {
    let settings = session.context_settings()?;
    let mut findings = Vec::new();
    let mut not_yet = |name: &str, there: bool| {
        if there {
            findings.push(Finding::new(
                "setting-without-effect",
                Severity::Info,
                Place::of(format!("contexts.{}.{name}", session.context)),
                "is read and checked, and nothing acts on it in this version",
                "nothing need be done",
            ));
        }
    };
    not_yet("offsite", settings.offsite.is_some());
    session.home.make()?;
    let path = session.config_path();
    let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode() & 0o777);
    if mode & 0o022 != 0 {
        findings.push(Finding::new(
            "settings-writable",
            Severity::Warning,
            Place::of(path.display().to_string()),
            format!("can be changed by others (mode {mode:04o})"),
            format!("chmod 600 {}", path.display()),
        ));
    }
    Ok((findings, format!("{} is valid", path.display())))
}

fn encryption(session: &Session<'_>) -> Checked {
    let recipients = session.recipients()?;
    let mut findings = Vec::new();
    if recipients.count() < 2 {
        findings.push(Finding::new(
            "single-recipient",
            Severity::Warning,
            Place::of(format!("contexts.{}.recipients", session.context)),
            "names one recipient: if its identity is lost, so is every backup",
            "add a second recipient whose identity is kept away from this host",
        ));
    }
    if let CliError::NoIdentity { named: Some(path), .. } = session.no_identity(None)
        && !path.exists()
    {
        findings.push(Finding::new(
            "identity-not-here",
            Severity::Info,
            Place::of(format!("contexts.{}.identity", session.context)),
            format!("names {}, which is not there: nothing can be opened on this host", path.display()),
            "nothing need be done where that is meant; else bring it back from where it is kept",
        ));
    }
    if let Some(identities) = session.identities()? {
        let own = identities.recipients();
        if !own.iter().any(|own| session.context_settings().is_ok_and(|s| s.recipients.contains(own))) {
            findings.push(Finding::new(
                "identity-not-a-recipient",
                Severity::Error,
                Place::of(format!("contexts.{}.identity", session.context)),
                "opens none of the bundles that are sealed now: its recipient is not among 'recipients'",
                format!("add {} to 'recipients'", own.join(" or ")),
            ));
        }
    }
    Ok((findings, crate::view::count(recipients.count(), "recipient", "recipients")))
}

fn keys(session: &Session<'_>) -> Checked {
    let key = session.home.open_signing_key()?;
    Ok((Vec::new(), format!("evidence is signed as {}", key.public())))
}

fn about_store(session: &Session<'_>, store: &dyn Store) -> Checked {
    let can = store.capabilities()?;
    let before = session.now() - LEFTOVER_AGE;
    let mut findings = Vec::new();
    for leftover in store.leftovers()?.into_iter().filter(|leftover| leftover.modified < before) {
        findings.push(Finding::new(
            "store-leftover",
            Severity::Info,
            Place::of(leftover.name),
            format!("was left by a writer that died ({} bytes)", leftover.bytes),
            "nothing need be done: it is invisible to everything else",
        ));
    }
    let place = || Place::of(store.location());
    if let Some(default) = can.default_retention {
        findings.push(Finding::new(
            "bucket-default-retention",
            Severity::Warning,
            place(),
            format!(
                "locks everything for {} that is written without a lock: leases and trials too",
                days(default.days)
            ),
            "take the default retention off the bucket; what is to be locked is locked by this program",
        ));
    }
    if can.transport == Transport::Plain {
        findings.push(Finding::new(
            "store-not-encrypted",
            Severity::Warning,
            place(),
            "is reached over unencrypted http: whoever is on the way can read names and change what passes",
            "use https, and take 'allow_plain_http' out of the settings",
        ));
    }
    match can.write_once {
        WriteOnceKeeper::Store => {}
        WriteOnceKeeper::HeadCheck => findings.push(Finding::new(
            "store-without-conditional-writes",
            Severity::Warning,
            place(),
            "does not refuse to write a key twice: this program looks first, and two runs at once may both succeed",
            "let one host at a time use it, or use a store that knows 'If-None-Match' for objects and for uploads in parts",
        )),
        WriteOnceKeeper::Unknown => findings.push(Finding::new(
            "store-read-only",
            Severity::Info,
            place(),
            "takes nothing that is written with these credentials",
            "nothing need be done where backups are only read",
        )),
    }
    let json = serde_json::to_value(&can).unwrap_or_default();
    let word = |name: &str| json[name].to_string().trim_matches('"').to_owned();
    let ok = format!(
        "{}: versions {}, locks kept by {}, write-once kept by {}, transport {}",
        store.location(),
        if can.versioning { "yes" } else { "no" },
        word("locks"),
        word("write_once"),
        word("transport"),
    );
    Ok((findings, ok))
}

fn days(days: u32) -> String {
    crate::view::count(days, "day", "days")
}

fn snapshots(session: &Session<'_>, store: &dyn Store) -> Checked {
    let shelf = Shelf::read(session, store)?;
    let now = session.now();
    let mut findings = Vec::new();
    let mut add = |code, severity, place: String, detail: String, hint: &str| {
        findings.push(Finding::new(code, severity, Place::of(place), detail, hint));
    };
    for snapshot in shelf.snapshots() {
        for problem in &snapshot.problems {
            add(
                "snapshot-not-restorable",
                Severity::Error,
                snapshot.id.to_string(),
                problem.detail.clone(),
                "do not count on it; make a new backup",
            );
        }
        if let Some(at) = snapshot.started_at.filter(|at| *at > now) {
            add(
                "snapshot-from-the-future",
                Severity::Warning,
                snapshot.id.to_string(),
                format!("was taken at {}, which is in the future", crate::view::time(at)),
                "set this host's clock; until that time LATEST means this snapshot",
            );
        }
        if let Some((level, at)) = shelf.failed(snapshot) {
            add(
                "verification-failed",
                Severity::Error,
                snapshot.id.to_string(),
                format!("did not pass its verification at level '{level}' on {}", crate::view::time(at)),
                "do not count on it; make a new backup",
            );
        }
    }
    let foreign = shelf.snapshots().iter().filter(|snapshot| shelf.is_foreign(snapshot)).count();
    if foreign > 0 {
        add(
            "foreign-snapshot",
            Severity::Warning,
            "state".into(),
            format!(
                "has {} of another context of this name",
                crate::view::count(foreign, "snapshot", "snapshots")
            ),
            "nothing proves them here, and LATEST is none of them; find out who copied them into this store",
        );
    }
    for stray in &shelf.catalogue.strays {
        add(
            "stray-object",
            Severity::Info,
            stray.key.to_string(),
            format!("belongs to no snapshot ({} bytes)", stray.bytes),
            "nothing need be done: no record, no snapshot",
        );
    }
    if shelf.snapshots().is_empty() {
        add(
            "no-snapshot",
            Severity::Warning,
            "state".into(),
            "has no backup".into(),
            "make one with 'si-backup run --state'",
        );
    }
    Ok((findings, crate::view::count(shelf.snapshots().len(), "snapshot", "snapshots")))
}

fn trail(session: &Session<'_>, store: &dyn Store) -> Checked {
    let report = session.home.trail(&session.context)?.verify_against(store)?;
    let findings = report.findings.iter().map(|finding| {
        let severity = if finding.is_harmless() { Severity::Info } else { Severity::Error };
        Finding::new(
            finding.code(),
            severity,
            Place::of("trail"),
            finding.to_string(),
            "see 'si-backup audit verify'; find out who changed it",
        )
    });
    Ok((
        findings.collect(),
        format!("{}, whole and in order", crate::view::count(report.last, "entry", "entries")),
    ))
}
