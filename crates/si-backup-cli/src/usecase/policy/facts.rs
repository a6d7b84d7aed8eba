use super::{apps, places, subject};
use crate::report::message_of;
use crate::settings::ContextSettings;
use crate::{CliError, Session};
use backup_contract::{Drill, Facts, Gate, Known, Offsite, SubjectFacts, TrailFacts};
use backup_store::Store;
use chrono::{DateTime, Utc};
use restore_guard::{ChainReport, drills_of, trail_facts, verify_context};

/// Everything that can be known on this host at `now`. What cannot be looked at is unknown, and nothing else fails for it.
pub(super) fn gather(session: &Session<'_>, settings: &ContextSettings, now: DateTime<Utc>) -> Facts {
    let store = session.open_store();
    let chains = with_store(&store, |store| chains(session, store));
    Facts {
        production: settings.production,
        placements: Known::Known(places::placements(session, settings)),
        openers: known(session.recipients().and_then(|recipients| {
            let identities = session.identities()?;
            Ok(recipients.openers(identities.as_ref()))
        })),
        passages: Known::Known(places::passages(settings)),
        state: state(session, settings, &store, now),
        apps: apps::apps(session, settings),
        gate: session.context_settings().map_or_else(
            |e| Known::unknown(message_of(&e)),
            |settings| Known::Known(Gate::Evidence(settings.gate.state)),
        ),
        trail: chains.as_ref().map(|chains| -> TrailFacts { trail_facts(chains) }),
        drills: chains.as_ref().map(|chains| -> Vec<Drill> { drills_of(chains) }),
    }
}

type Opened = Result<Box<dyn Store>, CliError>;

fn state(
    session: &Session<'_>,
    settings: &ContextSettings,
    store: &Opened,
    now: DateTime<Utc>,
) -> SubjectFacts {
    match with_store(store, |store| subject::state(session, settings, store, now)) {
        Known::Known(facts) => facts,
        Known::Unknown(why) => SubjectFacts {
            host: Known::Known(session.world.host.clone()),
            offsite: offsite(settings),
            ..SubjectFacts::unknown(why)
        },
    }
}

/// Of an offsite store this version knows whether the settings name one.
pub(super) fn offsite(settings: &ContextSettings) -> Offsite {
    match &settings.offsite {
        None => Offsite::NotConfigured,
        Some(_) => Offsite::Copies(Known::unknown("this version does not look into an offsite store")),
    }
}

fn chains(session: &Session<'_>, store: &dyn Store) -> Result<Vec<ChainReport>, CliError> {
    Ok(verify_context(store, &session.home.trail(&session.context)?)?)
}

fn with_store<T>(store: &Opened, look: impl FnOnce(&dyn Store) -> Result<T, CliError>) -> Known<T> {
    match store {
        Ok(store) => known(look(&**store)),
        Err(e) => Known::Unknown(format!("the control store cannot be opened: {}", message_of(e))),
    }
}

/// What was looked at; why not, with everything that caused it, where that failed.
pub(super) fn known<T>(looked: Result<T, CliError>) -> Known<T> {
    Known::of(looked.map_err(|e| message_of(&e)))
}
