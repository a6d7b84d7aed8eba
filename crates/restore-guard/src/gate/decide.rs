use super::{Allowed, Candidate, LastVerified, Latest, PassedOver, Reason, Refusal, RestoreRequest, Wanted};
use crate::{Evidence, Standing, WhyIgnored};
use backup_contract::{Checksum, Level, SnapshotId};
use chrono::{DateTime, Utc};

/// What the gate says.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// The snapshot may be restored, once this is in the trail and its bytes are here.
    Allowed(Box<Allowed>),
    /// It may not.
    Refused(Box<Refusal>),
}

/// Decides whether the wanted snapshot may take the place of live data. Touches nothing and asks nobody.
///
/// `candidates` are all snapshots of the subject, oldest first.
#[must_use]
pub fn decide(request: &RestoreRequest, candidates: &[Candidate<'_>], now: DateTime<Utc>) -> Decision {
    let asked = request.least;
    let least = request.accept.as_ref().map_or(asked, |accept| accept.level.min(asked));
    let gate = Rules { request, candidates, now, least };
    let (wanted, mut reasons) = gate.wanted();
    let in_the_way = || request.obstacles.iter().cloned().map(Reason::from);
    let too_low = gate.accepted_too_low();

    // A checksum that was given means one snapshot: nobody steps back from that to another.
    // A name that no snapshot has may be a slip of the pen.
    let is_there = !reasons.iter().any(|reason| matches!(reason, Reason::NoSuchId(_)));
    let may_step = request.step_back && request.checksum.is_none() && is_there;
    let passing = gate.last_passing();
    let taken = match (wanted, reasons.is_empty()) {
        (Some(wanted), true) => Some(wanted),
        _ if may_step => passing,
        _ => None,
    };
    if let (Some(taken), true, None) = (taken, request.obstacles.is_empty(), &too_low)
        && let Some(allowed) = gate.allow(taken, wanted)
    {
        return Decision::Allowed(Box::new(allowed));
    }
    if taken.is_some() {
        // What speaks against the wanted one is answered by the one before it.
        reasons.clear();
    }
    // A level that cannot be accepted lets nothing through that could be named.
    let naming = if too_low.is_some() { Rules { least: asked, ..gate } } else { gate };
    reasons.extend(too_low);
    reasons.extend(in_the_way());
    Decision::Refused(Box::new(Refusal {
        id: wanted.map(|wanted| wanted.snapshot.id.clone()).or_else(|| match &request.wanted {
            Wanted::Id(id) => Some(id.clone()),
            Wanted::Latest(_) => None,
        }),
        checksum: wanted.and_then(|wanted| wanted.snapshot.checksum),
        reasons,
        last_verified: naming.last_passing().and_then(|passing| naming.last_verified(passing)),
    }))
}

/// A failure that only the trail remembers: somebody has taken its evidence away.
fn failure_gone(standing: &Standing<'_>, of: Option<Checksum>, least: Level) -> Option<Reason> {
    let gone = standing.ignored().iter().filter_map(|ignored| match ignored.why {
        WhyIgnored::FailureGone { level, at, checksum } => {
            (Some(checksum) == of && least.covers(level)).then_some((level, at))
        }
        _ => None,
    });
    gone.min().map(|(level, at)| Reason::VerificationFailed { level, at })
}

/// The rules that hold for one request.
#[derive(Clone, Copy)]
struct Rules<'r, 'c> {
    request: &'r RestoreRequest,
    candidates: &'r [Candidate<'c>],
    now: DateTime<Utc>,
    /// The level that lets a snapshot through.
    least: Level,
}

impl<'r, 'c> Rules<'r, 'c> {
    /// The snapshot that is meant, and everything that speaks against it.
    fn wanted(&self) -> (Option<&'r Candidate<'c>>, Vec<Reason>) {
        let newest_first = || self.candidates.iter().rev();
        let found = match &self.request.wanted {
            Wanted::Id(id) => match newest_first().find(|candidate| candidate.snapshot.id == *id) {
                Some(found) => Some(found),
                None => return (None, vec![Reason::NoSuchId(id.clone())]),
            },
            Wanted::Latest(latest) => {
                let is_meant = |candidate: &&Candidate<'_>| {
                    candidate.snapshot.restorable() && !candidate.snapshot.suspect && !candidate.is_foreign
                };
                let passes = |candidate: &&Candidate<'_>| self.against(candidate).is_empty();
                let newest = || newest_first().find(is_meant).or_else(|| self.candidates.last());
                match latest {
                    Latest::Newest => newest(),
                    Latest::NewestPassing => newest_first().find(passes).or_else(newest),
                }
            }
        };
        match found {
            Some(found) => (Some(found), self.against(found)),
            None => (None, vec![Reason::NothingThere(self.request.subject.clone())]),
        }
    }

    /// Everything that speaks against a snapshot.
    fn against(&self, candidate: &Candidate<'_>) -> Vec<Reason> {
        let snapshot = candidate.snapshot;
        let mut reasons = Vec::new();
        if !snapshot.problems.is_empty() {
            let told: Vec<_> = snapshot.problems.iter().map(|problem| problem.detail.as_str()).collect();
            reasons.push(Reason::NotRestorable(told.join("; ")));
        }
        if candidate.is_foreign {
            reasons.push(Reason::Foreign);
        }
        match (snapshot.checksum, self.request.checksum) {
            (None, _) => reasons.push(Reason::NoChecksum),
            (Some(found), Some(expected)) if found != expected => {
                reasons.push(Reason::OtherChecksum { expected, found });
            }
            _ => {}
        }
        if snapshot.suspect {
            reasons.push(Reason::Suspect);
        }
        if let Some(standing) = &candidate.standing {
            let is_given = self.request.checksum.is_some() && self.request.checksum == snapshot.checksum;
            match (failure_gone(standing, snapshot.checksum, self.least), is_given) {
                (Some(failed), _) => reasons.push(failed),
                (None, is_given) => self.against_standing(standing, is_given, &mut reasons),
            }
        } else if snapshot.checksum.is_some() {
            reasons.push(Reason::NotVerified { asked: self.least, proved: None });
        }
        reasons
    }

    /// `is_given`: the operator knows its bytes.
    fn against_standing(&self, standing: &Standing<'_>, is_given: bool, reasons: &mut Vec<Reason>) {
        let least = self.least;
        if let Some(proof) = standing.proof_of(least) {
            let at = proof.record().finished_at;
            if self.now.signed_duration_since(at) > self.request.max_age {
                reasons.push(Reason::EvidenceTooOld { at, max_age: self.request.max_age });
            }
            return;
        }
        if let Some(failure) = standing.failure().filter(|failure| least.covers(failure.record().level)) {
            let record = failure.record();
            reasons.push(Reason::VerificationFailed { level: record.level, at: record.finished_at });
            return;
        }
        let proved = standing.proved().map(|(level, _)| level);
        if proved.is_none() && standing.failure().is_none() && is_given {
            // Nobody who is trusted says otherwise.
            return;
        }
        reasons.push(Reason::NotVerified { asked: least, proved });
        let mut strangers = Vec::new();
        if standing.ignored().iter().any(|ignored| matches!(ignored.why, WhyIgnored::NotInTrail)) {
            reasons.push(Reason::NotInTrail);
        }
        for ignored in standing.ignored() {
            match &ignored.why {
                WhyIgnored::OtherChecksum { found } => {
                    let reason = Reason::OtherBytesVerified(*found);
                    if !reasons.contains(&reason) {
                        reasons.push(reason);
                    }
                }
                WhyIgnored::UnknownWriter { key_ids } => strangers.push(key_ids),
                _ => {}
            }
        }
        if !strangers.is_empty() {
            let mut keys: Vec<String> = strangers.into_iter().flatten().cloned().collect();
            keys.sort();
            keys.dedup();
            reasons.push(Reason::UnknownWriter { keys });
        }
    }

    /// The newest snapshot against which nothing speaks.
    fn last_passing(&self) -> Option<&'r Candidate<'c>> {
        self.candidates.iter().rev().find(|candidate| self.against(candidate).is_empty())
    }

    /// A lower level is no way around something that was proved better.
    fn accepted_too_low(&self) -> Option<Reason> {
        let accepted = self.request.accept.as_ref()?.level;
        let proved = |candidate: &Candidate<'_>| -> Option<(Level, SnapshotId)> {
            if !candidate.snapshot.restorable() || candidate.snapshot.suspect || candidate.is_foreign {
                return None;
            }
            let (level, _) = candidate.standing.as_ref()?.proved()?;
            Some((level.min(self.request.least), candidate.snapshot.id.clone()))
        };
        let (best, id) = self.candidates.iter().filter_map(proved).max_by_key(|(level, _)| *level)?;
        (accepted < best).then_some(Reason::AcceptedTooLow { accepted, best, id })
    }

    fn proof(&self, candidate: &Candidate<'c>) -> Option<&'c Evidence> {
        candidate.standing.as_ref()?.proof_of(self.least)
    }

    fn last_verified(&self, candidate: &Candidate<'c>) -> Option<LastVerified> {
        // Level and time of one record: of the strongest level there may be older words only.
        let record = self.proof(candidate)?.record();
        Some(LastVerified {
            id: candidate.snapshot.id.clone(),
            checksum: candidate.snapshot.checksum?,
            level: record.level,
            at: record.finished_at,
            accept: self.request.accept.clone().filter(|_| self.least < self.request.least),
        })
    }

    fn allow(&self, taken: &Candidate<'c>, wanted: Option<&Candidate<'c>>) -> Option<Allowed> {
        let passed_over: Vec<&Candidate<'c>> = match self.request.wanted {
            // Who asks for one by its name passes over that one alone, older or newer.
            Wanted::Id(_) => wanted.into_iter().filter(|wanted| !std::ptr::eq(*wanted, taken)).collect(),
            Wanted::Latest(_) => {
                self.candidates.iter().rev().take_while(|other| !std::ptr::eq(*other, taken)).collect()
            }
        };
        let passed_over = passed_over
            .into_iter()
            .map(|other| PassedOver { id: other.snapshot.id.clone(), reasons: self.against(other) });
        Some(Allowed::new(
            self.request,
            taken.snapshot.id.clone(),
            taken.snapshot.checksum?,
            self.proof(taken),
            passed_over.collect(),
        ))
    }
}
