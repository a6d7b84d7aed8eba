use crate::bucket::Names;
use std::io::{self, Read};

/// The longest control file that is kept, in bytes.
const CONTROL: u64 = 64 * 1024;

/// What a tar of a backup holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The names of its entries.
    pub(super) names: Names,
    /// How many bytes it unpacks to, headers and all.
    pub(super) bytes: u64,
    /// The control file, where it is in it.
    pub(super) control: Option<Vec<u8>>,
}

/// Reads a tar to its end and past it: only then has what is beneath it been seen whole too.
///
/// # Errors
/// Whatever `plain` fails with; [`io::ErrorKind::InvalidData`] for what is no tar, or has something behind its end.
pub(super) fn read(plain: impl Read) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let mut archive = ::tar::Archive::new(Counted { inner: plain, bytes: 0 });
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path_bytes().into_owned();
        contents.names.add(&name);
        if name.ends_with(b"global/pg_control") {
            let mut control = Vec::new();
            (&mut entry).take(CONTROL).read_to_end(&mut control)?;
            contents.control = Some(control);
        }
        io::copy(&mut entry, &mut io::sink())?;
    }
    let mut rest = archive.into_inner();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match rest.read(&mut buffer) {
            Ok(0) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if buffer.iter().take(count).any(|byte| *byte != 0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "something lies behind the end of the tar",
            ));
        }
    }
    contents.bytes = rest.bytes;
    Ok(contents)
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}
