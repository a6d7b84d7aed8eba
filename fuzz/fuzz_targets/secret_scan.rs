//! The secret scan: never panics, finds the same however the text is cut into blocks, and never shows what it found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::fuzzing::{scan_document, scan_log, scan_text};

fuzz_target!(|input: ([u8; 8], &[u8])| {
    let (cuts, bytes) = input;
    let mut blocks = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (block, more) = rest.split_at(usize::from(cut).min(rest.len()));
        blocks.push(block);
        rest = more;
    }
    blocks.push(rest);
    let _ = scan_document(bytes);
    assert_eq!(scan_log(&[bytes]), scan_log(&blocks));
    assert_eq!(scan_text(&[bytes]), scan_text(&blocks));
});
