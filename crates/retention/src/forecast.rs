//! How many snapshots there will be, and when each one goes.

use chrono::{DateTime, NaiveDate, Utc};

use crate::decide::{self, Ruling};
use crate::period::{self, Tier};
use crate::plan::Plan;
use crate::point::{Link, Point, number};
use crate::policy::Policy;
use crate::schedule::Schedule;
use crate::snapshot::{Kind, Marks};

/// What the coming days will look like when the schedule is kept and the policy applied at the end of every day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    days: Vec<ForecastDay>,
    gone: Vec<Option<NaiveDate>>,
}

/// The end of one day, over all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ForecastDay {
    /// The day, in the policy's zone.
    pub date: NaiveDate,
    /// Full snapshots that the policy keeps.
    pub fulls: usize,
    /// Deltas that the policy keeps.
    pub deltas: usize,
    /// Snapshots that the policy has let go, and a lock still holds.
    pub blocked_by_lock: usize,
}

impl ForecastDay {
    /// How many snapshots exist.
    #[must_use]
    pub fn total(&self) -> usize {
        self.fulls + self.deltas + self.blocked_by_lock
    }
}

impl Forecast {
    /// One entry a day, today first.
    #[must_use]
    pub fn days(&self) -> &[ForecastDay] {
        &self.days
    }

    /// The day on which the snapshot of this row of the plan is deleted; none while it outlives the forecast.
    #[must_use]
    pub fn gone_on(&self, row: usize) -> Option<NaiveDate> {
        self.gone.get(row).copied().flatten()
    }
}

/// Looks `days` days ahead of a plan, today included. Every group is taken to follow the schedule, every snapshot to come
/// to be complete and verified, and no lock to be set anew.
///
/// ```
/// use chrono::{NaiveTime, TimeDelta};
/// use retention::{Policy, Schedule, Snapshot, forecast, plan};
///
/// let now = "2026-11-24T12:00:00Z".parse().unwrap();
/// let policy = Policy::baseline().with_recovery_window(TimeDelta::zero())?;
/// let plan = plan([Snapshot::full("first", now)], &policy, now)?;
/// let ahead = forecast(&plan, &Schedule::daily(NaiveTime::MIN), 365);
/// assert_eq!(ahead.days().last().unwrap().total(), 14);
/// // The oldest stays until every tier is full.
/// assert_eq!(ahead.gone_on(0).unwrap().to_string(), "2027-03-07");
/// # Ok::<(), retention::Error>(())
/// ```
#[must_use]
pub fn forecast<Id>(plan: &Plan<Id>, schedule: &Schedule, days: u32) -> Forecast {
    let calendar = calendar(plan.policy(), plan.now(), days);
    let mut forecast = Forecast {
        days: calendar
            .iter()
            .map(|day| ForecastDay { date: day.date, fulls: 0, deltas: 0, blocked_by_lock: 0 })
            .collect(),
        gone: vec![None; plan.snapshots().len()],
    };
    let groups: Vec<&[u32]> = plan.groups().collect();
    if groups.is_empty() {
        Group::new(plan, &[]).run(plan.policy(), schedule, &calendar, &mut forecast);
    }
    for rows in groups {
        Group::new(plan, rows).run(plan.policy(), schedule, &calendar, &mut forecast);
    }
    forecast
}

struct Day {
    date: NaiveDate,
    /// The first day begins now.
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

fn calendar(policy: &Policy, now: DateTime<Utc>, days: u32) -> Vec<Day> {
    let zone = policy.time_zone();
    let mut calendar = Vec::new();
    let mut start = now;
    // One more, because a zone may leave a day out.
    for ahead in 1..=days.saturating_add(1) {
        let end = period::start_of_later(Tier::Daily, zone, now, ahead);
        if calendar.len() == days as usize {
            break;
        }
        // A day that was left out, or the end of time.
        if end <= start {
            continue;
        }
        calendar.push(Day { date: period::wall_clock(zone, start).date(), start, end });
        start = end;
    }
    calendar
}

/// A snapshot that exists, or will.
struct Member {
    row: Option<usize>,
    time: DateTime<Utc>,
    kind: Kind,
    parent: Option<usize>,
    marks: Marks,
    locked_until: Option<DateTime<Utc>>,
}

struct Group {
    members: Vec<Member>,
    /// The ones that exist now, newest first.
    alive: Vec<usize>,
}

impl Group {
    fn new<Id>(plan: &Plan<Id>, rows: &[u32]) -> Self {
        let mut place = std::collections::HashMap::with_capacity(rows.len());
        for (at, &row) in rows.iter().enumerate() {
            place.insert(row, at);
        }
        let member = |&row: &u32| {
            let snapshot = &plan.snapshots()[row as usize];
            Member {
                row: Some(row as usize),
                time: snapshot.time(),
                kind: snapshot.kind(),
                parent: plan.parent(row as usize).and_then(|parent| place.get(&parent).copied()),
                marks: snapshot.marks(),
                locked_until: snapshot.lock(),
            }
        };
        Self { members: rows.iter().map(member).collect(), alive: (0..rows.len()).collect() }
    }

    fn run(mut self, policy: &Policy, schedule: &Schedule, calendar: &[Day], forecast: &mut Forecast) {
        for (at, day) in calendar.iter().enumerate() {
            for arrival in schedule.on_day(day.date, day.start, day.end, policy.time_zone()) {
                self.arrive(arrival.time, arrival.kind);
            }
            let entry = &mut forecast.days[at];
            self.prune(policy, day, entry, &mut forecast.gone);
        }
    }

    fn arrive(&mut self, time: DateTime<Utc>, kind: Kind) {
        // Dated ones from the future stay ahead of it.
        let place = self.alive.partition_point(|&member| self.members[member].time > time);
        let parent = (kind == Kind::Delta).then(|| self.alive.get(place).copied()).flatten();
        // A delta without anything below it is made as a full one.
        let kind = if parent.is_some() { kind } else { Kind::Full };
        let marks = Marks::VERIFIED;
        self.members.push(Member { row: None, time, kind, parent, marks, locked_until: None });
        self.alive.insert(place, self.members.len() - 1);
    }

    fn prune(&mut self, policy: &Policy, day: &Day, entry: &mut ForecastDay, gone: &mut [Option<NaiveDate>]) {
        let mut numbers = vec![None; self.members.len()];
        for (at, &member) in self.alive.iter().enumerate() {
            numbers[member] = Some(number(at));
        }
        let points: Vec<Point> = self.alive.iter().map(|&at| self.point(at, &numbers, day.end)).collect();
        let mut ruling = Ruling::default();
        decide::decide(&points, policy, day.end, &mut ruling);
        let mut kept = vec![false; points.len()];
        for (at, _) in &ruling.reasons {
            kept[*at as usize] = true;
        }
        let mut at = 0;
        let members = &self.members;
        self.alive.retain(|&member| {
            let stays = if kept[at] {
                match members[member].kind {
                    Kind::Full => entry.fulls += 1,
                    Kind::Delta => entry.deltas += 1,
                }
                true
            } else if points[at].marks.has(Marks::LOCKED) {
                entry.blocked_by_lock += 1;
                true
            } else {
                if let Some(row) = members[member].row {
                    gone[row] = Some(day.date);
                }
                false
            };
            at += 1;
            stays
        });
    }

    fn point(&self, member: usize, numbers: &[Option<u32>], now: DateTime<Utc>) -> Point {
        let member = &self.members[member];
        let link = match (member.kind, member.parent.and_then(|parent| numbers[parent])) {
            (Kind::Full, _) => Link::Full,
            (Kind::Delta, Some(parent)) => Link::Parent(parent),
            (Kind::Delta, None) => Link::Missing,
        };
        Point::new(member.time, link, member.marks.locked_at(member.locked_until, now))
    }
}
