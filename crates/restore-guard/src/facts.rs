//! What evidence and trail say, in the words of the policy.

use crate::{ActOutcome, Action, ChainReport, Records, TrailEntry, TrailLine};
use backup_contract::{
    Drill, Known, Level, Outcome, RESTORE_FIELDS, Rehearsal, RestoreFact, Subject, TrailFacts, VaultState,
};

/// The restore tests of a subject among the evidence, passed and failed.
#[must_use]
pub fn rehearsals_of(records: &Records, subject: &Subject) -> Vec<Rehearsal> {
    let of_subject = records.iter().filter(|evidence| {
        let record = evidence.record();
        record.subject == *subject && record.level == Level::Restore
    });
    of_subject
        .map(|evidence| {
            let record = evidence.record();
            Rehearsal {
                id: record.id.clone(),
                host: record.host.clone(),
                started_at: record.started_at,
                outcome: record.outcome,
                evidence: evidence.key().to_string(),
            }
        })
        .collect()
}

/// What the chains say of restores, and whether they can be believed.
#[must_use]
pub fn trail_facts(chains: &[ChainReport]) -> TrailFacts {
    let mut facts = TrailFacts::default();
    for chain in chains {
        let unsound = chain.findings.iter().filter(|finding| !finding.is_harmless());
        facts.problems.extend(unsound.map(|finding| format!("{}: {finding}", chain.writer)));
        for (index, line) in chain.lines.iter().enumerate() {
            let entry = &line.entry;
            let (before, later) = (&chain.lines[..index], &chain.lines[index + 1..]);
            if begins(entry) || (ends(entry) && !is_announced(entry, before)) {
                facts.restores.push(of_restore(entry, later));
            }
        }
    }
    facts
}

/// The drills that the chains tell of.
#[must_use]
pub fn drills_of(chains: &[ChainReport]) -> Vec<Drill> {
    let entries = chains.iter().flat_map(|chain| &chain.lines).map(|line| &line.entry);
    let held = entries.filter(|entry| entry.action == Action::Drill).filter_map(|entry| {
        let outcome = match entry.outcome {
            ActOutcome::Done => Outcome::Passed,
            ActOutcome::Failed | ActOutcome::Interrupted => Outcome::Failed,
            _ => return None,
        };
        Some(Drill {
            subject: entry.subject.clone()?,
            operator: entry.operator.clone(),
            started_at: entry.at,
            outcome,
            record: record_of(entry),
        })
    });
    held.collect()
}

fn begins(entry: &TrailEntry) -> bool {
    entry.action == Action::Restore && entry.outcome == ActOutcome::Announced
}

fn ends(entry: &TrailEntry) -> bool {
    let was_begun = [ActOutcome::Done, ActOutcome::Failed, ActOutcome::Interrupted];
    entry.action == Action::Restore && was_begun.contains(&entry.outcome)
}

/// Whether the restore that ends here was announced before.
fn is_announced(end: &TrailEntry, before: &[TrailLine]) -> bool {
    let of_subject = before.iter().rev().map(|line| &line.entry).filter(|entry| entry.subject == end.subject);
    of_subject.take_while(|entry| !ends(entry)).any(begins)
}

/// A restore, by the first that the trail tells of it, with what became of it later in its chain.
fn of_restore(announced: &TrailEntry, later: &[TrailLine]) -> RestoreFact {
    let text = |name: &str| announced.detail.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let later = || later.iter().map(|line| &line.entry).filter(|entry| entry.subject == announced.subject);
    // What comes behind the next restore of the same subject is about that one.
    let own = || std::iter::once(announced).chain(later().take_while(|entry| !begins(entry)));
    let checks =
        own().filter_map(|entry| match entry.detail.get("checks").and_then(|checks| checks.as_str()) {
            Some("passed") => Some(Outcome::Passed),
            Some("failed") => Some(Outcome::Failed),
            _ => None,
        });
    let lock = own().filter_map(TrailEntry::lock_change);
    let vault = own().filter_map(|entry| match entry.detail.get("vault").and_then(|vault| vault.as_str()) {
        Some("matches") => Some(VaultState::Matches),
        Some("reported") => Some(VaultState::Reported),
        Some("injected") => Some(VaultState::Injected),
        _ => None,
    });
    let record = record_of(announced);
    let silent = |what: &str| format!("the trail tells nothing of {what} after {record}");
    let evidence = text("evidence");
    let is_missing = |field: &&'static str| match *field {
        "operator" => announced.operator.trim().is_empty(),
        "subject" => announced.subject.is_none(),
        "id" => announced.id.is_none(),
        "checksum" => announced.checksum.is_none(),
        name => text(name).is_none_or(|text| text.trim().is_empty()),
    };
    RestoreFact {
        subject: announced.subject.clone(),
        id: announced.id.clone(),
        checksum: announced.checksum,
        at: announced.at,
        missing: RESTORE_FIELDS.into_iter().filter(is_missing).collect(),
        checks: Known::Known(checks.last()),
        lock: lock.last().map_or_else(|| Known::unknown(silent("a mutation lock")), Known::Known),
        vault: vault.last().map_or_else(|| Known::unknown(silent("the vault")), Known::Known),
        evidence,
        record,
    }
}

/// Where the store's copy of an entry lies.
fn record_of(entry: &TrailEntry) -> String {
    format!("audit/{}/{}/{:012}.json", entry.context, entry.writer, entry.sequence)
}
