use super::reach::Path;
use super::{History, Lsn, SegmentName, SegmentSize, Timeline, WalObject};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// How many missing segments are named; the rest are counted.
const NAMED: usize = 3;

/// Takes in a listing of the archive, object by object. A million segments take 24 MB.
#[derive(Debug, Default)]
pub struct ArchiveBuilder {
    segments: Vec<(SegmentName, i64)>,
    histories: Vec<(Timeline, String)>,
    bytes: u64,
    unknown: u64,
}

impl ArchiveBuilder {
    /// Takes in an object: its name without `wal_005/`, its size in bytes, and when the store says that it was written.
    pub fn add(&mut self, name: &str, size: u64, modified: DateTime<Utc>) {
        self.bytes += size;
        match WalObject::of(name).0 {
            WalObject::Segment(segment) => self.segments.push((segment, modified.timestamp())),
            WalObject::History(timeline) => self.histories.push((timeline, name.to_owned())),
            WalObject::Partial(_) | WalObject::BackupLabel(_) | WalObject::DeltaMap(_) => {}
            WalObject::Unknown => self.unknown += 1,
        }
    }

    /// The history files that were listed, by their names: to be read before [`ArchiveBuilder::build`].
    #[must_use]
    pub fn histories(&self) -> &[(Timeline, String)] {
        &self.histories
    }

    /// The segment size with which the most backups agree, each of which is named after the segment in which it began, and
    /// of those sizes the one that the most segments can have their names by. One object that is damaged or has strayed in
    /// here does not outvote the others. Where several are left, that of nearly every server, or else the smallest.
    #[must_use]
    pub fn size(&self, backups: &[(SegmentName, Lsn)]) -> SegmentSize {
        let votes = |size: SegmentSize| {
            let agree =
                backups.iter().filter(|(name, lsn)| size.number(*name) == Some(size.at(*lsn))).count();
            let fit = self.segments.iter().filter(|(name, _)| size.number(*name).is_some()).count();
            (agree, fit)
        };
        // The first of the best is taken.
        let others = SegmentSize::all().filter(|size| *size != SegmentSize::DEFAULT);
        let mut best = (SegmentSize::DEFAULT, votes(SegmentSize::DEFAULT));
        for size in others {
            let votes = votes(size);
            if votes > best.1 {
                best = (size, votes);
            }
        }
        best.0
    }

    /// The archive, with the histories that could be read. A timeline without one is taken to have no ancestors: nothing
    /// is believed to lead to it.
    #[must_use]
    pub fn build(self, size: SegmentSize, histories: impl IntoIterator<Item = History>) -> Archive {
        let mut timelines: BTreeMap<Timeline, Vec<Segment>> = BTreeMap::new();
        for (name, archived) in self.segments {
            if let Some(number) = size.number(name) {
                timelines.entry(name.timeline).or_default().push(Segment { number, archived });
            }
        }
        for segments in timelines.values_mut() {
            // The same segment may be there in two encodings.
            segments.sort_unstable_by_key(|segment| (segment.number, segment.archived));
            segments.dedup_by_key(|segment| segment.number);
            segments.shrink_to_fit();
        }
        let mut known: BTreeMap<Timeline, History> =
            histories.into_iter().map(|history| (history.timeline, history)).collect();
        for timeline in timelines.keys() {
            known.entry(*timeline).or_insert_with(|| History::of_first(*timeline));
        }
        let mut archive =
            Archive { size, timelines, paths: Vec::new(), bytes: self.bytes, unknown: self.unknown };
        archive.paths = known.into_values().map(|history| Path::new(history, &archive)).collect();
        archive
    }
}

/// The WAL segments of a bucket, and the ways through them.
#[derive(Debug)]
pub struct Archive {
    size: SegmentSize,
    timelines: BTreeMap<Timeline, Vec<Segment>>,
    paths: Vec<Path>,
    bytes: u64,
    unknown: u64,
}

/// A segment of a timeline that is in the archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Seconds since 1970, as the store says.
    pub(super) archived: i64,
}

/// Segments of a timeline that follow each other without a hole; both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: SegmentName,
    /// The last.
    pub last: SegmentName,
    /// How many there are.
    pub count: u64,
}

/// Segments that are not there although earlier and later ones are, or that a backup needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The first of them, by name.
    pub named: Vec<SegmentName>,
    /// How many there are.
    pub count: u64,
}

impl Archive {
    /// How large a segment is.
    #[must_use]
    pub const fn segment_size(&self) -> SegmentSize {
        self.size
    }

    /// What the archive takes in the store, in bytes, everything counted.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many objects of it no engine is known to write.
    #[must_use]
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }

    /// The timelines of which there are segments, oldest first.
    pub fn timelines(&self) -> impl Iterator<Item = Timeline> + '_ {
        self.timelines.keys().copied()
    }

    /// The runs of a timeline, in order. Between two of them is a hole.
    #[must_use]
    pub fn runs(&self, timeline: Timeline) -> Vec<Run> {
        let segments = self.segments(timeline);
        segments
            .chunk_by(|a, b| a.number + 1 == b.number)
            .filter_map(|run| {
                let (first, last) = (run.first()?.number, run.last()?.number);
                Some(Run {
                    first: self.size.name(timeline, first)?,
                    last: self.size.name(timeline, last)?,
                    count: last - first + 1,
                })
            })
            .collect()
    }

    /// The holes of a timeline: what is missing between its first and its last segment.
    #[must_use]
    pub fn holes(&self, timeline: Timeline) -> Vec<Hole> {
        let segments = self.segments(timeline);
        segments
            .windows(2)
            .filter(|pair| pair[0].number + 1 < pair[1].number)
            .map(|pair| self.hole(timeline, pair[0].number + 1, pair[1].number - 1))
            .collect()
    }

    /// What is missing of the WAL that a backup needs to become consistent: from its start to its finish, on its own
    /// timeline or on one that came out of it later. `None`: nothing.
    #[must_use]
    pub fn missing(&self, timeline: Timeline, start: Lsn, finish: Lsn) -> Option<Hole> {
        let (first, last) = (self.size.at(start), self.size.before(finish).max(self.size.at(start)));
        let covers = |path: &&Path| path.covers(first, last);
        if self.paths_through(timeline, finish).any(|path| covers(&path)) {
            return None;
        }
        let present = in_range(self.segments(timeline), first, last);
        let mut named = Vec::new();
        let mut next = first;
        for segment in present.iter().map(Some).chain([None]) {
            let until = segment.map_or(last + 1, |segment| segment.number);
            let gap = (next..until).filter_map(|number| self.size.name(timeline, number));
            named.extend(gap.take(NAMED - named.len()));
            next = until + 1;
            if named.len() == NAMED {
                break;
            }
        }
        Some(Hole { named, count: (last - first + 1).saturating_sub(present.len() as u64) })
    }

    /// The segments that a backup needs to become consistent, in order, each by the name under which it is there, and the
    /// history along which they lie; `None` when one is missing.
    #[must_use]
    pub fn needed(
        &self,
        timeline: Timeline,
        start: Lsn,
        finish: Lsn,
    ) -> Option<(&History, Vec<SegmentName>)> {
        let (first, last) = (self.size.at(start), self.size.before(finish).max(self.size.at(start)));
        let path = self.paths_through(timeline, finish).find(|path| path.covers(first, last))?;
        let names = (first..=last)
            .map(|number| path.file(number, self).map(|(name, _)| name))
            .collect::<Option<_>>()?;
        Some((&path.history, names))
    }

    /// The segments from `start` to `end` along the history of a timeline, in order, each by the name under which a server
    /// asks for it: on the newest timeline that has it. `None` when one is missing.
    #[must_use]
    pub fn along(&self, timeline: Timeline, start: Lsn, end: Lsn) -> Option<Vec<SegmentName>> {
        let path = self.paths.iter().find(|path| path.history.timeline == timeline)?;
        let (first, last) = (self.size.at(start), self.size.before(end).max(self.size.at(start)));
        (first..=last).map(|number| path.file(number, self).map(|(name, _)| name)).collect()
    }

    /// How a timeline came to be, where it is known here.
    #[must_use]
    pub fn history(&self, timeline: Timeline) -> Option<&History> {
        self.paths.iter().map(|path| &path.history).find(|history| history.timeline == timeline)
    }

    /// The timelines whose history is known because it was read: all but the first ones.
    pub(crate) fn histories(&self) -> impl Iterator<Item = Timeline> + '_ {
        let read =
            self.paths.iter().map(|path| &path.history).filter(|history| !history.ancestors().is_empty());
        read.map(|history| history.timeline)
    }

    /// The ways that go through a timeline and leave it no earlier than at `lsn`, its own first.
    pub(super) fn paths_through(&self, timeline: Timeline, lsn: Lsn) -> impl Iterator<Item = &Path> {
        self.paths.iter().filter(move |path| path.history.left(timeline).is_some_and(|left| left >= lsn))
    }

    pub(super) fn segments(&self, timeline: Timeline) -> &[Segment] {
        self.timelines.get(&timeline).map_or(&[], Vec::as_slice)
    }

    fn hole(&self, timeline: Timeline, first: u64, last: u64) -> Hole {
        let named =
            (first..=last).take(NAMED).filter_map(|number| self.size.name(timeline, number)).collect();
        Hole { named, count: last - first + 1 }
    }
}

/// The segments whose numbers lie in a range, both ends included.
pub(super) fn in_range(segments: &[Segment], first: u64, last: u64) -> &[Segment] {
    let from = segments.partition_point(|segment| segment.number < first);
    let to = segments.partition_point(|segment| segment.number <= last);
    segments.get(from..to).unwrap_or_default()
}
