//! Writing a bundle: tar, then zstd, then age, in one pass, with the manifest as the last entry.

use crate::encryption::Recipients;
use crate::manifest::Manifest;
use crate::{Error, Result, StatePath};
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

/// Where the files of the context lie in the archive.
pub(crate) const FILES: &str = "context/";
/// The last entry of the archive.
pub(crate) const MANIFEST: &str = "manifest.json";
/// zstd's default level: a stronger one costs more time than it saves bytes on JSON lines.
const LEVEL: i32 = 3;
/// Below this many plain bytes, more than one thread costs more than it brings.
const WORTH_WORKERS: u64 = 8 * 1024 * 1024;
/// How much is gathered before it is handed to the compressor, in bytes. Blocks of a long file are longer, and are not
/// copied on their way.
const GATHER: usize = 32 * 1024;
/// The size of an archive's blocks, in bytes.
const TAR_BLOCK: u64 = 512;

type Sealed<W> = age::stream::StreamWriter<W>;

/// A bundle being written into `W`.
pub(crate) struct Sealer<W: Write> {
    tar: tar::Builder<BufWriter<zstd::Encoder<'static, Sealed<W>>>>,
}

/// The blocks of one file, each when it is asked for; `None` at the end.
pub(crate) type NextBlock<'a> = dyn FnMut() -> io::Result<Option<Arc<Vec<u8>>>> + 'a;

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

    /// Adds a file of the context; the blocks must come to exactly `header.size` bytes.
    pub(crate) fn file(
        &mut self,
        path: &StatePath,
        header: Header,
        next: &mut NextBlock<'_>,
    ) -> io::Result<()> {
        self.begin(&format!("{FILES}{path}"), header)?;
        let mut written = 0;
        while let Some(block) = next()? {
            self.tar.get_mut().write_all(&block)?;
            written += block.len() as u64;
        }
        self.pad(written)
    }

    /// Adds the manifest, whose text is given, and ends the bundle. What it returns has received everything.
    pub(crate) fn finish(mut self, text: &[u8], manifest: &Manifest) -> Result<W> {
        let header = Header { size: text.len() as u64, mtime: manifest.read_at.timestamp() };
        self.begin(MANIFEST, header).map_err(writing)?;
        self.tar.get_mut().write_all(text).map_err(writing)?;
        self.pad(header.size).map_err(writing)?;
        let buffer = self.tar.into_inner().map_err(writing)?;
        let zstd = buffer.into_inner().map_err(|e| writing(e.into_error()))?;
        zstd.finish().map_err(writing)?.finish().map_err(writing)
    }

    /// Writes the header of an entry. Its content is written past `tar`, which would copy it twice in small pieces.
    fn begin(&mut self, name: &str, header: Header) -> io::Result<()> {
        let mut tar = tar::Header::new_gnu();
        tar.set_entry_type(tar::EntryType::Regular);
        tar.set_mode(0o600);
        tar.set_uid(0);
        tar.set_gid(0);
        tar.set_mtime(u64::try_from(header.mtime).unwrap_or(0));
        tar.set_size(header.size);
        self.tar.append_data(&mut tar, name, io::empty())
    }

    /// Fills up the last block of an entry.
    fn pad(&mut self, written: u64) -> io::Result<()> {
        let missing = written.next_multiple_of(TAR_BLOCK) - written;
        io::copy(&mut io::repeat(0).take(missing), self.tar.get_mut()).map(drop)
    }
}

pub(crate) fn writing(source: io::Error) -> Error {
    backup_store::Error::from_io(source, "write", "bundle").into()
}
