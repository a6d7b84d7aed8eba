use crate::stage::{AT_THE_END, IN_THE_FIRST, IN_THE_SECOND, Stage, Tars, check, failed};
use backup_contract::Outcome;
use walg_driver::Error;
use walg_driver::scratch::{Point, Target};
use walg_driver::wal::{Lsn, Timeline};

pub(crate) fn to_the_end() {
    let stage = Stage::new("plain", 0, Target::new(Point::End)).expecting(AT_THE_END, true);
    let report = stage.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    let names: Vec<_> = report.checks.iter().map(|check| check.name.as_str()).collect();
    let expected = [
        "fingerprint",
        "tars",
        "wal",
        "unpacked",
        "recovery",
        "answers",
        "reached",
        "databases",
        "orders",
        "after-last-backup",
        "stopped",
    ];
    assert_eq!(&names[..expected.len()], expected);
    assert_eq!(report.outcome(), Outcome::Passed);
    assert_eq!(report.timeline, Some(Timeline(2)));
    assert!(report.reached.unwrap() > Lsn(0x800_0000) && report.reached.unwrap() <= Lsn(0x900_0000));
    assert!(report.server_version.starts_with("15."));
    assert!(report.recovery_seconds.unwrap() > 0.0);
    let newest = report.newest_commit.unwrap();
    assert_eq!(newest.date_naive().to_string(), "2026-11-23");
    assert_eq!(report.data_loss(newest).unwrap().num_seconds(), 0);
    assert!(report.tables.iter().any(|table| table.table == "public.orders"), "{:?}", report.tables);
    assert_eq!(report.fingerprints.len(), 1);
    assert_eq!(
        report.fingerprints[0].1.checksum.to_string(),
        "sha256:88d16711358c123412c34e9b46807f07a44d3c3a9513730c4e9a7bde2f98922e",
        "what was unpacked is what a verification recognises"
    );
    assert!(report.notes.iter().any(|note| note.contains("no_such_library")), "{:?}", report.notes);
}

/// What was decoded when it was read is what the server replays, and is not asked for.
pub(crate) fn wal_that_waits() {
    const SEGMENT: u64 = 16 << 20;
    let stage = |wal_ahead, last: &str| Stage {
        wal_ahead,
        last: last.into(),
        ..Stage::new("sodium", 0, Target::new(Point::End)).expecting(AT_THE_END, true)
    };
    let verify = |stage: &Stage| stage.verify(&Tars("sodium")).unwrap();
    // The restore command says of every segment that it is absent.
    let report = verify(&stage(u64::MAX, "0"));
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    // Of those that there is place for, the first: 4, 5 and 6.
    let report = verify(&stage(4 * SEGMENT - 1, "0"));
    assert!(failed(&report).contains(&"reached"), "{:#?}", report.checks);
    assert!(
        report.reached.is_some_and(|at| at > Lsn(0x600_0000) && at <= Lsn(0x700_0000)),
        "{:?}",
        report.reached
    );
    let report = verify(&stage(4 * SEGMENT - 1, "F"));
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    // What does not know is not the end, behind them either.
    let error = stage(4 * SEGMENT, "!000000010000000000000009").verify(&Tars("sodium")).unwrap_err();
    assert_eq!(error.code(), "wal-unavailable", "{error}");

    // A disk that has no room for them is large enough all the same.
    let none = Stage { free: Some(0), ..stage(0, "0") };
    let Error::NoSpace { need, .. } = none.verify(&Tars("sodium")).unwrap_err() else {
        panic!("a disk without room is enough")
    };
    let report = verify(&Stage { free: Some(need), ..stage(u64::MAX, "F") });
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    let report = verify(&Stage { free: Some(need), ..stage(u64::MAX, "0") });
    assert_eq!(failed(&report), ["recovery"], "{:#?}", report.checks);
    let report = verify(&Stage { free: Some(need + 9 * SEGMENT), ..stage(u64::MAX, "0") });
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
}

pub(crate) fn to_the_end_of_the_backup() {
    let stage = Stage::new("plain", 0, Target::new(Point::Backup)).expecting(IN_THE_FIRST, false);
    let report = stage.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert!(report.reached.unwrap() < Lsn(0x400_0000), "{:?}", report.reached);
    assert!(check(&report, "recovery").detail.contains("the end of the backup"));
}

pub(crate) fn to_a_point() {
    let second = Stage::new("plain", 1, Target::new(Point::End)).catalogue().backups[1].clone();
    let sentinel = second.sentinel.unwrap();
    for point in [Point::Lsn(sentinel.finish.unwrap()), Point::Time(sentinel.finished_at.unwrap())] {
        let stage = Stage::new("plain", 0, Target::new(point.clone())).expecting(IN_THE_SECOND, false);
        let report = stage.verify(&Tars("plain")).unwrap();
        assert_eq!(failed(&report), [""; 0], "{point}: {:#?}", report.checks);
        assert!(report.reached.unwrap() < Lsn(0x700_0000), "{point}");
    }
}

pub(crate) fn encrypted() {
    let stage = Stage::new("sodium", 0, Target::new(Point::End)).expecting(AT_THE_END, true);
    let report = stage.verify(&Tars("sodium")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
}
