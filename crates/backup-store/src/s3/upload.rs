//! An upload: what is small in one request, what is bigger in parts that go up while more is written.

use super::background::Pending;
use super::parts::PartSizes;
use super::publish::{self, LastStep, Publication};
use super::{S3Store, Shared, locks, look};
use crate::{Digest, Error, Key, Lock, PutOptions, RemoteProblem, Result, Stored, Upload, random};
use aws_sdk_s3::types::CompletedPart;
use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

/// How long parts on their way are waited for at most when their upload is given up.
const LONGEST_GOODBYE: Duration = Duration::from_secs(10);
/// How much room a buffer begins with, in bytes, where it is not known how long the object will be.
const FIRST_ROOM: usize = 64 * 1024;

pub(super) struct S3Upload<'a> {
    store: &'a S3Store,
    key: Key,
    name: String,
    token: String,
    lock: Option<Lock>,
    sizes: PartSizes,
    hash: Sha256,
    size: u64,
    /// What is in no part yet.
    buffer: BytesMut,
    parts: Option<Parts>,
    /// Set once a part was lost: whatever follows, this is no object any more.
    is_broken: bool,
    /// Set once the store has been asked to complete the upload.
    is_completed: bool,
}

/// An upload in parts, as far as it is.
struct Parts {
    id: String,
    under_way: VecDeque<Pending<CompletedPart>>,
    stored: Vec<CompletedPart>,
    begun: u32,
}

impl<'a> S3Upload<'a> {
    pub(super) fn begin(store: &'a S3Store, key: &Key, options: &PutOptions) -> Result<Self> {
        let name = store.shared.name(key)?;
        if options.lock.is_some() {
            store.run(|shared| async move { locks::must_be_known(&shared).await })?;
        }
        let sizes = PartSizes::new(store.shared.limits.part_bytes, options.size_hint);
        let room = options
            .size_hint
            .map_or(FIRST_ROOM, |hint| usize::try_from(hint).unwrap_or(usize::MAX).min(sizes.of(1)));
        Ok(Self {
            store,
            key: key.clone(),
            name,
            token: random::name()? + &random::name()?,
            lock: options.lock,
            sizes,
            hash: Sha256::new(),
            size: 0,
            buffer: BytesMut::with_capacity(room),
            parts: None,
            is_broken: false,
            is_completed: false,
        })
    }

    /// How many bytes the part has that is being filled.
    fn room(&self) -> usize {
        self.sizes.of(self.parts.as_ref().map_or(1, |parts| parts.begun + 1))
    }

    /// Sends the buffer on its way as the next part.
    fn send_part(&mut self) -> Result<()> {
        if self.parts.is_none() {
            self.parts = Some(self.begin_parts()?);
        }
        let Some(parts) = self.parts.as_mut() else { return Ok(()) };
        let number = parts.begun + 1;
        let limits = &self.store.shared.limits;
        let parallel = self.sizes.parallel(number, limits.parallel, limits.memory);
        while parts.under_way.len() >= parallel {
            parts.wait_for_one()?;
        }
        let next = BytesMut::with_capacity(self.sizes.of(number + 1));
        let body = std::mem::replace(&mut self.buffer, next).freeze();
        let (shared, name, id) = (Arc::clone(&self.store.shared), self.name.clone(), parts.id.clone());
        let (key, is_locked) = (self.key.clone(), self.lock.is_some());
        let pending = self.store.background.begin(async move {
            let part = i32::try_from(number).unwrap_or(i32::MAX);
            publish::put_part(&shared, &name, &id, part, body, is_locked)
                .await
                .map_err(|failure| failure.into_error("write", key.as_str()))
        });
        parts.under_way.push_back(pending);
        parts.begun = number;
        Ok(())
    }

    fn begin_parts(&self) -> Result<Parts> {
        let (key, name, token, lock) = (self.key.clone(), self.name.clone(), self.token.clone(), self.lock);
        let id = self.store.run(|shared| async move {
            let failed = |failure: super::failure::Failure| failure.into_error("write", key.as_str());
            // Better known now than after everything has gone up.
            if look::look(&shared, &name, None).await.map_err(failed)?.is_some() {
                return Err(shared.exists(&key));
            }
            super::probe::completing(&shared).await.map_err(failed)?;
            publish::begin_parts(&shared, &name, &token, lock).await.map_err(failed)
        })?;
        Ok(Parts { id, under_way: VecDeque::new(), stored: Vec::new(), begun: 0 })
    }

    fn publish(&mut self) -> Result<Stored> {
        if self.is_broken {
            return Err(Error::Interrupted("the upload"));
        }
        if self.parts.is_some() {
            if !self.buffer.is_empty() {
                self.send_part()?;
            }
            while let Some(parts) = self.parts.as_mut().filter(|parts| !parts.under_way.is_empty()) {
                parts.wait_for_one()?;
            }
        }
        let (key, name, token) = (self.key.clone(), self.name.clone(), self.token.clone());
        let (size, lock) = (self.size, self.lock);
        let body: Bytes = std::mem::take(&mut self.buffer).freeze();
        let parts = self.parts.as_ref().map(|parts| (parts.id.clone(), parts.stored.clone()));
        self.is_completed = true;
        let found = self.store.run(|shared| async move {
            let publication = Publication { key: &key, name: &name, token: &token, size, lock };
            let step = match &parts {
                Some((id, parts)) => LastStep::Complete { id, parts },
                None => LastStep::Put(body),
            };
            publication.publish(&shared, &step).await
        })?;
        let digest = Digest(std::mem::take(&mut self.hash).finalize().into());
        Ok(Stored { meta: found.meta(&self.key), digest })
    }
}

impl Parts {
    fn wait_for_one(&mut self) -> Result<()> {
        if let Some(part) = self.under_way.pop_front() {
            self.stored.push(part.wait()?);
        }
        Ok(())
    }
}

impl Write for S3Upload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.is_broken {
            return Err(Error::Interrupted("the upload").into_io());
        }
        if self.buffer.len() >= self.room() {
            // Until it is known that the part is on its way.
            self.is_broken = true;
            self.send_part().map_err(Error::into_io)?;
            self.is_broken = false;
        }
        let taken = bytes.len().min(self.room() - self.buffer.len());
        let bytes = bytes.get(..taken).unwrap_or_default();
        self.hash.update(bytes);
        self.buffer.extend_from_slice(bytes);
        self.size += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for S3Upload<'_> {
    fn finish(mut self: Box<Self>) -> Result<Stored> {
        let stored = self.publish();
        if self.is_completed && !stored.as_ref().is_err_and(says_that_nothing_was_done) {
            // There are stores that destroy an object whose upload is given up after it was completed. If it was not, it is
            // a leftover, and swept by its age.
            self.parts = None;
        }
        stored
    }
}

/// Whether an error of the last step is the store's word that it did not take it.
fn says_that_nothing_was_done(error: &Error) -> bool {
    match error {
        Error::AlreadyExists { .. } | Error::Hidden { .. } => true,
        Error::Remote { operation: "write", problem, .. } => *problem != RemoteProblem::Answer,
        _ => false,
    }
}

impl Drop for S3Upload<'_> {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        let Parts { id, under_way, .. } = parts;
        let under_way: Vec<_> = under_way.into_iter().filter_map(Pending::detach).collect();
        let name = self.name.clone();
        let _ = self.store.run(|shared: Arc<Shared>| async move {
            end(&shared, under_way).await;
            publish::abort(&shared, &name, &id).await;
            Ok(())
        });
    }
}

/// Waits for parts on their way, but not for long: a server that is still taking one when its upload is given up keeps the
/// part, and a request that is cut off is not at once at its end there.
async fn end(shared: &Shared, under_way: Vec<JoinHandle<()>>) {
    let aborts: Vec<_> = under_way.iter().map(JoinHandle::abort_handle).collect();
    let all = async {
        for part in under_way {
            let _ = part.await;
        }
    };
    if timeout(shared.limits.stall.min(LONGEST_GOODBYE), all).await.is_err() {
        aborts.iter().for_each(AbortHandle::abort);
    }
}
