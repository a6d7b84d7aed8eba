//! What does not belong into a context: links, pipes, devices, foreign files, impossible names.

use crate::hooks::{WhileReading, WhileSleeping, back_up, blocked, visible};
use crate::support::{ID, Place, RealClock, full};
use backup_contract::Severity;
use paas_state::{Inventory, OptionalTree, Unwatched};
use rustix::fs::{CWD, FileType, Mode};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BOTH: [OptionalTree; 2] = OptionalTree::ALL;
const SECRET: &str = "from outside the context";

fn node(path: &Path, kind: FileType) -> bool {
    let device = if kind == FileType::CharacterDevice { rustix::fs::makedev(1, 3) } else { 0 };
    rustix::fs::mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device).is_ok()
}

/// Runs what must not hang.
fn in_time<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let began = Instant::now();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                if began.elapsed() > Duration::from_secs(30) {
                    // What hangs cannot be stopped in any other way.
                    std::process::abort();
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let value = work();
        done.store(true, Ordering::SeqCst);
        value
    })
}

/// Each oddity in the place of a protected file stands in the way, and is not followed.
#[test]
fn an_oddity_in_place_of_a_protected_file_stands_in_the_way() {
    type Make = fn(&Path, &Path) -> bool;
    let oddities: [(&str, Make); 7] = [
        ("symlink", |path, outside| symlink(outside, path).is_ok()),
        ("symlink", |path, _| symlink("nowhere", path).is_ok()),
        ("hard-link", |path, outside| fs::hard_link(outside, path).is_ok()),
        ("not-a-file", |path, _| node(path, FileType::Fifo)),
        ("not-a-file", |path, _| UnixListener::bind(path).is_ok()),
        ("not-a-file", |path, _| node(path, FileType::CharacterDevice)),
        ("foreign-owner", |path, _| fs::write(path, "{}").is_ok() && chown(path, Some(1234), None).is_ok()),
    ];
    for (code, make) in oddities {
        for (path, with) in [
            ("config.json", &BOTH[..0]),
            ("events/audit.jsonl", &BOTH[..0]),
            ("addons/shop/x.compose.yaml", &BOTH[..0]),
            ("releases/r1/compose.yaml", &BOTH[..]),
            ("cache/x", &BOTH[..]),
        ] {
            let place = Place::new();
            let outside = place.home.path().join("outside");
            fs::write(&outside, SECRET).unwrap();
            if !make(&place.path(path), &outside) {
                println!("skipped: this user cannot make a {code}");
                continue;
            }
            let findings = in_time(|| blocked(back_up(&place, with, &RealClock::new(), &Unwatched)));
            let found = findings.iter().find(|finding| finding.code == code);
            let found = found.unwrap_or_else(|| panic!("{code} at {path}: {findings:?}"));
            assert_eq!((found.severity, found.place.to_string().as_str()), (Severity::Error, path));
            assert_eq!(visible(&place), 0);
            assert_eq!(fs::read_to_string(&outside).unwrap(), SECRET);
        }
    }
}

/// What nobody would take is told, and does not stand in the way.
#[test]
fn an_oddity_that_nobody_takes_is_only_told() {
    let place = Place::new();
    place.write("config.json", "{}");
    symlink("/etc/passwd", place.path("notes")).unwrap();
    assert!(node(&place.path("pipe"), FileType::Fifo));
    symlink("/etc", place.path("vault")).unwrap();
    let backup = in_time(|| back_up(&place, &[], &RealClock::new(), &Unwatched)).unwrap();
    let mut told: Vec<_> = backup.findings.iter().map(|f| (f.place.to_string(), f.severity)).collect();
    told.sort();
    let expected = ["notes", "pipe", "vault"].map(|path| (path.to_owned(), Severity::Warning));
    assert_eq!(told, expected);
    assert_eq!(backup.manifest.files.len(), 1);
}

#[test]
fn a_directory_that_is_a_link_is_not_entered() {
    let place = Place::new();
    let outside = place.home.path().join("outside");
    fs::create_dir_all(outside.join("r1")).unwrap();
    fs::write(outside.join("r1/compose.yaml"), SECRET).unwrap();
    fs::write(outside.join("audit.jsonl"), SECRET).unwrap();
    symlink(&outside, place.path("releases")).unwrap();
    symlink(&outside, place.path("events")).unwrap();
    let context = place.context();
    let inventory = Inventory::take(&context, &BOTH).unwrap();
    assert!(inventory.entries.iter().all(|entry| !entry.class.is_taken()), "{:?}", inventory.entries);
    assert_eq!(inventory.findings.len(), 2, "{:?}", inventory.findings);
}

#[test]
fn names_that_no_bundle_can_hold_stand_in_the_way() {
    let long = "n".repeat(255);
    let deep = [long.as_str(); 4].join("/");
    for name in [&b"not-utf8-\xff"[..], b"back\\slash", b"new\nline", b"escape\x1b[2J", deep.as_bytes()] {
        let place = Place::new();
        place.write("config.json", "{}");
        fs::write(place.path("cache/x"), "x").unwrap();
        let path = place.context_path().join("cache").join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
        let findings = blocked(back_up(&place, &BOTH, &RealClock::new(), &Unwatched));
        assert!(
            findings.iter().any(|f| f.code == "odd-name" && f.severity == Severity::Error),
            "{findings:?}"
        );
        // Without the cache, nobody takes it.
        back_up(&place, &[], &RealClock::new(), &Unwatched).unwrap();
    }
}

/// Far deeper than a process has handles, or a path may be long.
#[test]
fn a_directory_without_bottom_is_a_finding() {
    let place = Place::new();
    place.write("config.json", "{}");
    let mut dir =
        cap_std::fs::Dir::open_ambient_dir(place.context_path(), cap_std::ambient_authority()).unwrap();
    for name in std::iter::once("cache").chain(std::iter::repeat_n("deep", 3_000)) {
        dir.create_dir(name).unwrap();
        dir = dir.open_dir(name).unwrap();
    }
    let findings = blocked(back_up(&place, &BOTH, &RealClock::new(), &Unwatched));
    assert!(findings.iter().any(|f| f.code == "odd-name" && f.detail.contains("1024")), "{findings:?}");
}

#[test]
fn names_that_differ_in_case_only_stand_in_the_way() {
    let place = Place::new();
    place.write("cache/Readme", "x");
    place.write("cache/README", "x");
    let findings = blocked(back_up(&place, &BOTH, &RealClock::new(), &Unwatched));
    assert!(findings.iter().any(|finding| finding.code == "case-collision"));
}

#[test]
fn ten_thousand_files_come_back() {
    let place = Place::new();
    place.write("config.json", "{}");
    let releases = if full() { 25_000 } else { 2_500 };
    for n in 0..releases {
        let dir = place.context_path().join(format!("releases/app-{}/r{n:05}", n % 7));
        fs::create_dir_all(&dir).unwrap();
        for file in ["compose.yaml", "compose.addon.walg.yaml", "manifest.json", "release.toml"] {
            fs::write(dir.join(file), format!("n: {n}\n")).unwrap();
        }
    }
    let began = Instant::now();
    let backup = back_up(&place, &BOTH, &RealClock::new(), &Unwatched).unwrap();
    let (files, made) = (backup.manifest.files.len(), began.elapsed());
    assert_eq!(files, 4 * releases + 1);
    let target = place.home.path().join("out");
    let staged = place.bundle(&backup.record).stage(&place.identities, &target, None, &Unwatched).unwrap();
    let unpacked = began.elapsed().saturating_sub(made);
    staged.publish().unwrap();
    println!(
        "{files} files: backed up in {made:.1?}, unpacked in {unpacked:.1?}, all in {:.1?}",
        began.elapsed()
    );
    for n in [0, releases / 2, releases - 1] {
        let path = format!("releases/app-{}/r{n:05}/release.toml", n % 7);
        assert_eq!(fs::read_to_string(target.join(path)).unwrap(), format!("n: {n}\n"));
    }
}

/// A pipe put in the place of a file after the walk is not waited for.
#[test]
fn a_pipe_that_takes_the_place_of_a_file_is_not_waited_for() {
    let place = Place::new();
    place.write("config.json", "{}");
    let path = place.path("config.json");
    let clock = WhileSleeping::new(|n| {
        if n == 0 {
            fs::remove_file(&path).unwrap();
            assert!(node(&path, FileType::Fifo));
        }
    });
    let error = in_time(|| back_up(&place, &[], &clock, &Unwatched)).unwrap_err();
    assert!(error.to_string().contains("config.json"), "{error}");

    let place = Place::new();
    place.write("events/audit.jsonl", "{\"status\":\"ok\"}\n".repeat(40_000));
    place.write("cache/x", "x");
    let path = place.path("cache/x");
    let watch = WhileReading::new(1, || {
        fs::remove_file(&path).unwrap();
        assert!(node(&path, FileType::Fifo));
    });
    let error = in_time(|| back_up(&place, &BOTH, &RealClock::new(), &watch)).unwrap_err();
    assert!(error.to_string().contains("cache/x"), "{error}");
}

/// A directory that becomes a link between the walk and the reading leads nowhere.
#[test]
fn a_directory_swapped_for_a_link_after_the_walk_leads_nowhere() {
    let place = Place::new();
    place.write("events/audit.jsonl", "{\"status\":\"ok\"}\n".repeat(40_000));
    place.write("releases/r1/compose.yaml", "inside");
    let outside = place.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("compose.yaml"), SECRET).unwrap();
    let path = place.path("releases/r1");
    let watch = WhileReading::new(1, || {
        fs::rename(&path, path.with_extension("old")).unwrap();
        symlink(&outside, &path).unwrap();
    });
    let error = back_up(&place, &BOTH, &RealClock::new(), &watch).unwrap_err();
    assert_eq!(error.code(), "io", "{error}");
    assert_eq!(visible(&place), 0);
}

/// The same at any moment at all, again and again.
#[test]
fn a_directory_swapped_for_a_link_at_any_moment_leads_nowhere() {
    let place = Place::new();
    place.write("config.json", "{}");
    let outside = place.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("compose.yaml"), SECRET).unwrap();
    for n in 0..30 {
        place.write(&format!("releases/r{n:02}/compose.yaml"), "inside");
    }
    let dir = place.path("releases/r15");
    let stop = AtomicBool::new(false);
    let (mut made, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let aside = dir.with_extension("aside");
            while !stop.load(Ordering::SeqCst) {
                fs::rename(&dir, &aside).unwrap();
                symlink(&outside, &dir).unwrap();
                thread::sleep(Duration::from_micros(300));
                fs::remove_file(&dir).unwrap();
                fs::rename(&aside, &dir).unwrap();
                thread::sleep(Duration::from_micros(300));
            }
        });
        for n in 0..if full() { 400 } else { 60 } {
            let id = format!("{}{n:04x}", &ID[..ID.len() - 4]);
            let patience = paas_state::Patience {
                longest_pause: Duration::ZERO,
                shortest_pause: Duration::ZERO,
                ..paas_state::Patience::default()
            };
            match place.back_up_as(&id, &BOTH, &patience, &Unwatched) {
                Ok(backup) => {
                    made += 1;
                    let bundle = place.bundle(&backup.record);
                    let (_, files) = bundle.read_files(&place.identities, &|_| true, &Unwatched).unwrap();
                    for (path, bytes) in files {
                        assert!(!bytes.ends_with(SECRET.as_bytes()), "{path}");
                    }
                }
                Err(e) => {
                    refused += 1;
                    assert!(matches!(e.code(), "io" | "state-findings" | "state-busy"), "{e:?}");
                }
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    println!("{made} backups were made, {refused} refused");
}

const UNREADABLE: &str = "SI_BACKUP_TEST_UNREADABLE";

/// Root can read anything: the test is a process of somebody else's.
#[test]
fn child_with_an_unreadable_file() {
    if std::env::var_os(UNREADABLE).is_none() {
        return;
    }
    for path in ["config.json", "events/audit.jsonl", "cache/x", "cache/dir/x"] {
        let place = Place::new();
        place.write(path, "{}\n");
        let locked = place.path(path);
        let locked = if path.contains("dir") { locked.parent().unwrap().to_owned() } else { locked };
        let mode =
            |mode| fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o000);
        let error = back_up(&place, &BOTH, &RealClock::new(), &Unwatched).unwrap_err();
        mode(0o700);
        assert_eq!(error.code(), "permission-denied", "{error:?}");
        assert!(error.to_string().contains(locked.to_str().unwrap()), "{error}");
        assert_eq!(visible(&place), 0);
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "oddities::child_with_an_unreadable_file", "--nocapture"]).env(UNREADABLE, "1");
    child.env("TMPDIR", "/tmp").current_dir("/");
    if rustix::process::geteuid().is_root() {
        child.uid(65_534).gid(65_534);
    }
    let done = child.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
