use super::{Lsn, Timeline};
use std::fmt;
use std::str::FromStr;

/// The name of a WAL segment: 24 hexadecimal digits, `000000010000000000000002`.
///
/// Its place in the stream follows only together with a [`SegmentSize`]: the last two thirds of the name count segments,
/// and how many make four gigabytes depends on their size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentName {
    /// The timeline on which it was written.
    pub timeline: Timeline,
    /// Which four gigabytes of the stream.
    high: u32,
    /// Which segment of those.
    low: u32,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:08X}{:08X}", self.timeline, self.high, self.low)
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the name of a WAL segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a WAL segment: that has 24 hexadecimal digits, in upper case")]
pub struct NotASegment;

impl FromStr for SegmentName {
    type Err = NotASegment;
    /// Takes the one spelling that `PostgreSQL` writes; another would be another object.
    fn from_str(name: &str) -> Result<Self, NotASegment> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        if name.len() != 24 || !name.bytes().all(is_digit) {
            return Err(NotASegment);
        }
        let part = |from: usize| u32::from_str_radix(&name[from..from + 8], 16).map_err(|_| NotASegment);
        Ok(Self { timeline: Timeline(part(0)?), high: part(8)?, low: part(16)? })
    }
}

/// How many bytes of the stream a segment holds: a power of two from 1 MiB to 1 GiB, chosen when the cluster was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentSize(u32);

impl SegmentSize {
    /// 16 MiB, which `initdb` takes unless told otherwise.
    pub const DEFAULT: Self = Self(16 << 20);

    /// A size in bytes; `None` when no cluster can have it.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes.is_power_of_two() && bytes >= 1 << 20 && bytes <= 1 << 30 { Some(Self(bytes)) } else { None }
    }

    /// Every size that there is, smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (20..=30).map(|shift| Self(1 << shift))
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64
    }

    /// Which segment of the stream a name stands for, counted from 0; `None` for a name that no cluster of this segment
    /// size writes.
    #[must_use]
    pub fn number(self, name: SegmentName) -> Option<u64> {
        let in_four_gigabytes = (1 << 32) / self.bytes();
        let low = u64::from(name.low);
        (low < in_four_gigabytes).then(|| u64::from(name.high) * in_four_gigabytes + low)
    }

    /// The name of a segment on a timeline; `None` beyond the end of what can be numbered.
    #[must_use]
    pub fn name(self, timeline: Timeline, number: u64) -> Option<SegmentName> {
        let in_four_gigabytes = (1 << 32) / self.bytes();
        Some(SegmentName {
            timeline,
            high: u32::try_from(number / in_four_gigabytes).ok()?,
            low: u32::try_from(number % in_four_gigabytes).ok()?,
        })
    }

    /// The segment that holds the byte at `lsn`.
    #[must_use]
    pub const fn at(self, lsn: Lsn) -> u64 {
        lsn.0 / self.bytes()
    }

    /// The segment that holds the last byte before `lsn`: what an end needs.
    #[must_use]
    pub const fn before(self, lsn: Lsn) -> u64 {
        lsn.0.saturating_sub(1) / self.bytes()
    }

    /// Where a segment begins.
    #[must_use]
    pub const fn start(self, number: u64) -> Lsn {
        Lsn(number.saturating_mul(self.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes() -> impl Strategy<Value = SegmentSize> {
        (20_u32..=30).prop_map(|shift| SegmentSize::new(1 << shift).unwrap())
    }

    proptest! {
        #[test]
        fn a_name_and_its_number_are_one(size in sizes(), lsn: u64, timeline: u32) {
            let number = size.at(Lsn(lsn));
            let name = size.name(Timeline(timeline), number).unwrap();
            prop_assert_eq!(size.number(name), Some(number));
            prop_assert_eq!(name.to_string().parse(), Ok(name));
            prop_assert!(size.start(number) <= Lsn(lsn) && lsn - size.start(number).0 < size.bytes());
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9A-F]{20,26}|.*") {
            let _ = text.parse::<SegmentName>();
        }
    }

    #[test]
    fn names_are_those_of_postgresql() {
        let name = SegmentSize::DEFAULT.name(Timeline(1), 2).unwrap();
        assert_eq!(name.to_string(), "000000010000000000000002");
        assert_eq!(
            SegmentSize::DEFAULT.name(Timeline(1), 256).unwrap().to_string(),
            "000000010000000100000000"
        );
        let large = SegmentSize::new(1 << 30).unwrap();
        assert_eq!(large.name(Timeline(1), 5).unwrap().to_string(), "000000010000000100000001");
        for bad in ["00000001000000000000000", "00000001000000000000000a", "0000000100000000000000022"] {
            assert!(bad.parse::<SegmentName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_of_another_segment_size_has_no_number() {
        let name: SegmentName = "0000000100000000000000FF".parse().unwrap();
        assert_eq!(SegmentSize::DEFAULT.number(name), Some(255));
        assert_eq!(SegmentSize::new(64 << 20).unwrap().number(name), None);
    }

    #[test]
    fn an_end_on_a_boundary_needs_the_segment_before_it() {
        let size = SegmentSize::DEFAULT;
        assert_eq!((size.at(Lsn(0x300_0000)), size.before(Lsn(0x300_0000))), (3, 2));
        assert_eq!((size.at(Lsn(0x300_0001)), size.before(Lsn(0x300_0001))), (3, 3));
        assert_eq!(size.before(Lsn(0)), 0);
    }
}
