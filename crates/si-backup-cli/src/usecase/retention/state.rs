use super::policy::policy;
use super::{Id, Plan, Snapshot};
use crate::args::PolicyArgs;
use crate::shelf::reference;
use crate::view::StrayRow;
use crate::{CliError, Judge, Session, Shelf};
use backup_contract::{Level, SnapshotId, SnapshotRef, Subject};
use backup_store::Store;
use chrono::{DateTime, Utc};
use paas_state::{bundle_key, lock_of};
use retention::Policy;
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};

/// A record that cannot be read was written whole, so it is no interrupted run: it is of a newer version, or damaged.
/// Neither is a reason to let its bundle go.
const NOT_OURS_TO_JUDGE: [&str; 2] = ["record-newer", "record-malformed"];

/// How many digits of a plan's digest are shown: enough that two plans never share them, few enough to type.
const SHOWN_DIGITS: usize = 16;

/// What is to become of the state snapshots of a context.
#[derive(Debug)]
pub(in crate::usecase) struct StatePlan {
    /// What the policy says of the snapshots.
    pub(in crate::usecase) plan: Plan<Id>,
    /// Bundles without a record that no run can still be writing.
    pub(super) strays: Vec<Stray>,
    /// Which plan it is.
    pub(super) digest: PlanDigest,
}

/// A bundle without a record that is to go.
#[derive(Debug, Clone)]
pub(super) struct Stray {
    pub(super) id: SnapshotId,
    pub(super) row: StrayRow,
}

/// The SHA-256 of a plan, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlanDigest(String);

impl PlanDigest {
    /// Of a plan, and of the strays that go with it.
    pub(super) fn of(plan: &Plan<Id>, strays: &[Stray]) -> Self {
        let mut digest = Hashing(Sha256::new());
        // It takes whatever it is given.
        let _ = plan.write_canonical(&mut digest);
        for stray in strays {
            digest.0.update(format!("stray {} {}\n", stray.row.key, stray.row.bytes));
        }
        let mut hex = String::new();
        for byte in digest.0.finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        Self(hex)
    }

    /// What is shown of it.
    pub(super) fn short(&self) -> &str {
        &self.0[..SHOWN_DIGITS]
    }

    /// Whether it is the one that begins so.
    pub(super) fn is(&self, asked: &str) -> bool {
        self.0.starts_with(asked)
    }
}

/// Hashes what is written to it, without ever holding it.
struct Hashing(Sha256);

impl fmt::Write for Hashing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

impl StatePlan {
    /// Reads what there is, and plans. Touches nothing.
    pub(super) fn make(
        session: &Session<'_>,
        store: &dyn Store,
        args: &PolicyArgs,
        now: DateTime<Utc>,
    ) -> Result<Self, CliError> {
        Self::of(session, store, &Shelf::read(session, store)?, args, now)
    }

    /// Plans for what was read.
    pub(in crate::usecase) fn of(
        session: &Session<'_>,
        store: &dyn Store,
        shelf: &Shelf<'_>,
        args: &PolicyArgs,
        now: DateTime<Utc>,
    ) -> Result<Self, CliError> {
        let policy = policy(args, Some(session.context_settings()?))?;
        let (plan, unjudged) = plan_of(session, store, shelf, &policy, now)?;
        for warning in unjudged {
            session.warn(warning);
        }
        let strays = strays(session, store, shelf, &policy, now)?;
        let digest = PlanDigest::of(&plan, &strays);
        Ok(Self { plan, strays, digest })
    }
}

/// The plan over what is on the shelf, and what was kept out of it because nothing can be said about it.
pub(super) fn plan_of(
    session: &Session<'_>,
    store: &dyn Store,
    shelf: &Shelf<'_>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<(Plan<Id>, Vec<String>), CliError> {
    let (mut snapshots, mut unjudged) = (Vec::new(), Vec::new());
    for snapshot in shelf.snapshots() {
        let unreadable = snapshot.problems.iter().find(|p| NOT_OURS_TO_JUDGE.contains(&p.code.as_str()));
        match (unreadable, snapshot.started_at) {
            (Some(problem), _) => unjudged.push(format!(
                "{} is kept and counts for nothing: {}",
                snapshot.id,
                crate::view::printable(&problem.detail)
            )),
            (None, None) => unjudged.push(format!("{} is kept: it has no time", snapshot.id)),
            (None, Some(time)) => snapshots.push(point(session, store, shelf, snapshot, time)?),
        }
    }
    Ok((retention::plan(snapshots, policy, now)?, unjudged))
}

/// A snapshot as retention sees it.
fn point(
    session: &Session<'_>,
    store: &dyn Store,
    shelf: &Shelf<'_>,
    snapshot: &backup_contract::Snapshot,
    time: DateTime<Utc>,
) -> Result<Snapshot<Id>, CliError> {
    let mut point = Snapshot::full(Id::from(snapshot.id.as_str()), time);
    if !snapshot.restorable() {
        point = point.incomplete();
    }
    if shelf.proved(snapshot).is_some_and(|(level, _)| level.covers(Level::Content)) {
        point = point.verified();
    }
    // What failed its last verification must not displace what is good.
    if snapshot.suspect || shelf.failed(snapshot).is_some() {
        point = point.suspect();
    }
    if shelf.is_pinned(snapshot) {
        point = point.pinned();
    }
    if let Some(until) = lock_of(store, &session.context, &reference(snapshot).id)? {
        point = point.locked_until(until);
    }
    Ok(point)
}

/// Bundles without a record: runs that were killed before they wrote it, deletions that were killed after they removed it.
/// Younger ones are left alone, as are those that somebody pinned, or a lock holds.
fn strays(
    session: &Session<'_>,
    store: &dyn Store,
    shelf: &Shelf<'_>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Stray>, CliError> {
    let mut strays = Vec::new();
    for stray in &shelf.catalogue.strays {
        let Some(id) = stray.key.parts().nth(2).and_then(|part| part.parse::<SnapshotId>().ok()) else {
            continue;
        };
        let is_old =
            id.state_time().is_some_and(|time| now.signed_duration_since(time) > policy.incomplete_grace());
        if !is_old || !id.fits(&Subject::State) || stray.key != bundle_key(&session.context, &id)? {
            continue;
        }
        let snapshot = SnapshotRef { subject: Subject::State, id: id.clone() };
        let is_locked = lock_of(store, &session.context, &id)?.is_some_and(|until| until > now);
        if !is_locked && !shelf.pins.is_pinned(&snapshot, now) {
            strays.push(Stray { id, row: StrayRow::new(stray.key.to_string(), stray.bytes) });
        }
    }
    Ok(strays)
}
