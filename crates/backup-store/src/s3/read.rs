//! Reading an object: pieces of it are fetched ahead, several at once, and each goes on where it broke off.

use super::background::Pending;
use super::call::{Patience, once, unless_stalled, within};
use super::failure::Failure;
use super::{S3Store, Shared, look, probe, publish};
use crate::{Digest, Error, Key, RemoteProblem, Result, Version};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::{Buf as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// How long the first piece is, in bytes: whoever wants no more than that is served soon.
const FIRST_PIECE: u64 = 1 << 20;

/// Which object is read: the same one with every piece.
#[derive(Debug, Clone)]
struct Source {
    key: Key,
    name: String,
    /// In a bucket with versions: which.
    version: Option<String>,
    /// In one without: what the store calls its content.
    etag: Option<String>,
}

pub(super) struct S3Reader<'a> {
    store: &'a S3Store,
    source: Arc<Source>,
    size: u64,
    /// Where the next piece begins that nobody has begun to fetch.
    next: u64,
    current: Bytes,
    /// Where to begin to fetch ahead: when so little of the first piece is left.
    patient_until: usize,
    ahead: VecDeque<Pending<Bytes>>,
    /// Set once a piece was lost: what follows it is not handed out in its place.
    is_broken: bool,
}

/// The first piece of an object, and what its answer says of the whole.
struct Beginning {
    source: Source,
    size: u64,
    bytes: Bytes,
}

impl<'a> S3Reader<'a> {
    pub(super) fn open(
        store: &'a S3Store,
        key: &Key,
        version: Option<&Version>,
        offset: u64,
    ) -> Result<Self> {
        let source = Source {
            key: key.clone(),
            name: store.shared.name(key)?,
            version: version.map(|version| version.as_str().to_owned()),
            etag: None,
        };
        let beginning = store.run(|shared| async move { begin(&shared, source, offset).await })?;
        Ok(Self {
            store,
            source: Arc::new(beginning.source),
            size: beginning.size,
            next: offset.saturating_add(beginning.bytes.len() as u64),
            patient_until: beginning.bytes.len() / 2,
            current: beginning.bytes,
            ahead: VecDeque::new(),
            is_broken: false,
        })
    }

    fn fetch_ahead(&mut self) {
        let limits = &self.store.shared.limits;
        while self.ahead.len() < limits.parallel.max(1) && self.next < self.size {
            let end = self.next.saturating_add(limits.read_bytes.max(1) as u64).min(self.size);
            let (range, source) = (self.next..end, Arc::clone(&self.source));
            let (shared, size) = (Arc::clone(&self.store.shared), self.size);
            self.ahead.push_back(
                self.store.background.begin(async move { piece(&shared, &source, range, size).await }),
            );
            self.next = end;
        }
    }
}

impl Read for S3Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.is_broken {
            return Err(Error::Interrupted("the reading").into_io());
        }
        if self.current.len() <= self.patient_until {
            // From now on whenever there is room.
            self.patient_until = usize::MAX;
            self.fetch_ahead();
        }
        if self.current.is_empty() {
            let Some(piece) = self.ahead.pop_front() else { return Ok(0) };
            self.is_broken = true;
            self.current = piece.wait().map_err(Error::into_io)?;
            self.is_broken = false;
            self.fetch_ahead();
        }
        let length = buffer.len().min(self.current.len());
        if let Some(filled) = buffer.get_mut(..length) {
            self.current.copy_to_slice(filled);
        }
        Ok(length)
    }
}

async fn get(
    shared: &Shared,
    source: &Source,
    range: &Range<u64>,
) -> std::result::Result<GetObjectOutput, Failure> {
    let last = range.end.saturating_sub(1);
    let request = shared
        .client
        .get_object()
        .bucket(&shared.bucket)
        .key(&source.name)
        .range(format!("bytes={}-{last}", range.start))
        .set_version_id(source.version.clone())
        .set_if_match(source.etag.clone().filter(|_| source.version.is_none()));
    once(shared, 0, request.send()).await
}

async fn begin(shared: &Shared, source: Source, offset: u64) -> Result<Beginning> {
    let versioning = probe::versioning(shared).await;
    let versioning = versioning.map_err(|failure| failure.into_error("read", source.key.as_str()))?;
    if source.version.is_some() && !versioning.has_versions() {
        return Err(shared.not_found(&source.key));
    }
    let mut patience = Patience::new();
    loop {
        let (beginning, recorded) = begin_once(shared, source.clone(), offset, versioning).await?;
        let Some(altered) = recorded.and_then(|recorded| altered(&source.key, &beginning.bytes, &recorded))
        else {
            return Ok(beginning);
        };
        // On the way, perhaps; if it is so each time, in the store.
        let failure = Failure::broken(RemoteProblem::Answer, "other bytes came than were written");
        if patience.again(failure, shared).await.is_err() {
            return Err(altered);
        }
    }
}

/// The first piece, and the digest that its writer recorded in the object's metadata, if the piece is the whole.
async fn begin_once(
    shared: &Shared,
    mut source: Source,
    offset: u64,
    versioning: probe::Versioning,
) -> Result<(Beginning, Option<String>)> {
    let key = source.key.clone();
    let failed = |failure: Failure| failure.into_error("read", key.as_str());
    let length = FIRST_PIECE.min(shared.limits.read_bytes.max(1) as u64);
    let wanted = offset..offset.saturating_add(length);
    let mut patience = Patience::new();
    let answer = loop {
        match get(shared, &source, &wanted).await {
            Ok(answer) => break answer,
            Err(failure) if failure.is(416) => {
                // The object is there, and nothing of it from here on.
                return Ok((Beginning { source, size: 0, bytes: Bytes::new() }, None));
            }
            Err(failure) if failure.is_not_found(source.version.is_some()) => {
                return Err(shared.not_found(&key));
            }
            Err(failure) => patience.again(failure, shared).await.map_err(failed)?,
        }
    };
    let size = size_of(&answer, &wanted).map_err(failed)?;
    if versioning.has_versions() && source.version.is_none() {
        let version = look::version(versioning, answer.version_id());
        source.version = version.map(|version| version.as_str().to_owned());
    }
    source.etag = answer.e_tag().map(str::to_owned);
    let recorded = answer.metadata().and_then(|all| all.get(publish::SHA256)).cloned();
    let range = offset..wanted.end.min(size);
    let bytes = collect(shared, &source, range, size, Some(answer)).await?;
    let is_whole = offset == 0 && bytes.len() as u64 == size;
    Ok((Beginning { source, size, bytes }, recorded.filter(|_| is_whole)))
}

/// The error that bytes are when they have not the digest that was recorded with them.
fn altered(key: &Key, bytes: &[u8], recorded: &str) -> Option<Error> {
    let found = Digest(Sha256::digest(bytes).into());
    let expected = digest(recorded)?;
    let size = bytes.len() as u64;
    (found != expected).then(|| Error::Corrupt {
        key: key.clone(),
        expected,
        expected_size: size,
        found,
        found_size: size,
    })
}

/// 64 hexadecimal digits; whatever else somebody wrote there is no record.
fn digest(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(Digest(bytes))
}

/// How long the whole object is, of which this answer holds the piece that was asked for.
fn size_of(answer: &GetObjectOutput, wanted: &Range<u64>) -> std::result::Result<u64, Failure> {
    let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
    let Some(range) = answer.content_range() else {
        // All of it: right only where all of it was asked for.
        return length
            .filter(|length| wanted.start == 0 && *length <= wanted.end)
            .ok_or_else(|| Failure::nonsense("the store does not give pieces of an object"));
    };
    let parsed = range.strip_prefix("bytes ").and_then(|range| {
        let (piece, size) = range.split_once('/')?;
        let (first, last) = piece.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let size: u64 = size.parse().ok()?;
        let end = last.checked_add(1)?;
        (first == wanted.start && end == wanted.end.min(size)).then_some(size)
    });
    parsed.ok_or_else(|| Failure::nonsense("another piece came than was asked for"))
}

async fn piece(shared: &Shared, source: &Source, range: Range<u64>, size: u64) -> Result<Bytes> {
    collect(shared, source, range, size, None).await
}

/// Reads a piece to its end; where it breaks off it goes on from there. `answer` is one that has begun.
async fn collect(
    shared: &Shared,
    source: &Source,
    range: Range<u64>,
    size: u64,
    mut answer: Option<GetObjectOutput>,
) -> Result<Bytes> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::with_capacity(length);
    let mut patience = Patience::new();
    while bytes.len() < length {
        let before = bytes.len();
        let rest = range.start + before as u64..range.end;
        let step = async {
            let begun = answer.take();
            let answer = if let Some(begun) = begun {
                begun
            } else {
                let answer = get(shared, source, &rest).await?;
                if size_of(&answer, &rest)? != size {
                    return Err(Failure::nonsense("the object has another length than before"));
                }
                answer
            };
            within(shared, rest.end - rest.start, pour(shared, answer, &mut bytes, length)).await
        };
        let Err(failure) = step.await else { continue };
        if failure.is(412) || failure.is_not_found(source.version.is_some()) {
            return Err(Error::Changed { key: source.key.clone(), store: shared.location.clone() });
        }
        if bytes.len() > before {
            patience.renew();
        }
        patience
            .again(failure, shared)
            .await
            .map_err(|failure| failure.into_error("read", source.key.as_str()))?;
    }
    Ok(bytes.freeze())
}

/// Takes the body of an answer, up to `length` bytes in all.
async fn pour(
    shared: &Shared,
    mut answer: GetObjectOutput,
    bytes: &mut BytesMut,
    length: usize,
) -> std::result::Result<(), Failure> {
    while let Some(chunk) = unless_stalled(shared, answer.body.next()).await? {
        let chunk = chunk.map_err(|error| {
            Failure::broken(RemoteProblem::Unreachable, format!("the answer broke off: {error}"))
        })?;
        if chunk.len() > length - bytes.len() {
            return Err(Failure::nonsense("more came than was asked for"));
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() < length {
        return Err(Failure::broken(RemoteProblem::Unreachable, "the answer ended early"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(range: Option<&str>, length: i64) -> GetObjectOutput {
        GetObjectOutput::builder().set_content_range(range.map(str::to_owned)).content_length(length).build()
    }

    #[test]
    fn only_the_piece_that_was_asked_for_is_taken() {
        let size = |range, length, wanted: Range<u64>| size_of(&answer(range, length), &wanted).ok();
        assert_eq!(size(Some("bytes 10-19/100"), 10, 10..20), Some(100));
        assert_eq!(size(Some("bytes 90-99/100"), 10, 90..200), Some(100), "as far as it goes");
        assert_eq!(size(None, 5, 0..10), Some(5), "all of it");
        for (range, wanted) in [
            (None, 1..10),
            (Some("bytes 11-20/100"), 10..20),
            (Some("bytes 10-18/100"), 10..20),
            (Some("bytes 10-19/*"), 10..20),
            (Some("10-19/100"), 10..20),
        ] {
            assert_eq!(size(range, 10, wanted), None, "{range:?}");
        }
        assert_eq!(size(None, 50, 0..10), None, "more than was asked for");
    }

    #[test]
    fn bytes_are_compared_with_what_their_writer_recorded() {
        let key = Key::new("a").unwrap();
        let recorded = Digest(Sha256::digest(b"right").into()).to_string();
        let recorded = recorded.strip_prefix("sha256:").unwrap();
        assert!(altered(&key, b"right", recorded).is_none());
        assert_eq!(altered(&key, b"wrong", recorded).unwrap().code(), "object-corrupt");
        assert!(altered(&key, b"wrong", "no digest at all").is_none());
    }
}
