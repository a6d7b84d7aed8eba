//! Whether lines are JSON: as serde_json says, however they are looked at.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::fuzzing::check_lines;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let malformed = |line: &&[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err();
    let first = lines.iter().position(malformed).map(|at| at as u64 + 1);
    let count = lines.iter().filter(|line| malformed(line)).count() as u64;
    assert_eq!(check_lines(bytes), (lines.len() as u64, count, first));
    // What reads as a document is well-formed; the other way round, texts that no document holds are passed over.
    for line in lines {
        if serde_json::from_slice::<Value>(line).is_ok() {
            assert_eq!(check_lines(line).1, 0);
        }
    }
});
