use crate::bucket::Names;
use std::io::{self, Read};

/// The longest control file that is kept, in bytes.
const CONTROL: u64 = 64 * 1024;
/// How much is decoded at once, in bytes.
const AT_ONCE: usize = 128 * 1024;

/// What a tar of a backup holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The names of its entries.
    pub(super) names: Names,
    /// How many bytes it unpacks to, headers and all.
    pub(super) bytes: u64,
    /// The control file, where it is in it.
    pub(super) control: Option<Vec<u8>>,
    /// The first entry that is neither a file nor a directory, or that leads out of where it is unpacked, in words.
    pub(crate) astray: Option<String>,
}

/// Reads a tar to its end and past it: only then has what is beneath it been seen whole too.
///
/// # Errors
/// Whatever `plain` fails with; [`io::ErrorKind::InvalidData`] for what is no tar, or has something behind its end.
pub(crate) fn read(plain: impl Read) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let mut buffer = vec![0; AT_ONCE];
    let mut archive = ::tar::Archive::new(Counted { inner: plain, bytes: 0 });
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path_bytes().into_owned();
        contents.names.add(&name);
        if contents.astray.is_none() {
            contents.astray = astray(&name, entry.header().entry_type());
        }
        if name.ends_with(b"global/pg_control") {
            let mut control = Vec::new();
            (&mut entry).take(CONTROL).read_to_end(&mut control)?;
            contents.control = Some(control);
        }
        to_the_end(&mut entry, &mut buffer, |_| Ok(()))?;
    }
    let mut rest = archive.into_inner();
    to_the_end(&mut rest, &mut buffer, |bytes| {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "something lies behind the end of the tar"))
    })?;
    contents.bytes = rest.bytes;
    Ok(contents)
}

/// Reads what is left.
fn to_the_end(
    rest: &mut impl Read,
    buffer: &mut [u8],
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        match rest.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(buffer.get(..count).unwrap_or_default())?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// What of an entry would have an engine write elsewhere than where it was told to.
fn astray(name: &[u8], kind: ::tar::EntryType) -> Option<String> {
    let shown = || String::from_utf8_lossy(name).escape_debug().to_string();
    if name.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Some(format!("the name '{}' leads out of the directory", shown()));
    }
    if kind.is_file() || kind.is_dir() || kind.is_contiguous() {
        return None;
    }
    let what = if kind.is_symlink() || kind.is_hard_link() { "a link" } else { "no file and no directory" };
    Some(format!("'{}' is {what}", shown()))
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
