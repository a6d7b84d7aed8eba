use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

/// How much is read at once, in bytes: small enough for a processor's cache and for memory that the allocator keeps (larger
/// blocks would be mapped and cleared by the system each time), large enough to hide a thread's wake-up.
pub(crate) const BLOCK: usize = 64 * 1024;

/// How much is read first into memory that is new, in bytes.
const FIRST_READ: usize = 4 * 1024;

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
        let mut block = Vec::new();
        self.fill(&mut block)?;
        Ok((!block.is_empty()).then_some(block))
    }

    /// Makes `block` the next one, empty at the end. What it held is lost; its memory, cleared before, is used again.
    fn fill(&mut self, block: &mut Vec<u8>) -> io::Result<()> {
        let mut len = self.carry.len();
        grow(block, len);
        block[..len].copy_from_slice(&self.carry);
        self.carry.clear();
        while !self.done {
            let scanned = len;
            len += read_on(&mut self.reader, block, scanned)?;
            self.done = len < scanned + BLOCK;
            if self.done || !self.at_lines {
                break;
            }
            if let Some(newline) = memchr::memrchr(b'\n', &block[scanned..len]) {
                let end = scanned + newline + 1;
                self.carry.extend_from_slice(&block[end..len]);
                len = end;
                break;
            }
            if len >= LONGEST_LINE {
                break;
            }
        }
        block.truncate(len);
        Ok(())
    }
}

fn grow(block: &mut Vec<u8>, len: usize) {
    if block.len() < len {
        block.resize(len, 0);
    }
}

/// Reads [`BLOCK`] bytes, fewer only at the end, behind the first `from` of a block. New memory is cleared before, so it
/// grows with what there is: most files are short.
fn read_on(reader: &mut impl Read, block: &mut Vec<u8>, from: usize) -> io::Result<usize> {
    let (mut len, end) = (from, from + BLOCK);
    if block.capacity() >= end {
        grow(block, end);
    }
    while len < end {
        if len == block.len() {
            grow(block, (2 * len).clamp(len + FIRST_READ, end.max(len + FIRST_READ)));
        }
        let room = block.len().min(end);
        match reader.read(&mut block[len..room]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(len - from)
}

/// Blocks that were handed out, to be read into again when nobody looks at them any more: memory that is new each time
/// has to be mapped and cleared each time.
#[derive(Default)]
pub(crate) struct Spare {
    handed_out: VecDeque<Arc<Vec<u8>>>,
}

impl Spare {
    /// What is larger, for the sake of one long line, is not kept, in bytes.
    const LARGEST: usize = 4 * BLOCK;

    /// The next block; `None` at the end.
    pub(crate) fn next_block<R: Read>(&mut self, blocks: &mut Blocks<R>) -> io::Result<Option<Arc<Vec<u8>>>> {
        let is_free = |block: &mut Arc<Vec<u8>>| Arc::get_mut(block).is_some();
        let mut block = self.handed_out.pop_front_if(is_free).unwrap_or_default();
        // Nobody else has it, so that nothing is copied.
        blocks.fill(Arc::make_mut(&mut block))?;
        if block.is_empty() {
            return Ok(None);
        }
        if block.capacity() <= Self::LARGEST {
            self.handed_out.push_back(Arc::clone(&block));
        }
        Ok(Some(block))
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

    /// Yields less than it is asked for.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_block_stays_as_it_is_while_somebody_looks_at_it(
            lines in prop::collection::vec(0_usize..100_000, 0..24),
            at_lines: bool,
            most in prop::sample::select(vec![1_000, 5_000, 70_000, usize::MAX]),
            held in prop::collection::vec(any::<bool>(), 40),
        ) {
            let line = |(at, len): (usize, &usize)| {
                [vec![b'a' + u8::try_from(at).unwrap(); *len], vec![b'\n']].concat()
            };
            let data: Vec<u8> = lines.iter().enumerate().flat_map(line).collect();
            let (mut spare, mut blocks) = (Spare::default(), Blocks::new(Dribble(&data, most), at_lines));
            let (mut seen, mut holding) = (Vec::new(), Vec::new());
            while let Some(block) = spare.next_block(&mut blocks).unwrap() {
                seen.push(block.to_vec());
                if held[seen.len() % held.len()] {
                    holding.push((seen.len() - 1, block));
                }
            }
            prop_assert_eq!(&seen, &cut(&data, at_lines));
            prop_assert_eq!(seen.concat(), data);
            for (at, block) in holding {
                prop_assert_eq!(&*block, &seen[at]);
            }
        }
    }

    #[test]
    fn memory_is_used_again_once_nobody_looks_at_it() {
        let data = vec![b'x'; 5 * BLOCK];
        let (mut spare, mut blocks) = (Spare::default(), Blocks::new(&data[..], false));
        let mut next = || spare.next_block(&mut blocks).unwrap().unwrap();
        let (first, second) = (next(), next());
        let places = [first.as_ptr(), second.as_ptr()];
        drop((first, second));
        let mut place = || next().as_ptr();
        assert_eq!([place(), place(), place()], [places[0], places[1], places[0]]);
    }

    #[test]
    fn a_line_without_end_is_cut_in_bounded_memory() {
        let data = vec![b'x'; 3 * LONGEST_LINE];
        let blocks = cut(&data, true);
        assert!(blocks.iter().all(|block| block.len() <= LONGEST_LINE + BLOCK));
        assert_eq!(blocks.concat(), data);
    }
}
