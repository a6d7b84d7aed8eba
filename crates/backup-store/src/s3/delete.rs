//! Deletion for good: of a version, where there are any, so that no delete marker hides what stays.

use super::call::{Patience, call, once};
use super::failure::{Again, Failure};
use super::look::look;
use super::{Shared, locks, probe, sums};
use crate::{Deletion, Error, ObjectRef, RemoteProblem, Result, Version};
use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// How many objects S3 deletes with one request.
const BATCH: usize = 1_000;

pub(super) async fn one(shared: &Shared, object: &ObjectRef, now: DateTime<Utc>) -> Result<Deletion> {
    let failed = |failure: Failure| failure.into_error("delete", object.key.as_str());
    let name = shared.name(&object.key)?;
    let named = object.version.as_ref();
    let found = match look(shared, &name, named.map(Version::as_str)).await.map_err(failed)? {
        Some(found) if named.is_none() || found.version.as_ref() == named => found,
        _ => return Ok(Deletion::Missing),
    };
    let id = found.version.map(|version| version.as_str().to_owned());
    let delete = || {
        let request = shared.client.delete_object().bucket(&shared.bucket).key(&name);
        request.set_version_id(id.clone()).send()
    };
    match call(shared, 0, delete).await {
        Ok(answer) if answer.delete_marker() == Some(true) && id.is_none() => Err(failed(only_hidden())),
        Ok(_) => Ok(Deletion::Deleted),
        Err(failure) if failure.is_absent() => Ok(Deletion::Missing),
        Err(failure) => why(shared, &name, id.as_deref(), failure, now).await.map_err(failed),
    }
}

fn only_hidden() -> Failure {
    Failure::nonsense("the bucket says that it has no versions, and made a delete marker")
}

/// Why a deletion was refused: by a lock, by a hold, or by something that is an error.
async fn why(
    shared: &Shared,
    name: &str,
    version_id: Option<&str>,
    failure: Failure,
    now: DateTime<Utc>,
) -> std::result::Result<Deletion, Failure> {
    let may_be_lock = failure.problem == RemoteProblem::Denied || failure.problem == RemoteProblem::Refused;
    if !may_be_lock || probe::locking(shared).await? == probe::Locking::None {
        return Err(failure);
    }
    if let Ok(Some(lock)) = locks::retention(shared, name, version_id).await
        && lock.until > now
    {
        return Ok(Deletion::Locked(lock));
    }
    match locks::hold(shared, name, version_id).await {
        Ok(true) => Ok(Deletion::Held),
        _ => Err(failure),
    }
}

pub(super) async fn many(
    shared: &Shared,
    objects: &[ObjectRef],
    now: DateTime<Utc>,
) -> Result<Vec<Result<Deletion>>> {
    let versioning = probe::versioning(shared).await;
    let has_versions =
        versioning.map_err(|failure| failure.into_error("ask", shared.location.as_str()))?.has_versions();
    let mut answers = Vec::with_capacity(objects.len());
    for objects in objects.chunks(BATCH) {
        let mut batch = Vec::with_capacity(objects.len());
        for object in objects {
            batch.push(to_delete(shared, object, has_versions).await);
        }
        answers.extend(delete_batch(shared, batch, now).await);
    }
    Ok(answers)
}

/// One object of a batch.
enum Entry {
    Ask { object: ObjectRef, name: String, version_id: Option<String> },
    Answered(Result<Deletion>),
}

async fn to_delete(shared: &Shared, object: &ObjectRef, has_versions: bool) -> Entry {
    let name = match shared.name(&object.key) {
        Ok(name) => name,
        Err(error) => return Entry::Answered(Err(error)),
    };
    let version_id = match (&object.version, has_versions) {
        (Some(version), true) => Some(version.as_str().to_owned()),
        (Some(_), false) => return Entry::Answered(Ok(Deletion::Missing)),
        (None, false) => None,
        (None, true) => match look(shared, &name, None).await {
            Ok(Some(found)) => found.version.map(|version| version.as_str().to_owned()),
            Ok(None) => return Entry::Answered(Ok(Deletion::Missing)),
            Err(failure) => {
                return Entry::Answered(Err(failure.into_error("delete", object.key.as_str())));
            }
        },
    };
    Entry::Ask { object: object.clone(), name, version_id }
}

type Place = (String, Option<String>);

/// Asks for all of them at once, and for those that may succeed later again; one answer for each.
async fn delete_batch(shared: &Shared, batch: Vec<Entry>, now: DateTime<Utc>) -> Vec<Result<Deletion>> {
    let mut open: Vec<Place> = Vec::new();
    for entry in &batch {
        if let Entry::Ask { name, version_id, .. } = entry {
            let place = (name.clone(), version_id.clone());
            if !open.contains(&place) {
                open.push(place);
            }
        }
    }
    let mut told: HashMap<Place, std::result::Result<Deletion, Failure>> = HashMap::new();
    let mut patience = Patience::new();
    while !open.is_empty() {
        let answer = match once(shared, 0, request(shared, &open)).await {
            Ok(answer) => answer,
            Err(failure) => match patience.again(failure, shared).await {
                Ok(()) => continue,
                Err(last) => {
                    told.extend(open.drain(..).map(|place| (place, Err(last.clone()))));
                    break;
                }
            },
        };
        let mut again = Vec::new();
        let answers = by_place(&answer);
        for place in open.drain(..) {
            // Not every store repeats which version it was asked for.
            let answer = answers.get(&place).or_else(|| answers.get(&(place.0.clone(), None)));
            match answer.cloned() {
                None => drop(
                    told.insert(place, Err(Failure::nonsense("the store does not say what became of it"))),
                ),
                Some(Err(failure)) if failure.again != Again::Never => again.push((place, failure)),
                Some(Err(failure)) if failure.has_code(&["NoSuchKey", "NoSuchVersion"]) => {
                    told.insert(place, Ok(Deletion::Missing));
                }
                Some(Err(failure)) => {
                    let answer = why(shared, &place.0, place.1.as_deref(), failure, now).await;
                    told.insert(place, answer);
                }
                Some(Ok(())) => drop(told.insert(place, Ok(Deletion::Deleted))),
            }
        }
        if let Some((_, failure)) = again.first()
            && patience.again(failure.clone(), shared).await.is_err()
        {
            told.extend(again.into_iter().map(|(place, failure)| (place, Err(failure))));
            break;
        }
        open = again.into_iter().map(|(place, _)| place).collect();
    }
    batch
        .into_iter()
        .map(|entry| match entry {
            Entry::Answered(answer) => answer,
            Entry::Ask { object, name, version_id } => match told.get(&(name, version_id)).cloned() {
                Some(answer) => answer.map_err(|failure| failure.into_error("delete", object.key.as_str())),
                None => Err(Error::Interrupted("the deletion")),
            },
        })
        .collect()
}

async fn request(shared: &Shared, open: &[Place]) -> std::result::Result<DeleteObjectsOutput, Failure> {
    let mut delete = Delete::builder().quiet(false);
    for (name, version_id) in open {
        let object = ObjectIdentifier::builder().key(name).set_version_id(version_id.clone()).build();
        delete = delete.objects(object.map_err(|error| Failure::nonsense(error.to_string()))?);
    }
    let delete = delete.build().map_err(|error| Failure::nonsense(error.to_string()))?;
    let request = shared.client.delete_objects().bucket(&shared.bucket).delete(delete);
    Ok(request.customize().interceptor(sums::WithMd5::new(shared)).send().await?)
}

/// What the answer says of each; an object that it does not name is in neither list.
fn by_place(answer: &DeleteObjectsOutput) -> HashMap<Place, std::result::Result<(), Failure>> {
    let mut told = HashMap::new();
    let place = |key: Option<&str>, id: Option<&str>| {
        (key.unwrap_or_default().to_owned(), id.filter(|id| !id.is_empty()).map(str::to_owned))
    };
    for deleted in answer.deleted() {
        let at = place(deleted.key(), deleted.version_id());
        let is_hidden = at.1.is_none() && deleted.delete_marker() == Some(true);
        told.insert(at, if is_hidden { Err(only_hidden()) } else { Ok(()) });
    }
    for error in answer.errors() {
        told.insert(
            place(error.key(), error.version_id()),
            Err(Failure::of_code(error.code().unwrap_or_default(), error.message().unwrap_or_default())),
        );
    }
    told
}
