use super::refusal::requested;
use super::{Grant, Permit, Reason, RestoreRequest, What};
use crate::{ActOutcome, Action, Error, Evidence, Trail, TrailEvent};
use backup_contract::{Checksum, Level, SnapshotId, SnapshotRef};
use backup_store::Key;
use chrono::{DateTime, TimeDelta, Utc};
use std::path::{Path, PathBuf};

/// For how long a permit is good: what was proved is to be used soon.
const VALID_FOR: TimeDelta = TimeDelta::hours(1);

/// What the trail names instead of evidence where an operator gave the checksum.
const BY_OPERATOR: &str = "checksum-given-by-operator";

/// A snapshot that was passed over for an older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The snapshot.
    pub id: SnapshotId,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// A snapshot that may be restored. Nothing is done yet, and nothing can be, before it is announced.
///
/// ```compile_fail
/// fn without_the_trail(allowed: restore_guard::Allowed) {
///     let permit: restore_guard::Permit = allowed.permit(); // there is no such way
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Allowed {
    request: RestoreRequest,
    id: SnapshotId,
    checksum: Checksum,
    evidence: Option<(Key, Level, DateTime<Utc>)>,
    passed_over: Vec<PassedOver>,
}

impl Allowed {
    pub(super) fn new(
        request: &RestoreRequest,
        id: SnapshotId,
        checksum: Checksum,
        proof: Option<&Evidence>,
        passed_over: Vec<PassedOver>,
    ) -> Self {
        let evidence = proof.map(|proof| {
            let record = proof.record();
            (proof.key().clone(), record.level, record.finished_at)
        });
        Self { request: request.clone(), id, checksum, evidence, passed_over }
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> SnapshotRef {
        SnapshotRef { subject: self.request.subject.clone(), id: self.id.clone() }
    }

    /// Its checksum: that of the bytes that were proved.
    #[must_use]
    pub const fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// The evidence that it rests on: where it lies, its level, and when it was made; `None` where the operator knows the
    /// bytes by their checksum.
    #[must_use]
    pub const fn evidence(&self) -> Option<&(Key, Level, DateTime<Utc>)> {
        self.evidence.as_ref()
    }

    /// The newer snapshots that were passed over for it, newest first, and why.
    #[must_use]
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// What the trail names as that on which it rests: where the evidence lies, or that the operator gave the checksum.
    #[must_use]
    pub fn rests_on(&self) -> String {
        self.evidence.as_ref().map_or_else(|| BY_OPERATOR.to_owned(), |(key, ..)| key.to_string())
    }

    /// What was asked for: an id, or `LATEST`.
    #[must_use]
    pub fn requested(&self) -> String {
        requested(&self.request)
    }

    /// Whom to name, and by what, in every entry of the trail about this restore.
    #[must_use]
    pub fn event(&self, outcome: ActOutcome) -> TrailEvent {
        let mut event = TrailEvent::new(&self.request.operator, Action::Restore, outcome)
            .snapshot(self.snapshot())
            .checksum(self.checksum)
            .detail("evidence", self.rests_on())
            .detail("requested", self.requested());
        if let Some(accept) = &self.request.accept {
            event =
                event.detail("accepted_level", accept.level.as_str()).detail("reason", accept.reason.clone());
        }
        if !self.passed_over.is_empty() {
            let ids: Vec<serde_json::Value> =
                self.passed_over.iter().map(|over| over.id.to_string().into()).collect();
            event = event.detail("passed_over", ids);
        }
        event
    }

    /// Writes into the trail, durably, that the snapshot is about to be restored into `target`.
    ///
    /// # Errors
    /// Those of [`Trail::append`]; then nothing may be done.
    pub fn announce(self, target: &Path, trail: &Trail, now: DateTime<Utc>) -> crate::Result<Announced> {
        let event = self.event(ActOutcome::Announced).detail("target", target.display().to_string());
        let entry = trail.append(&event, now)?.line;
        Ok(Announced { allowed: self, target: target.to_owned(), request: entry.digest })
    }
}

/// A restore that is in the trail. What is missing are the bytes.
#[derive(Debug)]
pub struct Announced {
    allowed: Allowed,
    /// The live place that it is to be restored into.
    target: PathBuf,
    request: Checksum,
}

/// Brings a snapshot into a new directory, proving it on the way.
pub trait Materialise {
    /// What is known of it then.
    type Output;
    /// What may go wrong.
    type Error: From<Error>;

    /// Fetches the snapshot and unpacks it at `into`, which does not exist yet. Returns the checksum that the fetched bytes
    /// really had.
    ///
    /// # Errors
    /// Whatever keeps it from being there whole and proved; then there is nothing at `into`.
    fn materialise(
        &mut self,
        snapshot: &SnapshotRef,
        into: &Path,
    ) -> Result<(Checksum, Self::Output), Self::Error>;
}

impl Announced {
    /// What is to be restored.
    #[must_use]
    pub const fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// By which entry of the trail it was announced.
    #[must_use]
    pub const fn request(&self) -> Checksum {
        self.request
    }

    /// Has the snapshot brought to `into`, and permits to use that very directory if its bytes are the proved ones.
    ///
    /// # Errors
    /// Those of `source`; [`Error::BytesChanged`].
    pub fn fetch<M: Materialise>(
        self,
        source: &mut M,
        into: &Path,
        now: impl FnOnce() -> DateTime<Utc>,
    ) -> Result<(Permit, M::Output), M::Error> {
        let (found, output) = source.materialise(&self.allowed.snapshot(), into)?;
        let Allowed { request, id, checksum, evidence, .. } = self.allowed;
        if found != checksum {
            return Err(Error::BytesChanged { id: id.to_string(), proved: checksum, found }.into());
        }
        let granted_at = now();
        let grant = Grant {
            context: request.context,
            subject: request.subject,
            id,
            checksum,
            operator: request.operator,
            evidence: evidence.map(|(key, ..)| key),
            request: self.request,
            granted_at,
            valid_until: granted_at + VALID_FOR,
        };
        Ok((Permit::new(grant, What::of(into, self.target)), output))
    }
}
