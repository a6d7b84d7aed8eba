//! Writing objects so that each is written once, whatever becomes of the answers.

use super::call::{Patience, call, once};
use super::failure::{Again, Failure};
use super::look::{Found, look};
use super::probe::{self, Writing};
use super::sums::Sums;
use super::{ServerSideEncryption, Shared, locks};
use crate::{Error, Key, Lock, LockMode, RemoteProblem, Result};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::{
    CompleteMultipartUploadError, CompleteMultipartUploadOutput,
};
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectLockMode,
    ServerSideEncryption as SseAlgorithm,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime as AwsTime;
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// In which metadata of an object the token of its upload is.
pub(super) const TOKEN: &str = "si-upload";

/// In which metadata of an object that went up in one request the SHA-256 of its bytes is.
pub(super) const SHA256: &str = "si-sha256";

/// How often a key that the store calls taken, and where nothing is, is tried again: its object may just have been deleted.
const TRIES_OF_ABSENT: u32 = 3;

/// How much longer than another request one may take after which the store puts an object together. What comes later is found
/// by looking.
const LONGEST_COMPLETION: Duration = Duration::from_mins(10);

/// For whom the store is to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// For the first one.
    IfAbsent,
    /// For everybody.
    None,
}

impl Condition {
    fn if_none_match(self) -> Option<String> {
        match self {
            Self::IfAbsent => Some("*".to_owned()),
            Self::None => None,
        }
    }
}

type Sent<T, E> = std::result::Result<T, SdkError<E, HttpResponse>>;

fn mode(lock: Lock) -> ObjectLockMode {
    match lock.mode {
        LockMode::Governance => ObjectLockMode::Governance,
        LockMode::Compliance => ObjectLockMode::Compliance,
    }
}

/// In whole seconds, which every store keeps: never shorter than what was asked for.
pub(super) fn until(lock: Lock) -> AwsTime {
    let seconds = lock.until.timestamp();
    AwsTime::from_secs(if lock.until.timestamp_subsec_nanos() > 0 { seconds + 1 } else { seconds })
}

fn sse(shared: &Shared) -> (Option<SseAlgorithm>, Option<String>) {
    match &shared.encryption {
        ServerSideEncryption::StoreDefault => (None, None),
        ServerSideEncryption::SseS3 => (Some(SseAlgorithm::Aes256), None),
        ServerSideEncryption::SseKms { key } => (Some(SseAlgorithm::AwsKms), key.clone()),
    }
}

pub(super) async fn put_request(
    shared: &Shared,
    name: &str,
    body: &Bytes,
    sums: &Sums,
    token: Option<&str>,
    lock: Option<Lock>,
    condition: Condition,
) -> Sent<PutObjectOutput, PutObjectError> {
    let (algorithm, kms_key) = sse(shared);
    let request = shared
        .client
        .put_object()
        .bucket(&shared.bucket)
        .key(name)
        .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX))
        .set_checksum_sha256(sums.sha256())
        .set_content_md5(sums.md5())
        .set_if_none_match(condition.if_none_match())
        .set_object_lock_mode(lock.map(mode))
        .set_object_lock_retain_until_date(lock.map(until))
        .set_server_side_encryption(algorithm)
        .set_ssekms_key_id(kms_key)
        .body(ByteStream::from(body.clone()));
    let request = match token {
        Some(token) => request.metadata(TOKEN, token).metadata(SHA256, sums.sha256_hex()),
        None => request,
    };
    request.customize().interceptor(sums.signed()).send().await
}

/// Begins an upload in parts; its id.
pub(super) async fn begin_parts(
    shared: &Shared,
    name: &str,
    token: &str,
    lock: Option<Lock>,
) -> std::result::Result<String, Failure> {
    let (algorithm, kms_key) = sse(shared);
    let sha256 = !shared.only_md5.load(Ordering::Relaxed);
    let begin = || {
        shared
            .client
            .create_multipart_upload()
            .bucket(&shared.bucket)
            .key(name)
            .metadata(TOKEN, token)
            .set_checksum_algorithm(sha256.then_some(ChecksumAlgorithm::Sha256))
            .set_object_lock_mode(lock.map(mode))
            .set_object_lock_retain_until_date(lock.map(until))
            .set_server_side_encryption(algorithm.clone())
            .set_ssekms_key_id(kms_key.clone())
            .send()
    };
    // One whose answer was lost is a leftover, and swept by its age.
    let answer = call(shared, 0, begin).await?;
    answer.upload_id.ok_or_else(|| Failure::nonsense("an upload without an id"))
}

/// Stores one part; again and again, if need be: the last one counts, and all are the same.
pub(super) async fn put_part(
    shared: &Shared,
    name: &str,
    id: &str,
    number: i32,
    body: Bytes,
    is_locked: bool,
) -> std::result::Result<CompletedPart, Failure> {
    let sums = Sums::of(shared, &body, is_locked).await;
    let put = || {
        let request = shared
            .client
            .upload_part()
            .bucket(&shared.bucket)
            .key(name)
            .upload_id(id)
            .part_number(number)
            .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX))
            .set_checksum_sha256(sums.sha256())
            .set_content_md5(sums.md5())
            .body(ByteStream::from(body.clone()));
        request.customize().interceptor(sums.signed()).send()
    };
    let stored = call(shared, body.len() as u64, put).await?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(stored.e_tag)
        .set_checksum_sha256(sums.sha256())
        .build())
}

pub(super) async fn complete_request(
    shared: &Shared,
    name: &str,
    id: &str,
    parts: &[CompletedPart],
    condition: Condition,
) -> Sent<CompleteMultipartUploadOutput, CompleteMultipartUploadError> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    let request = shared.client.complete_multipart_upload().bucket(&shared.bucket).key(name).upload_id(id);
    request.multipart_upload(parts).set_if_none_match(condition.if_none_match()).send().await
}

/// Gives up an upload in parts. What cannot be given up now is a leftover, and swept by its age.
pub(super) async fn abort(shared: &Shared, name: &str, id: &str) {
    let _ = give_up(shared, name, id).await;
}

/// Gives up an upload in parts.
pub(super) async fn give_up(shared: &Shared, name: &str, id: &str) -> std::result::Result<(), Failure> {
    let abort = || {
        let request = shared.client.abort_multipart_upload().bucket(&shared.bucket).key(name);
        request.upload_id(id).send()
    };
    match call(shared, 0, abort).await {
        Ok(_) => Ok(()),
        // Gone already, also by an answer that was lost.
        Err(failure) if failure.is(404) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// An object that is to be written, by one upload.
#[derive(Debug)]
pub(super) struct Publication<'a> {
    pub(super) key: &'a Key,
    pub(super) name: &'a str,
    /// The upload's own, in the metadata of the object.
    pub(super) token: &'a str,
    pub(super) size: u64,
    pub(super) lock: Option<Lock>,
}

/// The last step of an upload: that after which the object is there.
pub(super) enum LastStep<'a> {
    Put(Bytes),
    Complete { id: &'a str, parts: &'a [CompletedPart] },
}

impl Publication<'_> {
    /// Takes the last step, and finds out what became of it, and of the lock that was asked for.
    pub(super) async fn publish(&self, shared: &Shared, step: &LastStep<'_>) -> Result<Found> {
        let found = self.write(shared, step).await?;
        if let Some(lock) = self.lock {
            // Some stores forget it on the way of an upload in parts. This reads what is held, and asks again where need be.
            locks::extend(shared, self.key, found.version.as_ref(), lock).await?;
        }
        Ok(found)
    }

    async fn write(&self, shared: &Shared, step: &LastStep<'_>) -> Result<Found> {
        let writing = match step {
            LastStep::Put(_) => probe::writing(shared).await,
            LastStep::Complete { .. } => probe::completing(shared).await,
        };
        let writing = writing.map_err(|failure| failure.into_error("write", self.key.as_str()))?;
        let mut patience = Patience::new();
        // Whether an earlier try may have been done, though its answer was lost.
        let mut maybe_done = false;
        let mut taken_by_nothing = 0;
        let mut tried_md5 = false;
        loop {
            if writing == Writing::Looking
                && let Some(found) = self.look(shared, maybe_done).await?
            {
                return self.own(shared, found);
            }
            let mut failure = match self.step(shared, step, writing.condition()).await {
                Ok(version) => return self.confirm(shared, version).await,
                Err(failure) => failure,
            };
            maybe_done |= failure.maybe_done;
            if failure.is(412) || failure.is(409) || failure.maybe_done || failure.has_code(&["NoSuchUpload"])
            {
                if let Some(found) = self.look(shared, maybe_done).await? {
                    return self.own(shared, found);
                }
                if failure.is(412) {
                    taken_by_nothing += 1;
                    if taken_by_nothing == TRIES_OF_ABSENT {
                        return Err(if maybe_done {
                            // What took the key may be this upload's own, on its way into the store.
                            failure.unknown_outcome(self.key, &shared.location)
                        } else {
                            Error::Hidden { key: self.key.clone(), store: shared.location.clone() }
                        });
                    }
                    failure.again = Again::Yes;
                }
            }
            if let LastStep::Put(_) = step
                && failure.is_unknown_header()
            {
                if !tried_md5 && !shared.only_md5.swap(true, Ordering::Relaxed) {
                    tried_md5 = true;
                    continue;
                }
                if tried_md5 {
                    // Neither with the older checksum: it is something else, and no reason to go without the newer one.
                    shared.only_md5.store(false, Ordering::Relaxed);
                }
            }
            if let Err(last) = patience.again(failure, shared).await {
                return Err(if maybe_done {
                    last.unknown_outcome(self.key, &shared.location)
                } else {
                    last.into_error("write", self.key.as_str())
                });
            }
        }
    }

    /// One try; the version that was written, where the store tells it.
    async fn step(
        &self,
        shared: &Shared,
        step: &LastStep<'_>,
        condition: Condition,
    ) -> std::result::Result<Option<String>, Failure> {
        match step {
            LastStep::Put(body) => {
                let sums = Sums::of(shared, body, self.lock.is_some()).await;
                let put = put_request(shared, self.name, body, &sums, Some(self.token), self.lock, condition);
                once(shared, self.size, put).await.map(|put| put.version_id)
            }
            LastStep::Complete { id, parts } => {
                // The store may have to put together a lot before it answers.
                let complete = complete_request(shared, self.name, id, parts, condition);
                let most = LONGEST_COMPLETION.as_secs() * shared.limits.least_rate;
                once(shared, (self.size / 64).min(most), complete).await.map(|done| done.version_id)
            }
        }
    }

    async fn look(&self, shared: &Shared, maybe_done: bool) -> Result<Option<Found>> {
        look(shared, self.name, None).await.map_err(|failure| {
            if maybe_done {
                failure.unknown_outcome(self.key, &shared.location)
            } else {
                failure.into_error("look at", self.key.as_str())
            }
        })
    }

    /// What is there, if this upload wrote it; else the key is another one's.
    fn own(&self, shared: &Shared, found: Found) -> Result<Found> {
        if found.token.as_deref() != Some(self.token) {
            return Err(shared.exists(self.key));
        }
        self.whole(found)
    }

    /// Looks at what was written: the store's word, and then the object.
    async fn confirm(&self, shared: &Shared, version: Option<String>) -> Result<Found> {
        let has_versions = probe::versioning(shared).await.is_ok_and(probe::Versioning::has_versions);
        let version = version.filter(|_| has_versions);
        let unknown = |failure: Failure| failure.unknown_outcome(self.key, &shared.location);
        match look(shared, self.name, version.as_deref()).await.map_err(unknown)? {
            Some(found) if found.token.as_deref() == Some(self.token) => self.whole(found),
            Some(found) if found.token.is_none() => self.whole(found),
            // Only where nobody keeps two writers apart.
            Some(_) => Err(shared.exists(self.key)),
            None => Err(unknown(Failure::nonsense("it was stored, and is not there"))),
        }
    }

    fn whole(&self, found: Found) -> Result<Found> {
        if found.size == self.size {
            return Ok(found);
        }
        Err(Error::Remote {
            operation: "write",
            target: self.key.to_string(),
            problem: RemoteProblem::Answer,
            detail: format!("{} bytes were stored, {} were written", found.size, self.size),
        })
    }
}
