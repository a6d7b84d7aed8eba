//! Children that do not behave: that hang, ignore signals, leave others behind, and print what they should not.

#![expect(clippy::unwrap_used, reason = "a test that cannot start its child fails")]

mod clock;

use clock::RealClock;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use walg_driver::process::{Command, Ended, Leftovers, Limits, Output, Status, User, Variables, Watch, run};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn path() -> Variables {
    Variables::new().plain("PATH", "/usr/bin:/bin")
}

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script]).environment(path())
}

fn soon() -> Limits {
    Limits { grace: MS(300), ..Limits::default() }
}

fn end(command: &Command, limits: &Limits) -> Ended {
    run(command, limits, &Watch::none(), &RealClock::new()).unwrap()
}

/// Whether a process whose id a script wrote to a file is still there, and not only as a zombie that nobody has collected.
fn lives(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn wait_for(file: &Path) {
    let begun = Instant::now();
    while fs::read_to_string(file).unwrap_or_default().trim().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} does not come", file.display());
        std::thread::sleep(MS(5));
    }
}

#[test]
fn what_happened_is_told_and_nothing_more() {
    let ended = end(&sh("echo out; echo err >&2; exit 7"), &soon());
    assert_eq!(ended.status, Status::Exited(7));
    assert_eq!((&*ended.stdout.text(), &*ended.stderr.text()), ("out\n", "err\n"));
    assert_eq!(end(&sh("kill -9 $$"), &soon()).status, Status::Killed(9));
    assert!(end(&sh("exit 0"), &soon()).status.is_zero());
}

#[test]
fn a_child_sees_its_environment_and_no_other() {
    let command =
        Command::new("/usr/bin/env").environment(Variables::new().plain("ONE", "1").secret("TWO", "2"));
    assert_eq!(end(&command, &soon()).stdout.text(), "ONE=1\nTWO=2\n");
}

#[test]
fn much_goes_in_and_out_at_once() {
    let input = b"0123456789abcdef".repeat(1 << 16);
    let limits = Limits { keep: 4 << 20, ..soon() };
    let ended = end(&Command::new("/bin/cat").input(input.clone()), &limits);
    assert_eq!(ended.stdout.whole(), Some(input.clone()));
    // One that reads nothing of it is no worse off.
    assert_eq!(end(&sh("exit 4").input(input), &soon()).status, Status::Exited(4));
}

#[test]
fn a_program_that_is_not_there_is_told_apart() {
    let run = |program| run(&Command::new(program), &soon(), &Watch::none(), &RealClock::new()).unwrap_err();
    assert_eq!(run("/no/such/program").code(), "program-not-started");
    assert!(run("/no/such/program").hint().unwrap().contains("install"));
}

#[test]
fn one_that_hangs_is_ended_with_its_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("grandchild");
    // Both ignore SIGTERM, and the grandchild has given the pipes back.
    let script = format!(
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >{0}; while :; do sleep 1; done' >/dev/null 2>&1 & while :; do sleep 1; done",
        file.display()
    );
    let limits = Limits { stall: Some(MS(700)), ..soon() };
    let ended = end(&sh(&script), &limits);
    assert_eq!(ended.status, Status::Stalled(MS(700)));
    assert!(ended.duration < Duration::from_secs(8), "{:?}", ended.duration);
    assert!(!lives(&file));
}

#[test]
fn one_that_ends_when_asked_has_the_time_to_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let cleaned = dir.path().join("cleaned");
    // As under a shell that dies at once: what has to clean up is its child.
    let script = format!(
        "sh -c 'trap \"sleep 0.3; echo yes >{}; exit 1\" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null & wait",
        cleaned.display()
    );
    let limits = Limits { grace: Duration::from_secs(10), stall: Some(MS(500)), ..soon() };
    let ended = end(&sh(&script), &limits);
    assert_eq!(ended.status, Status::Stalled(MS(500)));
    assert!(cleaned.exists(), "it was ended before it could clean up");
    assert!(ended.duration < Duration::from_secs(8), "and was not waited for longer than it took");
}

#[test]
fn output_and_progress_put_the_stall_limit_off() {
    let limits = Limits { stall: Some(MS(600)), ..soon() };
    let talks = sh("for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done");
    assert_eq!(end(&talks, &limits).status, Status::Exited(0));
    let begun = Instant::now();
    let seconds = move || begun.elapsed().as_secs();
    let limits = Limits { stall: Some(MS(1500)), ..soon() };
    let works = |watch: &Watch<'_>| run(&sh("sleep 3"), &limits, watch, &RealClock::new()).unwrap().status;
    assert_eq!(works(&Watch::none().progress(&seconds)), Status::Exited(0));
    assert_eq!(works(&Watch::none()), Status::Stalled(MS(1500)));
}

#[test]
fn the_whole_time_is_limited_whatever_is_printed() {
    let ended = end(&sh("while :; do echo more; sleep 0.05; done"), &soon().total(MS(500)));
    assert_eq!(ended.status, Status::TimedOut(MS(500)));
    assert!(ended.stdout.text().starts_with("more\n"));
    // Also when that is so much that there never is a pause.
    let ended = end(&Command::new("/usr/bin/yes"), &soon().total(MS(500)));
    assert_eq!(ended.status, Status::TimedOut(MS(500)));
    assert!(ended.stdout.omitted() > 0 && ended.stdout.whole().is_none());
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let begun = Instant::now();
    let interrupted = move || begun.elapsed() > MS(300);
    let watch = Watch::none().interrupted(&interrupted);
    let ended = run(&sh("sleep 60 & sleep 60"), &soon(), &watch, &RealClock::new()).unwrap();
    assert_eq!(ended.status, Status::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_grandchild_that_keeps_the_pipe_does_not_hold_us_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("grandchild");
    let script = format!("sh -c 'echo $$ >{}; exec sleep 60' & echo done", file.display());
    let ended = end(&sh(&script), &soon());
    assert_eq!((ended.status, &*ended.stdout.text()), (Status::Exited(0), "done\n"));
    assert!(ended.duration < Duration::from_secs(8), "{:?}", ended.duration);
    assert!(!lives(&file));

    // One that has left the group is out of reach, and does not hold us up either.
    let file = dir.path().join("daemon");
    let script = format!(
        "setsid sh -c 'echo $$ >{0}; exec sleep 20' & while ! [ -s {0} ]; do sleep 0.01; done",
        file.display()
    );
    let ended = end(&sh(&script), &soon());
    assert_eq!(ended.status, Status::Exited(0));
    assert!(ended.duration < Duration::from_secs(8), "{:?}", ended.duration);
    assert!(lives(&file));
    let _ = end(&sh(&format!("kill $(cat {})", file.display())), &soon());
}

#[test]
fn what_a_child_leaves_behind_may_be_left_on_purpose() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("left");
    let script = format!("sh -c 'echo $$ >{}; exec sleep 20' >/dev/null 2>&1 &", file.display());
    let ended = end(&sh(&script).leftovers(Leftovers::Leave), &soon());
    assert_eq!(ended.status, Status::Exited(0));
    wait_for(&file);
    assert!(lives(&file));
    let _ = end(&sh(&format!("kill $(cat {})", file.display())), &soon());
}

#[test]
fn secrets_are_not_printed_on() {
    let secret = "correct horse battery staple";
    let environment = path().secret("PGPASSWORD", secret).secret("PIN", "12345").plain("PGHOST", "database");
    // In pieces, so that no read has it whole.
    let script = "printf '%s' \"a ${PGPASSWORD%battery*}\"; sleep 0.2; printf '%s\\n' \"battery staple $PIN $PGHOST\"; \
                  printf '%s\\n' \"$PGPASSWORD\" >&2; printf '%s' \"$PGPASSWORD\" | cut -c 1-9";
    let ended = end(&sh(script).environment(environment.clone()), &soon());
    assert_eq!(ended.stdout.text(), "a <redacted> 12345 database\ncorrect h\n");
    assert_eq!(ended.stderr.text(), "<redacted>\n");
    // A parser gets what there is; it is not shown for that.
    let raw = end(&sh("printf '%s' \"$PGPASSWORD\"").environment(environment).output(Output::Raw), &soon());
    assert_eq!(raw.stdout.whole().unwrap(), secret.as_bytes());
    assert!(!format!("{raw:?}").contains("horse"));
}

#[test]
fn a_child_runs_as_the_user_that_is_named() {
    let clock = RealClock::new();
    assert_eq!(User::find("no-such-user", &clock).unwrap_err().code(), "no-such-user");
    if !rustix::process::geteuid().is_root() {
        return clock::skipped("only root can run a program as another user");
    }
    let user = User::find("nobody", &clock).unwrap();
    let ended = end(&sh("id -u; id -g; id -G").user(user.clone()), &soon());
    let gid = user.gid();
    assert_eq!(ended.stdout.text(), format!("{}\n{gid}\n{gid}\n", user.uid()));
}
