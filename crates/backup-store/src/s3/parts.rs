//! How big the parts of an upload are: S3 takes ten thousand of them, and 5 TiB in all.

/// What sizes are rounded up to, in bytes.
const STEP: u64 = 1 << 20;
/// How many parts an upload of known length has at most; the others are for one that becomes longer than was said.
const PLANNED: u64 = 8_500;
/// After how many parts the next ones are twice as big.
const DOUBLING: u32 = 900;
/// The same for an upload that has become longer than was said.
const DOUBLING_BEYOND: u32 = 25;
/// How big a part may be, in bytes.
const BIGGEST: u64 = 5 << 30;

/// The sizes of the parts of one upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartSizes {
    first: u64,
    /// After how many parts of the first size the next ones are twice as big.
    uniform: u32,
}

impl PartSizes {
    /// Where the length is known, all are equal, as some stores demand; where it is not, they grow.
    pub(super) fn new(least: usize, length: Option<u64>) -> Self {
        let least = u64::try_from(least).unwrap_or(BIGGEST).min(BIGGEST);
        let needed = length.unwrap_or(0).div_ceil(PLANNED).div_ceil(STEP) * STEP;
        Self {
            first: least.max(needed).min(BIGGEST),
            uniform: if length.is_some() { u32::try_from(PLANNED).unwrap_or(u32::MAX) } else { DOUBLING },
        }
    }

    /// The size of the part with this number, counted from 1, in bytes.
    pub(super) fn of(self, number: u32) -> usize {
        let index = number.saturating_sub(1);
        let doublings = if index < self.uniform {
            0
        } else {
            1 + (index - self.uniform) / if self.uniform == DOUBLING { DOUBLING } else { DOUBLING_BEYOND }
        };
        let size = self.first.saturating_mul(1 << doublings.min(30)).min(BIGGEST);
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    /// How many parts may be on their way at once so that no more than `memory` bytes of them are held; at least one.
    pub(super) fn parallel(self, number: u32, parallel: usize, memory: usize) -> usize {
        (memory / self.of(number).max(1)).clamp(1, parallel.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = 1 << 40;

    fn in_all(sizes: PartSizes) -> u64 {
        (1..=10_000).map(|number| sizes.of(number) as u64).sum()
    }

    #[test]
    fn five_tebibytes_fit_whether_their_length_is_known_or_not() {
        for least in [5 << 20, 8 << 20] {
            assert!(in_all(PartSizes::new(least, None)) >= 5 * TIB);
            for length in [0, 1, 1 << 30, TIB, 5 * TIB] {
                let sizes = PartSizes::new(least, Some(length));
                let planned: u64 = (1..=8_500).map(|number| sizes.of(number) as u64).sum();
                assert!(planned >= length);
                assert!((1..=8_500).all(|number| sizes.of(number) == sizes.of(1)), "all equal");
            }
            // Who said that it is short, and goes on and on.
            assert!(in_all(PartSizes::new(least, Some(1))) >= 5 * TIB);
        }
    }

    #[test]
    fn parts_on_their_way_are_bounded() {
        let sizes = PartSizes::new(8 << 20, None);
        assert_eq!(sizes.parallel(1, 4, 64 << 20), 4);
        assert_eq!(sizes.parallel(1, 100, 64 << 20), 8);
        assert_eq!(sizes.parallel(9_000, 4, 64 << 20), 1);
    }
}
