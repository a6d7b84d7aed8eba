//! A Docker engine for one test.

use crate::skipped;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A Docker engine whose containers, images and network are nobody else's.
pub(crate) struct Docker {
    pub(crate) dir: TempDir,
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
    /// Starts one that knows the image and this project.
    pub(crate) fn start(image: &str, project: &str) -> Option<Self> {
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
        docker.image(image);
        fs::create_dir(docker.dir.path().join("project")).unwrap();
        fs::write(docker.dir.path().join("project/compose.yaml"), project).unwrap();
        Some(docker)
    }

    /// Where its clients reach it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}/socket", self.dir.path().display())
    }

    /// What `docker` prints, when it ends well.
    pub(crate) fn docker(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("docker").args(args).env("DOCKER_HOST", self.host()).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// A container needs no image from anywhere: it has empty directories, and is given the host's programs.
    fn image(&self, name: &str) {
        let root = self.dir.path().join("root");
        for empty in ["usr", "etc", "proc", "sys", "dev", "run", "tmp", "root", "shared"] {
            fs::create_dir_all(root.join(empty)).unwrap();
        }
        for link in ["bin", "lib", "lib64", "sbin"] {
            std::os::unix::fs::symlink(Path::new("usr").join(link), root.join(link)).unwrap();
        }
        let tar = self.dir.path().join("root.tar");
        let packed =
            Command::new("tar").arg("-C").arg(&root).arg("-cf").args([&*tar, Path::new(".")]).status();
        assert!(packed.unwrap().success());
        self.docker(&["import", tar.to_str().unwrap(), name]).unwrap();
    }
}
