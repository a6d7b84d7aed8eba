//! The audit trail: the file of a chain, made of any bytes, or of lines whose digests are right, and its copies in the
//! store.
#![no_main]

use backup_contract::ContextName;
use backup_store::Key;
use libfuzzer_sys::fuzz_target;
use restore_guard::{ChainReport, Trail, WriterId, verify_context};
use si_backup_fuzz::{empty_store, file, hex, object};
use std::sync::LazyLock;

static WRITER: LazyLock<WriterId> = LazyLock::new(|| WriterId::generate().unwrap());

fuzz_target!(|input: (bool, &[u8])| {
    let (right, bytes) = input;
    let bytes = if right {
        let writer = WRITER.to_string();
        let (mut text, mut previous) = (String::new(), String::new());
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line =
                String::from_utf8_lossy(line).replace("WRITER", &writer).replace("PREVIOUS", &previous);
            previous = format!("sha256:{}", hex(line.as_bytes()));
            text += &format!("{{\"digest\":\"{previous}\",\"entry\":{line}}}\n");
        }
        text.into_bytes()
    } else {
        bytes.to_vec()
    };
    let trail = Trail::new(file("trail.jsonl", &bytes), ContextName::new("default").unwrap(), WRITER.clone());
    if let Ok(report) = trail.verify() {
        assert!(report.lines.len() <= bytes.iter().filter(|byte| **byte == b'\n').count() + 1);
        for finding in &report.findings {
            si_backup_fuzz::is_fit_to_print(&finding.to_string());
        }
    }
    // The same lines as copies: where they are sound in the file, they are sound beside it.
    const COPIES: usize = 8;
    let all_copied = bytes.iter().filter(|byte| **byte == b'\n').count() <= COPIES && bytes.ends_with(b"\n");
    let store = empty_store();
    for (line, sequence) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..=COPIES) {
        let at = format!("audit/default/{}/{sequence:012}.json", *WRITER);
        object(&Key::new(at).unwrap(), line);
    }
    let is_sound = |report: restore_guard::Result<ChainReport>| report.is_ok_and(|report| report.is_sound());
    if all_copied && is_sound(trail.verify()) {
        assert!(is_sound(trail.verify_against(&store)));
    }
    for report in verify_context(&store, &trail).into_iter().flatten() {
        let _ = (report.is_sound(), report.unpublished());
    }
});
