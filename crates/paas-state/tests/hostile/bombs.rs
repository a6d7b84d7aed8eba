//! Small bundles that ask for much: each is read in a process of its own, whose memory and time are looked at.

use crate::cases::Layer;
use crate::forge::{
    Archive, BLOCK, Block, File, file, frame, header, hex, manifest_of, octal, seal, sound_files,
};
use crate::support::{Place, full, id, peak_memory};
use crate::{Way, bundle_of, read_in_every_way};
use paas_state::Watch;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
/// The most memory that reading any bundle may take; making one here takes a part of it too.
const MEMORY: u64 = 256 * MIB;
/// Builds without optimisation on a busy machine; it is not to be minutes.
const TIME: Duration = Duration::from_mins(1);

type Bomb = (&'static str, fn() -> Layer, &'static str);

/// Named, with what the error is to say; an empty text for those that are large and right.
const BOMBS: [Bomb; 16] = [
    ("zeroes-in-a-cache-file", || endless("cache/zeroes", 0), "unpack to more than"),
    ("zeroes-in-a-log", || endless("events/audit.jsonl", 0), "unpack to more than"),
    ("newlines-in-a-log", || endless("events/audit.jsonl", b'\n'), "unpack to more than"),
    ("zeroes-in-a-document-of-the-cache", || endless("cache/zeroes.json", 0), "unpack to more than"),
    ("zeroes-in-a-store", || endless("config.json", 0), "no store has more than"),
    ("zeroes-in-a-fragment", || endless("addons/shop/x.compose.yaml", 0), "no store has more than"),
    ("zeroes-in-the-manifest", || endless("../manifest.json", b' '), "longer than any is"),
    ("zeroes-behind-the-end", zeroes_behind_the_end, "bytes behind its end"),
    ("zeroes-that-are-passed-over", zeroes_passed_over, "is a directory"),
    ("files-without-number", files_without_number, "more files than any"),
    ("directories-without-number", directories_without_number, "more files than any"),
    ("manifest-of-many-absent", || manifest_with("absent", &json!("a")), "longer than any is"),
    ("manifest-of-many-absent-that-fits", || manifest_that_fits("absent", "\"a\","), "a list of at most 64"),
    (
        "manifest-of-many-left-out",
        || manifest_with("left_out", &json!({"path":"","class":"own","reason":""})),
        "longer than any is",
    ),
    ("manifest-of-many-left-out-that-fits", || manifest_that_fits("left_out", LEFT_OUT), ""),
    ("document-of-the-cache-that-is-right", document_that_is_right, ""),
];

/// A file of 8 GiB that its header admits to.
fn endless(path: &str, byte: u8) -> Layer {
    let name = format!("context/{path}").replace("context/../", "");
    let size = 8 * GIB - 1;
    let head = Archive::default().raw(&header(b'0', name.as_bytes(), octal(size))).0;
    Layer::Zstd(frame(20, &[Block::Raw(&head), Block::Repeat(byte, size + 1)]))
}

fn zeroes_behind_the_end() -> Layer {
    let files = sound_files(false);
    let tar = Archive::default().files(&files).manifest(&manifest_of(&files)).end();
    Layer::Zstd(frame(20, &[Block::Raw(&tar), Block::Repeat(0, 8 * GIB)]))
}

fn zeroes_passed_over() -> Layer {
    let head = header(b'5', b"context/cache/", octal(8 * GIB - 1));
    Layer::Zstd(frame(20, &[Block::Raw(&head), Block::Repeat(0, 8 * GIB)]))
}

fn files_without_number() -> Layer {
    let tar = (0..300_000).fold(Archive::default(), |archive, n| archive.file(&format!("cache/{n:07}"), ""));
    Layer::Tar(tar.end())
}

fn directories_without_number() -> Layer {
    let tar = (0..2_000).fold(Archive::default(), |archive, n| {
        archive.file(&format!("cache/{n:04}{}/x", "/d".repeat(500)), "")
    });
    Layer::Tar(tar.end())
}

/// A manifest whose list of one thing is as long as 500 MiB hold.
fn manifest_with(list: &str, item: &Value) -> Layer {
    let (text, tail) = manifest_around(list);
    let item = format!("{item},").repeat(100_000);
    let times = usize::try_from(500 * MIB).unwrap() / item.len();
    let size = (text.len() + item.len() * times + tail.len()) as u64;
    let head = header(b'0', b"manifest.json", octal(size));
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    let mut write = |bytes: &[u8]| std::io::Write::write_all(&mut encoder, bytes).unwrap();
    write(&head);
    write(text.as_bytes());
    (0..times).for_each(|_| write(item.as_bytes()));
    write(tail.as_bytes());
    write(&[0; 3 * BLOCK]);
    Layer::Zstd(encoder.finish().unwrap())
}

/// The text of a manifest before and behind the items of one of its lists.
fn manifest_around(list: &str) -> (String, String) {
    let mut manifest = manifest_of(&[]);
    manifest[list] = json!(["<here>"]);
    let text = manifest.to_string();
    let (before, behind) = text.split_once("\"<here>\"").unwrap();
    let final_item = if list == "absent" { "\"x\"" } else { r#"{"path":"","class":"own","reason":""}"# };
    (before.to_owned(), format!("{final_item}{behind}"))
}

const LEFT_OUT: &str = r#"{"path":"","class":"own","reason":""},"#;

/// A manifest just below the limit.
fn manifest_that_fits(list: &str, item: &str) -> Layer {
    let (before, behind) = manifest_around(list);
    let times = (usize::try_from(64 * MIB).unwrap() - before.len() - behind.len()) / item.len();
    let text = format!("{before}{}{behind}", item.repeat(times));
    Layer::Tar(Archive::default().entry(b'0', "manifest.json", text).end())
}

/// Not a bomb: large, compressible, below every limit, and right.
fn document_that_is_right() -> Layer {
    let size = usize::try_from(300 * MIB).unwrap();
    let digest = hex(&vec![b' '; size]);
    let small: Vec<File> = vec![file("cache/large.json", "")];
    let mut manifest = manifest_of(&small);
    manifest["files"][0]["sha256"] = digest.into();
    manifest["files"][0]["size"] = size.into();
    let head = header(b'0', b"context/cache/large.json", octal(size as u64));
    let tail = Archive::default().manifest(&manifest).end();
    Layer::Zstd(frame(20, &[Block::Raw(&head), Block::Repeat(b' ', size as u64), Block::Raw(&tail)]))
}

const NAME: &str = "SI_BACKUP_TEST_BOMB";

/// How long this process has worked, whoever else is at work on the machine.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap()
}

/// What a child process does; without a name, nothing.
#[test]
fn child_that_reads_a_bomb() {
    let Ok(wanted) = std::env::var(NAME) else { return };
    let (_, make, says) = BOMBS.into_iter().find(|(name, ..)| *name == wanted).unwrap();
    let place = Place::new();
    let bundle = bundle_of(&place, make());
    let record = place.plant(&id(), &bundle);
    let (before, began) = (peak_memory(), worked());
    drop(bundle);
    // Each of the many is made before there are too many: that takes the disk its time.
    let quick = !wanted.ends_with("-without-number") || full();
    let ways = if quick { &[Way::Verify, Way::StageNew][..] } else { &[Way::Verify] };
    for outcome in read_in_every_way(&place, &record, ways) {
        match outcome {
            Ok(()) => assert_eq!(says, "", "{wanted} was accepted"),
            Err(e) => assert!(!says.is_empty() && e.to_string().contains(says), "{wanted}: {e}"),
        }
    }
    let took = worked().saturating_sub(began);
    println!(
        "{wanted}: {} bytes sealed, {:.1?}, at most {} MiB ({} MiB to make it)",
        record.bytes,
        took,
        peak_memory() / MIB,
        before / MIB,
    );
    assert!(peak_memory().saturating_sub(before) < MEMORY, "{wanted} took {} MiB", peak_memory() / MIB);
    assert!(took < TIME || full(), "{wanted} took {took:?}");
}

#[test]
fn bombs_are_refused_in_bounded_memory() {
    for (name, ..) in BOMBS {
        // A thousand million lines are looked at one by one: it ends, and takes its time.
        if name == "newlines-in-a-log" && !full() {
            continue;
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bombs::child_that_reads_a_bomb", "--nocapture"])
            .env(NAME, name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        print!("{}", text.lines().filter(|line| line.contains(" sealed, ")).collect::<String>() + "\n");
        assert!(child.status.success(), "{name}:\n{text}\n{}", String::from_utf8_lossy(&child.stderr));
    }
}

/// The record decides about how much may be unpacked, and whoever made the bundle made the record.
#[test]
fn a_record_that_boasts_does_not_let_a_bomb_through() {
    let place = Place::new();
    let head = header(b'0', b"context/cache/zeroes", octal(8 * GIB - 1));
    let zstd = frame(20, &[Block::Raw(&head), Block::Repeat(0, 8 * GIB)]);
    let mut record = place.plant(&id(), &seal(&place.recipients(), &zstd));
    record.bytes = u64::MAX;
    let unpacked = Counting(AtomicU64::new(0));
    let error = place.bundle(&record).verify(&place.identities, &unpacked).unwrap_err();
    assert_eq!(error.code(), "object-corrupt", "{error}");
    assert!(unpacked.0.into_inner() < 2 * GIB);
}

struct Counting(AtomicU64);

impl Watch for Counting {
    fn advanced(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}
