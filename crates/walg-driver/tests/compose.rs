//! Jobs in containers of a real compose project, under a Docker engine of the test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its engine fails")]

mod clock;

use clock::{RealClock, skipped};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use walg_driver::process::{Limits, Status, Variables, Watch};
use walg_driver::runner::{Compose, ComposeRunner, Control, Job, Runner};

const IMAGE: &str = "si-backup-test:1";

/// A container needs no image from anywhere: it has empty directories, and the host's programs.
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

/// A Docker engine whose containers, images and network are nobody else's.
struct Docker {
    dir: TempDir,
    daemon: Child,
}

impl Drop for Docker {
    fn drop(&mut self) {
        // In its own time: it takes its mounts away.
        let pid = rustix::process::Pid::from_child(&self.daemon);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.daemon.wait();
    }
}

impl Docker {
    fn start() -> Option<Self> {
        let is_there = |program: &str, args: &[&str]| {
            let status =
                Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        if !rustix::process::geteuid().is_root() {
            skipped("only root can start a Docker engine");
            return None;
        }
        if !is_there("dockerd", &["--version"]) || !is_there("docker", &["compose", "version"]) {
            skipped("there is no dockerd (Debian package docker.io) or no compose");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("si-dk-").tempdir_in("/tmp").unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let daemon = Command::new("dockerd")
            .args(["--data-root", &path("data"), "--exec-root", &path("exec"), "--pidfile", &path("pid")])
            .args(["--host", &format!("unix://{}", path("socket")), "--bridge=none"])
            .args(["--iptables=false", "--ip6tables=false"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        let mut docker = Self { dir, daemon };
        let begun = Instant::now();
        while docker.docker(&["info"]).is_none() {
            let log = || fs::read_to_string(docker.dir.path().join("log")).unwrap();
            if docker.daemon.try_wait().unwrap().is_some() {
                skipped(&format!(
                    "no Docker engine starts here: {}",
                    log().lines().last().unwrap_or_default()
                ));
                return None;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "dockerd does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
        docker.image();
        fs::create_dir(docker.dir.path().join("project")).unwrap();
        fs::write(docker.dir.path().join("project/compose.yaml"), PROJECT).unwrap();
        Some(docker)
    }

    /// What `docker` prints, when it ends well.
    fn docker(&self, args: &[&str]) -> Option<String> {
        let host = format!("unix://{}/socket", self.dir.path().display());
        let output = Command::new("docker").args(args).env("DOCKER_HOST", host).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn image(&self) {
        let root = self.dir.path().join("root");
        for name in ["usr", "etc", "proc", "sys", "dev", "run", "tmp", "root", "shared"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for link in ["bin", "lib", "lib64", "sbin"] {
            std::os::unix::fs::symlink(Path::new("usr").join(link), root.join(link)).unwrap();
        }
        let tar = self.dir.path().join("root.tar");
        let mut archive = tar::Builder::new(fs::File::create(&tar).unwrap());
        archive.follow_symlinks(false);
        archive.append_dir_all(".", &root).unwrap();
        archive.finish().unwrap();
        self.docker(&["import", tar.to_str().unwrap(), IMAGE]).unwrap();
    }

    fn runner(&self, socket: &str) -> ComposeRunner {
        let compose = Compose {
            dir: self.dir.path().join("project"),
            files: vec!["compose.yaml".into()],
            service: "backup".to_owned(),
            docker: "docker".into(),
        };
        let client = Variables::new()
            .plain("PATH", env::var_os("PATH").unwrap())
            .plain("HOME", env::var_os("HOME").unwrap())
            .plain("DOCKER_HOST", format!("unix://{}/{socket}", self.dir.path().display()));
        ComposeRunner::new(compose, client)
    }
}

fn sh(script: &str) -> Job {
    Job::new("sh").args(["-c", script])
}

#[test]
fn jobs_run_in_containers_of_their_own_and_leave_none() {
    let Some(docker) = Docker::start() else { return };
    let (clock, runner) = (RealClock::new(), docker.runner("socket"));
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
    let error = docker.runner("nobody").run(&sh("exit 1"), &control).unwrap_err();
    assert_eq!(error.code(), "not-run", "{error}");
    assert_eq!(docker.runner("nobody").containers(&control).unwrap_err().code(), "not-run");
}
