use super::{LivePlace, about, patience, si, undo_row};
use crate::app::server::within;
use crate::report::{finding_lines, message_of, row};
use crate::settings::{CheckSettings, CheckTime};
use crate::usecase::run::note_event;
use crate::usecase::{app_status, doctor};
use crate::view::RestoreRow;
use crate::{AppEnvironment, AppServer, CliError, Report, Session};
use backup_contract::{AppSlug, CheckResult, Finding, Outcome, Severity, Subject};
use backup_store::Store;
use paas_state::{Event, Manifest, StatePath, VaultPrints, compare_vault, deployed_apps, is_store, tells_of};
use restore_guard::{ActOutcome, Action, Check, CheckKind, Grant, PassedChecks, TrailEntry, ask, ask_by};
use std::fmt::Write;
use std::time::Duration;
use walg_driver::process::Limits;

/// What the context's events call a restore, and the checks after it.
const RESTORED: &str = "backup restore";
const VERIFIED: &str = "backup restore verify";

/// The largest file of a state that is asked for references to secrets, in bytes.
const LIMIT: u64 = 64 << 20;

/// What comes after a promotion: the checks, and the lock.
pub(in crate::usecase) struct Aftermath<'a> {
    pub(in crate::usecase) place: &'a LivePlace,
    pub(in crate::usecase) store: &'a dyn Store,
    /// What was restored, and by which request, which has shut the lock.
    pub(in crate::usecase) grant: &'a Grant,
    pub(in crate::usecase) manifest: &'a Manifest,
}

impl Aftermath<'_> {
    /// Tells the context's events of the restore, asks everything, and opens the lock when all is well.
    pub(super) fn finish(
        &self,
        session: &Session<'_>,
        mut view: RestoreRow,
        mut text: String,
        findings: &[Finding],
    ) -> Result<Report, CliError> {
        text += &finding_lines(findings);
        let _ = writeln!(text, "restored {}: {} files changed", self.grant.snapshot(), view.replaced);
        let (checks, opened) = self.check(session, Action::Restore)?;
        view.undo = undo_row(session, self.place);
        if let Some(undo) = &view.undo {
            let _ = writeln!(
                text,
                "what was replaced is kept in {}\n  'si-backup restore undo --force' puts it back, 'si-backup restore confirm' drops it",
                undo.kept
            );
        }
        text += &check_lines(&checks);
        view.checks = checks;
        view.finished_at = session.now();
        if opened {
            text += "the mutation lock is open\n";
            return Ok(Report::new(super::COMMAND, vec![row(&view)], text));
        }
        view.outcome = "checks-failed";
        Ok(Report::new(super::COMMAND, vec![row(&view)], text).with_error(CliError::ChecksFailed))
    }

    /// Asks everything, writes down what came of it, and opens the lock when all is well: whether it did.
    pub(in crate::usecase) fn check(
        &self,
        session: &Session<'_>,
        action: Action,
    ) -> Result<(Vec<CheckResult>, bool), CliError> {
        self.tell_events(session);
        let mismatches = self.vault(session);
        let mut checks = self.ask(session);
        checks.push(match &mismatches {
            Ok(findings) => {
                let wrong = findings.iter().filter(|finding| finding.severity == Severity::Error);
                of_findings("vault", "its secrets are those that the restored state refers to", wrong)
            }
            Err(e) => failed("vault", message_of(e)),
        });
        let passed = PassedChecks::of(&checks);
        let outcome = if passed.is_some() { ActOutcome::Done } else { ActOutcome::Failed };
        let vault = match &mismatches {
            Ok(findings) if findings.is_empty() => "matches",
            _ => "reported",
        };
        let said: Vec<serde_json::Value> = checks.iter().map(row).collect();
        let entry = about(session, action, outcome, self.grant)
            .detail("checks", Outcome::of(&checks).as_str())
            .detail("vault", vault)
            .detail("answers", said);
        session.record(&entry, Some(self.store))?;
        let told = Event::new(session.now(), &self.place.context, VERIFIED, passed.is_some())
            .with("subject", &self.grant.subject)
            .with("snapshot", &self.grant.id)
            .with("request", &self.grant.request)
            .with("checks", &Outcome::of(&checks));
        note_event(session, &self.place.context, &told);
        let Some(passed) = passed else { return Ok((checks, false)) };
        if let Err(why) = self.is_told(session, true) {
            checks.push(failed("events of the checks", why));
            return Ok((checks, false));
        }
        // In the trail before it is open: who finds it open finds the reason too.
        let opened = |outcome| {
            session
                .event(Action::LockOpened, outcome)
                .snapshot(self.grant.snapshot())
                .detail("request", self.grant.request.to_string())
                .detail("checks", "passed")
        };
        session.record(&opened(ActOutcome::Announced), Some(self.store))?;
        let clock = &*session.world.clock;
        self.place.lock().open(&Subject::State, self.grant.request, &passed, clock, patience(session))?;
        session.record(&opened(ActOutcome::Done), Some(self.store))?;
        Ok((checks, true))
    }

    fn ask(&self, session: &Session<'_>) -> Vec<CheckResult> {
        let mut checks = vec![
            timed(session, || {
                of_findings(
                    "doctor",
                    "nothing is wrong with the state, the settings, the keys and the store",
                    &doctor::of_the_state(session),
                )
            }),
            timed(session, || self.events(session)),
        ];
        let deployed = match deployed_apps(&self.place.context) {
            Ok(deployed) => {
                checks.extend(app_status::check(session, &deployed));
                deployed
            }
            Err(e) => {
                checks.push(failed("app status", message_of(&e.into())));
                Vec::new()
            }
        };
        let slugs = deployed.iter().map(|app| &app.slug);
        checks.extend(si::ask(session, slugs, &self.grant.request.to_string()));
        let apps = session.context_settings().map(|settings| settings.apps.iter()).into_iter().flatten();
        for (app, settings) in apps {
            let open = settings.checks.iter().filter(|check| check.when == CheckTime::Open);
            checks.extend(open.map(|check| asked(session, app, check)));
        }
        checks
    }

    /// Tells the context's events of the restore, unless they tell of it already.
    fn tell_events(&self, session: &Session<'_>) {
        let request = self.grant.request.to_string();
        // A log that cannot be read cannot be written either, which is said then.
        if tells_of(&self.place.context, RESTORED, ("request", &request)).unwrap_or_default() {
            return;
        }
        let restored = Event::new(session.now(), &self.place.context, RESTORED, true)
            .with("subject", &self.grant.subject)
            .with("snapshot", &self.grant.id)
            .with("checksum", &self.grant.checksum)
            .with("request", &request);
        note_event(session, &self.place.context, &restored);
    }

    /// Whether the trail and the context's own events tell of the restore.
    fn events(&self, session: &Session<'_>) -> CheckResult {
        match self.is_told(session, false) {
            Ok(()) => passed("events", "trail and events show the restore".into()),
            Err(why) => failed("events", why),
        }
    }

    /// Whether trail and events tell of the restore; of its checks too, where those `are_made`. Why not, where they do not.
    fn is_told(&self, session: &Session<'_>, are_made: bool) -> Result<(), String> {
        let request = self.grant.request;
        let text = request.to_string();
        let read = || -> Result<_, CliError> {
            // Held against its copies by the doctor.
            let trail = session.home.trail(&session.context)?.verify()?;
            let told =
                |command| tells_of(&self.place.context, command, ("request", &text)).map_err(CliError::from);
            Ok((trail, told(RESTORED)?, !are_made || told(VERIFIED)?))
        };
        let (trail, restored, verified) = read().map_err(|e| message_of(&e))?;
        if let Some(broken) = trail.findings.iter().find(|finding| !finding.is_harmless()) {
            return Err(format!("{broken}; 'si-backup audit verify' says more"));
        }
        let announced = trail.lines.iter().position(|line| line.digest == request);
        let Some(announced) = announced else {
            return Err("this host's trail does not tell who asked for the restore".into());
        };
        let is_passed = |entry: &TrailEntry| {
            matches!(entry.action, Action::Restore | Action::Recheck)
                && entry.outcome == ActOutcome::Done
                && entry.detail.get("request").and_then(|it| it.as_str()) == Some(text.as_str())
        };
        let later = &trail.lines[announced..];
        let missing = [
            (restored, "the context's events do not show the restore"),
            (verified, "the context's events do not show the checks after the restore"),
            (
                !are_made || later.iter().any(|line| is_passed(&line.entry)),
                "this host's trail does not show the checks after the restore",
            ),
        ];
        match missing.into_iter().find(|(is_there, _)| !is_there) {
            Some((_, what)) => Err(what.into()),
            None => Ok(()),
        }
    }

    /// Which secrets that the restored state refers to are not those of the vault.
    fn vault(&self, session: &Session<'_>) -> Result<Vec<Finding>, CliError> {
        let origin = crate::place::origin_meant(session, self.store)?;
        let live = match &origin {
            Some(origin) => VaultPrints::read(&self.place.context, origin.as_str())?,
            None => None,
        };
        let mut files: Vec<(StatePath, Vec<u8>)> = Vec::new();
        for file in self.manifest.files.iter().filter(|file| is_store(&file.path) && file.size <= LIMIT) {
            let path = self.place.context.path().join(&file.path);
            let text =
                std::fs::read(&path).map_err(|source| CliError::Io { operation: "read", path, source })?;
            files.push((file.path.clone(), text));
        }
        let texts = files.iter().map(|(path, text)| (path, text.as_slice()));
        Ok(compare_vault(self.manifest, texts, live.as_ref()))
    }
}

/// What is wrong, as the answer to one question.
fn of_findings<'f>(name: &str, well: &str, wrong: impl IntoIterator<Item = &'f Finding>) -> CheckResult {
    let wrong: Vec<_> = wrong
        .into_iter()
        .map(|finding| format!("{} {}; {}", finding.place, finding.detail, finding.hint))
        .collect();
    if wrong.is_empty() { passed(name, well.to_owned()) } else { failed(name, wrong.join(" / ")) }
}

/// A check of the settings.
fn asked(session: &Session<'_>, app: &AppSlug, settings: &CheckSettings) -> CheckResult {
    let name = format!("{app} {}", settings.name);
    let kind = match (&settings.http, &settings.tcp, &settings.command) {
        (Some(url), ..) => CheckKind::Http {
            url: url.clone(),
            expect: settings.expect.unwrap_or(200),
            contains: settings.contains.clone(),
        },
        (_, Some(address), _) => CheckKind::Tcp(address.clone()),
        (.., Some(words)) => CheckKind::Command(words.clone()),
        _ => CheckKind::Other,
    };
    let mut check = Check::new(name, kind);
    check.attempts = settings.attempts.unwrap_or(check.attempts);
    check.every = settings.every.unwrap_or(check.every);
    check.timeout = settings.timeout.unwrap_or(check.timeout);
    let stop = || session.world.interrupts.signal().is_some();
    let clock = &*session.world.clock;
    match (&check.kind, &settings.sql) {
        (CheckKind::Other, Some(query)) => {
            ask_by(&check, clock, &stop, &mut || sql(session, app, query, check.timeout))
        }
        (CheckKind::Other, None) => failed(&check.name, "the settings ask nothing".into()),
        _ => ask(&check, clock, &stop),
    }
}

/// Asks the app's server once, all in all within `timeout`.
fn sql(session: &Session<'_>, app: &AppSlug, sql: &str, timeout: Duration) -> Result<String, String> {
    let answer = || -> Result<String, CliError> {
        let environment = AppEnvironment::read(session, app)?;
        within(session, Limits::default().total(timeout), |control| {
            let server = AppServer::of(session, &environment, None, control)?;
            Ok(server
                .runner
                .sql(&format!("select ({});\n", sql.trim_end_matches([';', '\n', ' '])), control)?)
        })
    };
    match answer() {
        Ok(said) if said.trim() == "t" => Ok("it answers true".into()),
        // What else it answers may be somebody's data.
        Ok(_) => Err("it does not answer true".into()),
        Err(e) => Err(format!("it could not be asked [{}]", e.code())),
    }
}

pub(super) fn timed(session: &Session<'_>, work: impl FnOnce() -> CheckResult) -> CheckResult {
    let began = session.world.clock.monotonic();
    let check = work();
    CheckResult { duration_ms: super::took(session, began), ..check }
}

pub(in crate::usecase) fn passed(name: &str, detail: String) -> CheckResult {
    CheckResult { name: name.to_owned(), ok: true, detail, duration_ms: 0 }
}

pub(in crate::usecase) fn failed(name: &str, detail: String) -> CheckResult {
    CheckResult { name: name.to_owned(), ok: false, detail, duration_ms: 0 }
}

/// A line for each check.
pub(in crate::usecase) fn check_lines(checks: &[CheckResult]) -> String {
    checks.iter().fold(String::new(), |mut text, check| {
        let word = if check.ok { "ok" } else { "failed" };
        let _ = writeln!(text, "{word}: {}: {}", check.name, crate::view::printable(&check.detail));
        text
    })
}
