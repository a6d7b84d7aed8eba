//! How far a snapshot is proved: what outranks what.

use crate::support::{at, checksum, origin, record, snapshot};
use backup_contract::{Checksum, Level, Outcome};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use restore_guard::{
    Evidence, EvidenceRecord, LevelStanding, OriginId, Question, Records, TrustedWriters, UnverifiedEvidence,
    WriterKey, future_tolerance,
};
use std::sync::LazyLock;

static KEY: LazyLock<WriterKey> = LazyLock::new(|| WriterKey::generate().unwrap());
static TRUSTED: LazyLock<TrustedWriters> = LazyLock::new(|| TrustedWriters::new([KEY.public()]));

fn evidence(record: &EvidenceRecord) -> Evidence {
    let (key, envelope) = record.sign(&KEY).unwrap();
    UnverifiedEvidence::new(key, envelope).verify(&TRUSTED).unwrap()
}

fn records(words: &[(Level, Outcome, i64)]) -> Records {
    Records::new(
        words.iter().map(|(level, outcome, at)| evidence(&record(*level, *outcome, *at))).collect(),
        vec![],
    )
}

/// The strongest proved level, an hour later.
fn proved(records: &Records) -> Option<Level> {
    let snapshot = snapshot(1);
    let question = Question { snapshot: &snapshot, checksum: checksum(1), origin: None, now: at(3_600) };
    records.standing(&question).proved().map(|(level, _)| level)
}

use Level::{Checksum as C, Content as T, Restore as R, Stored as S};
use Outcome::{Failed as F, Passed as P};

#[test]
fn the_newest_word_about_a_level_decides_it() {
    for (words, expected) in [
        (&[][..], None),
        (&[(R, P, 0)], Some(R)),
        (&[(S, P, 0)], Some(S)),
        // A failure undoes its own level and the stronger ones, not the weaker.
        (&[(R, P, 0), (R, F, 1)], Some(T)),
        (&[(R, P, 0), (T, F, 1)], Some(C)),
        (&[(R, P, 0), (C, F, 1)], Some(S)),
        (&[(R, P, 0), (S, F, 1)], None),
        (&[(C, P, 0), (R, F, 1)], Some(C)),
        // A later pass of a weaker level proves that level again, and no more.
        (&[(R, P, 0), (C, F, 1), (C, P, 2)], Some(C)),
        (&[(R, P, 0), (C, F, 1), (S, P, 2)], Some(S)),
        // A later pass of a stronger level proves everything below it.
        (&[(S, F, 0), (R, P, 1)], Some(R)),
        (&[(T, F, 0), (C, P, 1), (R, P, 2)], Some(R)),
        // An earlier failure is outranked; an earlier pass is not brought back by its age.
        (&[(R, F, 0), (R, P, 1)], Some(R)),
        (&[(R, P, 1), (R, F, 2), (T, P, 3)], Some(T)),
        // At one and the same moment a doubt stays a doubt.
        (&[(C, P, 0), (C, F, 0)], Some(S)),
        (&[(C, F, 0), (C, P, 0)], Some(S)),
    ] {
        assert_eq!(proved(&records(words)), expected, "{words:?}");
    }
}

#[test]
fn the_answer_names_the_evidence() {
    let records = records(&[(R, P, 0), (T, F, 1), (C, P, 2)]);
    let snapshot = snapshot(1);
    let question = Question { snapshot: &snapshot, checksum: checksum(1), origin: None, now: at(60) };
    let standing = records.standing(&question);
    let finished = |evidence: &Evidence| evidence.record().finished_at;
    assert!(matches!(standing.at(S), LevelStanding::Proved(by) if finished(by) == at(2)));
    assert!(matches!(standing.at(C), LevelStanding::Proved(by) if finished(by) == at(2)));
    assert!(matches!(standing.at(T), LevelStanding::Failed(by) if finished(by) == at(1)));
    assert!(matches!(standing.at(R), LevelStanding::Failed(by) if finished(by) == at(1)));
    assert_eq!(standing.failure().map(finished), Some(at(1)));
    assert!(standing.proof_of(T).is_none());
    assert!(standing.ignored().is_empty());
}

/// What is proved of a snapshot that cannot be restored without another.
fn resting(own: &[(Level, Outcome, i64)], base: &[(Level, Outcome, i64)]) -> Option<Level> {
    let (own, base) = (records(own), records(base));
    let snapshot = snapshot(1);
    let question = Question { snapshot: &snapshot, checksum: checksum(1), origin: None, now: at(3_600) };
    let standing = own.standing(&question).resting_on(&base.standing(&question));
    standing.proved().map(|(level, _)| level)
}

#[test]
fn what_speaks_against_a_base_speaks_against_what_rests_on_it() {
    for (own, base, expected) in [
        // Of a base that nobody looked at nothing is known, for or against.
        (&[(R, P, 0)][..], &[][..], Some(R)),
        (&[(T, P, 0)], &[(R, P, 1)], Some(T)),
        (&[(R, P, 0)], &[(T, F, 1)], Some(C)),
        (&[(R, P, 0)], &[(C, F, 1)], Some(S)),
        (&[(R, P, 0)], &[(S, F, 1)], None),
        // Its own bytes alone do not outweigh it, whenever they were read.
        (&[(R, P, 0), (C, P, 2)], &[(C, F, 1)], Some(S)),
        // Those of the base do, when they were read later.
        (&[(T, P, 2)], &[(C, F, 1)], Some(T)),
        (&[(T, P, 1)], &[(C, F, 1)], Some(S)),
        (&[(R, P, 0), (T, P, 2)], &[(C, F, 1)], Some(T)),
        // A base that was proved anew is a sound one.
        (&[(R, P, 0)], &[(T, F, 1), (R, P, 2)], Some(R)),
        // Its own failures stay what they are.
        (&[(R, P, 0), (T, F, 3)], &[(R, P, 4)], Some(C)),
    ] {
        assert_eq!(resting(own, base), expected, "{own:?} on {base:?}");
    }
}

#[test]
fn what_counts_no_more_is_kept_with_the_reason() {
    use restore_guard::WhyIgnored;
    let all = records(&[(R, P, 0), (T, F, 1)]);
    let left = all.unless(|evidence| {
        let reason = "its time".to_owned();
        (evidence.record().finished_at == at(1)).then_some(WhyIgnored::OtherSnapshot { reason })
    });
    assert_eq!(codes(&left, checksum(1), None, at(60)), (Some(R), vec!["other-snapshot"]));
}

fn codes(
    records: &Records,
    checksum: Checksum,
    origin: Option<&OriginId>,
    now: DateTime<Utc>,
) -> (Option<Level>, Vec<&'static str>) {
    let snapshot = snapshot(1);
    let standing = records.standing(&Question { snapshot: &snapshot, checksum, origin, now });
    (
        standing.proved().map(|(level, _)| level),
        standing.ignored().iter().map(|ignored| ignored.why.code()).collect(),
    )
}

#[test]
fn evidence_of_other_bytes_or_another_origin_counts_for_nothing() {
    let records = records(&[(R, P, 0), (T, F, 1)]);
    assert_eq!(codes(&records, checksum(1), None, at(60)), (Some(C), vec![]));
    assert_eq!(codes(&records, checksum(2), None, at(60)), (None, vec!["other-checksum"; 2]));
    assert_eq!(codes(&records, checksum(1), Some(&origin()), at(60)), (Some(C), vec![]));
    let other = OriginId::generate().unwrap();
    assert_eq!(codes(&records, checksum(1), Some(&other), at(60)), (None, vec!["other-origin"; 2]));
}

#[test]
fn a_pass_from_the_future_proves_nothing_and_a_failure_is_one_at_any_time() {
    let tolerance = future_tolerance().num_seconds();
    let soon = records(&[(R, P, tolerance)]);
    assert_eq!(codes(&soon, checksum(1), None, at(0)), (Some(R), vec![]));
    let later = records(&[(C, P, 0), (R, P, tolerance + 1)]);
    assert_eq!(codes(&later, checksum(1), None, at(0)), (Some(C), vec!["from-the-future"]));
    assert_eq!(codes(&later, checksum(1), None, at(1)), (Some(R), vec![]));
    let failed = records(&[(R, P, 0), (C, F, 1_000_000)]);
    assert_eq!(codes(&failed, checksum(1), None, at(0)), (Some(S), vec![]));
}

#[test]
fn the_newest_of_a_subject_is_found_per_level() {
    let mut second = record(R, P, 5);
    second.id = snapshot(2).id;
    let mut app = record(R, P, 50);
    app.subject = "app:shop".parse().unwrap();
    app.id = "base_000000010000000000000002".parse().unwrap();
    let all = [record(T, P, 9), record(C, F, 7), second, app, record(R, P, 10_000)];
    let records = Records::new(all.iter().map(evidence).collect(), vec![]);
    let newest = records.newest_per_level(&"state".parse().unwrap(), at(60));
    let at_level = |level: Level| {
        let newest = newest[&level];
        let finished = |evidence: Option<&Evidence>| evidence.map(|evidence| evidence.record().finished_at);
        (finished(newest.passed), finished(newest.failed))
    };
    assert_eq!(at_level(S), (Some(at(9)), None));
    assert_eq!(at_level(C), (Some(at(9)), Some(at(7))));
    assert_eq!(at_level(T), (Some(at(9)), Some(at(7))));
    assert_eq!(at_level(R), (Some(at(5)), Some(at(7))));
}

fn any_words() -> impl Strategy<Value = Vec<(Level, Outcome, i64)>> {
    let word = (proptest::sample::select(Level::ALL.to_vec()), proptest::bool::ANY, 0..6_i64)
        .prop_map(|(level, passed, at)| (level, if passed { P } else { F }, at));
    proptest::collection::vec(word, 0..8)
}

proptest! {
    #[test]
    fn what_is_proved_is_a_level_and_everything_below(words in any_words()) {
        let records = records(&words);
        let snapshot = snapshot(1);
        let standing = records.standing(&Question { snapshot: &snapshot, checksum: checksum(1), origin: None, now: at(60) });
        for pair in Level::ALL.windows(2) {
            prop_assert!(standing.proof_of(pair[1]).is_none() || standing.proof_of(pair[0]).is_some(), "{:?}", words);
        }
        if let Some((level, by)) = standing.proved() {
            prop_assert!(by.passed() && by.record().level.covers(level));
        }
    }

    #[test]
    fn a_level_is_proved_exactly_when_a_covering_pass_is_newer_than_every_covering_failure(words in any_words()) {
        let records = records(&words);
        for level in Level::ALL {
            let passed = words.iter().filter(|(own, outcome, _)| *outcome == P && own.covers(level)).map(|w| w.2).max();
            let failed = words.iter().filter(|(own, outcome, _)| *outcome == F && level.covers(*own)).map(|w| w.2).max();
            let expected = passed.is_some_and(|passed| failed.is_none_or(|failed| passed > failed));
            let snapshot = snapshot(1);
            let question = Question { snapshot: &snapshot, checksum: checksum(1), origin: None, now: at(60) };
            prop_assert_eq!(records.standing(&question).proof_of(level).is_some(), expected, "{:?} {:?}", level, words);
        }
    }

    #[test]
    fn the_order_of_reading_does_not_matter_and_a_later_failure_never_helps(words in any_words(), level in 0..4_usize) {
        let mut reversed = words.clone();
        reversed.reverse();
        prop_assert_eq!(proved(&records(&words)), proved(&records(&reversed)));
        let mut failed = words.clone();
        failed.push((Level::ALL[level], F, 100));
        prop_assert!(proved(&records(&failed)) <= proved(&records(&words)));
        prop_assert!(proved(&records(&failed)).is_none_or(|proved| proved < Level::ALL[level]));
    }
}

#[test]
fn nothing_is_known_of_a_snapshot_without_records() {
    let snapshot = snapshot(9);
    let standing_of = records(&[(R, P, 0)]);
    let standing = standing_of.standing(&Question {
        snapshot: &snapshot,
        checksum: checksum(1),
        origin: None,
        now: at(60),
    });
    assert!(standing.proved().is_none() && standing.failure().is_none());
    assert!(matches!(standing.at(S), LevelStanding::Unproved));
}
