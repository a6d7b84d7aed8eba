use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// How many days are looked through for the next one that counts: more than a quarter has, and more than any zone ever left
/// out.
const DAYS_AHEAD: usize = 100;

/// The first instant behind `time` at which the zone's clock shows `at` on a day that counts. Where a clock change skips it,
/// the next quarter of an hour that is shown; where one shows it twice, the first. `None` near the ends of time.
pub(super) fn first_after(
    time: DateTime<Utc>,
    zone: Tz,
    at: NaiveTime,
    counts: impl Fn(NaiveDate) -> bool,
) -> Option<DateTime<Utc>> {
    let time_has_room = (1_900..=9_000).contains(&time.year());
    let date = time_has_room.then(|| time.with_timezone(&zone).date_naive())?;
    // From the day before: a clock change may have moved its instant behind midnight.
    date.pred_opt()?
        .iter_days()
        .take(DAYS_AHEAD)
        .filter(|date| counts(*date))
        .filter_map(|date| instant(zone, date.and_time(at)))
        .find(|instant| *instant > time)
}

fn instant(zone: Tz, at: NaiveDateTime) -> Option<DateTime<Utc>> {
    // No zone has ever skipped more than a day.
    (0..=96).find_map(|quarter| {
        let at = at.checked_add_signed(TimeDelta::minutes(15 * quarter))?;
        zone.from_local_datetime(&at).earliest().map(|instant| instant.to_utc())
    })
}

/// Whether a date is the day of its month that is meant; in a shorter month, its last.
pub(super) fn is_day_of_month(date: NaiveDate, day: u32) -> bool {
    let is_last = date.succ_opt().is_none_or(|next| next.month() != date.month());
    date.day() == day || (is_last && date.day() < day)
}

/// Whether a date is the first of a calendar quarter.
pub(super) fn begins_a_quarter(date: NaiveDate) -> bool {
    date.day() == 1 && date.month() % 3 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daily(time: &str, zone: Tz, at: &str) -> String {
        let at = NaiveTime::parse_from_str(at, "%H:%M").unwrap();
        first_after(time.parse().unwrap(), zone, at, |_| true).unwrap().to_rfc3339()
    }

    #[test]
    fn a_time_that_a_clock_change_skips_comes_right_after_it() {
        // Berlin's clocks went from 02:00 to 03:00 on 2026-03-29, at 01:00 UTC.
        let berlin = Tz::Europe__Berlin;
        assert_eq!(daily("2026-03-28T01:30:00Z", berlin, "02:30"), "2026-03-29T01:00:00+00:00");
        assert_eq!(daily("2026-03-29T01:00:00Z", berlin, "02:30"), "2026-03-30T00:30:00+00:00");
    }

    #[test]
    fn a_time_that_is_shown_twice_comes_once() {
        // Back from 03:00 to 02:00 on 2026-10-25, at 01:00 UTC.
        let berlin = Tz::Europe__Berlin;
        assert_eq!(daily("2026-10-24T00:30:00Z", berlin, "02:30"), "2026-10-25T00:30:00+00:00");
        assert_eq!(daily("2026-10-25T00:30:00Z", berlin, "02:30"), "2026-10-26T01:30:00+00:00");
    }

    #[test]
    fn months_and_quarters_have_their_days() {
        let date = |text: &str| text.parse().unwrap();
        assert!(is_day_of_month(date("2026-02-28"), 31) && !is_day_of_month(date("2026-02-27"), 31));
        assert!(is_day_of_month(date("2028-02-29"), 30) && is_day_of_month(date("2026-05-15"), 15));
        let mut quarters = date("2026-01-01").iter_days().take(365).filter(|date| begins_a_quarter(*date));
        let mut next = || quarters.next().map(|date| date.to_string());
        assert_eq!(
            [next(), next(), next(), next(), next()],
            [
                Some("2026-01-01".into()),
                Some("2026-04-01".into()),
                Some("2026-07-01".into()),
                Some("2026-10-01".into()),
                None
            ]
        );
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            for zone in [Tz::UTC, Tz::Pacific__Kiritimati, Tz::America__St_Johns] {
                assert_eq!(first_after(time, zone, NaiveTime::MIN, |_| true), None);
            }
        }
    }
}
