/// A small generator of numbers that look random and are determined by a seed: `SplitMix64`
/// (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

const LOWER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ALNUM: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8] = b"0123456789abcdef";

impl Random {
    /// A generator whose numbers depend on the seed alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for a named part, so that parts do not shift each other.
    #[must_use]
    pub fn fork(&self, part: &str) -> Self {
        let mixed = part.bytes().fold(self.0 ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mixed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply-shift: the bias is far below what test data could show.
        u64::try_from((u128::from(self.next_u64()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// An index below `len`, which must not be 0.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Whether something happens that does so in `percent` of 100 cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the items, of which there must be one.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// Appends `len` characters of `alphabet`.
    pub fn fill(&mut self, out: &mut Vec<u8>, alphabet: &[u8], len: usize) {
        if alphabet.len() == 16 {
            let mut bits = 0;
            for at in 0..len {
                if at % 16 == 0 {
                    bits = self.next_u64();
                }
                out.push(alphabet[usize::try_from(bits & 15).unwrap_or(0)]);
                bits >>= 4;
            }
            return;
        }
        for _ in 0..len {
            let byte = self.pick(alphabet);
            out.push(byte);
        }
    }

    fn string(&mut self, alphabet: &[u8], len: usize) -> String {
        let mut out = Vec::with_capacity(len);
        self.fill(&mut out, alphabet, len);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Appends `len` digits of a hexadecimal number.
    pub fn fill_hex(&mut self, out: &mut Vec<u8>, len: usize) {
        self.fill(out, HEX, len);
    }

    /// `len` digits of a hexadecimal number.
    pub fn hex(&mut self, len: usize) -> String {
        self.string(HEX, len)
    }

    /// `len` letters and digits, with at least one of each, so that no draw looks like a word.
    pub fn alnum(&mut self, len: usize) -> String {
        let mut text = self.string(ALNUM, len).into_bytes();
        if let [first, .., last] = text.as_mut_slice() {
            *first = b'a' + (*first % 26);
            *last = b'0' + (*last % 10);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// `len` lower-case letters and digits.
    pub fn lower(&mut self, len: usize) -> String {
        self.string(LOWER, len)
    }

    /// `len` characters of base 32.
    pub fn base32(&mut self, len: usize) -> String {
        self.string(UPPER, len)
    }

    /// `len` bytes of any value.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out: Vec<u8> =
            std::iter::repeat_with(|| self.next_u64().to_le_bytes()).flatten().take(len).collect();
        out.truncate(len);
        out
    }

    /// A UUID of version 4.
    pub fn uuid(&mut self) -> String {
        let h = self.hex(30);
        format!("{}-{}-4{}-8{}-{}", &h[..8], &h[8..12], &h[12..15], &h[15..18], &h[18..30])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        // The first outputs of the published reference implementation for the seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(random.uuid().len(), 36);
    }
}
