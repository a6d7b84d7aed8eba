//! A byte rendering of a plan's inputs and outcome, for a digest.

use std::fmt::{self, Display, Write};

use crate::plan::{Outcome, Plan};
use crate::snapshot::Kind;

impl<Id: Display> Plan<Id> {
    /// Writes what a plan's identity is made of: policy, snapshots, and what becomes of each. Feed it to a digest and
    /// the digest names this plan: it changes with anything that was put in and with any outcome, and neither with the
    /// order of the input nor with the time of day as long as the outcome is the same.
    ///
    /// The rendering is stable: its first line carries a version.
    ///
    /// ```
    /// # use retention::{Policy, Snapshot, plan};
    /// let now = "2026-11-24T00:00:00Z".parse().unwrap();
    /// let snapshot = Snapshot::full("a", "2026-11-23T02:00:00Z".parse().unwrap());
    /// let plan = plan([snapshot], &Policy::baseline(), now)?;
    /// let mut text = String::new(); // or a `fmt::Write` that hashes
    /// plan.write_canonical(&mut text).unwrap();
    /// assert!(text.starts_with("retention-plan 1\n"));
    /// # Ok::<(), retention::Error>(())
    /// ```
    pub fn write_canonical(&self, out: &mut impl Write) -> fmt::Result {
        let policy = self.policy();
        writeln!(out, "retention-plan 1")?;
        for (tier, count) in policy.counts().used() {
            writeln!(out, "keep {tier} {count}")?;
        }
        writeln!(
            out,
            "counting {} zone {} window {:?} grace {:?} tolerance {:?}",
            policy.counting(),
            policy.time_zone().name(),
            nanoseconds(policy.recovery_window()),
            nanoseconds(policy.incomplete_grace()),
            nanoseconds(policy.future_tolerance()),
        )?;
        let mut id = String::new();
        for &row in self.order() {
            let decision = self.decision(row as usize);
            let snapshot = decision.snapshot();
            write_text(out, snapshot.group())?;
            render(&mut id, snapshot.id())?;
            write_text(out, &id)?;
            let time = snapshot.time();
            write!(
                out,
                "{}.{} {}",
                time.timestamp(),
                time.timestamp_subsec_nanos(),
                snapshot.marks().bits()
            )?;
            match snapshot.kind() {
                Kind::Full => out.write_str(" full")?,
                Kind::Delta => out.write_str(" delta")?,
            }
            if let Some(parent) = snapshot.parent() {
                out.write_char(' ')?;
                render(&mut id, parent)?;
                write_text(out, &id)?;
            }
            if let Some(until) = snapshot.lock() {
                write!(out, " until {}.{}", until.timestamp(), until.timestamp_subsec_nanos())?;
            }
            out.write_str(match decision.outcome() {
                Outcome::Keep => " keep\n",
                Outcome::Drop => " drop\n",
                Outcome::ExpiredLocked { .. } => " locked\n",
            })?;
        }
        Ok(())
    }
}

/// With its length before it, so that no two sequences of texts read alike.
fn write_text(out: &mut impl Write, text: &str) -> fmt::Result {
    write!(out, "{}:{text} ", text.len())
}

fn render(into: &mut String, id: &impl Display) -> fmt::Result {
    into.clear();
    write!(into, "{id}")
}

fn nanoseconds(length: chrono::TimeDelta) -> (i64, i32) {
    (length.num_seconds(), length.subsec_nanos())
}
