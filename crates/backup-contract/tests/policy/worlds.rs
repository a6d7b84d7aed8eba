//! A world in which every clause is met, and the ways to spoil it.

use backup_contract::{
    Accounted, AppFacts, ClauseId, ContractFacts, Drill, Facts, Gate, Known, Level, LockState, Offsite,
    OffsiteCopy, Openers, Outcome, Passage, Placement, Proof, Rehearsal, RestoreFact, RetentionFacts,
    SnapshotFacts, SnapshotId, SnapshotKind, Subject, SubjectFacts, TierFacts, TrailFacts, Transit,
    VaultState, Wanted, Whereabouts,
};
use chrono::{DateTime, TimeDelta, Utc};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// When everything is as it should be.
pub(crate) fn now() -> DateTime<Utc> {
    at("2026-11-23T12:00:00Z")
}

pub(crate) fn ago(time: TimeDelta) -> DateTime<Utc> {
    now() - time
}

pub(crate) fn minutes(n: i64) -> DateTime<Utc> {
    ago(TimeDelta::minutes(n))
}

pub(crate) fn hours(n: i64) -> DateTime<Utc> {
    ago(TimeDelta::hours(n))
}

pub(crate) fn days(n: i64) -> DateTime<Utc> {
    ago(TimeDelta::days(n))
}

pub(crate) fn snapshot(kind: SnapshotKind, started_at: DateTime<Utc>) -> SnapshotFacts {
    let id = match kind {
        SnapshotKind::Bundle => SnapshotId::state(started_at, 7),
        _ => format!("base_{:024X}", started_at.timestamp()).parse().unwrap(),
    };
    let is_bundle = kind == SnapshotKind::Bundle;
    SnapshotFacts {
        proof: Some(Proof { level: Level::Content, at: started_at, evidence: format!("evidence of {id}") }),
        id,
        kind,
        started_at: Some(started_at),
        checksum: Some(backup_contract::Checksum::from_sha256([7; 32])),
        restorable: true,
        suspect: false,
        failed: false,
        sealed_to: is_bundle.then_some(2),
        accounted: if is_bundle {
            Known::Known(Accounted { held: 8, absent: 2, missing: 0 })
        } else {
            Known::unknown("a database has no protected files")
        },
    }
}

pub(crate) fn rehearsal(host: &str, started_at: DateTime<Utc>, outcome: Outcome) -> Rehearsal {
    Rehearsal {
        id: SnapshotId::state(started_at, 9),
        host: host.into(),
        started_at,
        outcome,
        evidence: format!("evidence of a rehearsal on {host}"),
    }
}

pub(crate) fn drill(subject: &Subject, started_at: DateTime<Utc>, outcome: Outcome) -> Drill {
    Drill {
        subject: subject.clone(),
        operator: "ada".into(),
        started_at,
        outcome,
        record: format!("record of {subject}"),
    }
}

pub(crate) fn copy(taken_at: DateTime<Utc>) -> OffsiteCopy {
    OffsiteCopy {
        id: SnapshotId::state(taken_at, 7),
        taken_at,
        copied_at: taken_at + TimeDelta::hours(2),
        complete: true,
        locked_until: Some(taken_at + TimeDelta::days(40)),
        needed_until: Some(taken_at + TimeDelta::days(37)),
    }
}

pub(crate) fn restore() -> RestoreFact {
    RestoreFact {
        subject: Some(Subject::State),
        id: Some(SnapshotId::state(days(9), 7)),
        checksum: Some(backup_contract::Checksum::from_sha256([7; 32])),
        evidence: Some("evidence of the restored".into()),
        at: days(8),
        record: "writer/12".into(),
        missing: Vec::new(),
        checks: Known::Known(Some(Outcome::Failed)),
        lock: Known::Known(LockState::Shut),
        vault: Known::Known(VaultState::Reported),
    }
}

fn subject(host: &str, snapshots: Vec<SnapshotFacts>) -> SubjectFacts {
    let tier = |n: u32| TierFacts { wanted: Wanted::Copies(n), held: n.into() };
    SubjectFacts {
        host: Known::Known(host.into()),
        snapshots: Known::Known(snapshots),
        rehearsals: Known::Known(vec![rehearsal("rehearse-1", hours(9), Outcome::Passed)]),
        retention: Known::Known(RetentionFacts {
            daily: tier(7),
            weekly: tier(4),
            monthly: tier(3),
            oldest: Some(days(100)),
            overdue: 0,
        }),
        offsite: Offsite::Copies(Known::Known(vec![copy(hours(10))])),
    }
}

/// Production, with one app, in which every clause is met.
pub(crate) fn sound() -> Facts {
    let shop = Subject::App("shop".parse().unwrap());
    let databases = vec![
        snapshot(SnapshotKind::Full, at("2026-11-23T02:00:05Z")),
        snapshot(SnapshotKind::Delta, minutes(30)),
    ];
    let states = vec![snapshot(SnapshotKind::Bundle, hours(26)), snapshot(SnapshotKind::Bundle, minutes(20))];
    Facts {
        production: true,
        placements: Known::Known(vec![Placement {
            what: "settings".into(),
            path: "/etc/si/config.toml".into(),
            whereabouts: Known::Known(Whereabouts::Outside),
        }]),
        openers: Known::Known(Openers { recipients: 2, away: 1, identities_here: 1 }),
        passages: Known::Known(vec![Passage {
            to: "control store s3://bucket".into(),
            transit: Known::Known(Transit::Encrypted),
        }]),
        state: subject("prod-1", states),
        apps: Known::Known(vec![AppFacts {
            slug: "shop".parse().unwrap(),
            active: true,
            configured: true,
            subject: subject("prod-1", databases),
            contract: Known::Known(ContractFacts {
                covers: ClauseId::ALL.into_iter().collect(),
                ..ContractFacts::default()
            }),
        }]),
        gate: Known::Known(Gate::Evidence(Level::Content)),
        trail: Known::Known(TrailFacts { problems: Vec::new(), restores: vec![restore()] }),
        drills: Known::Known(vec![
            drill(&Subject::State, days(40), Outcome::Passed),
            drill(&shop, days(50), Outcome::Passed),
        ]),
    }
}

/// What is known, to be changed.
pub(crate) fn known<T>(fact: &mut Known<T>) -> &mut T {
    match fact {
        Known::Known(value) => value,
        Known::Unknown(why) => panic!("it is not known: {why}"),
    }
}

pub(crate) fn shop(facts: &mut Facts) -> &mut AppFacts {
    &mut known(&mut facts.apps)[0]
}
