use super::judgement::Judgement;
use crate::{Facts, Gate, Known, Level, LockState, Outcome, RestoreFact, TrailFacts, VaultState};

/// Met when every restore passes a gate that asks for evidence of at least level `checksum`, and when each restore that the
/// trail knows of had an id, a checksum and evidence.
pub(super) fn gate(facts: &Facts) -> Vec<Judgement> {
    let mut parts = vec![match &facts.gate {
        Known::Unknown(why) => Judgement::unknown(why),
        Known::Known(Gate::NoRestores) => {
            Judgement::not_applicable("this version restores nothing into a live place")
        }
        Known::Known(Gate::Evidence(level)) if level.covers(Level::Checksum) => {
            Judgement::met(format!("a restore needs evidence of level '{level}' or more"))
        }
        Known::Known(Gate::Evidence(level)) => Judgement::violated(format!(
            "the gate lets a backup through that is proved at level '{level}' only: nobody has read its bytes"
        )),
    }];
    parts.extend(of_restores(facts, |restore| {
        let lacks: Vec<_> = [
            ("id", restore.id.is_none()),
            ("checksum", restore.checksum.is_none()),
            ("evidence", restore.evidence.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, lacks)| lacks.then_some(name))
        .collect();
        if lacks.is_empty() {
            Judgement::met("each restore had an id, a checksum and evidence").by(restore.evidence.clone())
        } else {
            Judgement::violated(format!("a restore was begun without {}", lacks.join(", ")))
                .by([restore.record.clone()])
        }
    }));
    parts
}

/// Met when the trail is whole and each restore in it has all its fields.
pub(super) fn log(facts: &Facts) -> Vec<Judgement> {
    let mut parts = of_restores(facts, |restore| {
        let record = [restore.record.clone()];
        if restore.missing.is_empty() {
            Judgement::met("each restore is recorded with all its fields").by(record)
        } else {
            Judgement::violated(format!(
                "{} is recorded without {}",
                restore.record,
                restore.missing.join(", ")
            ))
            .by(record)
        }
    });
    if let Known::Known(TrailFacts { problems, .. }) = &facts.trail {
        // What was changed or removed could have been about a restore.
        parts.extend(problems.iter().map(|problem| Judgement::violated(format!("the trail: {problem}"))));
    }
    parts
}

/// Met when after each restore whose checks failed the mutation lock is shut, or was opened by checks that passed or by an
/// operator who said why.
pub(super) fn mutation(facts: &Facts) -> Vec<Judgement> {
    of_restores(facts, |restore| match (&restore.checks, &restore.lock) {
        (Known::Known(Some(Outcome::Passed)), _) => {
            Judgement::not_applicable("the checks after each restore passed")
        }
        (Known::Unknown(why), _) | (Known::Known(_), Known::Unknown(why)) => Judgement::unknown(why),
        (Known::Known(_), Known::Known(LockState::Open)) => Judgement::violated(format!(
            "the checks after {} have not passed, and its mutation lock is open",
            restore.record
        ))
        .by([restore.record.clone()]),
        (Known::Known(_), Known::Known(_)) => {
            Judgement::met(format!("the mutation lock after {} was shut", restore.record))
                .by([restore.record.clone()])
        }
    })
}

/// Met when after each restore the vault matched, or what did not was reported and nothing was written.
pub(super) fn vault(facts: &Facts) -> Vec<Judgement> {
    of_restores(facts, |restore| match &restore.vault {
        Known::Unknown(why) => Judgement::unknown(why),
        Known::Known(VaultState::Injected) => {
            Judgement::violated(format!("secrets were written into what {} restored", restore.record))
        }
        Known::Known(VaultState::Matches | VaultState::Reported) => {
            Judgement::met("no secret was written into a restored state")
        }
    })
}

fn of_restores(facts: &Facts, judge: impl Fn(&RestoreFact) -> Judgement) -> Vec<Judgement> {
    match &facts.trail {
        Known::Unknown(why) => vec![Judgement::unknown(why)],
        Known::Known(trail) if trail.restores.is_empty() => {
            vec![Judgement::not_applicable("nothing was ever restored into a live place")]
        }
        Known::Known(trail) => trail.restores.iter().map(judge).collect(),
    }
}
