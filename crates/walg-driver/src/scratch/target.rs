use super::ScratchFault;
use crate::bucket::Backup;
use crate::mirror::MirrorWal;
use crate::wal::{Lsn, Reach, SegmentSize, Stop, Timeline};
use crate::{Error, Result};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::fmt;

/// The longest name of a restore point, in bytes.
const MAX_NAME: usize = 63;

/// A point up to which WAL is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// The end of the archive.
    End,
    /// As far as the archive leads, which may be up to a hole: what lies behind that is told, and no reason not to try.
    Reachable,
    /// The end of the backup: the first point at which it is consistent.
    Backup,
    /// The last commit up to this time.
    Time(DateTime<Utc>),
    /// This place, included.
    Lsn(Lsn),
    /// What `pg_create_restore_point` named.
    Name(String),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end of the archive"),
            Self::Reachable => f.write_str("where the archive leads to"),
            Self::Backup => f.write_str("the end of the backup"),
            Self::Time(time) => write!(f, "the time {}", time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Lsn(lsn) => write!(f, "{lsn}"),
            Self::Name(name) => write!(f, "the restore point '{}'", name.escape_debug()),
        }
    }
}

/// What a recovery is to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Up to where.
    pub point: Point,
    /// Along which timeline; the newest one that the archive leads to, when none is named. It is always written as a
    /// number: the server's own `latest` follows also a branch that was given up.
    pub timeline: Option<Timeline>,
}

impl Target {
    /// Up to a point, along the newest timeline.
    #[must_use]
    pub const fn new(point: Point) -> Self {
        Self { point, timeline: None }
    }

    /// Holds the target against how far the archive leads from a backup.
    ///
    /// # Errors
    /// [`ScratchFault::OutOfReach`], which says what can be reached, or `BadSetting` for a name that is none;
    /// [`Error::NotRestorable`] for a backup from which
    /// nothing leads on.
    pub fn within(&self, backup: &Backup, size: SegmentSize) -> Result<Goal> {
        if let Point::Name(name) = &self.point
            && (!(1..=MAX_NAME).contains(&name.len()) || name.chars().any(char::is_control))
        {
            return Err(ScratchFault::BadSetting { what: "the restore point", value: name.clone() }.into());
        }
        let span = backup.span();
        let found = match self.timeline {
            Some(timeline) => backup.reach.iter().find(|reach| reach.timeline == timeline),
            None => backup.reach.last(),
        };
        let (Some((_, finish)), Some(reach)) = (span, found) else {
            return match self.timeline {
                Some(timeline) if !backup.reach.is_empty() => {
                    let known: Vec<_> =
                        backup.reach.iter().map(|reach| reach.timeline.0.to_string()).collect();
                    let why = format!("from '{}' the archive leads to {}", backup.id, known.join(", "));
                    Err(self.out_of_reach(format!("the timeline {}", timeline.0), why))
                }
                _ => Err(Error::NotRestorable { id: backup.id.clone(), why: "its WAL is not whole".into() }),
            };
        };
        let goal = Goal { point: self.point.clone(), finish, reach: reach.clone(), size };
        match goal.out_of_reach(backup) {
            Some(why) => Err(self.out_of_reach(self.point.to_string(), why)),
            None => Ok(goal),
        }
    }

    #[expect(clippy::unused_self, reason = "reads as what is out of reach")]
    fn out_of_reach(&self, target: String, why: String) -> Error {
        ScratchFault::OutOfReach { target, why }.into()
    }
}

/// A target to which the archive leads, as far as its listing tells. Only [`Target::within`] makes one.
#[derive(Debug, Clone)]
pub struct Goal {
    point: Point,
    finish: Lsn,
    reach: Reach,
    size: SegmentSize,
}

impl Goal {
    /// Up to where.
    #[must_use]
    pub const fn point(&self) -> &Point {
        &self.point
    }

    /// Where the backup itself ends.
    pub(super) const fn finish(&self) -> Lsn {
        self.finish
    }

    /// How far the archive leads.
    #[must_use]
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The WAL that is read on the way, and one segment more: the server looks ahead.
    #[must_use]
    pub fn wal(&self) -> MirrorWal {
        let end = match self.point {
            Point::Backup => Lsn(self.finish.0.saturating_add(self.size.bytes())),
            Point::Lsn(lsn) => Lsn(lsn.0.saturating_add(self.size.bytes())),
            Point::End | Point::Reachable | Point::Time(_) | Point::Name(_) => self.reach.end,
        };
        MirrorWal::Until { timeline: self.reach.timeline, end: end.min(self.reach.end) }
    }

    /// Where the recovery has to come to at least.
    #[must_use]
    pub fn least(&self) -> Lsn {
        match self.point {
            // Where within its last segment the WAL ends, only its records say.
            Point::End | Point::Reachable => {
                self.size.start(self.size.before(self.reach.end)).max(self.finish)
            }
            Point::Lsn(lsn) => lsn,
            Point::Backup | Point::Time(_) | Point::Name(_) => self.finish,
        }
    }

    /// The settings with which a server recovers to it, and then promotes: a target without an action pauses for ever.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("recovery_target_timeline", self.reach.timeline.0.to_string())];
        let point = match &self.point {
            Point::End | Point::Reachable => None,
            Point::Backup => Some(("recovery_target", "immediate".to_owned())),
            Point::Time(time) => {
                Some(("recovery_target_time", time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()))
            }
            Point::Lsn(lsn) => Some(("recovery_target_lsn", lsn.to_string())),
            Point::Name(name) => Some(("recovery_target_name", name.clone())),
        };
        if let Some(point) = point {
            settings.push(point);
            settings.push(("recovery_target_action", "promote".to_owned()));
        }
        settings
    }

    fn out_of_reach(&self, backup: &Backup) -> Option<String> {
        let Reach { end, timeline, last, archived, .. } = &self.reach;
        let farthest = format!("the archive leads to {end} on timeline {}", timeline.0);
        match &self.point {
            Point::End => match self.reach.stop {
                Stop::Newest => None,
                Stop::Hole { missing, beyond } => Some(format!(
                    "{farthest}; {missing} is missing, and the {beyond} segments behind it cannot be reached from '{}'",
                    backup.id
                )),
            },
            Point::Lsn(lsn) if *lsn < self.finish => Some(format!("the backup ends at {}", self.finish)),
            Point::Lsn(lsn) if lsn > end => Some(farthest),
            Point::Time(time) => {
                let ended = backup.sentinel.as_ref().and_then(|sentinel| sentinel.finished_at);
                if let Some(ended) = ended.filter(|ended| time < ended) {
                    return Some(format!("the backup was finished at {}", ended.to_rfc3339()));
                }
                // Which is known to the second, cut off.
                let archived = archived.filter(|archived| *time >= *archived + TimeDelta::seconds(1))?;
                Some(format!(
                    "{farthest}, whose last segment {last} was archived at {}",
                    archived.to_rfc3339()
                ))
            }
            Point::Reachable | Point::Backup | Point::Lsn(_) | Point::Name(_) => None,
        }
    }

    /// What of the archive cannot be reached from the backup.
    pub(super) fn beyond(&self) -> Option<String> {
        match self.reach.stop {
            Stop::Newest => None,
            Stop::Hole { missing, beyond } => Some(format!(
                "{missing} is missing in the archive: replayed up to {}, and the {beyond} segments behind the hole cannot be reached from this backup",
                self.reach.end
            )),
        }
    }
}
