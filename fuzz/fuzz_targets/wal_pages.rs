//! The pages of a WAL segment, and the history of a timeline.
#![no_main]

use libfuzzer_sys::fuzz_target;
use si_backup_fuzz::is_fit_to_print;
use std::io::Read;
use walg_driver::wal::{Expected, History, SegmentSize, Timeline, check_pages};

/// The smallest that there is: the rest of it is filled up.
const MEGABYTE: u32 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((way, bytes)) = bytes.split_first() else { return };
    let timeline = Timeline(2);
    let history = match way & 1 {
        0 => History::of_first(timeline),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            match History::parse(timeline, &text) {
                Ok(history) => history,
                Err(bad) => return is_fit_to_print(&bad.to_string()),
            }
        }
    };
    let expected = Expected {
        name: "000000020000000000000003".parse().unwrap(),
        size: SegmentSize::new(MEGABYTE).unwrap(),
        history: &history,
        system_identifier: (way & 2 != 0).then_some(7),
    };
    let fill = u64::MAX >> u64::from(way & 4) * 8;
    let content = bytes.chain(std::io::repeat(0).take(fill)).take(u64::from(MEGABYTE) + u64::from(way >> 7));
    if let Err(bad) = check_pages(content, expected) {
        is_fit_to_print(&bad.to_string());
    }
});
