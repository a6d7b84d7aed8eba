//! Tiers, and the periods into which each one cuts time.

use std::fmt;

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

/// A tier of slots, finest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Tier {
    /// The newest snapshots, whatever their times.
    Last,
    /// One a clock hour.
    Hourly,
    /// One a calendar day.
    Daily,
    /// One an ISO week: Monday to Sunday, of the year in which its Thursday lies.
    Weekly,
    /// One a calendar month.
    Monthly,
    /// One a calendar year.
    Yearly,
}

impl Tier {
    /// All tiers, finest first.
    pub const ALL: [Self; 6] =
        [Self::Last, Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The name that settings, flags and rows use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One period of a tier, as the calendar of the policy's zone names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// A clock hour, `2026-11-24T20`. The hour that a clock change repeats is one period.
    Hour {
        /// Its day.
        date: NaiveDate,
        /// 0 to 23.
        hour: u32,
    },
    /// A day, `2026-11-24`.
    Day(NaiveDate),
    /// An ISO week, `2026-W48`.
    Week {
        /// The ISO year, which differs from the calendar's around New Year.
        year: i32,
        /// 1 to 53.
        week: u32,
    },
    /// A month, `2026-11`.
    Month {
        /// The year.
        year: i32,
        /// 1 to 12.
        month: u32,
    },
    /// A year, `2026`.
    Year(i32),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour { date, hour } => write!(f, "{date}T{hour:02}"),
            Self::Day(date) => date.fmt(f),
            Self::Week { year, week } => write!(f, "{year:04}-W{week:02}"),
            Self::Month { year, month } => write!(f, "{year:04}-{month:02}"),
            Self::Year(year) => write!(f, "{year:04}"),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Slot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The wall clock of `zone` at `time`. At the two ends of what chrono can hold, where no offset fits, UTC's.
pub(crate) fn wall_clock(zone: Tz, time: DateTime<Utc>) -> NaiveDateTime {
    let utc = time.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    utc.checked_add_offset(offset).unwrap_or(utc)
}

/// The number of the tier's period that holds this wall-clock time: later periods have higher numbers, neighbours
/// follow each other. `Last` has no periods.
pub(crate) fn number(tier: Tier, at: NaiveDateTime) -> i64 {
    let day = i64::from(at.num_days_from_ce());
    match tier {
        Tier::Last => 0,
        Tier::Hourly => day * 24 + i64::from(at.hour()),
        Tier::Daily => day,
        // Day 1 of the common era was a Monday.
        Tier::Weekly => (day - 1).div_euclid(7),
        Tier::Monthly => i64::from(at.year()) * 12 + i64::from(at.month0()),
        Tier::Yearly => i64::from(at.year()),
    }
}

/// The period's name.
pub(crate) fn slot(tier: Tier, at: NaiveDateTime) -> Option<Slot> {
    match tier {
        Tier::Last => None,
        Tier::Hourly => Some(Slot::Hour { date: at.date(), hour: at.hour() }),
        Tier::Daily => Some(Slot::Day(at.date())),
        Tier::Weekly => {
            let week = at.iso_week();
            Some(Slot::Week { year: week.year(), week: week.week() })
        }
        Tier::Monthly => Some(Slot::Month { year: at.year(), month: at.month() }),
        Tier::Yearly => Some(Slot::Year(at.year())),
    }
}

/// Whether the period that holds `time` is over at `now`. `Last` has periods of no length.
pub(crate) fn is_over(tier: Tier, zone: Tz, time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    tier == Tier::Last || number(tier, wall_clock(zone, time)) < number(tier, wall_clock(zone, now))
}

/// When the period that lies `ahead` periods after the one holding `time` begins; the end of time when it has no date.
/// For `Last`, which has no periods, a day is assumed between two snapshots.
pub(crate) fn start_of_later(tier: Tier, zone: Tz, time: DateTime<Utc>, ahead: u32) -> DateTime<Utc> {
    // Where clocks go back over midnight, a day begins twice: then the next beginning is meant.
    let after = if ahead == 0 { DateTime::<Utc>::MIN_UTC } else { time };
    later_wall_clock(tier, wall_clock(zone, time), ahead)
        .and_then(|at| first_instant(zone, at, after))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn later_wall_clock(tier: Tier, at: NaiveDateTime, ahead: u32) -> Option<NaiveDateTime> {
    let date = at.date();
    let start = match tier {
        Tier::Last => return at.checked_add_days(Days::new(u64::from(ahead))),
        Tier::Hourly => {
            return date.and_hms_opt(at.hour(), 0, 0)?.checked_add_signed(TimeDelta::hours(i64::from(ahead)));
        }
        Tier::Daily => date.checked_add_days(Days::new(u64::from(ahead)))?,
        Tier::Weekly => date
            .checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday())))?
            .checked_add_days(Days::new(u64::from(ahead) * 7))?,
        Tier::Monthly => date.with_day(1)?.checked_add_months(Months::new(ahead))?,
        Tier::Yearly => NaiveDate::from_ymd_opt(date.year().checked_add(i32::try_from(ahead).ok()?)?, 1, 1)?,
    };
    start.and_hms_opt(0, 0, 0)
}

/// The first instant from `after` on at which the zone's clock shows `at` or, where a clock change skips that, the next
/// quarter of an hour that it shows.
pub(crate) fn first_instant(zone: Tz, at: NaiveDateTime, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // No zone has ever skipped more than a day.
    (0..=96).find_map(|quarter| {
        let at = at.checked_add_signed(TimeDelta::minutes(15 * quarter))?;
        // `from_local_datetime` adds offsets unchecked, so stay away from the ends of time.
        at.checked_add_signed(TimeDelta::days(2))?;
        at.checked_sub_signed(TimeDelta::days(2))?;
        let shown = zone.from_local_datetime(&at);
        let instants = [shown.earliest(), shown.latest()].into_iter().flatten();
        instants.map(|time| time.with_timezone(&Utc)).find(|time| *time >= after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn week_number_and_week_name_agree_for_four_centuries() {
        let mut date = NaiveDate::from_ymd_opt(1890, 1, 1).unwrap();
        let mut previous = None;
        while date.year() < 2290 {
            let at = date.and_hms_opt(12, 0, 0).unwrap();
            let now = (number(Tier::Weekly, at), slot(Tier::Weekly, at));
            if let Some((number, slot)) = previous {
                assert_eq!(number == now.0, slot == now.1, "{date}");
                assert!(now.0 == number || now.0 == number + 1);
            }
            previous = Some(now);
            date = date.succ_opt().unwrap();
        }
    }

    #[test]
    fn new_year_belongs_to_one_iso_week() {
        assert_eq!(slot(Tier::Weekly, at("2024-12-31T00:00:00")), Some(Slot::Week { year: 2025, week: 1 }));
        assert_eq!(slot(Tier::Weekly, at("2025-01-04T00:00:00")), Some(Slot::Week { year: 2025, week: 1 }));
        assert_eq!(
            number(Tier::Weekly, at("2024-12-31T00:00:00")),
            number(Tier::Weekly, at("2025-01-04T00:00:00"))
        );
        // 2026 begins in its own first week, 2027 in the last of 2026.
        assert_eq!(slot(Tier::Weekly, at("2027-01-01T00:00:00")).unwrap().to_string(), "2026-W53");
    }

    #[test]
    fn week_one_is_not_month_one() {
        let at = at("2026-01-01T00:00:00");
        assert_ne!(slot(Tier::Weekly, at), slot(Tier::Monthly, at));
        assert_eq!(slot(Tier::Weekly, at).unwrap().to_string(), "2026-W01");
        assert_eq!(slot(Tier::Monthly, at).unwrap().to_string(), "2026-01");
    }

    #[test]
    fn later_periods_begin_where_the_zone_says() {
        let zone = Tz::Europe__Berlin;
        let time = "2026-10-24T12:00:00Z".parse().unwrap();
        let start = |tier, ahead| start_of_later(tier, zone, time, ahead).to_rfc3339();
        assert_eq!(start(Tier::Hourly, 1), "2026-10-24T13:00:00+00:00");
        assert_eq!(start(Tier::Daily, 1), "2026-10-24T22:00:00+00:00");
        assert_eq!(start(Tier::Daily, 2), "2026-10-25T23:00:00+00:00");
        assert_eq!(start(Tier::Weekly, 1), "2026-10-25T23:00:00+00:00");
        assert_eq!(start(Tier::Monthly, 1), "2026-10-31T23:00:00+00:00");
        assert_eq!(start(Tier::Yearly, 1), "2026-12-31T23:00:00+00:00");
    }

    #[test]
    fn a_skipped_midnight_begins_at_the_first_instant_after_it() {
        // Beirut's clocks went from 23:59 on 2021-03-27 to 01:00 on the 28th.
        let time = "2021-03-27T12:00:00Z".parse().unwrap();
        let start = start_of_later(Tier::Daily, Tz::Asia__Beirut, time, 1);
        assert_eq!(start.to_rfc3339(), "2021-03-27T22:00:00+00:00");
    }

    #[test]
    fn a_day_that_begins_twice_begins_after_now() {
        // St John's clocks went from 00:01 on 2010-11-07 back to 23:01 on the 6th, at 02:31 UTC.
        let start = |time: &str| {
            start_of_later(Tier::Daily, Tz::America__St_Johns, time.parse().unwrap(), 1).to_rfc3339()
        };
        assert_eq!(start("2010-11-07T02:00:00Z"), "2010-11-07T02:30:00+00:00");
        assert_eq!(start("2010-11-07T02:31:00Z"), "2010-11-07T03:30:00+00:00");
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            for zone in [Tz::UTC, Tz::Pacific__Kiritimati, Tz::America__St_Johns] {
                for tier in Tier::ALL {
                    let at = wall_clock(zone, time);
                    let _ = (number(tier, at), slot(tier, at));
                    for ahead in [0, 1, u32::MAX] {
                        let _ = start_of_later(tier, zone, time, ahead);
                    }
                }
            }
        }
    }
}
