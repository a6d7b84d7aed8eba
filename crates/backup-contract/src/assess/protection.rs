use super::apps;
use super::judgement::Judgement;
use super::scope::newest_sound;
use crate::{ClauseId, Facts, Known, Passage, Placement, Subject, Transit, Whereabouts};
use chrono::{DateTime, Utc};

/// Met when the newest backup of the state is sealed to more recipients than identities are kept on this host, when new ones
/// will be too, and when the contract of each active app says that its database's backups are encrypted.
pub(super) fn at_rest(facts: &Facts, now: DateTime<Utc>) -> Vec<Judgement> {
    let mut parts = vec![state_at_rest(facts, now).of_subject(Subject::State)];
    parts.extend(apps::covered(ClauseId::EncryptedAtRest, facts));
    parts
}

fn state_at_rest(facts: &Facts, now: DateTime<Utc>) -> Judgement {
    let openers = match &facts.openers {
        Known::Known(openers) => openers,
        Known::Unknown(why) => return Judgement::unknown(why),
    };
    if openers.recipients == 0 {
        return Judgement::violated("the settings name nobody who could open a backup");
    }
    if openers.away == 0 {
        return Judgement::violated(
            "every recipient's identity is on this host; add one whose identity is kept elsewhere",
        );
    }
    let snapshots = match &facts.state.snapshots {
        Known::Known(snapshots) => snapshots,
        Known::Unknown(why) => return Judgement::unknown(why),
    };
    let Some((newest, _)) = newest_sound(snapshots, now) else {
        return Judgement::not_applicable("nothing is stored that could be restored");
    };
    match newest.sealed_to {
        None => Judgement::unknown("the record of the newest backup does not tell to whom it is sealed"),
        Some(0) => Judgement::violated("the newest backup is not sealed"),
        Some(sealed_to) if sealed_to <= openers.identities_here => Judgement::violated(format!(
            "the newest backup may be sealed to {sealed_to} of this host's own identities and nobody else; \
             'si-backup run' makes one that is sealed to the recipients of today"
        )),
        Some(sealed_to) => Judgement::met(format!(
            "sealed to {sealed_to} recipients, of whom this host could be {}",
            openers.identities_here
        ))
        .by(newest.proof.iter().map(|proof| proof.evidence.clone())),
    }
}

/// Met when each way to a store is a directory or an encrypted connection (outside of production also this host itself), and
/// when the contract of each active app says so of its bucket.
pub(super) fn in_transit(facts: &Facts) -> Vec<Judgement> {
    let mut parts = match &facts.passages {
        Known::Known(passages) if passages.is_empty() => {
            vec![Judgement::not_applicable("nothing is stored anywhere")]
        }
        Known::Known(passages) => passages.iter().map(|passage| of_passage(facts, passage)).collect(),
        Known::Unknown(why) => vec![Judgement::unknown(why)],
    };
    parts.extend(apps::covered(ClauseId::EncryptedInTransit, facts));
    parts
}

fn of_passage(facts: &Facts, passage: &Passage) -> Judgement {
    match &passage.transit {
        Known::Unknown(why) => Judgement::unknown(why),
        Known::Known(Transit::Directory) => {
            Judgement::met("is a directory; what is written there is sealed already")
        }
        Known::Known(Transit::Encrypted) => Judgement::met("is reached over TLS"),
        Known::Known(Transit::PlainLoopback) if !facts.production => {
            Judgement::met("is this host itself, and not production")
        }
        Known::Known(Transit::PlainLoopback | Transit::Plain) => {
            Judgement::violated("is reached in the clear; give it an endpoint with https")
        }
    }
    .of_subject(&passage.to)
}

/// Met when everything that must not be committed was looked up, and none of it lies inside a git work tree.
pub(super) fn outside_git(facts: &Facts) -> Vec<Judgement> {
    match &facts.placements {
        Known::Known(placements) if placements.is_empty() => {
            vec![Judgement::unknown("nothing was looked up")]
        }
        Known::Known(placements) => {
            let mut parts: Vec<_> = placements.iter().filter_map(out_of_place).collect();
            if parts.is_empty() {
                let names: Vec<_> = placements.iter().map(|placement| placement.what.as_str()).collect();
                parts.push(Judgement::met(format!("outside of git work trees: {}", names.join(", "))));
            }
            parts
        }
        Known::Unknown(why) => vec![Judgement::unknown(why)],
    }
}

fn out_of_place(placement: &Placement) -> Option<Judgement> {
    let Placement { what, path, whereabouts } = placement;
    match whereabouts {
        Known::Known(Whereabouts::Outside) => None,
        Known::Known(Whereabouts::InGit(tree)) => {
            Some(Judgement::violated(format!("{what} lies at {path}, inside the git work tree {tree}")))
        }
        Known::Unknown(why) => Some(Judgement::unknown(format!("{what}: {why}"))),
    }
}
