//! What the bucket can do, found out once, when it is first needed.

use super::Shared;
use super::call::call;
use super::failure::Failure;
use super::publish::{self, Condition};
use super::sums::Sums;
use crate::{
    Capabilities, DefaultRetention, LockKeeper, LockMode, RemoteProblem, Result, WriteOnceKeeper, random,
};
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockEnabled, ObjectLockRetentionMode};
use bytes::Bytes;
use std::sync::atomic::Ordering;

/// What the object says with which conditional writes are tried.
const TRIAL: &str = "si-backup tries with this object whether the store refuses to write a key twice.\n";

/// How stores say that a bucket has no Object Lock.
const NO_LOCKS: [&str; 3] =
    ["ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "InvalidRequest"];

/// Whether the bucket has versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Never,
    /// It had, and those that it has are still there.
    Suspended,
    Enabled,
}

impl Versioning {
    pub(super) const fn has_versions(self) -> bool {
        !matches!(self, Self::Never)
    }
}

/// Whether the bucket has Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locking {
    None,
    Enabled(Option<DefaultRetention>),
}

/// How a key is kept from being written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// The store refuses a second writer.
    Conditional,
    /// This software looks first.
    Looking,
}

impl Writing {
    pub(super) const fn condition(self) -> Condition {
        match self {
            Self::Conditional => Condition::IfAbsent,
            Self::Looking => Condition::None,
        }
    }
}

pub(super) async fn capabilities(shared: &Shared) -> Result<Capabilities> {
    let failed = |failure: Failure| failure.into_error("ask", shared.location.as_str());
    let versioning = versioning(shared).await.map_err(failed)?;
    let (locks, default_retention) = match locking(shared).await.map_err(failed)? {
        Locking::None => (LockKeeper::Nobody, None),
        Locking::Enabled(default) => (LockKeeper::Server, default),
    };
    let write_once = match (writing(shared).await, completing(shared).await) {
        (Ok(Writing::Conditional), Ok(Writing::Conditional)) => WriteOnceKeeper::Store,
        (Ok(_), Ok(_)) => WriteOnceKeeper::HeadCheck,
        (Err(failure), _) | (_, Err(failure)) if failure.problem == RemoteProblem::Denied => {
            WriteOnceKeeper::Unknown
        }
        (Err(failure), _) | (_, Err(failure)) => return Err(failed(failure)),
    };
    Ok(Capabilities::new(versioning == Versioning::Enabled, locks, write_once)
        .over(shared.transport)
        .with_default_retention(default_retention))
}

pub(super) async fn versioning(shared: &Shared) -> std::result::Result<Versioning, Failure> {
    let find = || async {
        let answer = call(shared, 0, || shared.client.get_bucket_versioning().bucket(&shared.bucket).send());
        match answer.await {
            Ok(answer) => Ok(match answer.status() {
                Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
                Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
                _ => Versioning::Never,
            }),
            Err(failure) if failure.is_unknown_request() => Ok(Versioning::Never),
            Err(failure) => Err(failure),
        }
    };
    shared.versioning.get_or_try_init(find).await.copied()
}

pub(super) async fn locking(shared: &Shared) -> std::result::Result<Locking, Failure> {
    let find = || async {
        let ask = || shared.client.get_object_lock_configuration().bucket(&shared.bucket).send();
        let answer = match call(shared, 0, ask).await {
            Ok(answer) => answer,
            // In various words: this bucket, or this store, has none. Any other refusal is not taken for that: what is
            // locked would be deleted around.
            Err(failure) if failure.is_unknown_request() || failure.has_code(&NO_LOCKS) => {
                return Ok(Locking::None);
            }
            Err(failure) => return Err(failure),
        };
        let Some(found) = answer.object_lock_configuration() else { return Ok(Locking::None) };
        if found.object_lock_enabled() != Some(&ObjectLockEnabled::Enabled) {
            return Ok(Locking::None);
        }
        let default = found.rule().and_then(|rule| rule.default_retention()).and_then(|default| {
            let mode = match default.mode()? {
                ObjectLockRetentionMode::Compliance => LockMode::Compliance,
                ObjectLockRetentionMode::Governance => LockMode::Governance,
                _ => return None,
            };
            let days = default.days().or_else(|| default.years().map(|years| years.saturating_mul(365)))?;
            Some(DefaultRetention { mode, days: u32::try_from(days).ok().filter(|days| *days > 0)? })
        });
        Ok(Locking::Enabled(default))
    };
    shared.locking.get_or_try_init(find).await.copied()
}

/// Tries whether the store refuses to write over an object: over one of this store's own, which stays for the next time.
pub(super) async fn writing(shared: &Shared) -> std::result::Result<Writing, Failure> {
    shared.writing.get_or_try_init(|| try_writing(shared)).await.copied()
}

async fn try_writing(shared: &Shared) -> std::result::Result<Writing, Failure> {
    // The first one makes the object where it is not there yet; the second must then be refused.
    for _ in 0..2 {
        match put_trial(shared, Condition::IfAbsent).await {
            Ok(()) => {}
            Err(failure) if failure.is(412) => return Ok(Writing::Conditional),
            Err(failure) if failure.is_unknown_header() => {
                // The condition, then, since `put_trial` has found out about the checksum.
                put_trial(shared, Condition::None).await?;
                return Ok(Writing::Looking);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(Writing::Looking)
}

async fn put_trial(shared: &Shared, condition: Condition) -> std::result::Result<(), Failure> {
    let body = Bytes::from_static(TRIAL.as_bytes());
    let name = shared.trial();
    let attempt = || async {
        let sums = Sums::of(shared, &body, false).await;
        let put = || publish::put_request(shared, &name, &body, &sums, None, None, condition);
        call(shared, body.len() as u64, put).await.map(drop)
    };
    match attempt().await {
        Err(failure) if failure.is_unknown_header() && !shared.only_md5.load(Ordering::Relaxed) => {
            shared.only_md5.store(true, Ordering::Relaxed);
            let second = attempt().await;
            // Neither with the older checksum: it is something else.
            if second.as_ref().is_err_and(|failure| !failure.is(412)) {
                shared.only_md5.store(false, Ordering::Relaxed);
            }
            second
        }
        done => done,
    }
}

/// The same for uploads in parts, with the same object.
pub(super) async fn completing(shared: &Shared) -> std::result::Result<Writing, Failure> {
    let find = || async {
        if writing(shared).await? == Writing::Looking {
            return Ok(Writing::Looking);
        }
        let name = shared.trial();
        let token = random::name().map_err(|error| Failure::nonsense(error.to_string()))?;
        let id = publish::begin_parts(shared, &name, &token, None).await?;
        let done = complete_trial(shared, &name, &id).await;
        publish::abort(shared, &name, &id).await;
        done
    };
    shared.completing.get_or_try_init(find).await.copied()
}

async fn complete_trial(shared: &Shared, name: &str, id: &str) -> std::result::Result<Writing, Failure> {
    let body = Bytes::from_static(TRIAL.as_bytes());
    let part = publish::put_part(shared, name, id, 1, body, false).await?;
    let complete =
        || publish::complete_request(shared, name, id, std::slice::from_ref(&part), Condition::IfAbsent);
    match call(shared, 0, complete).await {
        Ok(_) => Ok(Writing::Looking),
        Err(failure) if failure.is(412) => Ok(Writing::Conditional),
        Err(failure) if failure.is_unknown_header() => Ok(Writing::Looking),
        Err(failure) => Err(failure),
    }
}
