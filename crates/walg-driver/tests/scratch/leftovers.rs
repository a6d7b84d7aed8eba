use crate::stage::{Boot, Stage, Tars};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use walg_driver::scratch::{AppCheck, Point, Room, Target};

/// A verification that asks a question which never ends, in a home that somebody else made.
pub(crate) fn hang(args: &[String]) -> ExitCode {
    hang_on(Stage::new("plain", 0, Target::new(Point::End)), &args[0])
}

/// The same on a stage; it writes into a file where it is, for the caller to look.
pub(crate) fn hang_on(mut stage: Stage, told: &str) -> ExitCode {
    stage.app_checks.push(AppCheck {
        name: "sleep".into(),
        database: "postgres".into(),
        sql: "SELECT pg_sleep(600) IS NULL".into(),
    });
    fs::write(told, stage.place().to_str().unwrap()).unwrap();
    let _ = stage.verify(&Tars("plain"));
    ExitCode::SUCCESS
}

pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn rooms(place: &Path) -> Vec<PathBuf> {
    fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect()
}

pub(crate) fn killed() {
    let home = tempfile::tempdir().unwrap();
    let told = home.path().join("place");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("hang")
        .arg(&told)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let place = wait("its place", || {
        fs::read_to_string(&told).ok().filter(|text| !text.is_empty()).map(PathBuf::from)
    });
    // Its process can be killed with its server in full swing.
    let room = wait("a server", || {
        let room = rooms(&place).pop()?;
        let is_ready = fs::read_to_string(room.join("data/postmaster.pid")).ok()?.contains("ready");
        is_ready.then_some(room)
    });
    let text = fs::read_to_string(room.join("data/postmaster.pid")).unwrap();
    let server = PathBuf::from(format!("/proc/{}", text.lines().next().unwrap()));
    let clock = Boot::new();
    assert_eq!(Room::sweep(&place, &clock).unwrap(), [""; 0].map(PathBuf::from), "it is in use");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(server.exists(), "the server outlives it");

    // What is not marked, or marked as another one, is nobody's to remove.
    let unmarked = place.join("si-scratch-unmarked");
    let copied = place.join("si-scratch-copied00");
    for dir in [&unmarked, &copied] {
        fs::create_dir(dir).unwrap();
    }
    fs::copy(room.join("scratch.json"), copied.join("scratch.json")).unwrap();
    assert_eq!(Room::sweep(&place, &clock).unwrap(), std::slice::from_ref(&room));
    assert!(!room.exists() && unmarked.exists() && copied.exists());
    assert!(fs::read_link(server.join("cwd")).is_err(), "the server was stopped first");
    fs::remove_dir_all(place.parent().unwrap()).unwrap();
}
