//! Writing a bundle: tar, then zstd, then age, in one pass, with the manifest as the last entry.

use crate::encryption::Recipients;
use crate::manifest::Manifest;
use crate::{Error, Result, StatePath};
use std::io::{self, BufWriter, Read, Write};

/// Where the files of the context lie in the archive.
pub(crate) const FILES: &str = "context/";
/// The last entry of the archive.
pub(crate) const MANIFEST: &str = "manifest.json";
/// zstd's default level: a stronger one costs more time than it saves bytes on JSON lines.
const LEVEL: i32 = 3;
/// Below this many plain bytes, more than one thread costs more than it brings.
const WORTH_WORKERS: u64 = 8 * 1024 * 1024;
/// How much is gathered before it is handed to the compressor, in bytes.
const GATHER: usize = 256 * 1024;

type Sealed<W> = age::stream::StreamWriter<W>;

/// A bundle being written into `W`.
pub(crate) struct Sealer<W: Write> {
    tar: tar::Builder<BufWriter<zstd::Encoder<'static, Sealed<W>>>>,
}

/// What is said of a file in the archive itself. Mode and owner are the same for all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) size: u64,
    pub(crate) mtime: i64,
}

impl<W: Write> Sealer<W> {
    /// Begins a bundle of about `plain_bytes`, compressed by up to `workers` threads.
    pub(crate) fn new(output: W, recipients: &Recipients, plain_bytes: u64, workers: u32) -> Result<Self> {
        let mut zstd = zstd::Encoder::new(recipients.seal(output)?, LEVEL).map_err(writing)?;
        if plain_bytes >= WORTH_WORKERS && workers > 1 {
            zstd.multithread(workers).map_err(writing)?;
        }
        let mut tar = tar::Builder::new(BufWriter::with_capacity(GATHER, zstd));
        tar.mode(tar::HeaderMode::Deterministic);
        Ok(Self { tar })
    }

    /// Adds a file of the context; `data` must yield exactly `header.size` bytes.
    pub(crate) fn file(&mut self, path: &StatePath, header: Header, data: &mut dyn Read) -> io::Result<()> {
        self.entry(&format!("{FILES}{path}"), header, data)
    }

    /// Adds the manifest, whose text is given, and ends the bundle. What it returns has received everything.
    pub(crate) fn finish(mut self, text: &[u8], manifest: &Manifest) -> Result<W> {
        let header = Header { size: text.len() as u64, mtime: manifest.read_at.timestamp() };
        self.entry(MANIFEST, header, &mut &*text).map_err(writing)?;
        let buffer = self.tar.into_inner().map_err(writing)?;
        let zstd = buffer.into_inner().map_err(|e| writing(e.into_error()))?;
        zstd.finish().map_err(writing)?.finish().map_err(writing)
    }

    fn entry(&mut self, name: &str, header: Header, data: &mut dyn Read) -> io::Result<()> {
        let mut tar = tar::Header::new_gnu();
        tar.set_entry_type(tar::EntryType::Regular);
        tar.set_mode(0o600);
        tar.set_uid(0);
        tar.set_gid(0);
        tar.set_mtime(u64::try_from(header.mtime).unwrap_or(0));
        tar.set_size(header.size);
        self.tar.append_data(&mut tar, name, data)
    }
}

pub(crate) fn writing(source: io::Error) -> Error {
    backup_store::Error::from_io(source, "write", "bundle").into()
}
