use super::record::{Generation, Record};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one judge has seen of one lease: its newest generation, and since when that has not changed on the judge's clock.
///
/// A long-lived program keeps it in a variable. Short-lived ones keep it in a file, so that together they can see a holder
/// stay silent for longer than any of them lives; the clock must go on from one to the next, so with it belongs the
/// machine's boot id (or whatever names the clock's beginning), and one with another boot id is thrown away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    #[serde(default)]
    seen: Option<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    generation: u64,
    session: String,
    /// When it was first seen, on the judge's monotonic clock.
    since: Duration,
}

impl Observation {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { seen: None }
    }

    /// Notes the newest generation; for how long it has been that one.
    pub(super) fn note(&mut self, generation: &Generation, record: &Record, now: Duration) -> Duration {
        if let Some(seen) = &self.seen
            && seen.generation == generation.number
            && seen.session == record.session
            && let Some(unchanged) = now.checked_sub(seen.since)
        {
            return unchanged;
        }
        self.seen = Some(Seen { generation: generation.number, session: record.session.clone(), since: now });
        Duration::ZERO
    }

    pub(super) fn clear(&mut self) {
        self.seen = None;
    }
}
