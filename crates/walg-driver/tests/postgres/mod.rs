//! A real PostgreSQL for one test, with the linked-in engine beside it.

use crate::clock::{RealClock, skipped};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use walg_driver::process::{Command, Limits, User, Variables, Watch, run};
use walg_driver::runner::LocalRunner;

pub(crate) struct Postgres {
    dir: TempDir,
    bin: PathBuf,
    user: Option<User>,
    program: PathBuf,
}

/// The newest server programs of this machine.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let bin = path.join("bin");
        bin.join("initdb").exists().then_some((version, bin))
    });
    let elsewhere = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|dir| dir.join("initdb").exists())
    };
    versions.max().map(|(_, bin)| bin).or_else(elsewhere)
}

impl Postgres {
    /// Makes a server and starts it, with what `archive_command` says of it.
    pub(crate) fn start(archive_command: impl Fn(&Self) -> String) -> Option<Self> {
        let Some(bin) = programs() else {
            skipped("there are no server programs of PostgreSQL (Debian package postgresql)");
            return None;
        };
        // It refuses to run as root.
        let user = rustix::process::geteuid().is_root().then(|| User::find("postgres", &RealClock::new()));
        let Ok(user) = user.transpose() else {
            skipped("root can start a server only as the user 'postgres', and there is none");
            return None;
        };
        // A socket's path may have about a hundred bytes, and every directory above must be open to the server's user.
        let dir = tempfile::Builder::new().prefix("si-pg-").tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let program = dir.path().join("engine");
        fs::copy(env!("CARGO_BIN_EXE_walg-driver-engine"), &program).unwrap();
        let server = Self { dir, bin, user, program };
        for name in ["home", "bucket"] {
            fs::create_dir(server.dir().join(name)).unwrap();
            server.give(&server.dir().join(name));
        }
        server.give(server.dir());
        server.must("initdb", &["--no-sync", "--auth=trust", "--username=postgres", "--pgdata"]);
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\nwal_level = replica\narchive_mode = on\n\
             archive_command = '{}'\nshared_buffers = 16MB\n",
            server.dir().display(),
            archive_command(&server).replace('\'', "''")
        );
        let file = server.data().join("postgresql.conf");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, before + &settings).unwrap();
        let log = server.dir().join("log");
        server.must("pg_ctl", &["--wait", "--log", log.to_str().unwrap(), "start", "--pgdata"]);
        Some(server)
    }

    fn give(&self, path: &Path) {
        if let Some(user) = &self.user {
            chown(path, Some(user.uid()), Some(user.gid())).unwrap();
        }
    }

    /// Runs one of its programs on its data directory.
    fn run(&self, program: &str, args: &[&str]) -> walg_driver::process::Ended {
        let environment = Variables::new().plain("PATH", "/usr/bin:/bin").plain("LC_ALL", "C.UTF-8");
        let command =
            Command::new(self.bin.join(program)).args(args).arg(self.data()).environment(environment);
        let command = match &self.user {
            Some(user) => command.user(user.clone()),
            None => command,
        };
        run(&command, &Limits::default().total(Duration::from_mins(1)), &Watch::none(), &RealClock::new())
            .unwrap()
    }

    fn must(&self, program: &str, args: &[&str]) {
        let ended = self.run(program, args);
        let log = fs::read_to_string(self.dir().join("log")).unwrap_or_default();
        assert!(ended.status.is_zero(), "{program} {}: {}{log}", ended.status, ended.stderr.text());
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir().join("home/data")
    }

    pub(crate) fn bucket(&self) -> PathBuf {
        self.dir().join("bucket")
    }

    /// The engine, where the server's user can start it.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn user(&self) -> Option<User> {
        self.user.clone()
    }

    /// How it is reached.
    pub(crate) fn connection(&self) -> Variables {
        Variables::new()
            .plain("PGHOST", self.dir())
            .plain("PGUSER", "postgres")
            .plain("PGDATABASE", "postgres")
    }

    pub(crate) fn as_its_user(&self, runner: LocalRunner) -> LocalRunner {
        match &self.user {
            Some(user) => runner.run_as(user.clone()),
            None => runner,
        }
    }

    /// A program in the place of an engine.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["--mode=immediate", "--no-wait", "stop", "--pgdata"]);
    }
}
