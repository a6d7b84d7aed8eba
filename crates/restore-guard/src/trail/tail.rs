//! The end of a trail's file, read backwards.

use super::entry::{BadLine, TrailLine, parse};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is read at first, in bytes: a few dozen entries.
const WINDOW: u64 = 32 * 1024;

/// What a file ends with.
pub(super) struct Tail {
    /// The last whole entry, or the newer one that this program cannot read.
    pub(super) last: Option<Result<TrailLine, BadLine>>,
    /// Where it ends. What is behind that was torn by a crash.
    pub(super) end: u64,
}

/// Reads the `length` bytes of a file from its end to the last line that is an entry.
pub(super) fn read(file: &File, length: u64) -> io::Result<Tail> {
    let mut last = None;
    let end = backwards(file, length, |line| match parse(line) {
        Err(BadLine::Malformed(_) | BadLine::Changed { .. }) => true,
        found => {
            last = Some(found);
            false
        }
    })?;
    Ok(Tail { last, end })
}

/// The whole lines from the end of the file back to the first for which `more` says no, oldest first.
pub(super) fn lines_back(
    file: &File,
    length: u64,
    mut more: impl FnMut(&[u8]) -> bool,
) -> io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    backwards(file, length, |line| {
        lines.push(line.to_vec());
        more(line)
    })?;
    lines.reverse();
    Ok(lines)
}

/// Hands the whole lines, newlines included, to `more`, last first, while it wants more. Returns where the line ends at
/// which it stopped; 0 when it never did. Bytes behind the last newline are no line.
fn backwards(file: &File, length: u64, mut more: impl FnMut(&[u8]) -> bool) -> io::Result<u64> {
    let last_newline = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n');
    let mut end = length;
    let mut window = WINDOW;
    loop {
        let start = end.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, start)?;
        let mut rest = &bytes[..last_newline(&bytes).map_or(0, |newline| newline + 1)];
        let mut handed_out = false;
        while let Some((_, body)) = rest.split_last() {
            let begins = match last_newline(body) {
                Some(before) => before + 1,
                None if start == 0 => 0,
                None => break, // the line begins before the window
            };
            if !more(&rest[begins..]) {
                return Ok(start + rest.len() as u64);
            }
            rest = &rest[..begins];
            handed_out = true;
        }
        if start == 0 {
            return Ok(0);
        }
        if handed_out {
            end = start + rest.len() as u64;
        } else {
            window = window.saturating_mul(4);
        }
    }
}
