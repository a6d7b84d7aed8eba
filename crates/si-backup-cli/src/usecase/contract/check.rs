use super::{COMMAND, compose, live};
use crate::app::env_file;
use crate::report::{finding_lines, row};
use crate::settings::{AppSettings, ContextSettings, RunnerSettings};
use crate::view::{ContractFindingRow, ContractRow, ContractSummary, count};
use crate::{CliError, Report, Session};
use backup_contract::environment::{EnvFile, Environment, PrefixUse, parse_failed};
use backup_contract::{
    AppSlug, Checked, ClauseId, ContextName, ContractFacts, Finding, Place, Severity, Unjudged,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Holds the apps of the context, or one of them, against their profiles.
pub(super) fn check(session: &Session<'_>, only: Option<&AppSlug>) -> Result<Report, CliError> {
    if let Some(app) = only {
        session.app_settings(app)?;
    }
    let mut apps = everything(session, Depth::Everything)?;
    for app in apps.iter_mut().filter(|app| app.context == &session.context) {
        app.checked.extend(if only == Some(app.slug) { live::check(session, app.slug) } else { not_asked() });
    }
    let asked = |app: &&App<'_>| app.context == &session.context && only.is_none_or(|only| only == app.slug);
    let (mut rows, mut text, mut all) = (Vec::new(), String::new(), Vec::new());
    for app in apps.iter().filter(asked) {
        let findings = app.held_against(&apps).into_findings(&Place::of(format!("app:{}", app.slug)));
        let _ = writeln!(
            text,
            "app {} ({}, engine {})",
            app.slug,
            app.settings.profile.name(),
            app.settings.engine_kind()
        );
        text += &finding_lines(&findings);
        if !is_wrong(&findings) {
            text += "ok: nothing that was looked at is wrong\n";
        }
        let view = |finding| row(&ContractRow::Finding(ContractFindingRow::of(app.slug, finding)));
        rows.extend(findings.iter().map(view));
        all.extend(findings);
    }
    let checked = apps.iter().filter(asked).count();
    if checked == 0 {
        let _ = writeln!(text, "no app is configured in the context '{}'", session.context);
    }
    let with = |severity| all.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (with(Severity::Error), with(Severity::Warning));
    let mut report = Report::new(COMMAND, rows, text);
    report.summary = Some(row(&ContractSummary {
        apps: checked,
        errors,
        warnings,
        not_judged: all.iter().filter(|finding| finding.code == "not-judged").count(),
    }));
    if errors + warnings == 0 {
        return Ok(report);
    }
    Ok(report.with_error(CliError::Findings {
        code: "contract-findings",
        message: format!("{} of the contract to mend", count(errors + warnings, "point", "points")),
        hint: "each says what to do about it; docs/findings.md says why",
    }))
}

/// The clauses that an env file tells of.
const BY_ENV_FILE: [ClauseId; 4] =
    [ClauseId::AppContract, ClauseId::EncryptedAtRest, ClauseId::EncryptedInTransit, ClauseId::OutsideGit];

/// What holding the apps of the context to their profiles came to, in the words of the policy.
pub(in crate::usecase) fn facts(session: &Session<'_>) -> Result<BTreeMap<AppSlug, ContractFacts>, CliError> {
    let mut apps = everything(session, Depth::Everything)?;
    for app in &mut apps {
        app.checked.extend(not_asked());
    }
    let own = apps.iter().filter(|app| app.context == &session.context);
    let facts = own.map(|app| {
        (app.slug.clone(), ContractFacts { checked: app.held_against(&apps), covers: app.covers.clone() })
    });
    Ok(facts.collect())
}

/// What the contract has to say of an app's env file, beside those of all other apps and as [`check`] says it: before
/// anything is pushed.
pub(in crate::usecase) fn of_env_file(
    session: &Session<'_>,
    app: &AppSlug,
) -> Result<Vec<Finding>, CliError> {
    let apps = everything(session, Depth::EnvFile)?;
    let own = apps.iter().find(|looked| looked.context == &session.context && looked.slug == app);
    Ok(own.map(|own| own.held_against(&apps).findings).unwrap_or_default())
}

/// How much of an app is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Its env file.
    EnvFile,
    /// Its compose project too.
    Everything,
}

/// Servers are asked one at a time, when their app is named.
fn not_asked() -> Checked {
    let why = "the running server was not asked: name the app with --app";
    Checked { unjudged: vec![Unjudged::new(ClauseId::AppContract, why)], ..Checked::default() }
}

fn is_wrong(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity > Severity::Info)
}

/// An app with what was found of it.
struct App<'s> {
    context: &'s ContextName,
    slug: &'s AppSlug,
    settings: &'s AppSettings,
    checked: Checked,
    /// The clauses that were looked at, but for what could not be judged.
    covers: BTreeSet<ClauseId>,
    prefix: Option<PrefixUse>,
}

/// Every app that the settings know, of other contexts too: a prefix must be an app's own among all of them.
fn everything<'s>(session: &'s Session<'_>, depth: Depth) -> Result<Vec<App<'s>>, CliError> {
    session.context_settings()?;
    let mut apps = Vec::new();
    for (name, context) in &session.settings()?.contexts {
        for (slug, settings) in &context.apps {
            apps.push(App::look_at(session, (name, context), slug, settings, depth)?);
        }
    }
    Ok(apps)
}

impl<'s> App<'s> {
    fn look_at(
        session: &Session<'_>,
        (name, context): (&'s ContextName, &ContextSettings),
        slug: &'s AppSlug,
        settings: &'s AppSettings,
        depth: Depth,
    ) -> Result<Self, CliError> {
        let mut app = Self {
            context: name,
            slug,
            settings,
            checked: Checked::default(),
            covers: BTreeSet::new(),
            prefix: None,
        };
        let profile = Place::of(format!("contexts.{name}.apps.{slug}.profile"));
        app.checked.findings.extend(settings.profile.check_stage(context.stage(), profile));
        let found = env_file::find(session, settings)?;
        app.checked.extend(found.facts.check());
        match &found.parsed {
            Some(Ok(file)) => {
                app.covers.extend(BY_ENV_FILE);
                app.environment(session, context, &found.facts.path, file);
            }
            Some(Err(e)) => app.checked.findings.push(parse_failed(&found.facts.path, e)),
            None => {}
        }
        if let (RunnerSettings::Compose { dir, files }, Depth::Everything) = (&settings.runner, depth) {
            let project = compose::find(session, dir, files)?;
            app.covers.insert(ClauseId::DatabasusPrivate);
            app.checked.extend(compose::judge(&project, &format!("app:{slug}"), settings.profile));
        }
        app.not_yet();
        Ok(app)
    }

    fn environment(&mut self, session: &Session<'_>, context: &ContextSettings, path: &str, file: &EnvFile) {
        let key = env_file::key_file(self.settings, file);
        let env = Environment {
            path,
            file,
            profile: self.settings.profile,
            engine: self.settings.engine_kind(),
            stage: context.stage(),
            key_file: env_file::key_found(key.as_ref()),
        };
        self.checked.extend(env.check());
        let owner = if self.context == &session.context {
            self.slug.to_string()
        } else {
            format!("{}/{}", self.context, self.slug)
        };
        self.prefix = PrefixUse::of(owner, &env, BTreeSet::new());
    }

    /// What this version cannot look at.
    fn not_yet(&mut self) {
        let mut unknown = |clause, why: &str| self.checked.unjudged.push(Unjudged::new(clause, why));
        if matches!(self.settings.runner, RunnerSettings::Ssh { .. }) {
            unknown(
                ClauseId::AppContract,
                "the compose files were not read: this version does not read those of another host",
            );
        }
        if !matches!(self.settings.runner, RunnerSettings::Local { .. }) {
            unknown(
                ClauseId::DatabasusPrivate,
                "the containers were not looked at: this version does not reach them",
            );
        }
    }

    /// Everything that is to be said of it beside the others.
    fn held_against(&self, apps: &[App<'_>]) -> Checked {
        let mut checked = self.checked.clone();
        let is_other = |app: &&App<'_>| (app.context, app.slug) != (self.context, self.slug);
        if let Some(prefix) = &self.prefix {
            let others = apps.iter().filter(is_other).filter_map(|app| app.prefix.as_ref());
            checked.findings.extend(prefix.check_apart(others));
        }
        let unread = apps.iter().filter(is_other).filter(|app| app.prefix.is_none());
        let unread: Vec<_> = unread.map(|app| format!("{}/{}", app.context, app.slug)).collect();
        if !unread.is_empty() {
            let why = format!(
                "whether the prefix is the app's own: nobody can tell where {} stores",
                unread.join(", ")
            );
            checked.unjudged.push(Unjudged::new(ClauseId::AppContract, why));
        }
        checked
    }
}
