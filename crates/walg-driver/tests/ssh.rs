//! Jobs on another machine, which here is this one behind a real `sshd`.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its server fails")]

mod clock;
mod sshd;

use clock::{RealClock, skipped};
use sshd::{Sshd, stat};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use walg_driver::process::{Limits, Output, Status, Variables, Watch};
use walg_driver::runner::{Control, Far, Job, Runner, SshRunner};

fn runner(sshd: &Sshd, known: &str) -> SshRunner {
    let client = Variables::new().plain("PATH", "/usr/bin:/bin").plain("HOME", sshd.dir.path());
    let far = Far::Plain(sshd.dir.path().to_owned());
    let config = sshd.path(&format!("{known}_config"));
    SshRunner::new("far", far, client, sshd.dir.path()).unwrap().options(["-F".into(), config])
}

fn sh(script: &str) -> Job {
    Job::new("sh").args(["-c", script])
}

fn limits() -> Limits {
    Limits { grace: Duration::from_secs(1), ..Limits::default() }
}

fn control<'a>(clock: &'a RealClock, watch: Watch<'a>) -> Control<'a> {
    Control { limits: limits(), watch, clock }
}

/// A job that goes on for ever, takes no notice of SIGTERM, and leaves its id behind.
fn stubborn(file: &Path) -> Job {
    sh(&format!(
        "trap '' TERM; echo $$ >{0}.new; mv {0}.new {0}; while :; do sleep 0.2; done",
        file.display()
    ))
}

fn is_gone_soon(file: &Path) -> bool {
    let pid: u32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let begun = Instant::now();
    while stat(pid).is_some_and(|(_, fields)| fields[0] != "Z") {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

#[test]
fn a_job_there_is_as_one_here() {
    let Some(sshd) = Sshd::start("") else { return };
    let (clock, runner) = (RealClock::new(), runner(&sshd, "known"));
    let control = control(&clock, Watch::none());
    // 255 is what ssh itself ends with when it has lost the connection, and the job's own all the same.
    for code in [0, 3, 255] {
        let job = sh(&format!("echo \"$SETTING\"; pwd; echo err >&2; exit {code}"))
            .set("SETTING", "a 'b' $c \"d\"");
        let ended = runner.run(&job, &control).unwrap();
        assert_eq!(ended.status, Status::Exited(code));
        assert_eq!(ended.stdout.text(), format!("a 'b' $c \"d\"\n{}\n", sshd.dir.path().display()));
        assert_eq!(ended.stderr.text(), "err\n");
    }
    let input = b"select 1; -- 'x'\n".repeat(30_000);
    let ended = runner.run(
        &Job::new("cat").input(input.clone()).output(Output::Raw),
        &Control { limits: Limits { keep: 1 << 20, ..limits() }, ..control },
    );
    assert_eq!(ended.unwrap().stdout.whole(), Some(input));
    // One connection serves all, through a socket that nobody else can reach.
    let sockets = fs::read_dir(sshd.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let sockets: Vec<_> = sockets.filter(|path| path.to_str().unwrap().contains("si-ssh-")).collect();
    assert_eq!(fs::metadata(&sockets[0]).unwrap().permissions(), Permissions::from_mode(0o040_700));
    let log = fs::read_to_string(sshd.path("log")).unwrap();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
}

#[test]
fn a_machine_with_another_key_is_not_spoken_to() {
    let Some(sshd) = Sshd::start("") else { return };
    let clock = RealClock::new();
    let job = sh(&format!("touch {}", sshd.path("ran").display()));
    let error = runner(&sshd, "unknown").run(&job, &control(&clock, Watch::none())).unwrap_err();
    assert_eq!(error.code(), "not-connected", "{error}");
    assert!(!sshd.path("ran").exists());
}

#[test]
fn a_lost_connection_is_no_exit_code_and_leaves_nothing_running() {
    let Some(sshd) = Sshd::start("") else { return };
    let (clock, runner, file) = (RealClock::new(), runner(&sshd, "known"), sshd.path("pid"));
    let lose = || {
        if file.exists() {
            sshd.end_sessions();
        }
        false
    };
    let error = runner.run(&stubborn(&file), &control(&clock, Watch::none().interrupted(&lose))).unwrap_err();
    assert_eq!(error.code(), "connection-lost", "{error}");
    assert!(is_gone_soon(&file));
    // And the next job has a new connection.
    assert!(runner.run(&sh("true"), &control(&clock, Watch::none())).unwrap().status.is_zero());
}

#[test]
fn what_is_ended_here_is_ended_there() {
    let Some(sshd) = Sshd::start("") else { return };
    let (clock, runner, file) = (RealClock::new(), runner(&sshd, "known"), sshd.path("pid"));
    let interrupted = || file.exists();
    let ended =
        runner.run(&stubborn(&file), &control(&clock, Watch::none().interrupted(&interrupted))).unwrap();
    assert_eq!(ended.status, Status::Interrupted);
    assert!(is_gone_soon(&file));
    fs::remove_file(&file).unwrap();
    let limits = limits().total(Duration::from_secs(2));
    let ended =
        runner.run(&stubborn(&file), &Control { limits, watch: Watch::none(), clock: &clock }).unwrap();
    assert_eq!(ended.status, Status::TimedOut(Duration::from_secs(2)));
    assert!(is_gone_soon(&file));
}
