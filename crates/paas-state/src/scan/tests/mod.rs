//! The scan as a whole: what it finds, what it lets pass, and what it never shows.

mod allowing;
mod catching;
mod passing;
mod streaming;

use super::{Hit, Scanner};
use serde_json::{Value, json};
use si_backup_tests::EventLog;

/// A log line with a text among its fields, and beside it.
fn event(field: &str, text: &str) -> String {
    let event = json!({
        "timestamp": "2026-01-05T00:00:00.000000000Z", "context": "default", "source": "cli",
        "command": "deploy run", "status": "failed", "mode": "live", "severity": "error",
        "fields": { "app": "shop", field: text, "duration_ms": "12" },
    });
    event.to_string() + "\n"
}

/// A document with a text deep within.
fn document(field: &str, text: &str) -> Value {
    json!({ "apps": { "shop/web": [{}, { "vars": { field: text, "other": "x" } }] } })
}

fn log_hits(scanner: &Scanner, text: &[u8]) -> Vec<Hit> {
    let mut log = scanner.log();
    log.feed(text);
    log.finish()
}

/// Generated lines of every log, about `lines` together.
fn clean_lines(seed: u64, lines: usize) -> Vec<u8> {
    EventLog::ALL
        .into_iter()
        .flat_map(|log| {
            si_backup_tests::EventLines::new(log, "default", &[], &[], seed).take_lines(lines / 3 + 1)
        })
        .collect()
}
