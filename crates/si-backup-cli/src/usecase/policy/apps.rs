use super::facts::{known, offsite};
use super::schedule;
use super::subject::judged;
use crate::report::message_of;
use crate::settings::{AppSettings, ContextSettings, RunnerSettings};
use crate::usecase::contract;
use crate::view::DueRow;
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Session};
use backup_contract::{AppFacts, AppSlug, ContractFacts, Due, Facts, Known, SubjectFacts, Task, due};
use paas_state::{DeployedApp, deployed_apps};
use restore_guard::rehearsals_of;
use std::collections::{BTreeMap, BTreeSet};

/// The apps of the settings, and those that run and of which the settings say nothing.
pub(super) fn apps(session: &Session<'_>, settings: &ContextSettings) -> Known<Vec<AppFacts>> {
    let deployed = known(session.open_context().and_then(|context| Ok(deployed_apps(&context)?)));
    let contracts = known(contract::facts(session));
    deployed.map(|deployed| {
        let slugs: BTreeSet<&AppSlug> =
            settings.apps.keys().chain(deployed.iter().map(|app| &app.slug)).collect();
        slugs
            .into_iter()
            .map(|slug| AppFacts {
                contract: of_contract(&contracts, slug),
                ..one(session, settings, &deployed, slug)
            })
            .collect()
    })
}

fn of_contract(contracts: &Known<BTreeMap<AppSlug, ContractFacts>>, slug: &AppSlug) -> Known<ContractFacts> {
    match contracts {
        Known::Known(all) => all.get(slug).cloned().map_or_else(|| Known::unknown(NOT_NAMED), Known::Known),
        Known::Unknown(why) => Known::unknown(why),
    }
}

const NOT_NAMED: &str = "the settings do not name it";

fn one(
    session: &Session<'_>,
    settings: &ContextSettings,
    deployed: &[DeployedApp],
    slug: &AppSlug,
) -> AppFacts {
    let named = settings.apps.get(slug);
    let runs = deployed.iter().any(|app| app.slug == *slug && app.current_release.is_some());
    AppFacts {
        slug: slug.clone(),
        active: named.and_then(|app| app.active).unwrap_or(runs),
        configured: named.is_some(),
        subject: SubjectFacts {
            host: named
                .map_or_else(|| Known::unknown("the settings do not name it"), |app| host(session, app)),
            offsite: offsite(settings),
            ..backups(session, slug)
        },
        contract: Known::unknown("it was not held to its profile"),
    }
}

/// What is known of the backups of an app, as its bucket and the evidence have them.
fn backups(session: &Session<'_>, slug: &AppSlug) -> SubjectFacts {
    let shelf = || {
        let control = session.open_store()?;
        AppShelf::read(session, &*control, &AppBucket::open(&AppEnvironment::read(session, slug)?)?)
    };
    match shelf() {
        Err(error) => SubjectFacts::unknown(message_of(&error)),
        Ok(shelf) => of_shelf(&shelf),
    }
}

fn of_shelf(shelf: &AppShelf) -> SubjectFacts {
    let no_files = || Known::unknown("a database has no protected files");
    SubjectFacts {
        snapshots: Known::Known(shelf.snapshots().iter().map(|one| judged(shelf, one, no_files())).collect()),
        rehearsals: Known::Known(rehearsals_of(&shelf.evidence, shelf.subject())),
        ..SubjectFacts::unknown("the retention of databases is not built yet")
    }
}

/// What is due of an app, as far as its backups tell: drills are in the trail, which `policy` reads.
pub(in crate::usecase) fn due_of_app(
    session: &Session<'_>,
    app: &AppSlug,
    shelf: &AppShelf,
) -> Result<Vec<DueRow>, CliError> {
    let settings = session.context_settings()?;
    let facts = AppFacts {
        slug: app.clone(),
        active: true,
        configured: true,
        subject: SubjectFacts { offsite: offsite(settings), ..of_shelf(shelf) },
        contract: Known::unknown("it was not held to its profile"),
    };
    let facts = Facts { apps: Known::Known(vec![facts]), ..Facts::unknown("not asked") };
    let all = due(&facts, &schedule(settings)?, session.now());
    let of_app = |due: &&Due| due.subject == *shelf.subject() && due.task != Task::Drill;
    Ok(all.iter().filter(of_app).map(DueRow::from).collect())
}

fn host(session: &Session<'_>, app: &AppSettings) -> Known<String> {
    match &app.runner {
        RunnerSettings::Local { .. } | RunnerSettings::Compose { .. } => {
            Known::Known(session.world.host.clone())
        }
        // As the SSH configuration calls it; whose name that is, is known once somebody has asked there.
        RunnerSettings::Ssh { target, .. } => Known::Known(target.clone()),
    }
}
