use crate::CliError;
use backup_contract::Rhythm as Wanted;
use retention::{Rhythm, Schedule};

/// When a state is backed up where nobody says otherwise.
pub(super) const USUAL: &str = "daily 02:00";

/// A schedule as settings and flags write it: full snapshots only, for a state has no deltas.
pub(super) fn parse(text: &str) -> Result<Schedule, CliError> {
    let full = match text.parse() {
        Ok(Wanted::None) => return Ok(Schedule::Nothing),
        Ok(Wanted::Hourly) => Some(Rhythm::Hourly { minute: 0 }),
        Ok(Wanted::Daily { at }) => Some(Rhythm::Daily { at }),
        Ok(Wanted::Weekly { on, at }) => Some(Rhythm::Weekly { on, at }),
        Ok(Wanted::Monthly { day, at }) => Some(Rhythm::Monthly { day, at }),
        Ok(_) | Err(_) => None,
    };
    full.map(|full| Schedule::Regular { full, delta: None }).ok_or_else(|| {
        CliError::usage(
            format!("'{text}' is not a schedule that can be looked ahead"),
            "write it like 'hourly', 'daily 02:00', 'weekly sunday 02:00', 'monthly 1 02:00' or 'none'",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{NaiveTime, Weekday};

    #[test]
    fn schedules_are_read_as_they_are_written() {
        let at = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
        assert_eq!(parse("none").unwrap(), Schedule::Nothing);
        for (text, full) in [
            ("hourly", Rhythm::Hourly { minute: 0 }),
            (" daily  02:30 ", Rhythm::Daily { at }),
            ("weekly sunday 02:30", Rhythm::Weekly { on: Weekday::Sun, at }),
            ("monthly 31 02:30", Rhythm::Monthly { day: 31, at }),
        ] {
            assert_eq!(parse(text).unwrap(), Schedule::Regular { full, delta: None }, "{text}");
        }
        for text in ["", "daily 25:00", "monthly 0 02:00", "weekly someday 02:00", "quarterly"] {
            assert_eq!(parse(text).unwrap_err().exit_code(), 2, "{text}");
        }
        assert_eq!(parse(USUAL).unwrap(), Schedule::daily(NaiveTime::from_hms_opt(2, 0, 0).unwrap()));
    }
}
