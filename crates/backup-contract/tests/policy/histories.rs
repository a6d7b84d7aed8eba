//! Weeks of a host that wakes up every few minutes, is sometimes down, and whose clock is sometimes set.

use crate::due::{any_time, any_zone, rhythm};
use backup_contract::{REST, Rhythm, When};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

/// What happens between two looks at what is due.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Passes {
    /// A few minutes.
    Minutes(i64),
    /// The host is down, for hours.
    Down(i64),
    /// The clock is set, by minutes.
    ClockSet(i64),
}

impl Passes {
    /// How long it really takes.
    fn time(self) -> TimeDelta {
        match self {
            Self::Minutes(n) => TimeDelta::minutes(n),
            Self::Down(n) => TimeDelta::hours(n),
            Self::ClockSet(_) => TimeDelta::zero(),
        }
    }

    /// How far the clock goes on.
    fn on_the_clock(self) -> TimeDelta {
        match self {
            Self::ClockSet(n) => TimeDelta::minutes(n),
            other => other.time(),
        }
    }
}

/// A history in which the host is now and then down, when `down` is 1, and its clock set, when `set` is.
fn histories(down: u32, set: u32) -> impl Strategy<Value = Vec<Passes>> {
    let mut passes = vec![(200, (3_i64..8).prop_map(Passes::Minutes).boxed())];
    if down > 0 {
        passes.push((2, (1_i64..200).prop_map(Passes::Down).boxed()));
    }
    if set > 0 {
        passes.push((1, (-3_000_i64..3_000).prop_map(Passes::ClockSet).boxed()));
    }
    prop::collection::vec(prop::strategy::Union::new_weighted(passes), 300..900)
}

/// When it really was that something was run, counted from the beginning.
fn live(rhythm: Rhythm, zone: Tz, start: DateTime<Utc>, history: &[Passes]) -> Vec<TimeDelta> {
    let (mut clock, mut real) = (start, TimeDelta::zero());
    let (mut begun, mut runs) = (Vec::new(), Vec::new());
    for passes in history {
        clock += passes.on_the_clock();
        real += passes.time();
        if When::of(rhythm, zone, begun.iter().copied(), clock).unwrap().is_now() {
            begun.push(clock);
            runs.push(real);
        }
    }
    runs
}

fn count(history: &[Passes], what: fn(&Passes) -> bool) -> i64 {
    history.iter().filter(|passes| what(passes)).count().try_into().unwrap()
}

fn is_down(passes: &Passes) -> bool {
    matches!(passes, Passes::Down(_))
}

fn is_set(passes: &Passes) -> bool {
    matches!(passes, Passes::ClockSet(_))
}

/// How long the host was up.
fn up(history: &[Passes]) -> TimeDelta {
    history.iter().filter(|passes| !is_down(passes)).map(|passes| passes.time()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_host_that_is_up_is_never_long_without_a_backup(
        zone in any_zone(),
        start in any_time(),
        history in histories(0, 0),
    ) {
        let runs = live(rhythm("hourly"), zone, start, &history);
        for pair in runs.windows(2) {
            let gap = pair[1] - pair[0];
            prop_assert!(gap >= REST, "twice within {}", gap);
            // The first moment may come while it rests; then it is made right after, and looks are up to 7 minutes apart.
            prop_assert!(gap <= TimeDelta::minutes(67), "{}", gap);
        }
        let hours = up(&history).num_hours();
        let runs = i64::try_from(runs.len()).unwrap();
        prop_assert!((hours..=hours + 3).contains(&runs), "{} runs in {} hours", runs, hours);
    }

    #[test]
    fn what_was_missed_is_made_up_once(
        zone in any_zone(),
        start in any_time(),
        history in histories(1, 0),
        hour in 0_u32..24,
    ) {
        let daily = rhythm(&format!("daily {hour:02}:00"));
        let runs = i64::try_from(live(daily, zone, start, &history).len()).unwrap();
        let (days, outages) = (up(&history).num_days(), count(&history, is_down));
        // One to begin with, one for each of its moments that the host was up at, and one to make up for each outage.
        prop_assert!(runs <= days + 2 * outages + 3, "{} runs, {} days up, {} outages", runs, days, outages);
    }

    #[test]
    fn a_clock_that_is_set_neither_blocks_nor_storms(
        zone in any_zone(),
        start in any_time(),
        history in histories(0, 1),
    ) {
        let steps = count(&history, is_set);
        let back: i64 = history.iter().map(|passes| if let Passes::ClockSet(n) = passes { (-n).max(0) } else { 0 }).sum();
        let runs = live(rhythm("hourly"), zone, start, &history);
        for pair in runs.windows(2) {
            let gap = pair[1] - pair[0];
            // What the clock showed twice, for its second showing what was written in the first has come; and for each step
            // what is tolerated of a clock, and an hour.
            let bound = 67 + back + 72 * steps;
            prop_assert!(gap <= TimeDelta::minutes(bound), "{}", gap);
        }
        let hours = up(&history).num_hours();
        let runs = i64::try_from(runs.len()).unwrap();
        prop_assert!(runs <= hours + 2 * steps + 3, "{} runs in {} hours, {} steps", runs, hours, steps);
    }

    #[test]
    fn a_clock_that_was_years_ahead_blocks_nothing(
        zone in any_zone(),
        start in any_time(),
        wrong in histories(0, 0),
        history in histories(0, 0),
    ) {
        // Whatever was written while the clock was wrong is as if it were not there.
        let years = Passes::ClockSet(3 * 365 * 1_440);
        let set_right = Passes::ClockSet(-3 * 365 * 1_440);
        let all = [&[years][..], &wrong, &[set_right], &history].concat();
        let wrong_time = up(&wrong);
        let runs: Vec<_> = live(rhythm("hourly"), zone, start, &all).into_iter().filter(|run| *run >= wrong_time).collect();
        let hours = up(&history).num_hours();
        prop_assert!(i64::try_from(runs.len()).unwrap() >= hours, "{} runs in {} hours", runs.len(), hours);
    }
}
