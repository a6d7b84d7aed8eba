use crate::args::PolicyArgs;
use crate::settings::{ContextSettings, SettingsError};
use crate::{CliError, Session};
use chrono::TimeDelta;
use chrono_tz::{TZ_VARIANTS, Tz};
use retention::{Counts, Policy, Tier};

/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const ALIKE: f64 = 0.8;

/// The settings of the context, where there are any: other tools' snapshots need none.
pub(super) fn settings_if_any<'s>(session: &'s Session<'_>) -> Result<Option<&'s ContextSettings>, CliError> {
    match session.context_settings() {
        Ok(settings) => Ok(Some(settings)),
        Err(CliError::Settings(SettingsError::Missing(_) | SettingsError::NoContext { .. })) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The policy of flags and settings. Any count among the flags replaces all of the settings'.
pub(super) fn policy(args: &PolicyArgs, settings: Option<&ContextSettings>) -> Result<Policy, CliError> {
    let set = settings.map(|settings| settings.retention.clone()).unwrap_or_default();
    let flags = [
        (Tier::Last, args.keep_last),
        (Tier::Hourly, args.keep_hourly),
        (Tier::Daily, args.keep_daily),
        (Tier::Weekly, args.keep_weekly),
        (Tier::Monthly, args.keep_monthly),
        (Tier::Yearly, args.keep_yearly),
    ];
    let counts = if flags.iter().any(|(_, count)| count.is_some()) {
        flags
            .into_iter()
            .fold(Counts::default(), |counts, (tier, count)| counts.with(tier, count.unwrap_or_default()))
    } else {
        Counts::default()
            .last(set.last)
            .hourly(set.hourly)
            .daily(set.daily)
            .weekly(set.weekly)
            .monthly(set.monthly)
            .yearly(set.yearly)
    };
    let window = args.recovery_window.unwrap_or(set.recovery_window);
    let window = TimeDelta::from_std(window)
        .map_err(|_| CliError::usage("the recovery window is longer than time", "write it like 7d"))?;
    let zone = args.timezone.as_deref().or(settings.map(|settings| settings.timezone.as_str()));
    Ok(Policy::new(counts)?
        .with_counting(args.counting.unwrap_or(set.counting))
        .with_time_zone(zone.map_or(Ok(Tz::UTC), zone_of)?)
        .with_recovery_window(window)?)
}

/// The time zone of a name.
pub(in crate::usecase) fn zone_of(name: &str) -> Result<Tz, CliError> {
    name.parse().map_err(|_| {
        let alike = |zone: &Tz| strsim::jaro_winkler(&zone.name().to_lowercase(), &name.to_lowercase());
        let nearest = TZ_VARIANTS.iter().map(|zone| (alike(zone), zone.name()));
        let nearest = nearest.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness >= ALIKE);
        CliError::UnknownZone { name: name.to_owned(), nearest: nearest.map(|(_, name)| name) }
    })
}
