//! Reading a bundle: decrypted, decompressed, taken apart, and held against its manifest, in one pass and in bounded
//! memory, whoever made it.

use crate::blocks::{BLOCK, Blocks};
use crate::compare::{Expected, Found, compare};
use crate::encryption::Identities;
use crate::inspect::{Inspected, inspect};
use crate::layout::{self, MAX_STORE, Shape};
use crate::manifest::{MAX_MANIFEST, Manifest};
use crate::names::Names;
use crate::seal::{FILES, MANIFEST};
use crate::{BundleFault, Error, Result, StatePath, Watch};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// What a bundle may unpack to without further question, in bytes.
const ALWAYS_ALLOWED: u64 = 1 << 30;
/// Beyond that: how many times its sealed size. JSON lines that differ in nothing but a counter come to 100.
const HIGHEST_RATIO: u64 = 4_000;
const TOO_LONG_A_MANIFEST: &str = "its manifest is longer than any is";
/// The longest name that is read from a bundle, in bytes.
const MAX_NAME: u64 = 4 * 1024;
/// The size of an archive's blocks, in bytes.
const TAR_BLOCK: u64 = 512;
/// The base-2 logarithm of the largest window that is decompressed: 8 MiB, four times what this software writes.
const MAX_WINDOW_LOG: u32 = 23;
/// Bundles of at least this many sealed bytes are decrypted and decompressed on a thread of their own.
const WORTH_A_THREAD: u64 = 512 * 1024;

/// Why a bundle with this manifest would be refused when it is read. What cannot be read must not be made.
pub(crate) fn objection(manifest: &Manifest, manifest_bytes: u64, sealed: u64) -> Option<BundleFault> {
    if manifest_bytes > MAX_MANIFEST {
        return Some(BundleFault::Untarrable(TOO_LONG_A_MANIFEST.into()));
    }
    let mut names = Names::default();
    let mut plain = manifest_bytes;
    for file in &manifest.files {
        // With room for headers, a long name and padding.
        plain += file.size + 8 * TAR_BLOCK;
        if let Err(fault) = names.accept(&format!("{FILES}{}", file.path)) {
            return Some(fault);
        }
    }
    (plain > highest_size(sealed)).then(|| BundleFault::Bomb { unpacked: highest_size(sealed), sealed })
}

fn highest_size(sealed: u64) -> u64 {
    ALWAYS_ALLOWED.max(sealed.saturating_mul(HIGHEST_RATIO))
}

/// Takes what a bundle holds, entry by entry. Nothing of it is known to be right until the whole bundle was read.
pub(crate) trait Sink {
    fn begin(&mut self, path: &StatePath) -> Result<()>;
    fn data(&mut self, bytes: &[u8]) -> Result<()>;
    fn end(&mut self) -> Result<()>;
}

/// Looks, and keeps nothing.
pub(crate) struct Discard;

impl Sink for Discard {
    fn begin(&mut self, _: &StatePath) -> Result<()> {
        Ok(())
    }
    fn data(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Why reading stopped, before it is known what the bytes of the store have to do with it.
pub(crate) enum Stop {
    Fault(BundleFault),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<BundleFault> for Stop {
    fn from(fault: BundleFault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads the sealed stream to its end. The manifest that is returned agrees with every byte that `sink` was given.
pub(crate) fn read_bundle(
    sealed: &mut (dyn Read + Send),
    sealed_size: u64,
    expected: Expected<'_>,
    identities: &Identities,
    sink: &mut dyn Sink,
    watch: &dyn Watch,
) -> std::result::Result<Manifest, Stop> {
    let age = identities.open(sealed).map_err(|e| match e {
        age::DecryptError::NoMatchingKeys => {
            Stop::Error(Error::WrongIdentity { what: format!("the bundle of {}", expected.id) })
        }
        other => BundleFault::Undecryptable(one_line(&other.to_string())).into(),
    })?;
    let plain = Plain::new(age).map_err(stop_of)?;
    let mut reader = Bounded { inner: plain, read: 0, limit: highest_size(sealed_size), sealed_size };
    if sealed_size < WORTH_A_THREAD {
        return read_archive(&mut reader, expected, sink, watch);
    }
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(8);
        scope.spawn(move || {
            let mut blocks = Blocks::new(reader, false);
            loop {
                let (item, last) = match blocks.next_block() {
                    Ok(Some(block)) => (Ok(block), false),
                    Ok(None) => (Ok(Vec::new()), true),
                    Err(e) => (Err(e), true),
                };
                // A closed channel means that nobody wants more.
                if sender.send(item).is_err() || last {
                    return;
                }
            }
        });
        read_archive(
            &mut Received { receiver, block: Vec::new(), at: 0, ended: false },
            expected,
            sink,
            watch,
        )
    })
}

/// Tells errors of decryption from those of decompression, which come through the same stream.
struct Decrypted<R>(R);

impl<R: Read> Read for Decrypted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|e| match e.kind() {
            io::ErrorKind::Interrupted => e,
            io::ErrorKind::UnexpectedEof => tagged(BundleFault::Undecryptable("it is cut short".into())),
            _ => tagged(BundleFault::Undecryptable(one_line(&e.to_string()))),
        })
    }
}

/// Reads what is beneath the seal, as [`read_bundle`] does.
#[cfg(fuzzing)]
pub(crate) fn read_frame(
    frame: &[u8],
    expected: Expected<'_>,
    sink: &mut dyn Sink,
) -> std::result::Result<Manifest, Stop> {
    let plain = Plain::new(frame).map_err(|e| Stop::Fault(fault_of(&e)))?;
    let sealed_size = frame.len() as u64;
    // No more than a fuzzer has time for.
    let limit = 16 * 1024 * 1024;
    read_archive(
        &mut Bounded { inner: plain, read: 0, limit, sealed_size },
        expected,
        sink,
        &crate::Unwatched,
    )
}

/// The plain stream: what is behind decryption and decompression, and the proof that nothing is behind it.
struct Plain<R: Read> {
    decoder: Option<zstd::Decoder<'static, io::BufReader<Decrypted<R>>>>,
}

impl<R: Read> Plain<R> {
    fn new(age: R) -> io::Result<Self> {
        let mut decoder = zstd::Decoder::with_buffer(io::BufReader::with_capacity(BLOCK, Decrypted(age)))
            .map_err(decoding)?;
        decoder.window_log_max(MAX_WINDOW_LOG).map_err(decoding)?;
        Ok(Self { decoder: Some(decoder.single_frame()) })
    }
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        let n = decoder.read(buffer).map_err(decoding)?;
        if n == 0 && !buffer.is_empty() {
            let mut rest = self.decoder.take().map(zstd::Decoder::finish);
            // Reading on makes age look at its last chunk, and shows a second frame.
            if let Some(rest) = &mut rest
                && rest.read(&mut [0]).map_err(decoding)? != 0
            {
                return Err(tagged(BundleFault::TrailingData));
            }
        }
        Ok(n)
    }
}

/// What decryption did not fail at, decompression did.
fn decoding(e: io::Error) -> io::Error {
    let passes = e.kind() == io::ErrorKind::Interrupted || as_tagged(&e).is_some();
    match e.kind() {
        _ if passes => e,
        // zstd's name for it: that this host ran out says nothing against the bundle.
        _ if e.to_string().contains("Allocation error") => io::ErrorKind::OutOfMemory.into(),
        io::ErrorKind::UnexpectedEof => tagged(BundleFault::Uncompressable("it is cut short".into())),
        _ => tagged(BundleFault::Uncompressable(one_line(&e.to_string()))),
    }
}

/// Ends a stream that unpacks to more than anything honest would.
struct Bounded<R> {
    inner: R,
    read: u64,
    limit: u64,
    sealed_size: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        if self.read > self.limit {
            return Err(tagged(BundleFault::Bomb { unpacked: self.limit, sealed: self.sealed_size }));
        }
        Ok(n)
    }
}

/// The blocks of another thread, as a stream.
struct Received {
    receiver: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.ended {
            self.block = self.receiver.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
            self.at = 0;
            self.ended = self.block.is_empty();
        }
        let n = buffer.len().min(self.block.len() - self.at);
        buffer[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// A fault on its way through `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Tagged(BundleFault);

fn tagged(fault: BundleFault) -> io::Error {
    io::Error::other(Tagged(fault))
}

fn as_tagged(e: &io::Error) -> Option<&Tagged> {
    e.get_ref()?.downcast_ref()
}

fn stop_of(e: io::Error) -> Stop {
    if e.kind() == io::ErrorKind::OutOfMemory {
        return Stop::Error(Error::Io { operation: "decompress", path: "bundle".into(), source: e });
    }
    Stop::Fault(fault_of(&e))
}

fn fault_of(e: &io::Error) -> BundleFault {
    match as_tagged(e) {
        Some(Tagged(fault)) => fault.clone(),
        // Behind a colon tar quotes what it read, which is private or worse.
        None => BundleFault::Untarrable(one_line(e.to_string().split(':').next().unwrap_or_default())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn read_archive(
    reader: &mut dyn Read,
    expected: Expected<'_>,
    sink: &mut dyn Sink,
    watch: &dyn Watch,
) -> std::result::Result<Manifest, Stop> {
    let io_stop = |e: io::Error| stop_of(e);
    let mut archive = tar::Archive::new(reader);
    let mut names = Names::default();
    let mut found = Vec::new();
    let mut manifest = None;
    let mut long_name: Option<Vec<u8>> = None;
    // Raw: so that no name, and no other extension, is read into memory before its length was looked at.
    for entry in archive.entries().map_err(io_stop)?.raw(true) {
        let mut entry = entry.map_err(io_stop)?;
        if watch.stop() {
            return Err(Error::Stopped.into());
        }
        if manifest.is_some() {
            return Err(BundleFault::TrailingData.into());
        }
        if entry.header().entry_type().is_gnu_longname() && long_name.is_none() {
            long_name = Some(read_long_name(&mut entry)?);
            continue;
        }
        let name = text_of(long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned()))?;
        if let Some(kind) = not_a_file(entry.header().entry_type()) {
            return Err(BundleFault::EntryKind { name, kind }.into());
        }
        if name == MANIFEST {
            let size = entry.size();
            manifest = Some(read_manifest(&mut entry, size)?);
            continue;
        }
        let path = names.accept(&name)?;
        let size = entry.size();
        if layout::is_store(path.as_str()) && size > MAX_STORE {
            let detail = format!("it has {size} bytes, and no store has more than {MAX_STORE}");
            return Err(BundleFault::NotWellFormed { path: path.to_string(), detail }.into());
        }
        sink.begin(&path)?;
        let inspected = read_file(&mut entry, &path, size, sink, watch)?;
        sink.end()?;
        found.push(Found { path, size, inspected });
    }
    // One block of zeroes was seen, if the archive was not cut off; its end is two, and behind them there is nothing.
    let mut end = Vec::new();
    archive.into_inner().take(TAR_BLOCK + 1).read_to_end(&mut end).map_err(io_stop)?;
    if end.len() as u64 > TAR_BLOCK || end.iter().any(|byte| *byte != 0) {
        return Err(BundleFault::TrailingData.into());
    }
    let manifest = manifest.ok_or(BundleFault::NoManifest)?;
    if (end.len() as u64) < TAR_BLOCK {
        return Err(BundleFault::Untarrable("its end is missing".into()).into());
    }
    compare(&manifest, &found, expected)?;
    Ok(manifest)
}

fn text_of(name: Vec<u8>) -> std::result::Result<String, Stop> {
    String::from_utf8(name).map_err(|e| {
        let name = String::from_utf8_lossy(e.as_bytes()).into_owned();
        BundleFault::EntryName { name, reason: "it is not UTF-8".into() }.into()
    })
}

fn read_long_name(entry: &mut dyn Read) -> std::result::Result<Vec<u8>, Stop> {
    let mut name = Vec::new();
    entry.take(MAX_NAME + 1).read_to_end(&mut name).map_err(stop_of)?;
    if name.len() as u64 > MAX_NAME {
        return Err(BundleFault::EntryName {
            name: String::from_utf8_lossy(&name[..64]).into_owned(),
            reason: format!("it is longer than {MAX_NAME} bytes"),
        }
        .into());
    }
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn read_manifest(entry: &mut dyn Read, size: u64) -> std::result::Result<Manifest, Stop> {
    if size > MAX_MANIFEST {
        return Err(BundleFault::Untarrable(TOO_LONG_A_MANIFEST.into()).into());
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(stop_of)?;
    if (text.len() as u64) < size {
        return Err(BundleFault::Untarrable(format!("'{MANIFEST}' is cut short")).into());
    }
    Ok(Manifest::parse(&text)?)
}

fn read_file(
    entry: &mut dyn Read,
    path: &StatePath,
    size: u64,
    sink: &mut dyn Sink,
    watch: &dyn Watch,
) -> std::result::Result<Inspected, Stop> {
    let shape = layout::shape_of(path.as_str());
    let mut blocks = Blocks::new(entry, shape == Shape::Log);
    let ((), inspected) = inspect(shape, size, None, |feed| -> std::result::Result<(), Stop> {
        let mut left = size;
        while let Some(block) = blocks.next_block().map_err(stop_of)? {
            if watch.stop() {
                return Err(Error::Stopped.into());
            }
            watch.advanced(block.len() as u64);
            left = left.saturating_sub(block.len() as u64);
            sink.data(&block)?;
            feed(Arc::new(block));
        }
        if left > 0 { Err(BundleFault::Untarrable(format!("'{path}' is cut short")).into()) } else { Ok(()) }
    })?;
    Ok(inspected)
}

/// What an entry is, when it is no plain file.
fn not_a_file(kind: tar::EntryType) -> Option<&'static str> {
    use tar::EntryType;
    Some(match kind {
        EntryType::Regular => return None,
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Directory => "a directory",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "an extension",
    })
}
