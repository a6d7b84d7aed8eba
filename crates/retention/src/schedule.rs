//! When snapshots are expected.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use crate::period;
use crate::snapshot::Kind;

/// The snapshots that are to come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// Full snapshots at one rhythm, deltas at another.
    Regular {
        /// When a full one is made.
        full: Rhythm,
        /// When a delta is made, on top of the newest snapshot there is.
        delta: Option<Rhythm>,
    },
    /// These, in any order. A delta is made on top of the newest snapshot there is.
    Given(Vec<Arrival>),
    /// None at all: what becomes of the ones that exist.
    Nothing,
}

impl Schedule {
    /// A full snapshot every day at this time.
    #[must_use]
    pub fn daily(at: NaiveTime) -> Self {
        Self::Regular { full: Rhythm::Daily { at }, delta: None }
    }

    /// The same, with a delta every full hour.
    #[must_use]
    pub fn daily_with_hourly_deltas(at: NaiveTime) -> Self {
        Self::Regular { full: Rhythm::Daily { at }, delta: Some(Rhythm::Hourly { minute: 0 }) }
    }

    /// What comes on one day that lasts from `start` to `end`, oldest first.
    pub(crate) fn on_day(
        &self,
        date: NaiveDate,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        zone: Tz,
    ) -> Vec<Arrival> {
        let mut arrivals: Vec<Arrival> = match self {
            Self::Regular { full, delta } => {
                let of = |rhythm: &Rhythm, kind| {
                    rhythm.times(date, start, end, zone).into_iter().map(move |time| Arrival { time, kind })
                };
                let mut arrivals: Vec<Arrival> = of(full, Kind::Full).collect();
                arrivals.extend(delta.iter().flat_map(|delta| of(delta, Kind::Delta)));
                arrivals
            }
            Self::Given(arrivals) => arrivals.clone(),
            Self::Nothing => Vec::new(),
        };
        arrivals.retain(|arrival| start <= arrival.time && arrival.time < end);
        // At one and the same time the full one is made.
        arrivals.sort_by_key(|arrival| (arrival.time, arrival.kind == Kind::Delta));
        arrivals.dedup_by_key(|arrival| arrival.time);
        arrivals
    }
}

/// How often, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rhythm {
    /// Every hour.
    Hourly {
        /// Minutes after the start of the day's every hour; 60 and more is taken as 59.
        minute: u32,
    },
    /// Every day.
    Daily {
        /// By the clock of the policy's zone.
        at: NaiveTime,
    },
    /// Every week.
    Weekly {
        /// On this day.
        on: Weekday,
        /// By the clock of the policy's zone.
        at: NaiveTime,
    },
    /// Every month.
    Monthly {
        /// On this day, or on the month's last.
        day: u32,
        /// By the clock of the policy's zone.
        at: NaiveTime,
    },
}

impl Rhythm {
    fn times(
        self,
        date: NaiveDate,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        zone: Tz,
    ) -> Vec<DateTime<Utc>> {
        let at = match self {
            Self::Hourly { minute } => {
                let first = start.checked_add_signed(TimeDelta::minutes(i64::from(minute.min(59))));
                let next = |time: &DateTime<Utc>| time.checked_add_signed(TimeDelta::hours(1));
                return std::iter::successors(first, next).take_while(|time| *time < end).collect();
            }
            Self::Daily { at } => Some(at),
            Self::Weekly { on, at } => (date.weekday() == on).then_some(at),
            Self::Monthly { day, at } => {
                let is_last = date.succ_opt().is_none_or(|next| next.month() != date.month());
                (date.day() == day || (is_last && date.day() < day)).then_some(at)
            }
        };
        at.and_then(|at| period::first_instant(zone, date.and_time(at), DateTime::<Utc>::MIN_UTC))
            .into_iter()
            .collect()
    }
}

/// One snapshot that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub time: DateTime<Utc>,
    /// Whether it will need the one before it.
    pub kind: Kind,
}
