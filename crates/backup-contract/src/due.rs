use crate::facts::has_come;
use crate::{
    Facts, Known, Offsite, Outcome, Rhythm, Schedule, SnapshotFacts, SnapshotKind, Subject, SubjectFacts,
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use std::fmt;

/// How long a thing rests after it was begun, whatever its rhythm says: what was done by hand a moment before its time is
/// not done twice.
pub const REST: TimeDelta = TimeDelta::minutes(30);

/// Something that is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Task {
    /// A snapshot of the private state.
    Snapshot,
    /// A full backup of a database.
    Full,
    /// A delta of a database.
    Delta,
    /// The verified restore test.
    Rehearse,
    /// The copy to the immutable store.
    Offsite,
    /// The drill.
    Drill,
}

impl Task {
    /// The task's name, as rows and reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Full => "full",
            Self::Delta => "delta",
            Self::Rehearse => "rehearse",
            Self::Offsite => "offsite",
            Self::Drill => "drill",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A task of a subject, and when it is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub task: Task,
    /// For which subject.
    pub subject: Subject,
    /// When.
    pub when: When,
}

/// When a task is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Now, once, however often it was missed.
    Now {
        /// Since when; `None` where it was never done.
        since: Option<DateTime<Utc>>,
        /// When it was last begun.
        last: Option<DateTime<Utc>>,
    },
    /// Not before this moment.
    Later {
        /// The moment.
        at: DateTime<Utc>,
        /// When it was last begun.
        last: Option<DateTime<Utc>>,
    },
    /// Nobody can tell, for it is not known what was done.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl When {
    /// When something is to be done that was begun at these times; `None` when never.
    ///
    /// It is due from the first moment of its rhythm that lies behind the last time it was begun, and not before it has
    /// rested. So a late start serves its moment, what was missed seven times is made up once, and nothing is done twice
    /// within [`REST`]. A time in the future was written by a clock that was wrong, and counts for nothing; once it has come
    /// it cannot be told from the others.
    #[must_use]
    pub fn of(
        rhythm: Rhythm,
        zone: Tz,
        begun: impl IntoIterator<Item = DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        if rhythm == Rhythm::None {
            return None;
        }
        let last = begun.into_iter().filter(|at| has_come(*at, now)).max().map(|last| last.min(now));
        let Some(last_begun) = last else { return Some(Self::Now { since: None, last: None }) };
        let rested = last_begun.checked_add_signed(REST)?;
        let at = rhythm.after(last_begun, zone)?.max(rested);
        Some(if at <= now { Self::Now { since: Some(at), last } } else { Self::Later { at, last } })
    }

    /// Whether it is to be done now.
    #[must_use]
    pub const fn is_now(&self) -> bool {
        matches!(self, Self::Now { .. })
    }
}

/// What must be done now, what next and when: first what is due, longest first and what was never done before all; then what
/// comes, soonest first; then what is not known.
///
/// An app of which the settings say nothing is in no list: there is nothing that could be run. A drill is due in production
/// only, an offsite copy only where an offsite store is named.
#[must_use]
pub fn due(facts: &Facts, schedule: &Schedule, now: DateTime<Utc>) -> Vec<Due> {
    let mut all = Vec::new();
    of_subject(facts, &Subject::State, &facts.state, schedule, now, &mut all);
    for app in facts.active_apps().filter(|app| app.configured) {
        of_subject(facts, &Subject::App(app.slug.clone()), &app.subject, schedule, now, &mut all);
    }
    all.sort_by_cached_key(|due| match &due.when {
        When::Now { since, .. } => (0, *since, due.task),
        When::Later { at, .. } => (1, Some(*at), due.task),
        When::Unknown { .. } => (2, None, due.task),
    });
    all
}

fn of_subject(
    facts: &Facts,
    subject: &Subject,
    known: &SubjectFacts,
    schedule: &Schedule,
    now: DateTime<Utc>,
    all: &mut Vec<Due>,
) {
    let (rhythms, zone) = (schedule.of(subject), schedule.zone());
    let mut add = |task: Task, when: Option<When>| {
        all.extend(when.map(|when| Due { task, subject: subject.clone(), when }));
    };
    let backups = |rhythm: Rhythm, counts: fn(&SnapshotFacts) -> bool| {
        let begun = known.snapshots.as_ref().map(|snapshots| {
            snapshots
                .iter()
                .filter(|snapshot| snapshot.restorable && !snapshot.failed && counts(snapshot))
                .filter_map(|snapshot| snapshot.started_at)
                .collect::<Vec<_>>()
        });
        when(rhythm, zone, begun, now)
    };
    match subject {
        Subject::State => add(Task::Snapshot, backups(rhythms.delta, |_| true)),
        Subject::App(_) => {
            let full = backups(rhythms.full, |snapshot| snapshot.kind != SnapshotKind::Delta);
            let delta = backups(rhythms.delta, |_| true).and_then(|delta| match (&full, delta) {
                // The full that is made now is an hour's backup too.
                (Some(full), When::Now { last, .. }) if full.is_now() => {
                    let rested = now.checked_add_signed(REST)?;
                    Some(When::Later { at: rhythms.delta.after(now, zone)?.max(rested), last })
                }
                (_, delta) => Some(delta),
            });
            add(Task::Full, full);
            add(Task::Delta, delta);
        }
    }
    let rehearsed = known.rehearsals.as_ref().map(|rehearsals| {
        let host = known.host.known().filter(|_| facts.production);
        // One that production's rules do not count leaves the task undone; one that failed was made.
        let counts = |on: &str| host.is_none_or(|host| !crate::assess::same_host(host, on));
        rehearsals.iter().filter(|r| counts(&r.host)).map(|r| r.started_at).collect()
    });
    add(Task::Rehearse, when(rhythms.rehearse, zone, rehearsed, now));
    if let Offsite::Copies(copies) = &known.offsite {
        let copied = copies.as_ref().map(|copies| copies.iter().map(|copy| copy.copied_at).collect());
        add(Task::Offsite, when(rhythms.offsite, zone, copied, now));
    }
    if facts.production {
        let held = facts.drills.as_ref().map(|drills| {
            // People hold it: one that failed is held again.
            let passed = drills.iter().filter(|d| d.subject == *subject && d.outcome == Outcome::Passed);
            passed.map(|drill| drill.started_at).collect()
        });
        add(Task::Drill, when(rhythms.drill, zone, held, now));
    }
}

fn when(rhythm: Rhythm, zone: Tz, begun: Known<Vec<DateTime<Utc>>>, now: DateTime<Utc>) -> Option<When> {
    match begun {
        Known::Known(begun) => When::of(rhythm, zone, begun, now),
        Known::Unknown(_) if rhythm == Rhythm::None => None,
        Known::Unknown(why) => Some(When::Unknown { why }),
    }
}
