//! Restores into a server of an image, under a Docker engine of the test's own.

use crate::docker::Docker as Engine;
use crate::leftovers::{hang_on, rooms, wait};
use crate::server_image;
use crate::stage::{AT_THE_END, Boot, Stage, Tars, Then, check, failed};
use backup_contract::Outcome;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use walg_driver::process::Variables;
use walg_driver::scratch::{AppCheck, Docker, Image, Point, Room, Step, Target};

const IMAGE: &str = "si-backup-server:15";
const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A client of the engine at `host`.
fn image(host: &str, name: &str) -> Image {
    let path = std::env::var_os("PATH").unwrap();
    let client = Variables::new().plain("PATH", path).plain("DOCKER_HOST", host);
    Image { name: name.to_owned(), docker: Docker::new("docker", client) }
}

/// One for all tests, with the image in it.
static ENGINE: Mutex<Option<Arc<Engine>>> = Mutex::new(None);

fn engine() -> Option<Arc<Engine>> {
    let mut shared = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.is_none() {
        if !Path::new(BIN).is_dir() {
            crate::skipped("the server programs of this machine are not where Debian has them");
            return None;
        }
        let engine = Engine::start("si-backup-empty:1", "services: {}\n")?;
        server_image::make(&engine, IMAGE, Path::new(BIN));
        *shared = Some(Arc::new(engine));
    }
    shared.clone()
}

/// No test needs it any more.
pub(crate) fn over() {
    let shared = ENGINE.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(shared);
}

fn stage(engine: &Engine, name: &str) -> Stage {
    let mut stage = Stage::new("plain", 0, Target::new(Point::End)).expecting(AT_THE_END, true);
    stage.image = Some(image(&engine.host(), name));
    // That it is not asked for, is seen by what it does.
    stage.last = "0".into();
    stage
}

fn containers(engine: &Engine) -> String {
    engine.docker(&["ps", "--all", "--quiet"]).unwrap()
}

pub(crate) fn restored() {
    let Some(engine) = engine() else { return };
    let report = stage(&engine, IMAGE).verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert_eq!(report.outcome(), Outcome::Passed);
    assert!(check(&report, "reached").ok && check(&report, "orders").ok && check(&report, "stopped").ok);
    let used = report.image.as_ref().unwrap();
    let id = engine.docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE]).unwrap();
    assert_eq!((&*used.name, &*used.id), (IMAGE, id.trim()));
    assert!(report.has_own_network && report.server_version.starts_with("15."));
    assert!(report.notes.iter().any(|note| note.contains("no_such_library")), "{:?}", report.notes);
    assert!(!report.notes.iter().any(|note| note.contains("pg_stat_statements")), "{:?}", report.notes);
    assert_eq!(containers(&engine), "");

    // With a key that the server is never given; and by a delta, which every program is needed for.
    let mut sealed = stage(&engine, IMAGE);
    sealed = Stage { image: sealed.image.take(), ..Stage::new("sodium", 0, Target::new(Point::End)) };
    let report = sealed.expecting(AT_THE_END, true).verify(&Tars("sodium")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert_eq!(containers(&engine), "");
}

/// What a server that is somebody else's finds around it.
pub(crate) fn confined() {
    let Some(engine) = engine() else { return };
    let mut stage = stage(&engine, IMAGE);
    stage.app_checks.clear();
    let secret = stage.home.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
    let is_there = |path: &str| format!("SELECT (pg_stat_file({path}, true)).size IS NOT NULL");
    let quoted = |path: &Path| format!("'{}'", path.display());
    let writes = |path: &str| format!("SELECT lo_export(424242, {path}) = 1");
    let in_room = |path: &str| writes(&format!("current_setting('data_directory') || '/../{path}'"));
    let asked = [
        ("object", "SELECT lo_from_bytea(424242, 'x') = 424242".into(), true),
        ("copy", in_room("data/x"), true),
        ("marker", in_room("scratch.json"), false),
        ("segments", in_room("wal/due"), false),
        ("settings", in_room("conf/postgresql.conf"), false),
        ("image", writes("'/usr/x'"), false),
        ("own-file", is_there("'PG_VERSION'"), true),
        ("file", is_there(&quoted(&secret)), false),
        ("bucket", is_there(&quoted(&stage.mirror())), false),
        ("no-route", "SELECT pg_read_file('/proc/net/route') !~ '\\n.+'".into(), true),
        (
            "no-capability",
            "SELECT pg_read_file('/proc/self/status') ~ 'CapBnd:\\s+0+\\nCapAmb:\\s+0+\\nNoNewPrivs:\\s+1'"
                .into(),
            true,
        ),
    ];
    for (name, sql, _) in &asked {
        stage.app_checks.push(AppCheck {
            name: (*name).into(),
            database: "postgres".into(),
            sql: sql.clone(),
        });
    }
    let report = stage.verify(&Tars("plain")).unwrap();
    for (name, _, expected) in asked {
        assert_eq!(check(&report, name).ok, expected, "{name}: {:#?}", report.checks);
    }
}

pub(crate) fn refused() {
    let Some(engine) = engine() else { return };
    let refused = |stage: &Stage| {
        let error = stage.verify(&Tars("plain")).unwrap_err();
        assert!(!stage.mirror().exists(), "{error}: it fetched");
        assert!(error.hint().is_some(), "{error}");
        (error.code(), error.to_string())
    };
    let (code, why) = refused(&stage(&engine, "supabase/postgres:15.8.1.060"));
    assert_eq!(code, "no-image");
    assert!(why.contains("supabase/postgres:15.8.1.060") && why.contains("never pulled"), "{why}");
    let mut nobody = stage(&engine, IMAGE);
    nobody.image = Some(image("unix:///nowhere/socket", IMAGE));
    assert_eq!(refused(&nobody).0, "no-docker");
    nobody.image =
        Some(Image { docker: Docker::new("/nowhere/docker", Variables::new()), ..image("", IMAGE) });
    assert_eq!(refused(&nobody).0, "no-docker");

    // An image of another major version.
    let other = engine.dir.path().join("other");
    fs::create_dir_all(&other).unwrap();
    let said = "#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n";
    fs::write(other.join("postgres"), said).unwrap();
    fs::set_permissions(other.join("postgres"), Permissions::from_mode(0o755)).unwrap();
    let file = "FROM si-backup-server:15\nCOPY postgres /usr/lib/postgresql/15/bin/postgres\n";
    fs::write(other.join("Dockerfile"), file).unwrap();
    let built = Command::new("docker")
        .args(["build", "--quiet", "--network=none", "-t", "si-backup-server:14"])
        .arg(&other)
        .env("DOCKER_HOST", engine.host())
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let (code, why) = refused(&stage(&engine, "si-backup-server:14"));
    assert_eq!(code, "no-server");
    assert!(why.contains("15") && why.contains("14.9") && why.contains("si-backup-server:14"), "{why}");
    // Where the settings say, and nowhere else.
    let mut named = stage(&engine, IMAGE);
    named.server_dirs = vec!["/usr/bin".into()];
    assert_eq!(refused(&named).0, "no-server");
    // Nothing that is a server at all.
    assert_eq!(refused(&stage(&engine, "si-backup-empty:1")).0, "container-failed");
    assert_eq!(containers(&engine), "");
}

/// What is not there is the end of the archive only where nothing was to be.
pub(crate) fn lost_wal() {
    let Some(engine) = engine() else { return };
    for lost in ["000000010000000000000005", "000000010000000000000008"] {
        let lose = Then(|data: &Path| fs::remove_file(data.join("../wal").join(lost)).unwrap());
        let error = stage(&engine, IMAGE).verify(&lose).unwrap_err();
        assert_eq!(error.code(), "wal-unavailable", "{lost}: {error}");
    }
    // Also when nobody knows any more that it was to be.
    let forgotten = Then(|data: &Path| {
        fs::remove_file(data.join("../wal/000000010000000000000005")).unwrap();
        fs::write(data.join("../wal/due"), "").unwrap();
    });
    let report = stage(&engine, IMAGE).verify(&forgotten).unwrap();
    assert!(failed(&report).contains(&"reached"), "{:#?}", report.checks);
    // A file that cannot be copied is not absent.
    let sealed = Then(|data: &Path| {
        let path = data.join("../wal/000000010000000000000005");
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    });
    assert_eq!(stage(&engine, IMAGE).verify(&sealed).unwrap_err().code(), "wal-unavailable");
    assert_eq!(containers(&engine), "");
}

/// What ends a verification from outside says nothing of the backup, and leaves no container.
pub(crate) fn ended() {
    let Some(engine) = engine() else { return };
    for step in [Step::Unpacking, Step::Recovering, Step::Asking] {
        let stage = Stage { interrupted: Some(step), ..stage(&engine, IMAGE) };
        assert_eq!(stage.verify(&Tars("plain")).unwrap_err().code(), "interrupted", "{step:?}");
        assert_eq!(containers(&engine), "", "{step:?}");
    }
    let slow = Stage { recovery: Duration::ZERO, ..stage(&engine, IMAGE) };
    assert_eq!(slow.verify(&Tars("plain")).unwrap_err().code(), "too-slow");
    assert_eq!(containers(&engine), "");
    // Somebody else removes it, in the middle of a question.
    let mut removed = stage(&engine, IMAGE);
    removed.app_checks.insert(
        0,
        AppCheck {
            name: "sleep".into(),
            database: "postgres".into(),
            sql: "SELECT pg_sleep(600) IS NULL".into(),
        },
    );
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            let room = wait("a server", || ready(&removed.place()));
            let marker: serde_json::Value =
                serde_json::from_slice(&fs::read(room.join("scratch.json")).unwrap()).unwrap();
            let name = marker["container"]["name"].as_str().unwrap();
            let asks = ["exec", name, "sh", "-c", "cat /proc/[0-9]*/cmdline"];
            wait("the question", || engine.docker(&asks).filter(|text| text.contains("SELECT")).map(drop));
            engine.docker(&["rm", "--force", name]).unwrap();
        });
        removed.verify(&Tars("plain")).unwrap_err()
    });
    assert_eq!(error.code(), "container-failed", "{error}");
    assert_eq!(containers(&engine), "");
}

/// What a client ends with when it did not come through to the container is no answer of the server.
pub(crate) fn unanswered() {
    let Some(engine) = engine() else { return };
    let mut stage = stage(&engine, IMAGE);
    let client = stage.home.path().join("docker");
    let script = "#!/bin/sh\ncase \"$*\" in *psql*) echo 'Error response from daemon: no' >&2; exit 1;; esac\nexec docker \"$@\"\n";
    fs::write(&client, script).unwrap();
    fs::set_permissions(&client, Permissions::from_mode(0o755)).unwrap();
    let variables =
        Variables::new().plain("PATH", std::env::var_os("PATH").unwrap()).plain("DOCKER_HOST", engine.host());
    stage.image = Some(Image { name: IMAGE.to_owned(), docker: Docker::new(client, variables) });
    let error = stage.verify(&Tars("plain")).unwrap_err();
    assert_eq!(error.code(), "container-failed", "{error}");
    assert!(error.to_string().contains("Error response from daemon"), "{error}");
    assert_eq!(containers(&engine), "");
}

/// The room below a place in which a server takes questions.
fn ready(place: &Path) -> Option<PathBuf> {
    let room = rooms(place).pop()?;
    let is_ready = fs::read_to_string(room.join("data/postmaster.pid")).ok()?.contains("ready");
    is_ready.then_some(room)
}

/// A verification in a container that asks a question which never ends; where it is, and by which engine.
pub(crate) fn hang(args: &[String]) -> ExitCode {
    let mut stage = Stage::new("plain", 0, Target::new(Point::End));
    stage.image = Some(image(&args[1], IMAGE));
    hang_on(stage, &args[0])
}

pub(crate) fn killed() {
    let Some(engine) = engine() else { return };
    // Somebody else's, with names and labels like ours.
    let others = [
        ["--name=si-backup-scratch-other", "--label=si-backup.scratch=/elsewhere"],
        ["--name=other", "--label=other"],
    ];
    for [name, label] in others {
        let id = ["run", "-d", "--network=none", name, label, "--entrypoint=sleep", IMAGE, "infinity"];
        engine.docker(&id).unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let told = home.path().join("place");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("hang-contained")
        .args([&*told, Path::new(&engine.host())])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let place = wait("its place", || {
        fs::read_to_string(&told).ok().filter(|text| !text.is_empty()).map(PathBuf::from)
    });
    let room = wait("a server", || ready(&place));
    let running = || engine.docker(&["ps", "--format", "{{.Names}}"]).unwrap().lines().count();
    assert_eq!(running(), 3);
    let mut next = stage(&engine, IMAGE);
    next.elsewhere = Some(place.clone());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(running(), 3, "the container outlives it");

    // Who does not reach its engine leaves it and its directory alone.
    let none = [""; 0].map(PathBuf::from);
    assert_eq!(Room::sweep(&place, &Boot::new()).unwrap(), none);
    let marker = room.join("scratch.json");
    let text = fs::read_to_string(&marker).unwrap();
    let id = engine.docker(&["info", "--format", "{{.ID}}"]).unwrap();
    fs::write(&marker, text.replace(id.trim(), "another")).unwrap();
    next.superuser = "nobody's";
    next.keeps = 1;
    assert_eq!(next.verify(&Tars("plain")).unwrap_err().code(), "no-such-role");
    assert!(room.exists() && running() == 3);

    fs::write(&marker, text).unwrap();
    next.superuser = "postgres";
    next.keeps = 0;
    let report = next.verify(&Tars("plain")).unwrap();
    assert_eq!(failed(&report), [""; 0], "{:#?}", report.checks);
    assert!(!room.exists());
    let left = engine.docker(&["ps", "--format", "{{.Names}}"]).unwrap();
    let mut left: Vec<_> = left.lines().collect();
    left.sort_unstable();
    assert_eq!(left, ["other", "si-backup-scratch-other"]);
    engine.docker(&["rm", "--force", left[0], left[1]]).unwrap();
    fs::remove_dir_all(place.parent().unwrap()).unwrap();
}
