use super::calendar::{begins_a_quarter, first_after, is_day_of_month};
use crate::Error;
use chrono::{DateTime, DurationRound, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// How often something is done, and when.
///
/// Written `hourly`, `daily 02:00`, `weekly sunday 02:00`, `monthly 1 02:00` (in a shorter month on its last day),
/// `quarterly` (on the first of January, April, July and October) or `none`. Where the time is left out it is midnight.
///
/// ```
/// use backup_contract::Rhythm;
/// use chrono_tz::Tz;
///
/// let nightly: Rhythm = "daily 02:00".parse()?;
/// let last_night = "2026-11-23T01:00:04Z".parse()?;
/// let next = nightly.after(last_night, Tz::Europe__Berlin);
/// assert_eq!(next, Some("2026-11-24T01:00:00Z".parse()?));
/// assert!("every now and then".parse::<Rhythm>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rhythm {
    /// Never.
    None,
    /// At each full hour, which no change of the clocks moves.
    Hourly,
    /// Every day.
    Daily {
        /// By the clock of the zone.
        at: NaiveTime,
    },
    /// Every week.
    Weekly {
        /// On this day.
        on: Weekday,
        /// By the clock of the zone.
        at: NaiveTime,
    },
    /// Every month.
    Monthly {
        /// On this day, from 1 to 31, or on the month's last.
        day: u32,
        /// By the clock of the zone.
        at: NaiveTime,
    },
    /// On the first day of every calendar quarter.
    Quarterly {
        /// By the clock of the zone.
        at: NaiveTime,
    },
}

impl Rhythm {
    /// The first moment behind `time` at which it is to be done; `None` for [`Rhythm::None`], and near the ends of time.
    #[must_use]
    pub fn after(self, time: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        use chrono::Datelike;
        match self {
            Self::None => None,
            Self::Hourly => {
                let hour = TimeDelta::hours(1);
                time.duration_trunc(hour).ok()?.checked_add_signed(hour)
            }
            Self::Daily { at } => first_after(time, zone, at, |_| true),
            Self::Weekly { on, at } => first_after(time, zone, at, |date| date.weekday() == on),
            Self::Monthly { day, at } => first_after(time, zone, at, |date| is_day_of_month(date, day)),
            Self::Quarterly { at } => first_after(time, zone, at, begins_a_quarter),
        }
    }
}

impl FromStr for Rhythm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let reject = || Error::Rhythm(text.to_owned());
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(reject)?;
        let rhythm = match name {
            "none" => Self::None,
            "hourly" => Self::Hourly,
            "daily" => Self::Daily { at: time(words.next()).ok_or_else(reject)? },
            "weekly" => Self::Weekly {
                on: words.next().and_then(|day| day.parse().ok()).ok_or_else(reject)?,
                at: time(words.next()).ok_or_else(reject)?,
            },
            "monthly" => Self::Monthly {
                day: words.next().and_then(day_of_month).ok_or_else(reject)?,
                at: time(words.next()).ok_or_else(reject)?,
            },
            "quarterly" => Self::Quarterly { at: time(words.next()).ok_or_else(reject)? },
            _ => return Err(reject()),
        };
        if words.next().is_some() { Err(reject()) } else { Ok(rhythm) }
    }
}

/// A time of the day; midnight where none is written.
fn time(word: Option<&str>) -> Option<NaiveTime> {
    let Some(word) = word else { return Some(NaiveTime::MIN) };
    let (hours, minutes) = word.split_once(':')?;
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) || minutes.len() != 2 {
        return None;
    }
    NaiveTime::from_hms_opt(hours.parse().ok()?, minutes.parse().ok()?, 0)
}

fn day_of_month(word: &str) -> Option<u32> {
    word.parse().ok().filter(|day| (1..=31).contains(day))
}

impl fmt::Display for Rhythm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Hourly => f.write_str("hourly"),
            Self::Daily { at } => write!(f, "daily {}", at.format("%H:%M")),
            Self::Weekly { on, at } => write!(f, "weekly {} {}", name_of(*on), at.format("%H:%M")),
            Self::Monthly { day, at } => write!(f, "monthly {day} {}", at.format("%H:%M")),
            Self::Quarterly { at } if *at == NaiveTime::MIN => f.write_str("quarterly"),
            Self::Quarterly { at } => write!(f, "quarterly {}", at.format("%H:%M")),
        }
    }
}

const fn name_of(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "monday",
        Weekday::Tue => "tuesday",
        Weekday::Wed => "wednesday",
        Weekday::Thu => "thursday",
        Weekday::Fri => "friday",
        Weekday::Sat => "saturday",
        Weekday::Sun => "sunday",
    }
}

impl Serialize for Rhythm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Settings are where most schedules are written, so the error says how that is done.
impl<'de> Deserialize<'de> for Rhythm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|e: Error| D::Error::custom(format_args!("{e}; {}", e.hint())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rhythms_are_read_as_they_are_written() {
        for (text, spelt) in [
            ("none", "none"),
            ("hourly", "hourly"),
            ("daily", "daily 00:00"),
            ("  daily   2:30 ", "daily 02:30"),
            ("weekly Sun 02:30", "weekly sunday 02:30"),
            ("weekly wednesday", "weekly wednesday 00:00"),
            ("monthly 31 23:59", "monthly 31 23:59"),
            ("quarterly", "quarterly"),
            ("quarterly 09:00", "quarterly 09:00"),
        ] {
            let rhythm: Rhythm = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(rhythm.to_string(), spelt);
            assert_eq!(spelt.parse::<Rhythm>().unwrap(), rhythm);
        }
    }

    #[test]
    fn anything_else_says_how_it_is_written() {
        for text in [
            "",
            " ",
            "hourly 02:00",
            "daily 24:00",
            "daily 02:60",
            "daily 02:00 UTC",
            "daily +2:00",
            "daily 2",
            "daily 02:0",
            "daily at 02:00",
            "weekly",
            "weekly someday",
            "weekly 02:00",
            "monthly",
            "monthly 0",
            "monthly 32",
            "Daily 02:00",
            "quarterly 1 02:00",
            "*/5 * * * *",
        ] {
            let error = text.parse::<Rhythm>().unwrap_err();
            assert_eq!(error.code(), "invalid-schedule", "{text}");
            assert!(error.hint().contains("daily 02:00"));
        }
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            for text in ["hourly", "daily 02:00", "weekly sunday", "monthly 31", "quarterly"] {
                let _ = text.parse::<Rhythm>().unwrap().after(time, Tz::Pacific__Kiritimati);
            }
        }
    }
}
