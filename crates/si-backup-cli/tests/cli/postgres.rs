//! A real server for one test, with this program as its `archive_command`.

use crate::harness::{Host, Ran, skipped};
use si_backup_tests::servers::{AccessKeys, REGION, postgres_of};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What encrypts the backups of the tests.
pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A server, its bucket, and a host of `si-backup` on the same machine.
pub(crate) struct Database {
    pub(crate) host: Host,
    dir: tempfile::TempDir,
    /// Nobody else's, as scratch directories need it.
    ground: tempfile::TempDir,
    bin: PathBuf,
    /// Where the tests run as root: as whom it runs.
    user: Option<(u32, u32)>,
}

pub(crate) fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let bin = path.join("bin");
        bin.join("initdb").exists().then_some((version, bin))
    });
    versions.max().map(|(_, bin)| bin)
}

fn postgres_user() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

impl Database {
    /// With a server that archives into a directory; the app is called `shop`.
    pub(crate) fn in_a_directory() -> Option<Self> {
        let database = Self::bare()?;
        let env = format!("WALG_FILE_PREFIX={}\n", database.path("bucket").display());
        database.begin("local-directory", &env);
        Some(database)
    }

    /// The same with a server of another major version than the distribution's.
    pub(crate) fn of_major(major: u32) -> Option<Self> {
        let ours = programs()?;
        let Some(server) = postgres_of(major) else {
            skipped(&format!("there is no server of PostgreSQL {major} (scripts/setup fetches it with npm)"));
            return None;
        };
        let database = Self::made_by(|dir| {
            // Where the server's user can start it.
            let copied = Command::new("cp").arg("-a").args([&server, &dir.join("server")]).status().unwrap();
            assert!(copied.success());
            let bin = dir.join("server/bin");
            // Of what is read in the control file, all of these versions have the layout of the distribution's.
            for program in ["psql", "pg_controldata"] {
                std::os::unix::fs::symlink(ours.join(program), bin.join(program)).unwrap();
            }
            bin
        })?;
        let env = format!("WALG_FILE_PREFIX={}\n", database.path("bucket").display());
        database.begin("local-directory", &env);
        let bin = format!("bin_dir = \"{}\", dir = ", database.bin.display());
        database.host.edit_settings("kind = \"local\", dir = ", &format!("kind = \"local\", {bin}"));
        Some(database)
    }

    /// A cluster that is not started, and a host with a control store.
    pub(crate) fn bare() -> Option<Self> {
        let Some(bin) = programs() else {
            skipped("there are no server programs of PostgreSQL (Debian package postgresql)");
            return None;
        };
        Self::made_by(|_| bin)
    }

    /// With the programs in a directory, which may be put below the one that is handed over.
    fn made_by(bin: impl FnOnce(&Path) -> PathBuf) -> Option<Self> {
        let is_root = rustix::process::geteuid().is_root();
        let user = postgres_user().filter(|_| is_root);
        if is_root && user.is_none() {
            skipped("root can start a server only as the user 'postgres', and there is none");
            return None;
        }
        let host = Host::ready();
        let dir = tempfile::Builder::new().prefix("si-db-").tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        // Where the server's user can start it.
        fs::copy(crate::harness::tested_program(), dir.path().join("si-backup")).unwrap();
        let ground = tempfile::Builder::new().prefix("si-db-").tempdir().unwrap();
        fs::set_permissions(ground.path(), Permissions::from_mode(0o755)).unwrap();
        let bin = bin(dir.path());
        let database = Self { host, dir, ground, bin, user };
        for name in ["bucket", "cluster"] {
            fs::create_dir(database.path(name)).unwrap();
            database.give(&database.path(name));
        }
        database.give(database.dir.path());
        database.make_cluster();
        Some(database)
    }

    fn make_cluster(&self) {
        self.make_cluster_with(&[]);
    }

    fn make_cluster_with(&self, more: &[&str]) {
        let args = ["--no-sync", "--auth=trust", "--username=postgres", "--data-checksums"];
        self.must("initdb", &[&args[..], more, &["-D"]].concat(), &self.data());
    }

    /// Another cluster, not yet started, in the place of this one that was not either.
    pub(crate) fn make_cluster_anew(&self, more: &[&str]) {
        fs::remove_dir_all(self.data()).unwrap();
        self.make_cluster_with(more);
    }

    /// Makes the server a standby of nobody, and promotes it.
    pub(crate) fn promote(&self) {
        self.stop();
        let signal = self.data().join("standby.signal");
        fs::write(&signal, "").unwrap();
        self.give(&signal);
        self.start();
        self.must("pg_ctl", &["--wait", "promote", "-D"], &self.data());
    }

    /// Puts a standby of this server where its data directory is, and leaves the server at work: it does not look by its path
    /// for the directory in which it is. Where the standby's socket is.
    pub(crate) fn put_standby_in_place(&self) -> PathBuf {
        let (copy, moved, socket) =
            (self.path("cluster/copy"), self.path("cluster/moved"), self.path("standby"));
        fs::create_dir(&socket).unwrap();
        self.give(&socket);
        self.must(
            "pg_basebackup",
            &[
                "--checkpoint=fast",
                "--write-recovery-conf",
                "-U",
                "postgres",
                "-h",
                self.dir.path().to_str().unwrap(),
                "-D",
            ],
            &copy,
        );
        let file = copy.join("postgresql.auto.conf");
        let settings = format!("unix_socket_directories = '{}'\n", socket.display());
        fs::write(&file, fs::read_to_string(&file).unwrap() + &settings).unwrap();
        fs::rename(self.data(), &moved).unwrap();
        fs::rename(&copy, self.data()).unwrap();
        let log = self.path("log-of-standby");
        self.must("pg_ctl", &["--wait", "--log", log.to_str().unwrap(), "start", "-D"], &self.data());
        socket
    }

    /// Another cluster in the place of this one.
    pub(crate) fn replace_cluster(&self) {
        self.stop();
        fs::remove_dir_all(self.data()).unwrap();
        self.make_cluster();
        self.start();
    }

    /// Names the app in the settings, and starts the server, which archives as the env file says.
    pub(crate) fn begin(&self, profile: &str, env: &str) {
        let key = if env.contains("WALG_LIBSODIUM_KEY") {
            String::new()
        } else {
            format!("WALG_LIBSODIUM_KEY={KEY}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n")
        };
        let env = format!(
            "{env}PGHOST={}\nPGUSER=postgres\nPGDATABASE=postgres\nWALG_COMPRESSION_METHOD=zstd\n{key}",
            self.dir.path().display()
        );
        let path = self.path("shop.env");
        fs::write(&path, &env).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let (run_as, scratch) = (self.user.map_or("", |_| ", run_as = \"postgres\""), self.ground("scratch"));
        let settings = fs::read_to_string(self.host.config()).unwrap();
        let section = format!(
            "\n[contexts.default.apps.shop]\nprofile = \"{profile}\"\nenv_file = \"{}\"\n\
             runner = {{ kind = \"local\", pgdata = \"{}\"{run_as} }}\n\
             rehearsal = {{ host = \"here\", kind = \"local\", dir = \"{}\"{run_as} }}\n\
             checks = [{{ name = \"orders\", sql = \"select count(*) >= 1000 from orders\", when = \"both\" }}]\n",
            path.display(),
            self.data().display(),
            scratch.display(),
        );
        fs::write(self.host.config(), settings + &section).unwrap();
        // What the server's user reads is a copy: the other one is the operator's alone.
        let archive = self.path("archive");
        let exports: Vec<_> = env.lines().map(|line| format!("export {line}")).collect();
        let exports = exports.join("\n");
        fs::write(
            &archive,
            format!(
                "#!/bin/sh\n{exports}\nexec {} engine -- wal-push \"$1\"\n",
                self.path("si-backup").display()
            ),
        )
        .unwrap();
        fs::set_permissions(&archive, Permissions::from_mode(0o700)).unwrap();
        self.give(&archive);
        self.start();
        self.sql("create table orders as select generate_series(1, 1000) as id; checkpoint");
    }

    pub(crate) fn start(&self) {
        let file = self.data().join("postgresql.conf");
        let before = fs::read_to_string(&file).unwrap();
        if !before.contains("si-backup's test") {
            // Since 13.
            let version = fs::read_to_string(self.data().join("PG_VERSION")).unwrap();
            let keep = if version.trim() == "12" { "" } else { "max_slot_wal_keep_size = 1GB\n" };
            let settings = format!(
                "# si-backup's test\nlisten_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\narchive_mode = on\n\
                 archive_command = '{} %p'\narchive_timeout = 60\n{keep}shared_buffers = 16MB\n",
                self.dir.path().display(),
                self.path("archive").display(),
            );
            fs::write(&file, before + &settings).unwrap();
        }
        let log = self.path("log");
        let log = log.to_str().unwrap();
        self.must("pg_ctl", &["--wait", "--log", log, "start", "-D"], &self.data());
    }

    pub(crate) fn stop(&self) {
        self.must("pg_ctl", &["--wait", "--mode=immediate", "stop", "-D"], &self.data());
    }

    /// The file that says that a segment waits to be archived, the oldest of them.
    pub(crate) fn oldest_waiting_segment(&self) -> PathBuf {
        let status = self.data().join("pg_wal/archive_status");
        let names = fs::read_dir(status).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|end| end == "ready")).min().unwrap()
    }

    /// A setting of the running server.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.sql(&format!("alter system set {name} = '{value}'"));
        self.sql("select pg_reload_conf()");
    }

    pub(crate) fn sql(&self, text: &str) -> String {
        self.sql_in("postgres", text)
    }

    pub(crate) fn sql_in(&self, database: &str, text: &str) -> String {
        let mut command = self.command("psql");
        command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"]);
        let output = command.arg(self.dir.path()).args(["-c", text]).output().unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Waits until everything that was written up to now is in the bucket.
    pub(crate) fn archive_what_there_is(&self) {
        self.sql("insert into orders values (-1)");
        let segment = self.sql("select pg_walfile_name(pg_switch_wal())");
        let is_there = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            self.sql("select coalesce(last_archived_wal, '') from pg_stat_archiver") >= segment
        });
        assert!(is_there, "{segment} was not archived");
    }

    /// A program of the server's, as its user.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").current_dir("/");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn must(&self, program: &str, args: &[&str], data: &Path) {
        // A server keeps the pipes of whoever starts it.
        let (out, err) = (self.path("out"), self.path("err"));
        let status = self
            .command(program)
            .args(args)
            .arg(data)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .status()
            .unwrap();
        let said = [out, err, self.path("log")].map(|path| fs::read_to_string(path).unwrap_or_default());
        assert!(status.success(), "{program}: {said:?}");
    }

    /// As whom the server runs, where that is not who runs the tests.
    pub(crate) const fn ids(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// Gives a file to the server's user.
    pub(crate) fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// A path that only who runs the tests can write to.
    pub(crate) fn ground(&self, below: &str) -> PathBuf {
        self.ground.path().join(below)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("cluster/data")
    }

    /// A program in the place of an engine, named in the settings.
    pub(crate) fn replace_engine(&self, text: &str) {
        let path = self.path("fake-engine");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let with = format!(
            "\n[contexts.default.apps.shop]\nengine = \"walrus\"\nprogram = \"{}\"\n",
            path.display()
        );
        self.host.edit_settings("\n[contexts.default.apps.shop]\n", &with);
    }

    /// `wal-g` as the engine of the app and in the server's `archive_command`.
    pub(crate) fn take_wal_g(&self, program: &Path) {
        // Where the server's user can start it.
        let own = self.path("wal-g");
        if fs::hard_link(program, &own).is_err() {
            fs::copy(program, &own).unwrap();
        }
        let archive = self.path("archive");
        let text = fs::read_to_string(&archive).unwrap();
        let begins = text.find("exec ").unwrap();
        let exec = format!("exec {} wal-push \"$1\" --config /dev/null\n", own.display());
        fs::write(&archive, text[..begins].to_owned() + &exec).unwrap();
        self.give(&archive);
        self.name_engine("wal-g", &own);
    }

    /// Names an engine in the settings of the app, in the place of another one.
    pub(crate) fn name_engine(&self, kind: &str, program: &Path) {
        let settings = fs::read_to_string(self.host.config()).unwrap();
        let is_named = |line: &&str| !line.starts_with("engine = ") && !line.starts_with("program = ");
        let rest: Vec<&str> = settings.lines().filter(is_named).collect();
        fs::write(self.host.config(), rest.join("\n") + "\n").unwrap();
        let with = match kind {
            "embedded" => "\n[contexts.default.apps.shop]\nengine = \"embedded\"\n".to_owned(),
            _ => format!(
                "\n[contexts.default.apps.shop]\nengine = \"{kind}\"\nprogram = \"{}\"\n",
                program.display()
            ),
        };
        self.host.edit_settings("\n[contexts.default.apps.shop]\n", &with);
    }

    /// Changes the env file.
    pub(crate) fn edit_env(&self, from: &str, to: &str) {
        let path = self.path("shop.env");
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{from}");
        fs::write(&path, before.replace(from, to)).unwrap();
    }

    /// One setting more, for the backups and for what the server archives.
    pub(crate) fn add_setting(&self, line: &str) {
        self.edit_env("PGUSER=", &format!("{line}\nPGUSER="));
        let archive = self.path("archive");
        let text = fs::read_to_string(&archive).unwrap();
        fs::write(&archive, text.replacen("exec ", &format!("export {line}\nexec "), 1)).unwrap();
    }

    /// Another key, for the backups and for what the server archives.
    pub(crate) fn change_key(&self, from: &str, to: &str) {
        self.edit_env(from, to);
        let archive = self.path("archive");
        fs::write(&archive, fs::read_to_string(&archive).unwrap().replace(from, to)).unwrap();
    }

    /// Runs this program, from where the server's user can start it too.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.si_backup(args).output().unwrap())
    }

    /// The same as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Ran {
        self.run(&[&["--json"], args].concat())
    }

    /// This program, to be started.
    pub(crate) fn si_backup(&self, args: &[&str]) -> Command {
        let standard = self.host.command(args);
        let mut command = Command::new(self.path("si-backup"));
        command.env_clear().envs(standard.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// The env file's lines for the app `shop` in a bucket, which is reached at an endpoint.
pub(crate) fn s3_env(bucket: &str, endpoint: &str, keys: &AccessKeys) -> String {
    format!(
        "WALG_S3_PREFIX=s3://{bucket}/shop\nWALG_AWS_ENDPOINT={endpoint}\nAWS_REGION={REGION}\nAWS_S3_FORCE_PATH_STYLE=true\n\
         WALG_AWS_ACCESS_KEY_ID={}\nWALG_AWS_SECRET_ACCESS_KEY={}\n",
        keys.id, keys.secret
    )
}

/// A server that was started over an extracted directory, as the row says.
pub(crate) struct Extracted<'a> {
    database: &'a Database,
    data: PathBuf,
}

impl Database {
    /// Starts what was extracted, with a socket of its own and no bucket to fall back to.
    pub(crate) fn start_extracted(&self, row: &serde_json::Value) -> Extracted<'_> {
        let words: Vec<&str> =
            row["server"]["start"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let data = PathBuf::from(row["into"].as_str().unwrap());
        let options = format!("-c unix_socket_directories={} -c port=5433", self.dir.path().display());
        let (out, err) = (self.path("out"), self.path("err"));
        let mut command = self.command(words[0]);
        command.args(&words[1..]).arg("-o").arg(options).stdin(Stdio::null());
        let status = command
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .status()
            .unwrap();
        let said =
            [out, err, data.join("recovery.log")].map(|path| fs::read_to_string(path).unwrap_or_default());
        assert!(status.success(), "{said:?}");
        let copy = Extracted { database: self, data };
        let has_recovered = (0..600).any(|_| {
            let is_done = copy.sql("select pg_is_in_recovery()") == "f";
            if !is_done {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            is_done
        });
        assert!(has_recovered, "it did not recover");
        copy
    }
}

impl Extracted<'_> {
    pub(crate) fn sql(&self, text: &str) -> String {
        let mut command = self.database.command("psql");
        command.args([
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            "postgres",
            "-p",
            "5433",
            "-h",
        ]);
        let output = command.arg(self.database.dir.path()).args(["-c", text]).output().unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Extracted<'_> {
    fn drop(&mut self) {
        let mut stop = self.database.command("pg_ctl");
        stop.args(["--mode=immediate", "--wait", "stop", "-D"]).arg(&self.data);
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for data in [self.data(), self.path("cluster/moved")] {
            let mut stop = self.command("pg_ctl");
            stop.args(["--mode=immediate", "--no-wait", "stop", "-D"]).arg(data);
            let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}
