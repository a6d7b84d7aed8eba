use super::judgement::Judgement;
use crate::facts::has_come;
use crate::{Facts, Known, Level, SnapshotFacts};
use chrono::{DateTime, Utc};

/// The newest snapshot that can be counted on, as far as times are known.
pub(super) fn newest_sound(
    snapshots: &[SnapshotFacts],
    now: DateTime<Utc>,
) -> Option<(&SnapshotFacts, DateTime<Utc>)> {
    snapshots
        .iter()
        .filter(|snapshot| snapshot.is_sound())
        .filter_map(|snapshot| Some((snapshot, snapshot.started_at.filter(|at| has_come(*at, now))?)))
        .max_by_key(|(snapshot, at)| (*at, &snapshot.id))
}

/// Met when the newest backup of the state that can be counted on was opened, and its proof says that each protected file is
/// in it or recorded as absent.
pub(super) fn protected_files(facts: &Facts, now: DateTime<Utc>) -> Vec<Judgement> {
    let snapshots = match &facts.state.snapshots {
        Known::Known(snapshots) => snapshots,
        Known::Unknown(why) => return vec![Judgement::unknown(why)],
    };
    let Some((newest, _)) = newest_sound(snapshots, now) else {
        return vec![Judgement::violated("no backup of the state can be restored")];
    };
    let evidence = newest.proof.iter().map(|proof| proof.evidence.clone());
    vec![match (&newest.accounted, &newest.proof) {
        (Known::Known(found), Some(proof)) if proof.level.covers(Level::Content) && found.missing == 0 => {
            Judgement::met(format!(
                "the newest backup holds {} protected files, and records {} as absent",
                found.held, found.absent
            ))
            .by(evidence)
        }
        (Known::Known(found), Some(proof)) if proof.level.covers(Level::Content) => Judgement::violated(
            format!("the newest backup tells nothing of {} protected files", found.missing),
        )
        .by(evidence),
        (Known::Unknown(why), _) => Judgement::unknown(why).by(evidence),
        (Known::Known(_), _) => {
            Judgement::unknown("the newest backup was not opened to look; 'si-backup verify' does")
                .by(evidence)
        }
    }]
}

/// Met when every backup of the state was opened since it was stored, for none with such a file passes; what was scanned for
/// secrets when it was made cannot be seen later.
pub(super) fn exclusions(facts: &Facts) -> Vec<Judgement> {
    let snapshots = match &facts.state.snapshots {
        Known::Known(snapshots) => snapshots,
        Known::Unknown(why) => return vec![Judgement::unknown(why)],
    };
    if snapshots.is_empty() {
        return vec![Judgement::not_applicable("there is no backup of the state yet")];
    }
    let opened = |snapshot: &&SnapshotFacts| {
        snapshot
            .proof
            .as_ref()
            .filter(|proof| proof.level.covers(Level::Content))
            .map(|proof| proof.evidence.clone())
    };
    let evidence: Vec<_> = snapshots.iter().filter_map(|snapshot| opened(&snapshot)).collect();
    let unopened = snapshots.len() - evidence.len();
    vec![match (unopened, snapshots.len()) {
        (0, 1) => Judgement::met("the one backup was opened, and holds nothing of the kind").by(evidence),
        (0, n) => {
            Judgement::met(format!("each of {n} backups was opened, and none holds anything of the kind"))
                .by(evidence)
        }
        (unopened, n) => Judgement::unknown(format!(
            "nobody has opened {unopened} of {n} backups to look; 'si-backup verify --all' does"
        )),
    }]
}
