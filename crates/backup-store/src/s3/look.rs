//! What is known of an object.

use super::call::call;
use super::failure::Failure;
use super::probe::{self, Versioning};
use super::{Shared, publish};
use crate::{Key, ObjectMeta, RemoteProblem, Result, Version};
use aws_smithy_types::DateTime as AwsTime;
use chrono::{DateTime, Utc};

/// An object as the store knows it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) size: u64,
    pub(super) modified: DateTime<Utc>,
    /// Its version, in the store's own spelling, in a bucket that has versions.
    pub(super) version: Option<Version>,
    /// The token of the upload that wrote it.
    pub(super) token: Option<String>,
}

impl Found {
    pub(super) fn meta(&self, key: &Key) -> ObjectMeta {
        ObjectMeta {
            key: key.clone(),
            size: self.size,
            modified: self.modified,
            version: self.version.clone(),
        }
    }
}

/// In whole seconds: more is not told of an object by every request.
pub(super) fn time(time: Option<&AwsTime>) -> DateTime<Utc> {
    time.and_then(|time| DateTime::from_timestamp(time.secs(), 0)).unwrap_or_default()
}

/// To the last digit.
pub(super) fn exact_time(time: &AwsTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

/// A version as the interface knows it.
pub(super) fn version(versioning: Versioning, id: Option<&str>) -> Option<Version> {
    // What was written before a bucket had versions is the version `null`.
    versioning.has_versions().then(|| Version::new(id.unwrap_or("null")))
}

/// Looks for an object, or for one version of it.
pub(super) async fn look(
    shared: &Shared,
    name: &str,
    version_id: Option<&str>,
) -> std::result::Result<Option<Found>, Failure> {
    let versioning = probe::versioning(shared).await?;
    let answer = call(shared, 0, || {
        let request = shared.client.head_object().bucket(&shared.bucket).key(name);
        request.set_version_id(version_id.map(str::to_owned)).send()
    });
    let failure = match answer.await {
        Ok(head) => {
            return Ok(Some(Found {
                size: u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default(),
                modified: time(head.last_modified()),
                version: version(versioning, head.version_id()),
                token: head.metadata().and_then(|all| all.get(publish::TOKEN)).cloned(),
            }));
        }
        Err(failure) => failure,
    };
    if !(failure.is(400) || failure.is(403) || failure.is(404) || failure.is(405)) {
        return Err(failure);
    }
    // The answer to HEAD has no body, so it does not say why, nor whether it is the store's: something in between that does
    // not reach the store answers 404 too. A read of one byte says both.
    let why = call(shared, 0, || {
        let request = shared.client.get_object().bucket(&shared.bucket).key(name).range("bytes=0-0");
        request.set_version_id(version_id.map(str::to_owned)).send()
    });
    match why.await {
        Err(why) if why.is_not_found(version_id.is_some()) => Ok(None),
        // An object without a byte has no first one.
        Err(why) if why.is(416) => Err(failure),
        Err(why) => Err(why),
        // Written meanwhile: the next look sees it.
        Ok(_) => Err(Failure::broken(RemoteProblem::Answer, "it was not there, and a moment later it was")),
    }
}

pub(super) async fn head(shared: &Shared, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
    let found = look(shared, &shared.name(key)?, version.map(Version::as_str)).await;
    match found.map_err(|failure| failure.into_error("look at", key.as_str()))? {
        Some(found) if version.is_none() || found.version.as_ref() == version => Ok(found.meta(key)),
        _ => Err(shared.not_found(key)),
    }
}
