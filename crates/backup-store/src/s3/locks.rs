//! Object Lock: until when the store keeps a version, against everybody.

use super::call::{Patience, call, once};
use super::failure::Failure;
use super::look::{self, look};
use super::probe::{self, Locking};
use super::{Shared, publish, sums, wording};
use crate::{Error, Key, Lock, LockMode, RemoteProblem, Result, Version};
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode};

/// Refuses where the bucket has no locks: nothing is stored unlocked that was to be locked.
pub(super) async fn must_be_known(shared: &Shared) -> Result<()> {
    let locking = probe::locking(shared).await;
    match locking.map_err(|failure| failure.into_error("ask", shared.location.as_str()))? {
        Locking::Enabled(_) => Ok(()),
        Locking::None => Err(shared.unsupported("object lock: the bucket must be created with it")),
    }
}

/// The version that is meant: the one that is named, else the current one.
async fn meant(shared: &Shared, key: &Key, version: Option<&Version>) -> Result<Option<String>> {
    let found = look(shared, &shared.name(key)?, version.map(Version::as_str)).await;
    match found.map_err(|failure| failure.into_error("look at", key.as_str()))? {
        Some(found) if version.is_none() || found.version.as_ref() == version => {
            Ok(found.version.map(|version| version.as_str().to_owned()))
        }
        _ => Err(shared.not_found(key)),
    }
}

pub(super) async fn of(shared: &Shared, key: &Key, version: Option<&Version>) -> Result<Option<Lock>> {
    must_be_known(shared).await?;
    let id = meant(shared, key, version).await?;
    retention(shared, &shared.name(key)?, id.as_deref())
        .await
        .map_err(|failure| failure.into_error("read the lock of", key.as_str()))
}

pub(super) async fn is_held(shared: &Shared, key: &Key, version: Option<&Version>) -> Result<bool> {
    let id = meant(shared, key, version).await?;
    let failed = |failure: Failure| failure.into_error("read the legal hold of", key.as_str());
    if probe::locking(shared).await.map_err(failed)? == Locking::None {
        return Ok(false);
    }
    hold(shared, &shared.name(key)?, id.as_deref()).await.map_err(failed)
}

/// The lock of one version, as the store tells it.
pub(super) async fn retention(
    shared: &Shared,
    name: &str,
    version_id: Option<&str>,
) -> std::result::Result<Option<Lock>, Failure> {
    let ask = || async {
        let request = shared.client.get_object_retention().bucket(&shared.bucket).key(name);
        let answer = request.set_version_id(version_id.map(str::to_owned)).send().await;
        wording::understood(answer.map(|answer| answer.retention), wording::retention)
    };
    let Some(found) = asked(shared, ask).await?.flatten() else { return Ok(None) };
    let mode = match found.mode() {
        Some(ObjectLockRetentionMode::Compliance) => LockMode::Compliance,
        Some(ObjectLockRetentionMode::Governance) => LockMode::Governance,
        None => return Ok(None),
        Some(_) => return Err(Failure::nonsense("a lock of a mode that nobody knows")),
    };
    let until = found
        .retain_until_date()
        .and_then(look::exact_time)
        .ok_or_else(|| Failure::nonsense("a lock without a time"))?;
    Ok(Some(Lock { mode, until }))
}

/// Whether one version is under a legal hold.
pub(super) async fn hold(
    shared: &Shared,
    name: &str,
    version_id: Option<&str>,
) -> std::result::Result<bool, Failure> {
    let ask = || async {
        let request = shared.client.get_object_legal_hold().bucket(&shared.bucket).key(name);
        let answer = request.set_version_id(version_id.map(str::to_owned)).send().await;
        wording::understood(answer.map(|answer| answer.legal_hold), wording::hold)
    };
    let status = asked(shared, ask).await?.flatten().and_then(|hold| hold.status);
    Ok(status == Some(ObjectLockLegalHoldStatus::On))
}

/// The answer to a question about a lock; `None` where there is none.
async fn asked<T, E, F>(
    shared: &Shared,
    mut ask: impl FnMut() -> F,
) -> std::result::Result<Option<T>, Failure>
where
    F: Future<Output = std::result::Result<T, E>>,
    Failure: From<E>,
{
    let mut patience = Patience::new();
    loop {
        match once(shared, 0, ask()).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(failure)
                if failure
                    .has_code(&["NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"])
                    || failure.is_unknown_request() =>
            {
                return Ok(None);
            }
            Err(failure) => patience.again(failure, shared).await?,
        }
    }
}

pub(super) async fn extend(shared: &Shared, key: &Key, version: Option<&Version>, asked: Lock) -> Result<()> {
    must_be_known(shared).await?;
    let (id, name) = (meant(shared, key, version).await?, shared.name(key)?);
    let failed = |failure: Failure| failure.into_error("lock", key.as_str());
    let before = retention(shared, &name, id.as_deref()).await.map_err(failed)?;
    match before.map(|held| (held, held.extended_by(asked))) {
        Some((held, Some(lock))) if lock == held => return Ok(()),
        Some((held, None)) => return Err(Error::Locked { key: key.clone(), lock: held }),
        Some((_, Some(_))) | None => {}
    }
    let retention_asked = ObjectLockRetention::builder()
        .mode(match asked.mode {
            LockMode::Governance => ObjectLockRetentionMode::Governance,
            LockMode::Compliance => ObjectLockRetentionMode::Compliance,
        })
        .retain_until_date(publish::until(asked))
        .build();
    let put = || {
        let request = shared.client.put_object_retention().bucket(&shared.bucket).key(&name);
        request
            .set_version_id(id.clone())
            .retention(retention_asked.clone())
            .customize()
            .interceptor(sums::WithMd5::new(shared))
            .send()
    };
    let done = call(shared, 0, put).await;
    // What the store holds now is the answer, whatever it said.
    match (retention(shared, &name, id.as_deref()).await.map_err(failed)?, done) {
        (Some(held), _) if held.extended_by(asked) == Some(held) => Ok(()),
        // The store wants a bypass, and between the look and the bypass somebody else might have asked for more.
        (Some(held), Err(failure)) if failure.problem == RemoteProblem::Denied && held.mode != asked.mode => {
            Err(Error::Locked { key: key.clone(), lock: held })
        }
        (_, Err(failure)) => Err(failed(failure)),
        (_, Ok(_)) => Err(failed(Failure::nonsense("it was locked, and is not"))),
    }
}
