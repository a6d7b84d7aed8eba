use super::plan::{report, summary};
use super::state::StatePlan;
use crate::args::ApplyArgs;
use crate::report::{message_of, row};
use crate::usecase::init;
use crate::usecase::restore::LivePlace;
use crate::view::{self, ApplyRow, ApplySummary, Became, DoneSummary, PlanSummary, StrayRow};
use crate::{CliError, Report, Session};
use backup_contract::{SnapshotId, SnapshotRef, Subject};
use backup_store::{Key, Store};
use paas_state::{Catalogue, Consent, Fate, Purge, Purged};
use restore_guard::{ActOutcome, Action, Pins};
use retention::{Outcome, PlanRow, Rule};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

const COMMAND: &str = "backup retention apply";

/// How many snapshots one entry of the trail names: it has to stay short enough to be copied.
const PER_ENTRY: usize = 2_000;

/// Deletes what the plan drops, and exactly that.
pub(super) fn apply(session: &Session<'_>, args: &ApplyArgs) -> Result<Report, CliError> {
    let store = session.open_store()?;
    if !args.yes {
        let planned = StatePlan::make(session, &*store, &args.policy, session.now())?;
        return Ok(ask(session, args, planned));
    }
    refuse_in_doubt(session)?;
    // Another host's context of the same name is not to be touched.
    init::claim(session, &*store, &session.home.open_signing_key()?)?;
    let (retention, run) = (format!("retention-{}", session.context), session.state_lease());
    let told = RefCell::new(None);
    // No other apply, and no run: one that is half-way has stored a bundle and not yet its record.
    let done = session.with_lease(&*store, &retention, |lost| {
        session.with_lease(&*store, &run, |run_lost| {
            // Again: a restore may have been waited for.
            refuse_in_doubt(session)?;
            told.replace(Some(execute(session, &*store, args, [lost, run_lost])?));
            Ok(())
        })
    });
    match (done, told.into_inner()) {
        (Ok(()), Some(report)) => Ok(report),
        // What was deleted was deleted, also when a lease was lost meanwhile.
        (Err(error), Some(report)) => Ok(report.with_error(error)),
        (Err(error), None) => Err(error),
        (Ok(()), None) => Err(CliError::usage("nothing was done", "run it again")),
    }
}

/// While a restore has not passed its checks nobody knows which snapshots will be needed.
fn refuse_in_doubt(session: &Session<'_>) -> Result<(), CliError> {
    // Where there is no context there was no restore into it.
    let place = match LivePlace::open(session) {
        Err(CliError::State(paas_state::Error::NoContext { .. })) if session.global.state_root.is_none() => {
            return Ok(());
        }
        place => place?,
    };
    place.refuse_half_way()?;
    Ok(place.lock().standing(&Subject::State)?.refuse_shut()?)
}

/// Shows the plan, and what it takes to have it done.
fn ask(session: &Session<'_>, args: &ApplyArgs, planned: StatePlan) -> Report {
    let changed = changed(args, &planned);
    let (snapshots, strays) = (planned.plan.summary().dropped, planned.strays.len());
    let plan_id = planned.digest.short().to_owned();
    let report = report(COMMAND, session, planned);
    match changed {
        Some(error) => report.with_error(error),
        None if snapshots + strays == 0 => report,
        None => report.with_error(CliError::YesRequired { what: what(snapshots, strays), plan_id }),
    }
}

fn what(snapshots: usize, strays: usize) -> String {
    let snapshots = view::count(snapshots, "snapshot", "snapshots");
    match strays {
        0 => snapshots,
        n => format!("{snapshots} and {}", view::count(n, "stray bundle", "stray bundles")),
    }
}

fn changed(args: &ApplyArgs, planned: &StatePlan) -> Option<CliError> {
    let asked = args.plan_id.as_ref().filter(|asked| !planned.digest.is(asked))?;
    Some(CliError::PlanChanged { asked: asked.clone(), now: planned.digest.short().to_owned() })
}

fn execute(
    session: &Session<'_>,
    store: &dyn Store,
    args: &ApplyArgs,
    lost: [&AtomicBool; 2],
) -> Result<Report, CliError> {
    let planned = StatePlan::make(session, store, &args.policy, session.now())?;
    if let Some(error) = changed(args, &planned) {
        return Ok(report(COMMAND, session, planned).with_error(error));
    }
    let victims = victims(&planned)?;
    if victims.is_empty() {
        return Ok(told(session, store, &planned, &BTreeMap::new(), None));
    }
    let keeper = keeper(&planned).ok_or_else(|| CliError::NothingThere {
        subject: Subject::State.to_string(),
        context: session.context.to_string(),
    })?;
    let purge = Purge::plan(store, &session.context, victims.iter().cloned(), &keeper)?;
    announce(session, store, &planned, &victims)?;
    let failure = RefCell::new(None);
    let purges = purge.execute(store, |id| {
        consent(session, store, id, lost).unwrap_or_else(|error| {
            failure.replace(Some(error));
            Consent::Stop
        })
    });
    // What is gone is what the store does not list any more, whatever it answered.
    let still_there = purge.still_there(store);
    let (still_there, unlisted) = match still_there {
        Ok(keys) => (keys, None),
        Err(e) => (BTreeSet::new(), Some(e.into())),
    };
    let outcomes =
        purges.purged.iter().map(|purged| (purged.id.clone(), outcome(purged, &still_there))).collect();
    let error = failure.into_inner().or(purges.halted.map(Into::into)).or(unlisted);
    let report = told(session, store, &planned, &outcomes, error.map(|error| session.explain(error)));
    close(session, store, &planned, &outcomes, report.error.as_ref());
    Ok(report)
}

/// Everything that goes, in the order in which that may be interrupted anywhere.
fn victims(planned: &StatePlan) -> Result<Vec<SnapshotId>, CliError> {
    let mut ids = Vec::new();
    for decision in planned.plan.deletions() {
        ids.push(decision.snapshot().id().parse::<SnapshotId>()?);
    }
    ids.extend(planned.strays.iter().map(|stray| stray.id.clone()));
    Ok(ids)
}

/// The snapshot without which nothing is deleted: the last verified one, or where none is, the newest restorable one.
fn keeper(planned: &StatePlan) -> Option<SnapshotId> {
    let kept_as = |rule| {
        planned
            .plan
            .decisions()
            .find(|d| d.chain().is_restorable() && d.reasons().any(|reason| reason.rule() == rule))
    };
    kept_as(Rule::LastVerified).or_else(|| kept_as(Rule::Newest))?.snapshot().id().parse().ok()
}

/// Looks right before a deletion whether it may still be made.
fn consent(
    session: &Session<'_>,
    store: &dyn Store,
    id: &SnapshotId,
    lost: [&AtomicBool; 2],
) -> Result<Consent, CliError> {
    if lost.iter().any(|lost| lost.load(Ordering::Relaxed)) {
        return Ok(Consent::Stop);
    }
    if let Some(signal) = session.world.interrupts.signal() {
        return Err(CliError::Interrupted(signal));
    }
    let snapshot = SnapshotRef { subject: Subject::State, id: id.clone() };
    let now = session.now();
    let pins = Pins::new(store, &session.context).read(Some(&Subject::State))?;
    Ok(if pins.is_pinned(&snapshot, now) {
        Consent::Spare("it was pinned meanwhile".into())
    } else {
        Consent::Go(now)
    })
}

/// What became of a snapshot, in one word, and why it is still there.
#[derive(Debug, Clone)]
struct Ended {
    became: Became,
    problem: Option<String>,
}

impl Ended {
    fn is_failure(&self) -> bool {
        self.became == Became::Failed
    }
}

fn outcome(purged: &Purged, still_there: &BTreeSet<Key>) -> Ended {
    let ended = |became, problem: Option<String>| Ended { became, problem };
    for (at, (key, fate)) in purged.objects.iter().enumerate() {
        let (became, why) = match fate {
            Fate::Deleted | Fate::WasGone if still_there.contains(key) => {
                (Became::Failed, format!("the store still lists {key}"))
            }
            Fate::Deleted | Fate::WasGone => continue,
            Fate::Locked(until) => (Became::Locked, format!("expired, locked until {}", view::time(*until))),
            Fate::Changed => {
                (Became::Failed, format!("{key} is not the object any more that was to be deleted"))
            }
            Fate::Spared(why) => (Became::Spared, why.clone()),
            Fate::NotReached => (Became::NotReached, "it was not its turn yet".to_owned()),
            Fate::Failed(e) => (Became::Failed, in_one_line(e)),
            _ => (Became::Failed, format!("{key} is still there")),
        };
        let half = if at == 0 { "" } else { "its record is deleted, its bundle is not: " };
        return ended(became, Some(format!("{half}{why}")));
    }
    let was_there = purged.objects.iter().any(|(_, fate)| matches!(fate, Fate::Deleted));
    ended(if was_there { Became::Deleted } else { Became::Gone }, None)
}

fn in_one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Into the trail, on disk, before the first deletion.
fn announce(
    session: &Session<'_>,
    store: &dyn Store,
    planned: &StatePlan,
    victims: &[SnapshotId],
) -> Result<(), CliError> {
    for ids in victims.chunks(PER_ENTRY) {
        let ids: Vec<_> = ids.iter().map(SnapshotId::as_str).collect();
        let entry = session
            .event(Action::RetentionApply, ActOutcome::Announced)
            .subject(Subject::State)
            .detail("plan_id", planned.digest.short())
            .detail("policy", planned.plan.policy().to_string())
            .detail("delete", ids);
        session.record(&entry, Some(store))?;
    }
    Ok(())
}

/// Into the trail what became of it. The deletions are made: that this cannot be written is a warning.
fn close(
    session: &Session<'_>,
    store: &dyn Store,
    planned: &StatePlan,
    outcomes: &BTreeMap<SnapshotId, Ended>,
    error: Option<&CliError>,
) {
    let how = match error {
        None => ActOutcome::Done,
        Some(error) if error.code() == "interrupted" => ActOutcome::Interrupted,
        Some(_) => ActOutcome::Failed,
    };
    let all: Vec<_> = outcomes.iter().collect();
    for part in all.chunks(PER_ENTRY) {
        let mut entry = session
            .event(Action::RetentionApply, how.clone())
            .subject(Subject::State)
            .detail("plan_id", planned.digest.short());
        let mut by_word: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, ended) in part {
            by_word.entry(ended.became.as_str()).or_default().push(id.as_str());
        }
        for (word, ids) in by_word {
            entry = entry.detail(word.replace('-', "_"), ids);
        }
        if let Some(error) = error {
            entry = entry.detail("error_code", error.code()).detail("error", message_of(error));
        }
        if let Err(e) = session.record(&entry, Some(store)) {
            session.warn(format!("what was deleted could not be put into the trail: {}", message_of(&e)));
        }
    }
}

/// The report: the plan, what became of it, and what there is now.
fn told(
    session: &Session<'_>,
    store: &dyn Store,
    planned: &StatePlan,
    outcomes: &BTreeMap<SnapshotId, Ended>,
    error: Option<CliError>,
) -> Report {
    let rows: Vec<_> = planned
        .plan
        .decisions()
        .map(|decision| {
            let id = decision.snapshot().id().parse().ok();
            let ended = id.and_then(|id: SnapshotId| outcomes.get(&id));
            let (outcome, problem) = match (ended, decision.outcome()) {
                (Some(ended), _) => (ended.became, ended.problem.clone()),
                (None, Outcome::ExpiredLocked { until }) => {
                    (Became::Locked, Some(format!("expired, locked until {}", view::time(until))))
                }
                (None, Outcome::Keep) => (Became::Kept, None),
                (None, Outcome::Drop) => (Became::NotReached, None),
            };
            row(&ApplyRow { plan: PlanRow::from(decision), outcome: Some(outcome), problem })
        })
        .collect();
    let strays = planned.strays.iter().map(|stray| {
        let ended =
            outcomes.get(&stray.id).cloned().unwrap_or(Ended { became: Became::NotReached, problem: None });
        StrayRow { outcome: Some(ended.became), problem: ended.problem, ..stray.row.clone() }
    });
    let summary = PlanSummary { strays: strays.collect(), ..summary(planned) };
    let mut text = view::plan_text(&planned.plan, &summary);
    text.push('\n');
    let tally = |became| outcomes.values().filter(|ended| ended.became == became).count();
    for (id, ended) in outcomes {
        let _ = match &ended.problem {
            None => writeln!(text, "{}  {id}", ended.became.as_str()),
            Some(problem) => writeln!(text, "{}  {id}: {problem}", ended.became.as_str()),
        };
    }
    let _ = writeln!(text, "{} deleted, {} failed", tally(Became::Deleted), tally(Became::Failed));
    // Listed again: what is said to be there is there.
    let left = match Catalogue::read(store, &session.context) {
        Ok(catalogue) => {
            let _ = writeln!(
                text,
                "{} in {} now",
                view::count(catalogue.snapshots.len(), "snapshot", "snapshots"),
                store.location()
            );
            Some(catalogue.snapshots.len())
        }
        Err(e) => {
            session.warn(format!("what is there now could not be listed: {}", message_of(&e.into())));
            None
        }
    };
    let done = DoneSummary {
        deleted: tally(Became::Deleted),
        gone: tally(Became::Gone),
        spared: tally(Became::Spared),
        failed: tally(Became::Failed),
        left,
    };
    let summary = row(&ApplySummary { plan: summary, done: Some(done) });
    let report = Report { summary: Some(summary), ..Report::new(COMMAND, rows, text) };
    let failed = outcomes.values().filter(|ended| ended.is_failure()).count();
    match error {
        Some(error) => report.with_error(error),
        None if failed > 0 => {
            report.with_error(CliError::DeletionsFailed(view::count(failed, "snapshot", "snapshots")))
        }
        None => report,
    }
}
