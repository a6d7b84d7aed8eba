use super::archive::in_range;
use super::{Archive, History, Lsn, SegmentName, Timeline};
use chrono::{DateTime, Utc};

/// A way through the archive: a timeline with its ancestors, and which segments of the stream are there along it.
///
/// Of a segment in which a timeline was left, either one's file serves: the new timeline's begins as a copy.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) history: History,
    /// Segments that follow each other, both ends included, in order.
    runs: Vec<(u64, u64)>,
}

impl Path {
    pub(super) fn new(history: History, archive: &Archive) -> Self {
        let size = archive.segment_size();
        let mut pieces: Vec<(u64, u64)> = Vec::new();
        for (timeline, begin, end) in history.stretches() {
            let segments = in_range(archive.segments(timeline), size.at(begin), size.before(end));
            for run in segments.chunk_by(|a, b| a.number + 1 == b.number) {
                if let (Some(first), Some(last)) = (run.first(), run.last()) {
                    pieces.push((first.number, last.number));
                }
            }
        }
        pieces.sort_unstable();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (first, last) in pieces {
            match runs.last_mut() {
                Some(run) if first <= run.1 + 1 => run.1 = run.1.max(last),
                _ => runs.push((first, last)),
            }
        }
        Self { history, runs }
    }

    /// The last segment of the run that holds a segment, and how many segments there are behind that run.
    fn run(&self, number: u64) -> Option<(u64, u64)> {
        let index = self.runs.partition_point(|run| run.1 < number);
        let run = self.runs.get(index).filter(|run| run.0 <= number)?;
        let beyond = self.runs.iter().skip(index + 1).map(|run| run.1 - run.0 + 1).sum();
        Some((run.1, beyond))
    }

    /// Whether every segment from `first` to `last` is there.
    pub(super) fn covers(&self, first: u64, last: u64) -> bool {
        self.run(first).is_some_and(|(end, _)| end >= last)
    }

    /// The newest file along the way that holds a segment.
    pub(super) fn file(&self, number: u64, archive: &Archive) -> Option<(SegmentName, i64)> {
        let size = archive.segment_size();
        self.history.stretches().rev().find_map(|(timeline, begin, end)| {
            if number < size.at(begin) || number > size.before(end) {
                return None;
            }
            let segment = in_range(archive.segments(timeline), number, number).first()?;
            Some((size.name(timeline, number)?, segment.archived))
        })
    }
}

/// How far the archive leads from a backup, along one timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The timeline at whose end this is.
    pub timeline: Timeline,
    /// Where the last segment that can be replayed ends. The last commit lies before it: how far before, only its pages
    /// tell.
    pub end: Lsn,
    /// The last segment that can be replayed.
    pub last: SegmentName,
    /// When that was archived, by the store's clock; `None` where that is no time. What was committed later is not there.
    pub archived: Option<DateTime<Utc>>,
    /// Why it ends there.
    pub stop: Stop,
}

/// Why the archive leads no farther.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing newer is there: this is the end of the timeline, as far as it was archived.
    Newest,
    /// A segment is missing, and what lies behind it cannot be reached from here.
    Hole {
        /// The first segment that is missing, by its name on this timeline.
        missing: SegmentName,
        /// How many segments lie behind the hole.
        beyond: u64,
    },
}

impl Archive {
    /// How far the archive leads from a backup: along its own timeline, and along each that came out of it at its finish
    /// or later. Empty, when the backup's own WAL is not there; newest timeline last.
    #[must_use]
    pub fn reach(&self, timeline: Timeline, start: Lsn, finish: Lsn) -> Vec<Reach> {
        let size = self.segment_size();
        let (first, last) = (size.at(start), size.before(finish).max(size.at(start)));
        self.paths_through(timeline, finish)
            .filter(|path| path.covers(first, last))
            .filter_map(|path| {
                let (end, beyond) = path.run(first)?;
                let (name, archived) = path.file(end, self)?;
                let stop = if beyond == 0 {
                    Stop::Newest
                } else {
                    Stop::Hole { missing: size.name(name.timeline, end + 1)?, beyond }
                };
                Some(Reach {
                    timeline: path.history.timeline,
                    end: size.start(end + 1),
                    last: name,
                    archived: DateTime::from_timestamp(archived, 0),
                    stop,
                })
            })
            .collect()
    }
}
