//! Backups by an engine in a service of a compose project, here and behind `ssh`: a Docker engine and an `sshd` of the test's
//! own, and a server whose directory, socket and bucket the services have.

#[path = "../../../walg-driver/tests/sshd/mod.rs"]
mod sshd;

use crate::docker::Docker;
use crate::harness::{Ran, full, wait_for};
use crate::postgres::{Database, KEY};
use sshd::Sshd;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// By its name it runs a server, which is how the service of one is recognised.
const IMAGE: &str = "postgres:si-backup-test";

/// An app whose engine is in containers.
struct Contained {
    database: Database,
    docker: Docker,
}

impl Contained {
    fn start() -> Option<Self> {
        let mut database = Database::in_a_directory()?;
        let beside = database.path("cluster").parent().unwrap().display().to_string();
        let user = database.ids().map_or_else(String::new, |(uid, gid)| format!("user: '{uid}:{gid}'"));
        let service = |name: &str, more: &str| {
            format!(
                "  {name}:\n    image: {IMAGE}\n    network_mode: none\n    {user}\n    env_file: {beside}/shop.env\n    {more}\n    \
                 volumes: ['/usr:/usr:ro', '/etc:/etc:ro', '{beside}:{beside}']\n    command: ['sleep', '600']\n"
            )
        };
        let project = format!(
            "name: si-backup-cli-test\nservices:\n{}{}{}{}",
            service("db", ""),
            service(
                "stale",
                "environment: { WALG_LIBSODIUM_KEY: 'ff02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00' }"
            ),
            service("signs", "environment: { WALG_PGP_KEY: 'something' }"),
            "  web:\n    image: nginx:1\n    depends_on: [db]\n",
        );
        let docker = Docker::start(IMAGE, &project)?;
        database.host.setenv("DOCKER_HOST", docker.host());
        let home = std::env::var_os("HOME").unwrap();
        database.host.setenv("DOCKER_CONFIG", Path::new(&home).join(".docker"));
        let dir = docker.dir.path().join("project");
        let contained = Self { database, docker };
        contained.runner(&format!(
            "{{ kind = \"compose\", dir = \"{}\", files = [\"compose.yaml\"] }}",
            dir.display()
        ));
        contained.engine("si-backup");
        Some(contained)
    }

    /// Sets the runner of the app.
    fn runner(&self, runner: &str) {
        let path = self.database.host.config();
        let before = fs::read_to_string(&path).unwrap();
        let lines = before.lines().map(|line| {
            if line.starts_with("runner = ") { format!("runner = {runner}") } else { line.to_owned() }
        });
        fs::write(path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    }

    /// Which program in the image is the engine.
    fn engine(&self, program: &str) {
        let program = self.database.path(program);
        let with = format!("engine = \"embedded\"\nprogram = \"{}\"\nrunner = ", program.display());
        let config = fs::read_to_string(self.database.host.config()).unwrap();
        let lines =
            config.lines().filter(|line| !line.starts_with("engine = ") && !line.starts_with("program = "));
        let config = lines.collect::<Vec<_>>().join("\n").replacen("runner = ", &with, 1);
        fs::write(self.database.host.config(), config).unwrap();
    }

    /// An engine that begins, and goes on for ever; where it says that it has begun.
    fn endless(&self) -> std::path::PathBuf {
        let (engine, began) = (self.database.path("endless"), self.database.path("cluster/began"));
        let _ = fs::remove_file(&began);
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *--version*) exec {} \"$@\";; esac\ntrap '' TERM\ntouch {}\nwhile :; do sleep 0.2; done\n",
            self.database.path("si-backup").display(),
            began.display()
        );
        fs::write(&engine, text).unwrap();
        fs::set_permissions(&engine, Permissions::from_mode(0o755)).unwrap();
        self.engine("endless");
        began
    }

    fn containers(&self) -> String {
        self.docker.docker(&["ps", "--all", "--quiet"]).unwrap()
    }

    /// Full, delta, evidence; whose bytes decode.
    fn full_and_delta(&self) {
        let database = &self.database;
        let full = database.json(&["run", "--app", "shop", "--service", "db"]).expect(0).row();
        assert_eq!((&full["kind"], &full["service"]), (&"full".into(), &"db".into()));
        database.sql("insert into orders select generate_series(1001, 1500)");
        // The server's own service is taken where none is named.
        let delta = database.json(&["run", "--app", "shop"]).expect(0).row();
        assert_eq!((&delta["kind"], &delta["service"]), (&"delta".into(), &"db".into()), "{delta:#}");
        assert_eq!(delta["verified"]["level"], "checksum");
        let listed = database.json(&["list", "--app", "shop"]).expect(0).data();
        assert_eq!((listed.len(), &listed[1]["parent"]), (2, &full["id"]));
        assert!(listed.iter().all(|row| row["restorable"] == true && row["verified"]["level"] == "checksum"));
        database.json(&["verify", "--app", "shop", "--all"]).expect(0);
        assert_eq!(self.containers(), "");
    }
}

#[test]
fn an_engine_in_a_container() {
    let Some(contained) = Contained::start() else { return };
    contained.full_and_delta();
    let database = &contained.database;
    // Another key there than here: what it stored could not be opened, and would not be noticed until it was needed.
    let ran = database.json(&["run", "--app", "shop", "--service", "stale"]).expect(10);
    let said = ran.error("server-findings");
    assert!(said.contains("has another WALG_LIBSODIUM_KEY than the env file"), "{said}");
    assert!(![&ran.stdout, &ran.stderr].iter().any(|text| text.contains(KEY) || text.contains("ff0203")));
    let said =
        database.json(&["run", "--app", "shop", "--service", "signs"]).expect(10).error("server-findings");
    assert!(said.contains("has WALG_PGP_KEY, which the env file has not"), "{said}");
    let said = database.json(&["run", "--app", "shop", "--service", "nobody"]).expect(2).error("usage");
    assert!(said.contains("no service 'nobody'"), "{said}");
    assert_eq!(database.json(&["list", "--app", "shop"]).expect(0).data().len(), 2);

    contained.engine("no-engine");
    let said = database.json(&["run", "--app", "shop"]).expect(14).error("program-stopped");
    assert!(said.contains("exit code 127"), "{said}");
    contained.engine("si-backup");
    let ran = database.json(&["doctor"]);
    let rows = ran.envelope()["checks"].as_array().unwrap().clone();
    let told = rows
        .iter()
        .any(|row| row["detail"].as_str().is_some_and(|detail| detail.contains("in service 'db'")));
    assert!(told, "{rows:#?}");
    let checked = database.json(&["contract", "--check", "--app", "shop"]).data();
    assert!(
        checked.iter().any(|row| row["detail"].as_str().unwrap().contains("server was not asked")),
        "a look starts nothing while nothing of it is up"
    );

    // What takes too long goes with its container.
    let began = contained.endless();
    database.json(&["run", "--app", "shop", "--full", "--timeout", "15s"]).expect(14).error("timed-out");
    assert!(began.exists(), "it was met at work");
    assert_eq!(contained.containers(), "");
}

#[test]
fn an_engine_in_a_container_behind_ssh() {
    // A minute of containers: what runs there is tried over a real sshd in walg-driver/tests/ssh.rs in every run.
    if !full() {
        return;
    }
    let Some(mut contained) = Contained::start() else { return };
    let Some(sshd) = Sshd::start(&format!("SetEnv DOCKER_HOST={}\n", contained.docker.host())) else {
        return;
    };
    // The user's own configuration names the host and its key.
    let shims = sshd.path("shims");
    fs::create_dir(&shims).unwrap();
    let ssh = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", sshd.path("known_config").display());
    fs::write(shims.join("ssh"), ssh).unwrap();
    fs::set_permissions(shims.join("ssh"), Permissions::from_mode(0o755)).unwrap();
    contained.database.host.setenv("PATH", format!("{}:/usr/bin:/bin", shims.display()));
    let far = contained.docker.dir.path().display().to_string();
    contained.runner(&format!(
        "{{ kind = \"ssh\", target = \"far\", remote_dir = \"{far}\", release = \"project\" }}"
    ));
    contained.full_and_delta();

    // A connection that is lost is no engine that failed, and what ran there ends.
    let began = contained.endless();
    let child = contained.database.si_backup(&["--json", "run", "--app", "shop", "--full"]).spawn().unwrap();
    wait_for("the engine to begin", || began.exists());
    sshd.end_sessions();
    let ran = Ran::of(child.wait_with_output().unwrap()).expect(14);
    let said = ran.error("connection-lost");
    assert!(said.contains("'far' was lost"), "{said}");
    wait_for("the container to go", || contained.containers().is_empty());
    fs::remove_file(&began).unwrap();
    contained
        .database
        .json(&["run", "--app", "shop", "--full", "--timeout", "20s"])
        .expect(14)
        .error("timed-out");
    assert!(began.exists(), "it was met at work");
    wait_for("the container to go", || contained.containers().is_empty());
    assert_eq!(contained.database.json(&["list", "--app", "shop"]).expect(0).data().len(), 2);
}
