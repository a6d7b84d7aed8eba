//! SIGINT and SIGTERM in the middle of the work.

use crate::harness::{Host, big, small, wait_for};
use rustix::process::Signal;
use std::fs;

const SIGNALS: [(Signal, i32); 2] = [(Signal::INT, 130), (Signal::TERM, 143)];

#[test]
fn a_run_in_the_middle_of_its_upload() {
    let (host, before) = Host::backed_up();
    for (signal, code) in SIGNALS {
        big().write(&host.state_root(), "default").unwrap();
        let mut run = host.start(["run", "--json"]);
        host.await_upload();
        run.stop();
        assert!(!host.uploads().is_empty(), "it was met in the middle");
        run.signal(signal);
        run.resume();
        let ran = run.wait().expect(code);
        let said = ran.error("interrupted");
        assert!(said.contains(if code == 130 { "SIGINT" } else { "SIGTERM" }), "{said}");
        assert_eq!(ran.row()["status"], "failed");
        assert_eq!(host.ids()[0], before);
        assert!(host.uploads().is_empty(), "nothing is left on its way: {:?}", host.uploads());
        let listed = host.run(["list"]).expect(0).stdout;
        assert!(!listed.contains("belong to no snapshot"), "{listed}");
        let told = host.json(["audit", "list"]).expect(0).data();
        let last = told.last().unwrap();
        assert_eq!((&last["action"], &last["outcome"]), (&"run".into(), &"interrupted".into()));
        let event = &host.json(["events", "list", "--limit", "1"]).data()[0];
        assert_eq!(event["error_code"], "interrupted");
        small().write(&host.state_root(), "default").unwrap();
        host.json(["run"]).expect(0);
        host.json(["audit", "verify"]).expect(0);
    }
    assert_eq!(host.ids().len(), 1 + SIGNALS.len());
}

#[test]
fn an_interrupted_run_in_words() {
    let host = Host::with(&big());
    let mut run = host.start(["run"]);
    host.await_upload();
    run.stop();
    run.signal(Signal::INT);
    run.resume();
    let ran = run.wait().expect(130);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.starts_with("error: stopped by SIGINT\n  -> "), "{}", ran.stderr);
    assert!(host.ids().is_empty());
}

#[test]
fn an_extraction_leaves_nothing_behind() {
    let host = Host::with(&big());
    host.back_up();
    let around = host.path("around");
    fs::create_dir(&around).unwrap();
    let into = around.join("back");
    for (signal, code) in SIGNALS {
        let mut run = host.start(["extract", "LATEST", "--json", "--into", into.to_str().unwrap()]);
        wait_for("a directory that is being filled", || fs::read_dir(&around).unwrap().next().is_some());
        run.stop();
        assert!(!into.exists(), "nothing is at the target before it was proved");
        run.signal(signal);
        run.resume();
        run.wait().expect(code).error("interrupted");
        assert_eq!(fs::read_dir(&around).unwrap().count(), 0);
    }
}

/// What reads a whole bundle, met while it has it open.
#[test]
fn whatever_reads_a_bundle() {
    let host = Host::with(&big());
    let id = host.back_up();
    let evidence = host.json(["show", &id]).row()["evidence"].as_array().unwrap().len();
    for args in [
        &["verify"][..],
        &["verify", "--all", "--level", "checksum"],
        &["show", "LATEST"],
        &["diff", "LATEST"],
    ] {
        let mut run = host.start(args.iter().chain(&["--json"]));
        let bundle = host.bundle(&id);
        let open = format!("/proc/{}/fd", run.id());
        wait_for("an open bundle", || {
            assert!(run.is_running(), "{args:?} ended unmet");
            let Ok(mut fds) = fs::read_dir(&open) else { return false };
            fds.any(|fd| fd.is_ok_and(|fd| fs::read_link(fd.path()).is_ok_and(|path| path == bundle)))
        });
        run.stop();
        run.signal(Signal::INT);
        run.resume();
        run.wait().expect(130).error("interrupted");
    }
    // A verification that could not be made says nothing about the snapshot.
    assert_eq!(host.json(["show", &id]).row()["evidence"].as_array().unwrap().len(), evidence);
}
