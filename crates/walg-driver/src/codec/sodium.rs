use dryoc::classic::crypto_secretstream_xchacha20poly1305::{
    State, crypto_secretstream_xchacha20poly1305_init_pull, crypto_secretstream_xchacha20poly1305_pull,
};
use dryoc::constants::CRYPTO_SECRETSTREAM_XCHACHA20POLY1305_TAG_FINAL as FINAL;
use secrecy::{ExposeSecret, SecretBox};
use std::fmt;
use std::io::{self, Read};

/// How many bytes of plaintext an engine puts into one message.
const CHUNK: usize = 8192;
/// What encryption adds to a message: a tag and an authenticator.
const ADDED: usize = 17;
/// What a stream begins with.
const HEADER: usize = 24;

/// The key of a bucket whose objects are libsodium secretstreams (`XChaCha20-Poly1305`).
pub struct SodiumKey(SecretBox<[u8; 32]>);

impl SodiumKey {
    /// Takes the 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }
}

impl fmt::Debug for SodiumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SodiumKey([redacted])")
    }
}

/// Decrypts a secretstream as it is read. Nothing is handed out that was not authenticated, and a stream that ends before
/// its last message is an error.
pub(super) struct Unsealed<R> {
    inner: R,
    state: State,
    sealed: Vec<u8>,
    plain: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Unsealed<R> {
    /// Reads the header.
    pub(super) fn new(mut inner: R, key: &SodiumKey) -> io::Result<Self> {
        let mut header = [0; HEADER];
        inner.read_exact(&mut header).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => wrong("it is shorter than the header of an encrypted stream"),
            _ => e,
        })?;
        let mut state = State::new();
        crypto_secretstream_xchacha20poly1305_init_pull(&mut state, &header, key.0.expose_secret());
        Ok(Self { inner, state, sealed: Vec::new(), plain: Vec::new(), given: 0, ended: false })
    }

    /// Decrypts the next message.
    fn next(&mut self) -> io::Result<()> {
        self.sealed.clear();
        let most = (CHUNK + ADDED) as u64;
        (&mut self.inner).take(most).read_to_end(&mut self.sealed)?;
        let Some(length) = self.sealed.len().checked_sub(ADDED) else {
            return Err(wrong("it ends before its last message"));
        };
        self.plain.resize(length, 0);
        self.given = 0;
        let mut tag = 0;
        let pulled = crypto_secretstream_xchacha20poly1305_pull(
            &mut self.state,
            &mut self.plain,
            &mut tag,
            &self.sealed,
            None,
        );
        if pulled.is_err() {
            self.plain.clear();
            return Err(wrong("it was not encrypted with this key, or it was altered"));
        }
        if tag == FINAL {
            self.ended = true;
            if self.inner.read(&mut [0])? > 0 {
                self.plain.clear();
                return Err(wrong("something lies behind its last message"));
            }
        }
        Ok(())
    }
}

fn wrong(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl<R: Read> Read for Unsealed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.plain.len() {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            self.next()?;
        }
        let ready = &self.plain[self.given..];
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dryoc::classic::crypto_secretstream_xchacha20poly1305::{
        crypto_secretstream_xchacha20poly1305_init_push, crypto_secretstream_xchacha20poly1305_push,
    };
    use proptest::prelude::*;

    fn seal(plain: &[u8], key: &[u8; 32]) -> Vec<u8> {
        let (mut state, mut header) = (State::new(), [0; HEADER]);
        crypto_secretstream_xchacha20poly1305_init_push(&mut state, &mut header, key);
        let mut sealed = header.to_vec();
        let mut chunks = plain.chunks(CHUNK).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let last = chunks.peek().is_none();
            let mut out = vec![0; chunk.len() + ADDED];
            let tag = if last { FINAL } else { 0 };
            crypto_secretstream_xchacha20poly1305_push(&mut state, &mut out, chunk, None, tag).unwrap();
            sealed.extend(out);
            if last {
                return sealed;
            }
        }
    }

    fn open(sealed: &[u8], key: [u8; 32]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Unsealed::new(sealed, &SodiumKey::new(key))?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_sealed_comes_back_and_nothing_else(
            length in prop_oneof![0_usize..40, Just(CHUNK), CHUNK - 2..CHUNK + 3, 3 * CHUNK - 2..3 * CHUNK + 2],
            key: [u8; 32],
            place in any::<proptest::sample::Index>(),
        ) {
            let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
            let sealed = seal(&plain, &key);
            prop_assert_eq!(open(&sealed, key).unwrap(), plain);
            let mut altered = sealed.clone();
            altered[place.index(sealed.len())] ^= 1;
            prop_assert!(open(&altered, key).is_err(), "a flipped bit");
            prop_assert!(open(&sealed[..place.index(sealed.len())], key).is_err(), "cut short");
            let mut longer = sealed.clone();
            longer.push(0);
            prop_assert!(open(&longer, key).is_err(), "something behind it");
            let mut other = key;
            other[place.index(32)] ^= 1;
            prop_assert!(open(&sealed, other).is_err(), "another key");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        assert_eq!(format!("{:?}", SodiumKey::new([7; 32])), "SodiumKey([redacted])");
    }
}
