use crate::{Digest, Error, Key, Result, Store, Version};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};

/// Opens an object whose digest and length were recorded, to be compared as the bytes pass.
///
/// # Errors
/// As for [`Store::open`]. An altered object is found while it is read: see [`CheckedReader`].
pub fn read_checked<'a>(
    store: &'a dyn Store,
    key: &Key,
    version: Option<&Version>,
    expected: Digest,
    expected_size: u64,
) -> Result<CheckedReader<'a>> {
    let inner = store.open(key, version, 0)?;
    Ok(CheckedReader {
        inner,
        key: key.clone(),
        expected,
        expected_size,
        hash: Sha256::new(),
        seen: 0,
        state: State::Reading,
    })
}

/// A reader that compares what passes with what was recorded.
///
/// The last bytes are handed out only once the whole object has been found right, so that also a reader who never looks
/// beyond them has had an unaltered object. Before that, the bytes are not to be believed: whoever acts on them as they
/// come must be able to take it back, or call [`CheckedReader::finish`] first.
///
/// An altered, short or long object is an [`io::Error`] that carries [`Error::Corrupt`] ([`Error::from_io`] takes it out).
pub struct CheckedReader<'a> {
    inner: Box<dyn Read + Send + 'a>,
    key: Key,
    expected: Digest,
    expected_size: u64,
    hash: Sha256,
    seen: u64,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Reading,
    Right,
    Altered { found: Digest, found_size: u64 },
}

impl CheckedReader<'_> {
    /// Reads what nobody has read yet, and says whether the whole object was right.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; whatever kept the rest from being read.
    pub fn finish(mut self) -> Result<()> {
        io::copy(&mut self, &mut io::sink())
            .map(drop)
            .map_err(|error| Error::from_io(error, "read", self.key.as_str()))
    }

    /// How many bytes have passed.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.seen
    }

    fn corrupt(&self, found: Digest, found_size: u64) -> io::Error {
        Error::Corrupt {
            key: self.key.clone(),
            expected: self.expected,
            expected_size: self.expected_size,
            found,
            found_size,
        }
        .into_io()
    }

    /// Ends the reading: whatever has passed is all that there is.
    fn conclude(&mut self) -> io::Result<()> {
        let found = Digest(std::mem::take(&mut self.hash).finalize().into());
        if found == self.expected && self.seen == self.expected_size {
            self.state = State::Right;
            return Ok(());
        }
        self.state = State::Altered { found, found_size: self.seen };
        Err(self.corrupt(found, self.seen))
    }

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        let bytes =
            buffer.get(..read).ok_or_else(|| io::Error::other("a reader counted more than it read"))?;
        self.hash.update(bytes);
        self.seen += read as u64;
        Ok(read)
    }
}

impl Read for CheckedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Reading => {}
            State::Right => return Ok(0),
            State::Altered { found, found_size } => return Err(self.corrupt(found, found_size)),
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let left = usize::try_from(self.expected_size - self.seen).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = match buffer.get_mut(..length) {
            Some(wanted) if length > 0 => self.take(wanted)?,
            _ => 0,
        };
        if self.seen == self.expected_size {
            // One byte more than there should be is enough to know.
            self.take(&mut [0])?;
            self.conclude()?;
        } else if read == 0 {
            self.conclude()?;
        }
        Ok(read)
    }
}

impl fmt::Debug for CheckedReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedReader")
            .field("key", &self.key)
            .field("seen", &self.seen)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reader(bytes: &[u8], expected: &[u8]) -> CheckedReader<'static> {
        CheckedReader {
            inner: Box::new(io::Cursor::new(bytes.to_vec())),
            key: Key::new("a/b").unwrap(),
            expected: Digest(Sha256::digest(expected).into()),
            expected_size: expected.len() as u64,
            hash: Sha256::new(),
            seen: 0,
            state: State::Reading,
        }
    }

    fn read(mut reader: CheckedReader<'_>, piece: usize) -> io::Result<Vec<u8>> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(all),
                read => all.extend_from_slice(&buffer[..read]),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_right_passes_and_nothing_else(
            expected in proptest::collection::vec(any::<u8>(), 0..40),
            other in proptest::collection::vec(any::<u8>(), 0..40),
            piece in 1_usize..50,
        ) {
            prop_assert_eq!(&read(reader(&expected, &expected), piece).unwrap(), &expected);
            reader(&expected, &expected).finish().unwrap();
            if other != expected {
                let error = Error::from_io(read(reader(&other, &expected), piece).unwrap_err(), "read", "");
                let sizes_named = matches!(error, Error::Corrupt { expected_size, found_size, .. }
                    if expected_size == expected.len() as u64
                        && found_size == (other.len() as u64).min(expected.len() as u64 + 1));
                prop_assert!(sizes_named, "{}", error);
            }
        }

        /// Who reads exactly the recorded number of bytes never sees the end, and still gets nothing altered.
        #[test]
        fn the_last_byte_is_withheld_until_all_is_right(
            expected in proptest::collection::vec(any::<u8>(), 1..40),
            place in any::<proptest::sample::Index>(),
        ) {
            let mut altered = expected.clone();
            altered[place.index(expected.len())] ^= 1;
            let mut buffer = vec![0; expected.len()];
            let mut long = expected.clone();
            long.push(0);
            reader(&altered, &expected).read_exact(&mut buffer).unwrap_err();
            reader(&long, &expected).read_exact(&mut buffer).unwrap_err();
            reader(&expected, &expected).read_exact(&mut buffer).unwrap();
        }
    }

    #[test]
    fn an_error_stays_and_names_key_expected_and_found() {
        let mut altered = reader(b"altered", b"written");
        let first = altered.read(&mut [0; 10]).unwrap_err().to_string();
        assert_eq!(altered.read(&mut [0; 10]).unwrap_err().to_string(), first);
        assert_eq!(
            first,
            format!(
                "'a/b' is not what was recorded: expected {} of 7 bytes, found {} of 7 bytes",
                Digest(Sha256::digest(b"written").into()),
                Digest(Sha256::digest(b"altered").into()),
            )
        );
    }
}
