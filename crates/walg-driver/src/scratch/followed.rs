//! The records of the WAL that a server would replay, before it does: what it would write elsewhere than in its own
//! directory, and whether it would come to where it was told to.

use super::ScratchFault;
use super::target::{Goal, Point};
use crate::bucket::Backup;
use crate::wal::{BadSegment, Does, Expected, Lsn, Record, Records, read_pages};
use crate::{Error, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use std::fmt::Write as _;
use std::io::Read;

/// How many tablespaces are named; the rest are counted.
const NAMED: usize = 5;
/// The server counts from 2000: so many microseconds after 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// Which of the records matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// Where the replay begins.
    start: Lsn,
    goal: &'a Goal,
}

/// What one segment holds.
#[derive(Debug, Default)]
pub(super) struct Followed {
    records: Records,
    seen: Vec<Record>,
    /// The SHA-256 of the segment, where the backup itself needs it.
    pub(super) sha256: Option<[u8; 32]>,
}

impl<'a> Way<'a> {
    pub(super) fn new(backup: &Backup, goal: &'a Goal) -> Result<Self> {
        let (start, _) = backup.span().ok_or_else(|| Error::NoSentinel(backup.id.clone()))?;
        Ok(Self { start, goal })
    }

    /// Reads a decoded segment to its end: its pages held against its name, its records followed.
    pub(super) fn follow(
        &self,
        content: impl Read,
        expected: Expected<'_>,
    ) -> std::result::Result<Followed, BadSegment> {
        let mut followed = Followed::default();
        let Followed { records, seen, .. } = &mut followed;
        read_pages(content, expected, |at, page| {
            records.page(at, page, &mut |record| self.keep(seen, record));
        })?;
        Ok(followed)
    }

    /// Of transactions there are too many to keep: the first that ends behind the time, or else the last one, is enough.
    fn keep(&self, seen: &mut Vec<Record>, record: Record) {
        let Does::EndsTransaction(time) = record.does else { return seen.push(record) };
        let Point::Time(until) = self.goal.point() else { return };
        if record.at < self.start {
            return;
        }
        let known = seen.iter_mut().find_map(|known| match known.does {
            Does::EndsTransaction(newest) => Some((newest, known)),
            _ => None,
        });
        match known {
            None => seen.push(record),
            Some((newest, known)) if newest <= since_2000(*until) && newest < time => *known = record,
            Some(_) => {}
        }
    }

    /// Refuses a replay that would write into the places of tablespaces, or that would not come to its target: the server
    /// then ends without a word to whoever is not there to read its log. The segments are in order.
    pub(super) fn must_be_safe(&self, segments: &[Followed]) -> Result<()> {
        let over = segments.windows(2).map(|pair| match pair {
            [one, next] => one.records.over_to(&next.records),
            _ => None,
        });
        // Behind what is in its own segment there is what goes over into the next.
        let mut over: Vec<Option<Record>> = over.collect();
        over.push(None);
        let records: Vec<&Record> = segments
            .iter()
            .zip(&over)
            .flat_map(|(segment, over)| segment.seen.iter().chain(over))
            .filter(|record| record.at >= self.start)
            .collect();
        let stop = self.stop(&records)?;
        let made: Vec<_> = records
            .iter()
            .filter_map(|record| match &record.does {
                Does::MakesTablespace { oid, place } if stop.replays(record) => {
                    Some(format!("{oid} in '{place}' at {}", record.at))
                }
                _ => None,
            })
            .collect();
        let first = records.iter().find(|record| matches!(record.does, Does::MakesTablespace { .. }));
        let Some(first) = first.filter(|_| !made.is_empty()) else { return Ok(()) };
        let mut what = made.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if made.len() > NAMED {
            let _ = write!(what, " and {} more", made.len() - NAMED);
        }
        Err(ScratchFault::TablespacesInWal {
            target: self.goal.point().to_string(),
            what,
            before: first.before.to_string(),
        }
        .into())
    }

    /// Where the server stops.
    fn stop(&self, records: &[&Record]) -> Result<Stop> {
        Ok(match self.goal.point() {
            Point::End | Point::Reachable => Stop::Never,
            Point::Backup => Stop::Before(self.goal.finish()),
            Point::Lsn(lsn) => Stop::BehindTheFirstFrom(*lsn),
            Point::Time(until) => {
                let ends = records.iter().filter_map(|record| match record.does {
                    Does::EndsTransaction(time) => Some((time, record.at)),
                    _ => None,
                });
                let behind = ends.clone().find(|(time, _)| *time > since_2000(*until));
                let Some((_, at)) = behind else {
                    return Err(self.out_of_reach(match ends.map(|(time, _)| time).max().and_then(told) {
                        Some(newest) => format!("the last transaction on the way ended at {newest}"),
                        None => "no transaction ended on the way".into(),
                    }));
                };
                Stop::Before(at)
            }
            Point::Name(name) => {
                let mut points = records.iter().filter_map(|record| match &record.does {
                    Does::IsRestorePoint(name) => Some((name, record.at)),
                    _ => None,
                });
                if let Some((_, at)) = points.clone().find(|(found, _)| *found == name) {
                    Stop::Before(at)
                } else {
                    return Err(self.out_of_reach(match points.next_back() {
                        Some((last, _)) => {
                            format!(
                                "no point of that name is on the way; the last is '{}'",
                                last.escape_debug()
                            )
                        }
                        None => "no restore point is on the way".into(),
                    }));
                }
            }
        })
    }

    fn out_of_reach(&self, why: String) -> Error {
        ScratchFault::OutOfReach { target: self.goal.point().to_string(), why }.into()
    }
}

/// Where a replay stops.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Never,
    /// Before what begins here.
    Before(Lsn),
    /// The first record that begins here or later is the last one.
    BehindTheFirstFrom(Lsn),
}

impl Stop {
    fn replays(self, record: &Record) -> bool {
        match self {
            Self::Never => true,
            Self::Before(lsn) => record.at < lsn,
            Self::BehindTheFirstFrom(lsn) => record.before < lsn,
        }
    }
}

fn since_2000(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros().saturating_sub(EPOCH)
}

fn told(time: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(time.checked_add(EPOCH)?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
