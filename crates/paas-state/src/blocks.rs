use std::io::{self, Read};

/// How much is read at once, in bytes: small enough for a processor's cache and for memory that the allocator keeps (larger
/// blocks would be mapped and cleared by the system each time), large enough to hide a thread's wake-up.
pub(crate) const BLOCK: usize = 64 * 1024;

/// The longest line that is kept in one block, in bytes. si's longest is a thousandth of it.
pub(crate) const LONGEST_LINE: usize = 8 * 1024 * 1024;

/// Cuts a stream into blocks, for logs behind a newline.
///
/// A block of a log ends inside a line only at the end of the stream, or when the line is longer than
/// [`LONGEST_LINE`].
pub(crate) struct Blocks<R> {
    reader: R,
    at_lines: bool,
    carry: Vec<u8>,
    done: bool,
}

impl<R: Read> Blocks<R> {
    pub(crate) fn new(reader: R, at_lines: bool) -> Self {
        Self { reader, at_lines, carry: Vec::new(), done: false }
    }

    /// The next block; `None` at the end.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut block = std::mem::take(&mut self.carry);
        while !self.done {
            let scanned = block.len();
            block.reserve(BLOCK);
            let read = self.reader.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
            self.done = read < BLOCK;
            if self.done || !self.at_lines {
                break;
            }
            if let Some(newline) = memchr::memrchr(b'\n', &block[scanned..]) {
                self.carry = block.split_off(scanned + newline + 1);
                break;
            }
            if block.len() >= LONGEST_LINE {
                break;
            }
        }
        Ok((!block.is_empty()).then_some(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(data: &[u8], at_lines: bool) -> Vec<Vec<u8>> {
        let mut blocks = Blocks::new(data, at_lines);
        std::iter::from_fn(|| blocks.next_block().unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn blocks_of_a_log_are_whole_lines(lines in prop::collection::vec(0_usize..200_000, 0..12), open_end: bool) {
            let mut data: Vec<u8> = lines.iter().flat_map(|n| [vec![b'x'; *n], vec![b'\n']].concat()).collect();
            if open_end {
                data.extend(b"torn");
            }
            let blocks = cut(&data, true);
            prop_assert_eq!(blocks.concat(), data);
            for block in blocks.iter().rev().skip(1) {
                prop_assert_eq!(block.last(), Some(&b'\n'));
            }
        }
    }

    #[test]
    fn a_line_without_end_is_cut_in_bounded_memory() {
        let data = vec![b'x'; 3 * LONGEST_LINE];
        let blocks = cut(&data, true);
        assert!(blocks.iter().all(|block| block.len() <= LONGEST_LINE + BLOCK));
        assert_eq!(blocks.concat(), data);
    }
}
