//! What goes where: results on standard output, everything else on standard error.

use crate::harness::{Host, big};
use std::time::Duration;

#[test]
fn progress_is_drawn_on_standard_error_alone() {
    let host = Host::with(&big());
    let mut run = host.start(["run", "--json", "--progress", "always"]);
    host.await_upload();
    // Nothing is drawn of work that ends within a second; this one takes longer.
    run.stop();
    std::thread::sleep(Duration::from_millis(1_100));
    run.resume();
    let ran = run.wait().expect(0);
    ran.envelope();
    assert!(ran.stderr.lines().any(|line| line.starts_with("backing up: ")), "{}", ran.stderr);
    let quiet = host.json(["run", "--progress", "never"]).expect(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn colours_only_when_asked_for() {
    let host = Host::ready();
    let plain = host.run(["status", "--json", "--color", "auto"]).expect(10);
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'));
    let coloured = host.run(["doctor", "--color", "always"]).expect(10);
    assert!(coloured.stdout.contains("\u{1b}["), "{}", coloured.stdout);
    let envelope = host.run(["doctor", "--color", "always", "--json"]).expect(10);
    assert!(!envelope.stdout.contains('\u{1b}'));
}

#[test]
fn an_error_is_two_lines_on_standard_error() {
    let host = Host::ready();
    let ran = host.run(["show", "state-2020"]).expect(2);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "error: there is no snapshot 'state-2020'\n  -> 'si-backup list' prints the ids\n"
    );
    let verbose = host.run(["show", "state-2020", "-v"]).expect(2);
    assert!(verbose.stderr.contains("[no-such-snapshot]"), "{}", verbose.stderr);
}

#[test]
fn options_are_taken_before_and_after_the_command() {
    let host = Host::ready();
    let (before, after) = (host.run(["--json", "list"]), host.run(["list", "--json"]));
    assert_eq!(before.stdout, after.stdout);
    before.envelope();
}

#[test]
fn the_operator_of_the_option_outranks_the_environments() {
    let mut host = Host::ready();
    host.setenv("SI_BACKUP_OPERATOR", "ada");
    host.json(["run"]).expect(0);
    host.json(["verify", "--operator", "grace"]).expect(0);
    let rows = host.json(["audit", "list"]).expect(0).data();
    let operators: Vec<_> = rows.iter().map(|row| row["operator"].as_str().unwrap()).skip(1).collect();
    assert_eq!(operators, ["ada", "ada", "grace"]);
}
