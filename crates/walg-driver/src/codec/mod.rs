//! What an engine did to an object before it stored it, undone: decrypted, then decompressed.

mod compression;
mod sodium;

pub use compression::Compression;
pub use sodium::SodiumKey;

use std::io::{self, BufReader, Read};

/// How much is read at once, in bytes.
const AT_ONCE: usize = 128 * 1024;

/// How the objects of a bucket are encrypted. Sentinels and metadata never are.
#[derive(Debug)]
pub enum Cipher {
    /// Not at all.
    None,
    /// By libsodium's secretstream.
    Sodium(SodiumKey),
    /// In a way that only an engine can undo (PGP), or with a key that is not here.
    Unknown,
}

impl Cipher {
    /// Whether this software can read what is within.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// A reader of the content of an object whose stored bytes `stored` yields.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] for [`Cipher::Unknown`]; [`io::ErrorKind::InvalidData`] when the bytes are not what
    /// the key and the name of the object say; whatever `stored` fails with.
    pub fn open<'a>(
        &self,
        compression: Compression,
        stored: impl Read + 'a,
    ) -> io::Result<Box<dyn Read + 'a>> {
        let stored = BufReader::with_capacity(AT_ONCE, stored);
        match self {
            Self::None => compression.decoder(stored),
            Self::Sodium(key) => {
                compression.decoder(BufReader::with_capacity(AT_ONCE, sodium::Unsealed::new(stored, key)?))
            }
            Self::Unknown => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is encrypted in a way that only the engine can undo",
            )),
        }
    }
}
