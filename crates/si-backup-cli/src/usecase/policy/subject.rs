use super::facts::{known, offsite};
use super::schedule;
use crate::args::PolicyArgs;
use crate::settings::ContextSettings;
use crate::usecase::prove::accounted_in;
use crate::usecase::retention::StatePlan;
use crate::{CliError, Judge, Session, Shelf};
use backup_contract::{
    Accounted, Due, Known, Level, Proof, RetentionFacts, Snapshot, SnapshotFacts, Subject, SubjectFacts,
    Task, TierFacts, Wanted, When,
};
use backup_store::Store;
use chrono::{DateTime, Utc};
use restore_guard::{Standing, rehearsals_of};
use retention::{Count, Tier};

/// What is known of the backups of the state.
pub(super) fn state(
    session: &Session<'_>,
    settings: &ContextSettings,
    store: &dyn Store,
    now: DateTime<Utc>,
) -> Result<SubjectFacts, CliError> {
    let shelf = Shelf::read_at(session, store, now)?;
    let planned = StatePlan::of(session, store, &shelf, &PolicyArgs::default(), now);
    let retention = known(planned.map(|planned| of_plan(&planned)));
    Ok(SubjectFacts { retention, ..state_of_shelf(session, settings, &shelf) })
}

/// The same, without what the retention makes of them.
pub(in crate::usecase) fn state_of_shelf(
    session: &Session<'_>,
    settings: &ContextSettings,
    shelf: &Shelf<'_>,
) -> SubjectFacts {
    SubjectFacts {
        host: Known::Known(session.world.host.clone()),
        snapshots: Known::Known(
            shelf.snapshots().iter().map(|snapshot| of_snapshot(shelf, snapshot)).collect(),
        ),
        rehearsals: Known::Known(rehearsals_of(&shelf.evidence, &Subject::State)),
        retention: Known::unknown("nobody asked what is kept"),
        offsite: offsite(settings),
    }
}

fn of_snapshot(shelf: &Shelf<'_>, snapshot: &Snapshot) -> SnapshotFacts {
    let standing = shelf.standing(snapshot);
    let opened = standing.as_ref().and_then(|standing| standing.proof_of(Level::Content));
    let accounted = match opened.map(|evidence| accounted_in(&evidence.record().details)) {
        Some(Some(accounted)) => Known::Known(accounted),
        Some(None) => {
            Known::unknown("its evidence is older than what it should tell; 'si-backup verify' makes new one")
        }
        None => Known::unknown("the newest backup was not opened to look; 'si-backup verify' does"),
    };
    let sealed_to = shelf.catalogue.records.get(&snapshot.id).map(|record| record.recipients);
    SnapshotFacts { sealed_to, ..judged(shelf, snapshot, accounted) }
}

/// What is known of a snapshot, whatever it is of.
pub(super) fn judged(shelf: &dyn Judge, snapshot: &Snapshot, accounted: Known<Accounted>) -> SnapshotFacts {
    let standing = shelf.standing(snapshot);
    SnapshotFacts {
        id: snapshot.id.clone(),
        kind: snapshot.kind,
        started_at: snapshot.started_at,
        checksum: snapshot.checksum,
        restorable: snapshot.restorable(),
        suspect: snapshot.suspect,
        proof: standing.as_ref().and_then(Standing::proved).map(|(level, evidence)| Proof {
            level,
            at: evidence.record().finished_at,
            evidence: evidence.key().to_string(),
        }),
        failed: shelf.failed(snapshot).is_some(),
        sealed_to: None,
        accounted,
    }
}

fn of_plan(planned: &StatePlan) -> RetentionFacts {
    let plan = &planned.plan;
    let tier = |tier| TierFacts {
        wanted: match plan.policy().counts().get(tier) {
            Count::None => Wanted::Copies(0),
            Count::Keep(n) => Wanted::Copies(n.get()),
            Count::All => Wanted::All,
        },
        held: plan.copies(tier) as u64,
    };
    let restorable = plan.decisions().filter(|decision| decision.chain().is_restorable());
    RetentionFacts {
        daily: tier(Tier::Daily),
        weekly: tier(Tier::Weekly),
        monthly: tier(Tier::Monthly),
        oldest: restorable.map(|decision| decision.snapshot().time()).min(),
        overdue: plan.summary().dropped as u64,
    }
}

/// When the next snapshot of the state is due, after one that was begun at `begun`.
pub(in crate::usecase) fn next_snapshot(
    settings: &ContextSettings,
    begun: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Due>, CliError> {
    let schedule = schedule(settings)?;
    let rhythm = schedule.of(&Subject::State).delta;
    let when = When::of(rhythm, schedule.zone(), [begun], now);
    Ok(when.map(|when| Due { task: Task::Snapshot, subject: Subject::State, when }))
}
