//! Each clause, one thing wrong at a time.

use crate::worlds::{
    copy, days, drill, hours, known, minutes, now, rehearsal, restore, shop, snapshot, sound,
};
use backup_contract::{
    ClauseId, ClauseStatus, Facts, Finding, Gate, Known, Level, LockState, Offsite, Outcome, Place, Severity,
    SnapshotKind, Status, Subject, Transit, Unjudged, VaultState, Wanted, Whereabouts, assess,
};
use chrono::TimeDelta;

fn one(facts: &Facts, clause: ClauseId) -> ClauseStatus {
    assess(facts, now()).into_iter().find(|status| status.clause == clause).unwrap()
}

/// What is changed about the sound world.
type Spoil = fn(&mut Facts);

#[test]
fn a_sound_world_meets_every_clause() {
    for status in assess(&sound(), now()) {
        assert_eq!(status.status, Status::Met, "{}: {}", status.clause, status.detail);
        assert!(!status.detail.is_empty());
    }
}

/// One thing wrong changes one clause, and no other.
#[track_caller]
fn spoilt(what: &str, spoil: Spoil, clause: ClauseId, expected: Status, says: &str) {
    let mut facts = sound();
    spoil(&mut facts);
    for status in assess(&facts, now()) {
        let should = if status.clause == clause { expected } else { Status::Met };
        assert_eq!(status.status, should, "{what}: {}: {}", status.clause, status.detail);
        if status.clause == clause {
            assert!(status.detail.contains(says), "{what}: {}", status.detail);
            assert_eq!(status.holds_until, None, "{what}: what is not met does not hold");
        }
    }
}

#[test]
fn scope() {
    use ClauseId::{Exclusions, ProtectedFiles};
    spoilt(
        "a protected file that nothing tells of",
        |facts| known(&mut known(&mut facts.state.snapshots)[1].accounted).missing = 1,
        ProtectedFiles,
        Status::Violated,
        "nothing of 1 protected",
    );
    spoilt(
        "an old backup that was not opened",
        |facts| known(&mut facts.state.snapshots)[0].proof.as_mut().unwrap().level = Level::Checksum,
        Exclusions,
        Status::Unknown,
        "nobody has opened 1 of 2",
    );
    let mut facts = sound();
    known(&mut facts.state.snapshots)[1].proof.as_mut().unwrap().level = Level::Checksum;
    assert_eq!(one(&facts, ProtectedFiles).status, Status::Unknown, "bytes tell nothing of files");
    known(&mut facts.state.snapshots).clear();
    assert_eq!(one(&facts, ProtectedFiles).status, Status::Violated);
    assert_eq!(one(&facts, Exclusions).status, Status::NotApplicable);
}

#[test]
fn protection() {
    use ClauseId::{EncryptedAtRest, EncryptedInTransit, OutsideGit};
    let violated: [(&str, Spoil, ClauseId, &str); 7] = [
        (
            "every identity here",
            |facts| known(&mut facts.openers).away = 0,
            EncryptedAtRest,
            "every recipient's identity is on this host",
        ),
        (
            "nobody to seal to",
            |facts| known(&mut facts.openers).recipients = 0,
            EncryptedAtRest,
            "name nobody",
        ),
        (
            "the newest backup is this host's own",
            |facts| known(&mut facts.state.snapshots)[1].sealed_to = Some(1),
            EncryptedAtRest,
            "this host's own identities and nobody else",
        ),
        (
            "a bucket in the clear",
            |facts| known(&mut facts.passages)[0].transit = Known::Known(Transit::Plain),
            EncryptedInTransit,
            "control store s3://bucket: is reached in the clear",
        ),
        (
            "loopback in production",
            |facts| known(&mut facts.passages)[0].transit = Known::Known(Transit::PlainLoopback),
            EncryptedInTransit,
            "in the clear",
        ),
        (
            "settings in a repository",
            |facts| {
                known(&mut facts.placements)[0].whereabouts =
                    Known::Known(Whereabouts::InGit("/etc/si".into()));
            },
            OutsideGit,
            "settings lies at /etc/si/config.toml, inside the git work tree /etc/si",
        ),
        (
            "an app whose database is stored in plaintext",
            |facts| {
                let place = Place::of("/etc/si/shop.env").line(3);
                let finding =
                    Finding::new("not-encrypted", Severity::Error, place, "names no key", "name one");
                let contract = known(&mut shop(facts).contract);
                contract.checked.findings.push(finding.about(EncryptedAtRest));
            },
            EncryptedAtRest,
            "app:shop: /etc/si/shop.env:3 names no key [not-encrypted]",
        ),
    ];
    for (what, spoil, clause, says) in violated {
        spoilt(what, spoil, clause, Status::Violated, says);
    }
    let mut facts = sound();
    facts.production = false;
    known(&mut facts.passages)[0].transit = Known::Known(Transit::PlainLoopback);
    assert_eq!(one(&facts, EncryptedInTransit).status, Status::Met);
    known(&mut facts.placements).clear();
    assert_eq!(one(&facts, OutsideGit).status, Status::Unknown, "nothing looked up is nothing known");
}

#[test]
fn apps() {
    use ClauseId::{AppContract, DatabasusPrivate};
    spoilt(
        "a warning is no violation",
        |facts| {
            let finding = Finding::new("weak", Severity::Warning, Place::of("x"), "is weak", "strengthen it");
            known(&mut shop(facts).contract).checked.findings.push(finding.about(AppContract));
        },
        AppContract,
        Status::Met,
        "",
    );
    spoilt(
        "a clause that could not be judged",
        |facts| {
            let why = "the files use 'extends'".into();
            let unjudged = Unjudged { clause: DatabasusPrivate, why };
            known(&mut shop(facts).contract).checked.unjudged.push(unjudged);
        },
        DatabasusPrivate,
        Status::Unknown,
        "app:shop: the files use 'extends'",
    );
    spoilt(
        "a clause that nobody looked at",
        |facts| {
            known(&mut shop(facts).contract).covers.remove(&DatabasusPrivate);
        },
        DatabasusPrivate,
        Status::Unknown,
        "nothing that was looked at",
    );
    spoilt(
        "an active app that the settings do not name",
        |facts| shop(facts).configured = false,
        AppContract,
        Status::Violated,
        "nothing backs it up",
    );
    let mut facts = sound();
    shop(&mut facts).active = false;
    for clause in [AppContract, DatabasusPrivate] {
        assert_eq!(one(&facts, clause).status, Status::NotApplicable);
    }
    let finding = Finding::new("x", Severity::Warning, Place::of("x"), "is weak", "strengthen it");
    let mut facts = sound();
    known(&mut shop(&mut facts).contract).checked.findings.push(finding.clone().about(AppContract));
    assert_eq!(one(&facts, AppContract).findings, [finding.about(AppContract)], "it is told all the same");
}

#[test]
fn frequency() {
    use ClauseId::HourlyIncremental;
    spoilt(
        "the newest delta is old",
        |facts| known(&mut shop(facts).subject.snapshots)[1].started_at = Some(minutes(91)),
        HourlyIncremental,
        Status::Violated,
        "app:shop: the newest backup, base_",
    );
    spoilt(
        "the newest delta failed",
        |facts| known(&mut shop(facts).subject.snapshots)[1].failed = true,
        HourlyIncremental,
        Status::Violated,
        "9 hours old",
    );
    spoilt(
        "the newest delta was taken in doubt",
        |facts| known(&mut shop(facts).subject.snapshots)[1].suspect = true,
        HourlyIncremental,
        Status::Violated,
        "app:shop",
    );
    spoilt(
        "no backup at all",
        |facts| known(&mut shop(facts).subject.snapshots).clear(),
        HourlyIncremental,
        Status::Violated,
        "no backup that can be restored",
    );
    spoilt(
        "the newest delta is dated in the future",
        |facts| known(&mut shop(facts).subject.snapshots)[1].started_at = Some(minutes(-6)),
        HourlyIncremental,
        Status::Violated,
        "9 hours old",
    );
    let met = one(&sound(), HourlyIncremental);
    // The shop's delta of half past eleven runs out before the state's of twenty to twelve.
    assert_eq!(met.holds_until, Some(now() + TimeDelta::minutes(60)));
    assert_eq!(met.evidence.len(), 2);
}

#[test]
fn verification() {
    use ClauseId::DailyRehearsal;
    let violated: [(&str, Spoil, &str); 5] = [
        (
            "on its own host",
            |facts| {
                let own = rehearsal("PROD-1.example.com", hours(1), Outcome::Passed);
                *known(&mut shop(facts).subject.rehearsals) = vec![own];
            },
            "app:shop: it was rehearsed on its own host prod-1 only",
        ),
        (
            "the newest failed",
            |facts| {
                let failed = rehearsal("rehearse-1", hours(1), Outcome::Failed);
                known(&mut shop(facts).subject.rehearsals).push(failed);
            },
            "failed",
        ),
        (
            "too long ago",
            |facts| known(&mut shop(facts).subject.rehearsals)[0].started_at = hours(31),
            "31 hours old",
        ),
        ("never", |facts| known(&mut facts.state.rehearsals).clear(), "state: no backup was ever restored"),
        (
            "in the future",
            |facts| known(&mut facts.state.rehearsals)[0].started_at = minutes(-6),
            "never restored",
        ),
    ];
    for (what, spoil, says) in violated {
        let says = if what == "in the future" { "no backup was ever restored" } else { says };
        spoilt(what, spoil, DailyRehearsal, Status::Violated, says);
    }
    spoilt(
        "a host that nobody knows",
        |facts| shop(facts).subject.host = Known::unknown("the target is not named"),
        DailyRehearsal,
        Status::Unknown,
        "the target is not named",
    );
    let mut facts = sound();
    let own = rehearsal("prod-1", hours(1), Outcome::Failed);
    known(&mut shop(&mut facts).subject.rehearsals).push(own);
    assert_eq!(
        one(&facts, DailyRehearsal).status,
        Status::Met,
        "in production the own host counts for nothing"
    );
    facts.production = false;
    assert_eq!(one(&facts, DailyRehearsal).status, Status::Violated, "elsewhere it does");
    known(&mut shop(&mut facts).subject.rehearsals)[1].outcome = Outcome::Passed;
    assert_eq!(one(&facts, DailyRehearsal).status, Status::Met);
    let held = one(&sound(), DailyRehearsal).holds_until;
    assert_eq!(held, Some(hours(9) + TimeDelta::hours(30)));
}

#[test]
fn retention() {
    use ClauseId::Retention;
    let violated: [(&str, Spoil, &str); 4] = [
        (
            "settings that ask for less",
            |facts| known(&mut facts.state.retention).weekly.wanted = Wanted::Copies(3),
            "state: the settings ask for 3 weekly copies, the policy for 4",
        ),
        (
            "copies that should be there",
            |facts| known(&mut facts.state.retention).daily.held = 6,
            "there are 6 daily copies of 7",
        ),
        (
            "weeks that should be there",
            |facts| known(&mut facts.state.retention).weekly.held = 3,
            "3 weekly copies of 4",
        ),
        ("nothing", |facts| known(&mut facts.state.retention).oldest = None, "no backup that could be kept"),
    ];
    for (what, spoil, says) in violated {
        spoilt(what, spoil, Retention, Status::Violated, says);
    }
    let mut facts = sound();
    let young = known(&mut facts.state.retention);
    (young.oldest, young.daily.held, young.weekly.held, young.monthly.held) = (Some(days(3)), 3, 0, 0);
    (young.monthly.wanted, young.overdue) = (Wanted::All, 5);
    let status = one(&facts, Retention);
    assert_eq!(status.status, Status::Met, "a young series is not short: {}", status.detail);
    assert!(status.detail.contains("5 more are to go"), "{}", status.detail);
    let month = known(&mut facts.state.retention);
    month.oldest = Some(days(180));
    assert_eq!(one(&facts, Retention).status, Status::Violated);
}

#[test]
fn offsite() {
    use ClauseId::ImmutableOffsite;
    let violated: [(&str, Spoil, &str); 6] = [
        ("no store", |facts| facts.state.offsite = Offsite::NotConfigured, "name no offsite store"),
        ("no copy", |facts| copies(facts).clear(), "no full backup has a complete copy"),
        ("an old copy", |facts| copies(facts)[0].taken_at = hours(31), "too old"),
        ("half a copy", |facts| copies(facts)[0].complete = false, "no full backup has a complete copy"),
        ("no lock", |facts| copies(facts)[0].locked_until = None, "is not locked for as long"),
        (
            "a lock that ends too soon",
            |facts| copies(facts)[0].locked_until = Some(now() + TimeDelta::days(1)),
            "is not locked for as long",
        ),
    ];
    for (what, spoil, says) in violated {
        spoilt(what, spoil, ImmutableOffsite, Status::Violated, says);
    }
    let mut facts = sound();
    copies(&mut facts).push(backup_contract::OffsiteCopy { locked_until: None, ..copy(hours(2)) });
    let status = one(&facts, ImmutableOffsite);
    assert_eq!(status.status, Status::Met, "a newer one on its way takes nothing away: {}", status.detail);
    let soon = now() + TimeDelta::hours(1);
    (copies(&mut facts)[0].locked_until, copies(&mut facts)[0].needed_until) = (Some(soon), Some(soon));
    assert_eq!(one(&facts, ImmutableOffsite).holds_until, Some(soon), "no longer than its lock");
}

fn copies(facts: &mut Facts) -> &mut Vec<backup_contract::OffsiteCopy> {
    match &mut facts.state.offsite {
        Offsite::Copies(Known::Known(copies)) => copies,
        other => panic!("{other:?}"),
    }
}

#[test]
fn restores() {
    use ClauseId::{MutationBlock, RestoreGate, RestoreLog, VaultReconcile};
    let violated: [(&str, Spoil, ClauseId, &str); 7] = [
        (
            "a gate of straw",
            |facts| facts.gate = Known::Known(Gate::Evidence(Level::Stored)),
            RestoreGate,
            "nobody has read its bytes",
        ),
        (
            "a restore without a checksum",
            |facts| first(facts).checksum = None,
            RestoreGate,
            "a restore was begun without checksum",
        ),
        ("a restore without evidence", |facts| first(facts).evidence = None, RestoreGate, "without evidence"),
        (
            "a field that is missing",
            |facts| first(facts).missing = vec!["target"],
            RestoreLog,
            "writer/12 is recorded without target",
        ),
        (
            "a trail that was changed",
            |facts| known(&mut facts.trail).problems.push("entry 3 was changed".into()),
            RestoreLog,
            "the trail: entry 3 was changed",
        ),
        (
            "a lock that is open",
            |facts| first(facts).lock = Known::Known(LockState::Open),
            MutationBlock,
            "its mutation lock is open",
        ),
        (
            "secrets that were written",
            |facts| first(facts).vault = Known::Known(VaultState::Injected),
            VaultReconcile,
            "secrets were written",
        ),
    ];
    for (what, spoil, clause, says) in violated {
        spoilt(what, spoil, clause, Status::Violated, says);
    }
    let mut facts = sound();
    known(&mut facts.trail).restores.push(backup_contract::RestoreFact {
        checks: Known::Known(Some(Outcome::Passed)),
        lock: Known::unknown("nobody looked"),
        ..restore()
    });
    assert_eq!(one(&facts, MutationBlock).status, Status::Met, "checks that passed need no lock");
    first(&mut facts).checks = Known::Known(None);
    first(&mut facts).lock = Known::Known(LockState::Open);
    assert_eq!(
        one(&facts, MutationBlock).status,
        Status::Violated,
        "checks that were not run have not passed"
    );
    known(&mut facts.trail).restores.clear();
    for clause in [RestoreLog, MutationBlock, VaultReconcile] {
        assert_eq!(one(&facts, clause).status, Status::NotApplicable);
    }
    assert_eq!(one(&facts, RestoreGate).status, Status::Met);
    facts.gate = Known::Known(Gate::NoRestores);
    assert_eq!(one(&facts, RestoreGate).status, Status::NotApplicable);
}

fn first(facts: &mut Facts) -> &mut backup_contract::RestoreFact {
    &mut known(&mut facts.trail).restores[0]
}

#[test]
fn drills() {
    use ClauseId::QuarterlyDrill;
    let violated: [(&str, Spoil, &str); 3] = [
        (
            "one subject had none",
            |facts| _ = known(&mut facts.drills).pop(),
            "app:shop: there was never a drill",
        ),
        (
            "too long ago",
            |facts| known(&mut facts.drills)[0].started_at = days(101),
            "state: the newest drill is 101 days",
        ),
        (
            "the newest failed",
            |facts| known(&mut facts.drills).push(drill(&Subject::State, days(1), Outcome::Failed)),
            "state: the newest drill failed",
        ),
    ];
    for (what, spoil, says) in violated {
        spoilt(what, spoil, QuarterlyDrill, Status::Violated, says);
    }
    let mut facts = sound();
    facts.production = false;
    assert_eq!(one(&facts, QuarterlyDrill).status, Status::NotApplicable);
    assert_eq!(one(&sound(), QuarterlyDrill).holds_until, Some(days(50) + TimeDelta::days(100)));
}

#[test]
fn only_active_apps_count() {
    let mut facts = sound();
    let app = shop(&mut facts);
    app.active = false;
    app.subject = backup_contract::SubjectFacts::unknown("nobody looked");
    app.contract = Known::unknown("nobody looked");
    for status in assess(&facts, now()) {
        assert!(status.status <= Status::Met, "{}: {}", status.clause, status.detail);
    }
    let inactive = snapshot(SnapshotKind::Bundle, minutes(1));
    assert!(inactive.is_sound());
}
