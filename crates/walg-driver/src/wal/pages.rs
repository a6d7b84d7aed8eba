//! Whether decoded bytes are the WAL segment that their name says, as far as the headers of its pages tell.

use super::{History, Lsn, SegmentName, SegmentSize, Timeline};
use std::io::{self, Read};

/// How many bytes a page of WAL has, unless the server was built otherwise.
pub(super) const PAGE: usize = 8192;
/// The bytes of a page's header that are read here.
const HEADER: usize = 40;
/// The flag of a first page, whose header says more.
const LONG: u16 = 0x0002;

/// What a segment has to be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its name.
    pub name: SegmentName,
    /// How large segments are.
    pub size: SegmentSize,
    /// How its timeline came to be: a timeline's first segment begins with pages of the one that it left.
    pub history: &'a History,
    /// Of which cluster it is, where that is known.
    pub system_identifier: Option<u64>,
}

/// What the pages of a segment say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// Of which cluster it is.
    pub system_identifier: u64,
    /// The first place behind its last page that is not empty: what follows a switch is zeroes.
    pub end: Lsn,
}

/// Why the bytes are not that segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadSegment {
    /// It could not be read, or not be decoded.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is shorter or longer than a segment.
    #[error("it has {found} bytes instead of {expected}")]
    Length {
        /// What a segment has.
        expected: u64,
        /// What it has, or one byte more than it should have.
        found: u64,
    },
    /// Its number makes no place in the stream.
    #[error("a segment of that name cannot be in a cluster with segments of this size")]
    Name,
    /// A page has no header of WAL.
    #[error("the page at {at} does not begin as a page of WAL does")]
    Magic {
        /// Where the page should be.
        at: Lsn,
    },
    /// A page says that it lies elsewhere.
    #[error("the page at {at} says that it is the one at {found}")]
    Place {
        /// Where the page should be.
        at: Lsn,
        /// Where it says it is.
        found: Lsn,
    },
    /// A page is of a timeline that does not lead here.
    #[error("the page at {at} is of timeline {found}, which was not the one there")]
    Timeline {
        /// Where the page is.
        at: Lsn,
        /// Of which timeline it says it is.
        found: Timeline,
    },
    /// The first page says that segments are of another size.
    #[error("its first page says that segments have {found} bytes")]
    SegmentSize {
        /// What it says.
        found: u32,
    },
    /// It is of another cluster.
    #[error("it is of the cluster {found}, not of {expected}")]
    System {
        /// Of which it should be.
        expected: u64,
        /// Of which it is.
        found: u64,
    },
    /// Something follows an empty page.
    #[error("the page at {at} is not empty, and one before it is")]
    BehindTheEnd {
        /// Where the page is.
        at: Lsn,
    },
}

/// Reads a decoded segment to its end, and holds every page's header against what it should be.
///
/// # Errors
/// [`BadSegment`]
pub fn check_pages(content: impl Read, expected: Expected<'_>) -> Result<Pages, BadSegment> {
    read_pages(content, expected, |_, _| ())
}

/// Holds the first page of a segment against what the segment should be; says of which cluster it is.
///
/// # Errors
/// [`BadSegment`]
pub fn check_first_page(mut content: impl Read, expected: Expected<'_>) -> Result<u64, BadSegment> {
    let number = expected.size.number(expected.name).ok_or(BadSegment::Name)?;
    let start = expected.size.start(number);
    let mut page = vec![0; PAGE];
    let read = fill(&mut content, &mut page)?;
    if read < PAGE {
        return Err(BadSegment::Length { expected: expected.size.bytes(), found: read as u64 });
    }
    let header = Header::of(&page).ok_or(BadSegment::Magic { at: start })?;
    header.check(start, &expected)?;
    header.check_first(&expected)
}

/// The same as [`check_pages`], and hands on every page that is not empty, with its place, once its header was found to be right.
///
/// # Errors
/// [`BadSegment`]
pub fn read_pages(
    mut content: impl Read,
    expected: Expected<'_>,
    mut each: impl FnMut(Lsn, &[u8]),
) -> Result<Pages, BadSegment> {
    let size = expected.size.bytes();
    let number = expected.size.number(expected.name).ok_or(BadSegment::Name)?;
    let start = expected.size.start(number);
    let mut page = vec![0; PAGE];
    let (mut at, mut ended) = (0, None);
    let mut system_identifier = None;
    while at < size {
        let place = Lsn(start.0 + at);
        let read = fill(&mut content, &mut page)?;
        if read < PAGE {
            return Err(BadSegment::Length { expected: size, found: at + read as u64 });
        }
        at += PAGE as u64;
        if page.iter().all(|byte| *byte == 0) {
            ended.get_or_insert(place);
            continue;
        }
        if ended.is_some() {
            return Err(BadSegment::BehindTheEnd { at: place });
        }
        let header = Header::of(&page).ok_or(BadSegment::Magic { at: place })?;
        header.check(place, &expected)?;
        if place == start {
            system_identifier = Some(header.check_first(&expected)?);
        }
        each(place, &page);
    }
    let behind = fill(&mut content, &mut page)?;
    if behind > 0 {
        return Err(BadSegment::Length { expected: size, found: size + behind as u64 });
    }
    // A segment of nothing but zeroes was never written.
    let system_identifier = system_identifier.ok_or(BadSegment::Magic { at: start })?;
    Ok(Pages { system_identifier, end: ended.unwrap_or(Lsn(start.0 + size)) })
}

/// Reads until the buffer is full or nothing more comes.
fn fill(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match content.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// The header of a page, as `xlog_internal.h` lays it out, in the byte order of every machine that is still built.
struct Header {
    flags: u16,
    timeline: Timeline,
    address: Lsn,
    system_identifier: u64,
    segment_size: u32,
}

impl Header {
    fn of(page: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = page.first_chunk()?;
        let part = |from: usize, length: usize| {
            header
                .get(from..from + length)
                .unwrap_or_default()
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        // Every version since 8.0 has a number of its own with this first byte.
        let magic = part(0, 2);
        (0xD000..0xD200).contains(&magic).then(|| Self {
            flags: low16(part(2, 2)),
            timeline: Timeline(low32(part(4, 4))),
            address: Lsn(part(8, 8)),
            system_identifier: part(24, 8),
            segment_size: low32(part(32, 4)),
        })
    }

    fn check(&self, at: Lsn, expected: &Expected<'_>) -> Result<(), BadSegment> {
        if self.address != at {
            return Err(BadSegment::Place { at, found: self.address });
        }
        // Until it was left, an ancestor wrote the page; the page in which it was left may be either one's.
        let page_end = Lsn(at.0 + PAGE as u64);
        let wrote_here = expected
            .history
            .stretches()
            .any(|(timeline, begin, end)| timeline == self.timeline && begin < page_end && end > at);
        if wrote_here { Ok(()) } else { Err(BadSegment::Timeline { at, found: self.timeline }) }
    }

    fn check_first(&self, expected: &Expected<'_>) -> Result<u64, BadSegment> {
        if self.flags & LONG == 0 {
            return Err(BadSegment::Magic { at: self.address });
        }
        if u64::from(self.segment_size) != expected.size.bytes() {
            return Err(BadSegment::SegmentSize { found: self.segment_size });
        }
        match expected.system_identifier.filter(|system| *system != self.system_identifier) {
            Some(system) => Err(BadSegment::System { expected: system, found: self.system_identifier }),
            None => Ok(self.system_identifier),
        }
    }
}

fn low16(value: u64) -> u16 {
    u16::try_from(value & 0xFFFF).unwrap_or_default()
}

fn low32(value: u64) -> u32 {
    u32::try_from(value & 0xFFFF_FFFF).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: SegmentSize = match SegmentSize::new(1 << 20) {
        Some(size) => size,
        None => SegmentSize::DEFAULT,
    };

    /// A segment whose pages from `used` on are empty, and of which the pages before `until` are of timeline 1.
    fn segment(number: u64, used: u64, until: u64, timeline: u32) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        for (index, page) in bytes.chunks_mut(PAGE).enumerate().take(usize::try_from(used).unwrap()) {
            let at = number * SIZE.bytes() + (index * PAGE) as u64;
            page[0..2].copy_from_slice(&0xD110_u16.to_le_bytes());
            page[2..4].copy_from_slice(&(if index == 0 { LONG } else { 0 }).to_le_bytes());
            let of = if (index as u64) < until { 1 } else { timeline };
            page[4..8].copy_from_slice(&of.to_le_bytes());
            page[8..16].copy_from_slice(&at.to_le_bytes());
            if index == 0 {
                page[24..32].copy_from_slice(&77_u64.to_le_bytes());
                page[32..36].copy_from_slice(&(1_u32 << 20).to_le_bytes());
            }
        }
        bytes
    }

    fn check(bytes: &[u8], timeline: u32, history: &History) -> Result<Pages, BadSegment> {
        let name = SIZE.name(Timeline(timeline), 5).unwrap();
        check_pages(bytes, Expected { name, size: SIZE, history, system_identifier: Some(77) })
    }

    #[test]
    fn a_sound_segment_passes_full_or_switched() {
        let first = History::of_first(Timeline(1));
        let full = check(&segment(5, 128, 128, 1), 1, &first).unwrap();
        assert_eq!(full, Pages { system_identifier: 77, end: Lsn(6 << 20) });
        let switched = check(&segment(5, 3, 3, 1), 1, &first).unwrap();
        assert_eq!(switched.end, Lsn((5 << 20) + 3 * PAGE as u64));
    }

    #[test]
    fn a_timelines_first_segment_begins_with_pages_of_the_one_it_left() {
        let left = Lsn((5 << 20) + 10 * PAGE as u64 + 100);
        let history = History::parse(Timeline(2), &format!("1\t{left}\tx")).unwrap();
        // The page in which it was left may be either one's.
        for until in [10, 11] {
            check(&segment(5, 20, until, 2), 2, &history).unwrap();
        }
        for until in [9, 12] {
            let found = check(&segment(5, 20, until, 2), 2, &history).unwrap_err();
            assert!(matches!(found, BadSegment::Timeline { .. }), "{until}: {found}");
        }
    }

    #[test]
    fn what_is_not_that_segment_is_told_apart() {
        let first = History::of_first(Timeline(1));
        let sound = segment(5, 20, 20, 1);
        let found = |bytes: &[u8]| check(bytes, 1, &first).unwrap_err();
        assert!(matches!(found(&sound[..sound.len() - 1]), BadSegment::Length { .. }));
        assert!(matches!(found(&[&sound[..], &[0]].concat()), BadSegment::Length { .. }));
        assert!(matches!(found(&segment(6, 20, 20, 1)), BadSegment::Place { .. }));
        assert!(matches!(found(&segment(5, 20, 0, 3)), BadSegment::Timeline { .. }));
        assert!(matches!(found(&vec![0; 1 << 20]), BadSegment::Magic { .. }));
        let altered = |at: usize, byte: u8| {
            let mut bytes = sound.clone();
            bytes[at] = byte;
            bytes
        };
        assert!(matches!(found(&altered(1, 0)), BadSegment::Magic { .. }));
        assert!(matches!(found(&altered(PAGE * 3 + 8, 7)), BadSegment::Place { .. }));
        assert!(matches!(found(&altered(24, 78)), BadSegment::System { expected: 77, found: 78 }));
        assert!(matches!(found(&altered(34, 0)), BadSegment::SegmentSize { .. }));
        assert!(matches!(found(&altered(PAGE * 100 + 500, 1)), BadSegment::BehindTheEnd { .. }));
    }
}
