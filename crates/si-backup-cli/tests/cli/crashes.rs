//! A run that is killed at any moment.

use crate::harness::{Host, full, small};
use si_backup_tests::{Random, StateSpec};
use std::time::{Duration, Instant};

/// What must hold whenever a run may have been killed.
#[track_caller]
pub(crate) fn all_is_sound(host: &Host, made: &[String]) {
    let rows = host.json(["list"]).expect(0).data();
    for row in &rows {
        assert_eq!(row["restorable"], true, "what is listed is whole: {row:#}");
    }
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(made.iter().all(|id| ids.contains(&id.as_str())), "what was made stays made");
    host.json(["audit", "verify"]).expect(0);
}

#[test]
fn killed_at_random_moments_nothing_half_made_is_ever_seen() {
    let host = Host::with(&StateSpec { events_bytes: 1 << 20, ..small() });
    let mut random = Random::new(20_261_123);
    let mut made = Vec::new();
    let (mut met, wanted) = (0, if full() { 200 } else { 20 });
    for tried in 0.. {
        assert!(tried < 10 * wanted, "only {met} runs were met alive");
        // A run that was not met is as good as this one: no --lock-wait, the lease of the dead is taken over at once.
        let began = Instant::now();
        made.push(host.back_up());
        let whole = u64::try_from(began.elapsed().as_micros()).unwrap();
        if met == wanted {
            break;
        }
        let mut run = host.start(["run", "--json"]);
        // The moment is what is tried here: nothing is waited for.
        std::thread::sleep(Duration::from_micros(random.below(whole)));
        met += usize::from(run.is_running());
        run.kill();
        all_is_sound(&host, &made);
    }
    all_is_sound(&host, &made);
    host.json(["verify", "--all", "--level", "checksum"]).expect(0);
    // What the dead have left is invisible to everything but the doctor, and even to that until it is a day old.
    let checks = host.json(["doctor"]).expect(10).data();
    assert!(
        checks.iter().all(|check| check["ok"] == true || check["code"] == "single-recipient"),
        "{checks:#?}"
    );
}

#[test]
fn killed_in_the_middle_of_an_upload() {
    let host = Host::with(&crate::harness::big());
    let run = host.start(["run"]);
    host.await_upload();
    run.kill();
    all_is_sound(&host, &[]);
    assert!(host.ids().is_empty());
    assert!(!host.uploads().is_empty(), "its leftover is there, and nothing shows it");
    let rows = host.json(["audit", "list"]).data();
    let last = rows.last().unwrap();
    assert_eq!(
        (&last["action"], &last["outcome"]),
        (&"run".into(), &"announced".into()),
        "what was begun is told"
    );
    small().write(&host.state_root(), "default").unwrap();
    host.json(["run"]).expect(0);
}

#[test]
fn killed_while_it_extracts() {
    let host = Host::with(&crate::harness::big());
    host.back_up();
    let around = host.path("around");
    std::fs::create_dir(&around).unwrap();
    let into = around.join("back");
    let args = ["extract", "LATEST", "--into", into.to_str().unwrap()];
    let run = host.start(args);
    crate::harness::wait_for("a directory that is being filled", || {
        std::fs::read_dir(&around).unwrap().next().is_some()
    });
    run.kill();
    assert!(!into.exists(), "what is not proved is not at the target");
    host.json(args).expect(0);
}
