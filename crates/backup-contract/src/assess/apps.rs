use super::judgement::Judgement;
use crate::{AppFacts, ClauseId, Facts, Finding, Known, Severity};

/// Met when each active app is named by the settings, was held to its profile in full, and nothing of weight was found.
pub(super) fn contract(facts: &Facts) -> Vec<Judgement> {
    of_active(facts, |app| {
        if app.configured {
            of_contract(ClauseId::AppContract, app)
        } else {
            Judgement::violated("it is active, and the settings do not name it: nothing backs it up")
        }
    })
}

/// Met when the compose project of each active app was looked at in full, and publishes no Databasus in any way.
pub(super) fn databasus(facts: &Facts) -> Vec<Judgement> {
    of_active(facts, |app| of_contract(ClauseId::DatabasusPrivate, app))
}

/// What the contracts of the active apps say about a clause that is about other things too: nothing, where there is no app.
pub(super) fn covered(clause: ClauseId, facts: &Facts) -> Vec<Judgement> {
    match &facts.apps {
        Known::Known(apps) if !apps.iter().any(|app| app.active) => Vec::new(),
        _ => of_active(facts, |app| of_contract(clause, app)),
    }
}

/// What was found about a clause in the active apps, and what that makes of it: an error violates it, and so does nothing
/// less; what could not be judged leaves it unknown.
pub(super) fn found(clause: ClauseId, facts: &Facts) -> (Vec<Judgement>, Vec<Finding>) {
    let (mut parts, mut findings) = (Vec::new(), Vec::new());
    for app in facts.active_apps() {
        let Some(contract) = app.contract.known() else { continue };
        for finding in contract.checked.findings.iter().filter(|finding| finding.clause == Some(clause)) {
            if finding.severity == Severity::Error {
                let said = format!("{} {} [{}]", finding.place, finding.detail, finding.code);
                parts.push(Judgement::violated(said).of_subject(subject(app)));
            }
            findings.push(finding.clone());
        }
        for unjudged in contract.checked.unjudged.iter().filter(|unjudged| unjudged.clause == clause) {
            parts.push(Judgement::unknown(&unjudged.why).of_subject(subject(app)));
        }
    }
    (parts, findings)
}

/// Whether the contract of an app was looked at with this clause in mind. What was found there is [`found`]'s.
fn of_contract(clause: ClauseId, app: &AppFacts) -> Judgement {
    match &app.contract {
        Known::Known(contract) if contract.covers.contains(&clause) => {
            Judgement::met("nothing in its contract speaks against it")
        }
        Known::Known(_) => Judgement::unknown("nothing that was looked at of it tells"),
        Known::Unknown(why) => Judgement::unknown(why),
    }
}

/// One part for each active app.
fn of_active(facts: &Facts, judge: impl Fn(&AppFacts) -> Judgement) -> Vec<Judgement> {
    match &facts.apps {
        Known::Unknown(why) => vec![Judgement::unknown(why)],
        Known::Known(_) if facts.active_apps().next().is_none() => {
            vec![Judgement::not_applicable("there is no active app")]
        }
        Known::Known(_) => facts.active_apps().map(|app| judge(app).of_subject(subject(app))).collect(),
    }
}

fn subject(app: &AppFacts) -> crate::Subject {
    crate::Subject::App(app.slug.clone())
}
