//! Archives with right checksums and a manifest that agrees with them, so that what is refused is refused for what it is;
//! what is accepted by looking has to unpack, to exactly what the manifest says, and nowhere else.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use paas_state::fuzzing::{CONTEXT, ID, read_tar, unpack_tar};
use serde_json::{Value, json};
use si_backup_fuzz::{hex, scratch};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Debug, Arbitrary)]
struct Archive {
    entries: Vec<Entry>,
    manifest: Option<Value2>,
    tail: Tail,
    /// Bytes turned over afterwards, in what has no checksum.
    flips: Vec<(u32, u8)>,
}

#[derive(Debug, Arbitrary)]
struct Entry {
    kind: Kind,
    name: Name,
    data: Vec<u8>,
    /// A size that is not that of the data.
    lie: Option<u64>,
    long_name: bool,
}

#[derive(Debug, Arbitrary)]
enum Kind {
    Regular,
    Any(u8),
}

/// Mostly names that a bundle may hold.
#[derive(Debug, Arbitrary)]
enum Name {
    Config,
    Log,
    Cache(Vec<Part>),
    Release(Part),
    Any(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Part {
    A,
    UpperA,
    B,
    Text(String),
}

/// Fields to put into the manifest in place of the right ones.
#[derive(Debug, Arbitrary)]
struct Value2 {
    field: u8,
    text: String,
}

#[derive(Debug, Arbitrary)]
enum Tail {
    Right,
    Blocks(u8),
    Bytes(Vec<u8>),
}

impl Part {
    fn text(&self) -> &str {
        match self {
            Self::A => "a",
            Self::UpperA => "A",
            Self::B => "b",
            Self::Text(text) => text,
        }
    }
}

impl Name {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Config => b"context/config.json".to_vec(),
            Self::Log => b"context/events/audit.jsonl".to_vec(),
            Self::Cache(parts) => {
                let parts: Vec<_> = parts.iter().take(8).map(Part::text).collect();
                format!("context/cache/{}", parts.join("/")).into_bytes()
            }
            Self::Release(part) => format!("context/releases/{}/compose.yaml", part.text()).into_bytes(),
            Self::Any(bytes) => bytes.clone(),
        }
    }
}

fn header(kind: u8, name: &[u8], size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    let shown = name.len().min(100);
    block[..shown].copy_from_slice(&name[..shown]);
    block[100..108].copy_from_slice(b"0000600\0");
    if size < 1 << 33 {
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[136..147].copy_from_slice(b"00000000000");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar  \0");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn push(tar: &mut Vec<u8>, kind: u8, name: &[u8], data: &[u8], size: u64) {
    tar.extend(header(kind, name, size));
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn described(path: &str, data: &[u8]) -> Value {
    let log = path.ends_with(".jsonl");
    let protected = path == "config.json" || path == "events/audit.jsonl";
    let shape = if log {
        "log"
    } else if path.ends_with(".json") {
        "json"
    } else {
        "other"
    };
    let mut entry = json!({
        "path": path, "class": if protected { "protected" } else { "optional" }, "shape": shape,
        "size": data.len(), "mode": 0o600, "mtime": "2026-11-23T20:15:00Z", "sha256": hex(data),
    });
    if log {
        let (lines, malformed, _) = paas_state::fuzzing::check_lines(data);
        entry["lines"] = lines.into();
        entry["malformed_lines"] = malformed.into();
    }
    entry
}

fn build(archive: &Archive) -> Vec<u8> {
    let (mut tar, mut files) = (Vec::new(), Vec::new());
    for entry in archive.entries.iter().take(16) {
        let name = entry.name.bytes();
        let kind = match entry.kind {
            Kind::Regular => b'0',
            Kind::Any(kind) => kind,
        };
        if entry.long_name || name.len() > 100 {
            let text = [&name[..], b"\0"].concat();
            push(&mut tar, b'L', b"././@LongLink", &text, text.len() as u64);
        }
        push(&mut tar, kind, &name, &entry.data, entry.lie.unwrap_or(entry.data.len() as u64));
        if let Some(path) = std::str::from_utf8(&name).ok().and_then(|name| name.strip_prefix("context/")) {
            files.push(described(path, &entry.data));
        }
    }
    let mut manifest = json!({
        "format": "si-backup/state-manifest", "version": 1, "id": ID, "context": CONTEXT,
        "read_at": "2026-11-23T20:15:00Z", "tool": "fuzz", "with": [], "files": files, "absent": [], "left_out": [],
        "allowed": [],
    });
    if let Some(change) = &archive.manifest {
        let fields =
            ["format", "version", "id", "context", "read_at", "tool", "with", "files", "absent", "left_out"];
        let field = fields[usize::from(change.field) % fields.len()];
        manifest[field] = serde_json::from_str(&change.text).unwrap_or_else(|_| change.text.clone().into());
    }
    let text = manifest.to_string();
    push(&mut tar, b'0', b"manifest.json", text.as_bytes(), text.len() as u64);
    match &archive.tail {
        Tail::Right => tar.resize(tar.len() + 1024, 0),
        Tail::Blocks(count) => tar.resize(tar.len() + 512 * usize::from(*count), 0),
        Tail::Bytes(bytes) => tar.extend_from_slice(bytes),
    }
    for (at, bit) in archive.flips.iter().take(4) {
        let at = *at as usize % tar.len();
        tar[at] ^= 1 << (bit % 8);
    }
    tar
}

fn files_below(dir: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() {
            files_below(dir, &path, found);
        } else {
            assert!(kind.is_file());
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            found.insert(name, hex(&fs::read(&path).unwrap()));
        }
    }
}

fuzz_target!(|archive: Archive| {
    let tar = build(&archive);
    let looked = read_tar(&tar);
    let target = scratch().join("target");
    let unpacked = unpack_tar(&tar, &target);
    match (looked, unpacked) {
        (Ok(looked), Ok(unpacked)) => {
            assert_eq!(looked, unpacked);
            let mut found = BTreeMap::new();
            files_below(&target, &target, &mut found);
            let said: BTreeMap<_, _> =
                looked.files.iter().map(|file| (file.path.to_string(), file.sha256.clone())).collect();
            assert_eq!(found, said);
            fs::remove_dir_all(&target).unwrap();
        }
        (Err(looked), Err(unpacked)) => {
            assert_eq!(looked, unpacked, "one finds something else than the other");
            si_backup_fuzz::is_fit_to_print(&looked);
        }
        (looked, unpacked) => panic!("looking says {looked:?}, unpacking {unpacked:?}"),
    }
    assert_eq!(fs::read_dir(scratch()).unwrap().count(), 0, "something is left behind");
});
