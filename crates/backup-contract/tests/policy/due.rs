//! `due` against a naive model, which looks at a clock every quarter of an hour.

use crate::worlds::{at, drill, known, now, rehearsal, shop, snapshot, sound};
use backup_contract::{
    Due, Facts, Known, Offsite, Outcome, REST, Rhythm, Rhythms, Schedule, SnapshotKind, Subject, Task, When,
    due,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use proptest::prelude::*;

const QUARTER: TimeDelta = TimeDelta::minutes(15);

pub(crate) fn rhythm(text: &str) -> Rhythm {
    text.parse().unwrap()
}

fn rhythms() -> Rhythms {
    Rhythms {
        full: rhythm("daily 02:00"),
        delta: rhythm("hourly"),
        rehearse: rhythm("daily 03:00"),
        offsite: rhythm("daily 04:00"),
        drill: rhythm("quarterly"),
    }
}

fn schedule() -> Schedule {
    Schedule::new(Tz::UTC, rhythms())
}

fn when(rhythm: Rhythm, zone: Tz, last: &str, now: &str) -> When {
    When::of(rhythm, zone, [at(last)], at(now)).unwrap()
}

#[test]
fn an_hourly_job_is_due_after_an_hour_and_not_before() {
    let hourly = rhythm("hourly");
    for minute in 0..60 {
        let now = now() + TimeDelta::minutes(minute);
        let ran = |minutes| When::of(hourly, Tz::UTC, [now - TimeDelta::minutes(minutes)], now).unwrap();
        assert!(ran(61).is_now(), "61 minutes before {now}");
        assert!(!ran(20).is_now(), "20 minutes before {now}");
    }
    // A start that was late by the few minutes in which cron wakes up does not cost the next hour.
    assert!(when(hourly, Tz::UTC, "2026-11-23T11:07:00Z", "2026-11-23T12:04:00Z").is_now());
}

#[test]
fn a_missed_day_is_made_up_once() {
    let daily = rhythm("daily 02:00");
    let made_up = when(daily, Tz::UTC, "2026-11-16T02:00:00Z", "2026-11-23T09:00:00Z");
    let last = Some(at("2026-11-16T02:00:00Z"));
    assert_eq!(made_up, When::Now { since: Some(at("2026-11-17T02:00:00Z")), last });
    let next = when(daily, Tz::UTC, "2026-11-23T09:00:00Z", "2026-11-23T09:01:00Z");
    let last = Some(at("2026-11-23T09:00:00Z"));
    assert_eq!(next, When::Later { at: at("2026-11-24T02:00:00Z"), last });
}

#[test]
fn a_time_in_the_future_blocks_nothing() {
    let hourly = rhythm("hourly");
    let future = [at("2031-01-01T00:00:00Z")];
    assert!(When::of(hourly, Tz::UTC, future, now()).unwrap().is_now());
    let both = [at("2031-01-01T00:00:00Z"), now() - TimeDelta::minutes(10)];
    let when = When::of(hourly, Tz::UTC, both, now()).unwrap();
    assert!(!when.is_now(), "what really was done counts: {when:?}");
    // Another host's clock may be a little ahead.
    assert!(!When::of(hourly, Tz::UTC, [now() + TimeDelta::minutes(3)], now()).unwrap().is_now());
}

#[test]
fn what_was_never_done_is_due() {
    for text in ["hourly", "daily 02:00", "weekly sunday", "monthly 1", "quarterly"] {
        assert_eq!(When::of(rhythm(text), Tz::UTC, [], now()), Some(When::Now { since: None, last: None }));
    }
    assert_eq!(When::of(Rhythm::None, Tz::UTC, [], now()), None);
}

fn is(all: &[Due], task: Task, subject: &str) -> Option<When> {
    let subject: Subject = subject.parse().unwrap();
    let mut found = all.iter().filter(|due| due.task == task && due.subject == subject);
    let when = found.next().map(|due| due.when.clone());
    assert!(found.next().is_none(), "{task} of {subject} twice");
    when
}

#[test]
fn a_full_that_is_made_now_is_the_hours_backup_too() {
    let mut facts = sound();
    known(&mut shop(&mut facts).subject.snapshots).clear();
    let all = due(&facts, &schedule(), now());
    assert_eq!(is(&all, Task::Full, "app:shop"), Some(When::Now { since: None, last: None }));
    let at_one = now() + TimeDelta::hours(1);
    assert_eq!(is(&all, Task::Delta, "app:shop"), Some(When::Later { at: at_one, last: None }));
    // With the full of this night there, only the delta is due.
    *known(&mut shop(&mut facts).subject.snapshots) =
        vec![snapshot(SnapshotKind::Full, at("2026-11-23T02:00:00Z"))];
    let all = due(&facts, &schedule(), now());
    assert!(is(&all, Task::Delta, "app:shop").unwrap().is_now());
    assert!(!is(&all, Task::Full, "app:shop").unwrap().is_now());
    // A delta is no full.
    *known(&mut shop(&mut facts).subject.snapshots) = vec![snapshot(SnapshotKind::Delta, now())];
    assert!(is(&due(&facts, &schedule(), now()), Task::Full, "app:shop").unwrap().is_now());
}

#[test]
fn what_does_not_count_leaves_its_task_undone() {
    let mut facts = sound();
    known(&mut facts.state.snapshots)[1].restorable = false;
    assert!(is(&due(&facts, &schedule(), now()), Task::Snapshot, "state").unwrap().is_now());
    let mut facts = sound();
    *known(&mut facts.state.rehearsals) = vec![rehearsal("prod-1", now(), Outcome::Passed)];
    assert!(
        is(&due(&facts, &schedule(), now()), Task::Rehearse, "state").unwrap().is_now(),
        "on its own host"
    );
    *known(&mut facts.state.rehearsals) = vec![rehearsal("rehearse-1", now(), Outcome::Failed)];
    let when = is(&due(&facts, &schedule(), now()), Task::Rehearse, "state").unwrap();
    assert!(!when.is_now(), "one that failed was made; the next one comes tomorrow");
    facts.production = false;
    *known(&mut facts.state.rehearsals) = vec![rehearsal("prod-1", now(), Outcome::Passed)];
    assert!(!is(&due(&facts, &schedule(), now()), Task::Rehearse, "state").unwrap().is_now());
    assert_eq!(
        is(&due(&facts, &schedule(), now()), Task::Drill, "state"),
        None,
        "no drill out of production"
    );
}

#[test]
fn a_drill_that_failed_is_held_again() {
    let mut facts = sound();
    let today = now() - TimeDelta::hours(5);
    *known(&mut facts.drills) = vec![
        drill(&Subject::State, now() - TimeDelta::days(80), Outcome::Passed),
        drill(&Subject::State, today, Outcome::Failed),
    ];
    assert!(is(&due(&facts, &schedule(), now()), Task::Drill, "state").unwrap().is_now());
    known(&mut facts.drills)[1].outcome = Outcome::Passed;
    let last = Some(today);
    let next = When::Later { at: at("2027-01-01T00:00:00Z"), last };
    assert_eq!(is(&due(&facts, &schedule(), now()), Task::Drill, "state"), Some(next));
}

#[test]
fn what_is_not_known_is_said_to_be() {
    let mut facts = sound();
    facts.state.snapshots = Known::unknown("the store is away");
    facts.state.offsite = Offsite::NotConfigured;
    let all = due(&facts, &schedule(), now());
    assert_eq!(is(&all, Task::Snapshot, "state"), Some(When::Unknown { why: "the store is away".into() }));
    assert_eq!(is(&all, Task::Offsite, "state"), None);
    assert_eq!(all.last().unwrap().task, Task::Snapshot, "it comes last");
    shop(&mut facts).configured = false;
    assert!(due(&facts, &schedule(), now()).iter().all(|due| due.subject == Subject::State));
}

#[test]
fn an_app_may_have_a_schedule_of_its_own() {
    let own = Rhythms { full: rhythm("weekly sunday 01:00"), delta: Rhythm::None, ..rhythms() };
    let schedule = schedule().with_app("shop".parse().unwrap(), own);
    let all = due(&sound(), &schedule, now());
    assert_eq!(is(&all, Task::Delta, "app:shop"), None);
    let full = Some(at("2026-11-23T02:00:05Z"));
    let sunday = at("2026-11-29T01:00:00Z");
    assert_eq!(is(&all, Task::Full, "app:shop"), Some(When::Later { at: sunday, last: full }));
    assert!(is(&all, Task::Snapshot, "state").is_some());
}

#[test]
fn what_is_due_comes_first_and_longest_first() {
    let mut facts = sound();
    known(&mut facts.drills).clear();
    known(&mut facts.state.snapshots)[1].started_at = Some(now() - TimeDelta::hours(20));
    known(&mut facts.state.rehearsals)[0].started_at = now() - TimeDelta::days(3);
    let all = due(&facts, &schedule(), now());
    let order: Vec<_> =
        all.iter().map(|due| (due.task, due.subject.to_string(), due.when.is_now())).collect();
    let state = || "state".to_owned();
    assert_eq!(
        order[..4],
        [
            (Task::Drill, state(), true),
            (Task::Drill, "app:shop".into(), true),
            (Task::Rehearse, state(), true),
            (Task::Snapshot, state(), true)
        ]
    );
    let moment = |due: &Due| match due.when {
        When::Later { at, .. } => Some(at),
        _ => None,
    };
    let later: Vec<_> = all.iter().filter_map(moment).collect();
    assert!(later.is_sorted() && later.len() > 3);
    let is_later = |due: &Due| !due.when.is_now();
    assert!(all.is_sorted_by_key(is_later), "what is due comes before all that is not");
}

/// Whether a day is one of the rhythm, said in another way than the library says it.
fn is_its_day(rhythm: Rhythm, date: NaiveDate) -> bool {
    match rhythm {
        Rhythm::Daily { .. } => true,
        Rhythm::Weekly { on, .. } => date.weekday() == on,
        Rhythm::Monthly { day, .. } => {
            let length = [31, 30, 29, 28].into_iter().find(|n| date.with_day(*n).is_some()).unwrap();
            date.day() == day.min(length)
        }
        Rhythm::Quarterly { .. } => [(1, 1), (4, 1), (7, 1), (10, 1)].contains(&(date.month(), date.day())),
        other => panic!("{other} has no days"),
    }
}

fn time_of(rhythm: Rhythm) -> NaiveTime {
    match rhythm {
        Rhythm::Daily { at }
        | Rhythm::Weekly { at, .. }
        | Rhythm::Monthly { at, .. }
        | Rhythm::Quarterly { at } => at,
        other => panic!("{other} has no time"),
    }
}

/// The moments of a rhythm, by looking at the zone's clock every quarter of an hour: the first look on a day that counts at
/// which its time has come. So one that the clock skips comes right after, and one that is shown twice comes once.
fn moments(rhythm: Rhythm, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut moments = Vec::new();
    let mut done: Option<NaiveDate> = None;
    let start = from.date_naive().pred_opt().unwrap().pred_opt().unwrap().and_time(NaiveTime::MIN).and_utc();
    let mut look = start;
    while look <= to {
        if rhythm == Rhythm::Hourly {
            if look.minute() == 0 {
                moments.push(look);
            }
        } else {
            let shown = look.with_timezone(&zone).naive_local();
            let date = shown.date();
            if done.is_none_or(|done| date > done)
                && is_its_day(rhythm, date)
                && shown.time() >= time_of(rhythm)
            {
                // The walk begins in the middle of a day of which more may have passed.
                if look > start + TimeDelta::days(1) {
                    moments.push(look);
                }
                done = Some(date);
            }
        }
        look += QUARTER;
    }
    moments
}

/// Whether something is due: a moment has come since it was last begun, and it has rested.
fn naive(rhythm: Rhythm, zone: Tz, begun: &[DateTime<Utc>], now: DateTime<Utc>) -> bool {
    let tolerated = now + TimeDelta::minutes(5);
    let Some(last) = begun.iter().filter(|at| **at <= tolerated).max() else { return true };
    let last = *last.min(&now);
    moments(rhythm, zone, last, now).into_iter().any(|moment| moment > last) && now - last >= REST
}

fn any_rhythm() -> impl Strategy<Value = Rhythm> {
    let time = (0_u32..24, prop::sample::select(vec![0_u32, 15, 30, 45]))
        .prop_map(|(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0).unwrap());
    let day = prop::sample::select(vec![Weekday::Mon, Weekday::Thu, Weekday::Sat, Weekday::Sun]);
    prop_oneof![
        2 => Just(Rhythm::Hourly),
        4 => time.clone().prop_map(|at| Rhythm::Daily { at }),
        2 => (day, time.clone()).prop_map(|(on, at)| Rhythm::Weekly { on, at }),
        1 => (1_u32..=31, time.clone()).prop_map(|(day, at)| Rhythm::Monthly { day, at }),
        1 => time.prop_map(|at| Rhythm::Quarterly { at }),
    ]
}

pub(crate) fn any_zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![
        Tz::UTC,
        Tz::Europe__Berlin,
        Tz::America__New_York,
        Tz::Australia__Lord_Howe,
        Tz::Asia__Kathmandu,
        Tz::Pacific__Auckland,
        Tz::Asia__Beirut,
        Tz::America__St_Johns,
        Tz::Africa__Cairo,
    ])
}

/// Moments around the changes of the clocks, and any others.
pub(crate) fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    let changes =
        vec!["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"];
    prop_oneof![
        (prop::sample::select(changes), -200_000_i64..200_000)
            .prop_map(|(change, seconds)| at(change) + TimeDelta::seconds(seconds)),
        (1_767_225_600_i64..1_830_297_600).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn due_is_what_the_naive_model_says(
        rhythm in any_rhythm(),
        zone in any_zone(),
        now in any_time(),
        // Mostly a while ago, sometimes in the future.
        ages in prop::collection::vec(prop_oneof![3 => 0_i64..7_200, 4 => 0_i64..400_000, 1 => -4_000_i64..0], 0..4),
    ) {
        let begun: Vec<_> = ages.into_iter().map(|age| now - TimeDelta::seconds(age)).collect();
        let when = When::of(rhythm, zone, begun.iter().copied(), now).unwrap();
        prop_assert_eq!(when.is_now(), naive(rhythm, zone, &begun, now), "{} in {}: {:?}", rhythm, zone, when);
        if let When::Later { at, .. } = when {
            prop_assert!(at > now);
            // It is due at the moment that is named, and not a moment before.
            let is_due = |then| When::of(rhythm, zone, begun.iter().copied().filter(|b| *b <= now), then).unwrap().is_now();
            if begun.iter().any(|b| *b <= now) && begun.iter().all(|b| *b <= now || *b - at > TimeDelta::hours(1)) {
                prop_assert!(is_due(at) && !is_due(at - TimeDelta::seconds(1)));
            }
        }
    }
}

#[test]
fn the_facts_of_a_sound_world_are_of_its_subjects() {
    let facts: Facts = sound();
    let subjects: Vec<_> = facts.subjects().map(|(subject, _)| subject.to_string()).collect();
    assert_eq!(subjects, ["state", "app:shop"]);
}
