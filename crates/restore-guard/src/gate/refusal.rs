use super::{AcceptedLevel, Reason, RestoreRequest, Wanted};
use crate::{ActOutcome, Action, TrailEvent};
use backup_contract::{Checksum, Level, SnapshotId, SnapshotRef};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// No, with every reason at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The snapshot that was meant; `None` where there is none.
    pub id: Option<SnapshotId>,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// Why not. Never empty.
    pub reasons: Vec<Reason>,
    /// What would be let through, but for what stands in the way of every restore.
    pub last_verified: Option<LastVerified>,
}

/// The newest snapshot that would be let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastVerified {
    /// The snapshot.
    pub id: SnapshotId,
    /// Its checksum.
    pub checksum: Checksum,
    /// The level of the evidence that lets it through.
    pub level: Level,
    /// When that evidence was made.
    pub at: DateTime<Utc>,
    /// The lower level with which it is let through, where it is not without.
    pub accept: Option<AcceptedLevel>,
}

impl Refusal {
    /// What is to be asked for instead: it is let through, once nothing stands in the way of every restore.
    #[must_use]
    pub fn instead_of(&self, request: &RestoreRequest) -> Option<RestoreRequest> {
        let last = self.last_verified.as_ref()?;
        Some(RestoreRequest {
            wanted: Wanted::Id(last.id.clone()),
            checksum: None,
            accept: last.accept.clone(),
            step_back: false,
            obstacles: Vec::new(),
            ..request.clone()
        })
    }

    /// The entry of the trail that tells of it.
    #[must_use]
    pub fn event(&self, request: &RestoreRequest) -> TrailEvent {
        let codes: Vec<Value> = self.reasons.iter().map(|reason| reason.code().into()).collect();
        let told: Vec<_> = self.reasons.iter().map(ToString::to_string).collect();
        let mut event = TrailEvent::new(&request.operator, Action::Restore, ActOutcome::Refused)
            .subject(request.subject.clone())
            .detail("requested", requested(request))
            .detail("reasons", codes)
            .detail("why", told.join("; "));
        if let Some(id) = &self.id {
            event = event.snapshot(SnapshotRef { subject: request.subject.clone(), id: id.clone() });
        }
        if let Some(checksum) = self.checksum {
            event = event.checksum(checksum);
        }
        if let Some(last) = &self.last_verified {
            event = event.detail("last_verified", last.id.to_string());
        }
        event
    }
}

/// What was asked for, in words that a script can compare.
pub(super) fn requested(request: &RestoreRequest) -> String {
    match &request.wanted {
        Wanted::Id(id) => id.to_string(),
        Wanted::Latest(_) => "LATEST".to_owned(),
    }
}
