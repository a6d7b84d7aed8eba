//! Bundles made by hand, layer by layer, by somebody who has nothing but the public recipient.

use crate::support::{CONTEXT, ID, Numbers};
use paas_state::{MANIFEST_FORMAT, MANIFEST_VERSION, PROTECTED, Recipients};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;

pub(crate) const BLOCK: usize = 512;

/// The digits of a number field in a header of an archive.
pub(crate) fn octal(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[..11].copy_from_slice(format!("{size:011o}").as_bytes());
    field
}

/// A number field in GNU's binary form, for what has no eleven octal digits.
pub(crate) fn binary(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[0] = 0x80;
    field[4..].copy_from_slice(&size.to_be_bytes());
    field
}

/// A header with a right checksum.
pub(crate) fn header(kind: u8, name: &[u8], size: [u8; 12]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let shown = name.len().min(100);
    block[..shown].copy_from_slice(&name[..shown]);
    block[100..108].copy_from_slice(b"0000600\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(&size);
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = kind;
    if matches!(kind, b'1' | b'2' | b'K') {
        block[157..168].copy_from_slice(b"/etc/passwd");
    }
    block[257..265].copy_from_slice(b"ustar  \0");
    sum(&mut block);
    block
}

/// Puts the right checksum into a header.
pub(crate) fn sum(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// An archive being written.
#[derive(Clone, Default)]
pub(crate) struct Archive(pub(crate) Vec<u8>);

impl Archive {
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes, filled up to whole blocks.
    pub(crate) fn data(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    pub(crate) fn entry(self, kind: u8, name: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.raw(&header(kind, name.as_ref(), octal(bytes.len() as u64))).data(bytes)
    }

    pub(crate) fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let name = format!("context/{path}");
        let long = name.len() > 100;
        let this = if long { self.long_name(&name) } else { self };
        this.entry(b'0', &name, bytes)
    }

    /// A GNU long name for the entry that follows.
    pub(crate) fn long_name(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(b'L', "././@LongLink", [name.as_ref(), b"\0"].concat())
    }

    pub(crate) fn files(self, files: &[File]) -> Self {
        files.iter().fold(self, |archive, (path, bytes)| archive.file(path, bytes))
    }

    pub(crate) fn manifest(self, manifest: &Value) -> Self {
        self.entry(b'0', "manifest.json", manifest.to_string())
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).0
    }
}

/// A path below the context, and what is in the file.
pub(crate) type File = (String, Vec<u8>);

pub(crate) fn file(path: &str, bytes: impl AsRef<[u8]>) -> File {
    (path.to_owned(), bytes.as_ref().to_vec())
}

/// Files that a backup takes, all sound. A large one does not compress, so that the bundle is read by two threads.
pub(crate) fn sound_files(large: bool) -> Vec<File> {
    let padding = Numbers::new(7).bytes(if large { 700_000 } else { 3_000 });
    vec![
        file("config.json", r#"{"name":"default"}"#),
        file("targets.json", r#"{"targets":[]}"#),
        file("events/audit.jsonl", "{\"a\":1}\nnot json\n{\"b\":2}\n"),
        file("cache/padding.bin", padding),
    ]
}

/// What the manifest says of a file.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "as the rules about names compare")]
pub(crate) fn entry_of((path, bytes): &File) -> Value {
    let protected = PROTECTED.contains(&path.as_str())
        || (path.starts_with("addons/") && path.ends_with(".compose.yaml"));
    let log = path.ends_with(".jsonl");
    let shape = if log {
        "log"
    } else if path.ends_with(".json") {
        "json"
    } else {
        "other"
    };
    let mut entry = json!({
        "path": path,
        "class": if protected { "protected" } else { "optional" },
        "shape": shape,
        "size": bytes.len(),
        "mode": 0o600,
        "mtime": "2026-11-23T20:15:00Z",
        "sha256": hex(bytes),
    });
    if log {
        let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let malformed = lines.iter().filter(|line| serde_json::from_slice::<Value>(line).is_err()).count();
        entry["lines"] = json!(lines.len());
        entry["malformed_lines"] = json!(malformed);
    }
    entry
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// A manifest that agrees with the files.
pub(crate) fn manifest_of(files: &[File]) -> Value {
    let absent: Vec<_> = PROTECTED.into_iter().filter(|path| !files.iter().any(|(p, _)| p == path)).collect();
    json!({
        "format": MANIFEST_FORMAT,
        "version": MANIFEST_VERSION,
        "id": ID,
        "context": CONTEXT,
        "read_at": "2026-11-23T20:15:00Z",
        "tool": "forge",
        "with": ["releases", "cache"],
        "files": files.iter().map(entry_of).collect::<Vec<_>>(),
        "absent": absent,
        "left_out": [],
        "allowed": [],
    })
}

pub(crate) fn compress(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

/// Blocks of a zstd frame.
pub(crate) enum Block<'a> {
    Raw(&'a [u8]),
    /// A byte, so many times: four bytes for up to 128 KiB.
    Repeat(u8, u64),
}

/// A zstd frame written by hand, with a window of two to the power of `window_log`.
pub(crate) fn frame(window_log: u8, blocks: &[Block<'_>]) -> Vec<u8> {
    const MOST: u64 = 128 * 1024;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window_log - 10) << 3];
    let mut block = |kind: u32, size: usize, content: &[u8]| {
        let head = (u32::try_from(size).unwrap() << 3) | (kind << 1);
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.extend_from_slice(content);
    };
    for one in blocks {
        match one {
            Block::Raw(bytes) => bytes.chunks(64 * 1024).for_each(|part| block(0, part.len(), part)),
            Block::Repeat(byte, count) => {
                let mut left = *count;
                while left > 0 {
                    let now = left.min(MOST);
                    block(1, usize::try_from(now).unwrap(), &[*byte]);
                    left -= now;
                }
            }
        }
    }
    frame.extend_from_slice(&[1, 0, 0]);
    frame
}

pub(crate) fn seal(recipients: &Recipients, bytes: &[u8]) -> Vec<u8> {
    recipients.seal_bytes(bytes).unwrap()
}

/// Sealed with a passphrase, as `age -p` does.
pub(crate) fn seal_with_passphrase(bytes: &[u8]) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new("correct horse".to_owned().into());
    recipient.set_work_factor(2);
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let mut writer = age::Encryptor::with_recipients(recipients).unwrap().wrap_output(Vec::new()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}
