use super::ContextSettings;
use backup_contract::{Rhythm, Rhythms, Schedule};
use chrono::NaiveTime;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// When what is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSettings {
    /// A full backup of each database.
    pub full: Rhythm,
    /// A delta of each database, and a state snapshot.
    pub delta: Rhythm,
    /// The verified restore test.
    pub rehearse: Rhythm,
    /// The copy to the immutable store.
    pub offsite: Rhythm,
    /// The drill.
    pub drill: Rhythm,
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        let daily = |hour| Rhythm::Daily { at: NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default() };
        Self {
            full: daily(2),
            delta: Rhythm::Hourly,
            rehearse: daily(3),
            offsite: daily(4),
            drill: Rhythm::Quarterly { at: NaiveTime::MIN },
        }
    }
}

impl ScheduleSettings {
    fn rhythms(&self) -> Rhythms {
        let Self { full, delta, rehearse, offsite, drill } = *self;
        Rhythms { full, delta, rehearse, offsite, drill }
    }
}

impl ContextSettings {
    /// The rhythms of the context and of the apps that have their own, by the clock of a zone.
    #[must_use]
    pub fn schedule_in(&self, zone: Tz) -> Schedule {
        let own = self.apps.iter().filter_map(|(slug, app)| Some((slug, app.schedule.as_ref()?)));
        own.fold(Schedule::new(zone, self.schedule.rhythms()), |schedule, (slug, own)| {
            schedule.with_app(slug.clone(), own.rhythms())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ScheduleSettings;
    use crate::settings::parse;
    use backup_contract::Subject;
    use chrono_tz::Tz;
    use std::path::Path;

    #[test]
    fn what_is_not_set_is_as_documented() {
        let ScheduleSettings { full, delta, rehearse, offsite, drill } = ScheduleSettings::default();
        let written = [full, delta, rehearse, offsite, drill].map(|rhythm| rhythm.to_string());
        assert_eq!(written, ["daily 02:00", "hourly", "daily 03:00", "daily 04:00", "quarterly"]);
    }

    #[test]
    fn an_app_has_its_own_where_the_settings_give_it_one() {
        let text = include_str!("../../tests/data/full-config.toml");
        let settings = parse(Path::new("config.toml"), text).unwrap();
        let schedule = settings.contexts.values().next().unwrap().schedule_in(Tz::UTC);
        let full = |subject: &str| schedule.of(&subject.parse::<Subject>().unwrap()).full.to_string();
        assert_eq!(
            [full("state"), full("app:shop"), full("app:wiki")],
            ["daily 02:00", "daily 02:00", "daily 01:00"]
        );
    }

    #[test]
    fn a_bad_schedule_has_line_and_column_and_says_how_it_is_written() {
        let text = "[contexts.default]\nschedule = { full = \"daily 02:00\", delta = \"every hour\" }\n";
        let error = parse(Path::new("config.toml"), text).unwrap_err().to_string();
        assert!(error.starts_with("config.toml:2:44: 'every hour' is not a schedule"), "{error}");
        assert!(error.contains("write it like 'hourly'"), "{error}");
    }
}
