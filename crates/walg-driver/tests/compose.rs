//! Jobs in containers of a real compose project, under a Docker engine of the test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its engine fails")]

mod clock;
mod docker;

use clock::{RealClock, skipped};
use docker::Docker;
use std::env;
use std::fs;
use std::time::Duration;
use walg_driver::process::{Limits, Status, Variables, Watch};
use walg_driver::runner::{Compose, ComposeRunner, Control, Job, Runner};

const IMAGE: &str = "si-backup-test:1";

/// Its containers have the host's programs.
const PROJECT: &str = "name: si-backup-test
services:
  backup:
    image: si-backup-test:1
    network_mode: none
    environment: { WALG_LIBSODIUM_KEY: abcdefgh, WALG_DELTA_MAX_STEPS: '24' }
    volumes: ['/usr:/usr:ro', '/etc:/etc:ro', '.:/shared']
    command: ['sleep', '600']
    depends_on: [db]
  db:
    image: si-backup-test:1
    network_mode: none
    volumes: ['/usr:/usr:ro', '/etc:/etc:ro']
    command: ['sleep', '600']
";

fn runner(docker: &Docker, socket: &str) -> ComposeRunner {
    let compose = Compose {
        dir: docker.dir.path().join("project"),
        files: vec!["compose.yaml".into()],
        service: "backup".to_owned(),
        docker: "docker".into(),
    };
    let client = Variables::new()
        .plain("PATH", env::var_os("PATH").unwrap())
        .plain("HOME", env::var_os("HOME").unwrap())
        .plain("DOCKER_HOST", format!("unix://{}/{socket}", docker.dir.path().display()));
    ComposeRunner::new(compose, client)
}

fn sh(script: &str) -> Job {
    Job::new("sh").args(["-c", script])
}

#[test]
fn jobs_run_in_containers_of_their_own_and_leave_none() {
    let Some(docker) = Docker::start(IMAGE, PROJECT) else { return };
    let (clock, at) = (RealClock::new(), |socket| runner(&docker, socket));
    let runner = at("socket");
    let limits = Limits { grace: Duration::from_secs(2), ..Limits::default() };
    let control = Control { limits, watch: Watch::none(), clock: &clock };

    // Its settings are the service's own, but for what the job says; nothing else is started for it.
    for code in [0, 1, 125] {
        let job = sh(&format!(
            "echo \"$WALG_LIBSODIUM_KEY $WALG_DELTA_MAX_STEPS $1\"; cat; echo err >&2; exit {code}"
        ));
        let job = job.args(["sh", "a 'b' $c"]).set("WALG_DELTA_MAX_STEPS", "1").input("input\n");
        let ended = runner.run(&job, &control).unwrap();
        assert_eq!(ended.status, Status::Exited(code));
        assert_eq!(ended.stdout.text(), "abcdefgh 1 a 'b' $c\ninput\n");
        assert!(ended.stderr.text().contains("err\n"));
    }
    assert_eq!(docker.docker(&["ps", "--all", "--quiet"]).unwrap(), "");
    assert_eq!(runner.containers(&control).unwrap(), Some(Vec::new()));

    // One that hangs goes with its container, whatever it makes of signals.
    let began = docker.dir.path().join("project/began");
    let interrupted = || began.exists();
    let job = sh("trap '' TERM; touch /shared/began; while :; do sleep 0.2; done");
    let watch = Watch::none().interrupted(&interrupted);
    assert_eq!(runner.run(&job, &Control { watch, ..control }).unwrap().status, Status::Interrupted);
    assert_eq!(docker.docker(&["ps", "--all", "--quiet"]).unwrap(), "");

    // What was begun, and then killed by somebody else, is not taken for what it ended with.
    fs::remove_file(&began).unwrap();
    let killed = || {
        if began.exists() {
            let all = docker.docker(&["ps", "--quiet"]).unwrap();
            let _ = docker.docker(&["kill", all.trim()]);
        }
        false
    };
    let job = sh("touch /shared/began; while :; do sleep 0.2; done");
    let watch = Watch::none().interrupted(&killed);
    let error = runner.run(&job, &Control { watch, ..control }).unwrap_err();
    assert_eq!(error.code(), "outcome-unknown", "{error}");

    // What compose tells of the service's own container.
    docker
        .docker(&[
            "compose",
            "-f",
            docker.dir.path().join("project/compose.yaml").to_str().unwrap(),
            "up",
            "-d",
        ])
        .unwrap();
    let containers = runner.containers(&control).unwrap().unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!((&*containers[0].service, &*containers[0].state), ("backup", "running"));
    let all = docker.docker(&["ps", "--all", "--quiet"]).unwrap();
    docker.docker(&[&["rm", "--force"][..], &all.lines().collect::<Vec<_>>()].concat()).unwrap();

    // That the engine is down is not what the job ended with.
    let error = at("nobody").run(&sh("exit 1"), &control).unwrap_err();
    assert_eq!(error.code(), "not-run", "{error}");
    assert_eq!(at("nobody").containers(&control).unwrap_err().code(), "not-run");
}
