//! Listing: a page at a time, the next one already on its way.

use super::background::Pending;
use super::call::call;
use super::failure::Failure;
use super::look::{self, time};
use super::names::Named;
use super::{S3Store, Shared, probe};
use crate::{Error, Key, ObjectMeta, Prefix, RemoteProblem, Result, Version};
use std::sync::Arc;
use std::vec;

/// What of each key is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The object that there is.
    Current,
    /// Every version of it, the newest first.
    All,
}

/// What is listed.
#[derive(Debug)]
struct Question {
    /// What names begin with.
    prefix: String,
    after: Option<Key>,
    which: Which,
}

/// Where a page begins.
#[derive(Debug)]
enum Start {
    Beginning,
    Token(String),
    Marker { key: Option<String>, version: Option<String> },
}

struct Page {
    items: Vec<Result<ObjectMeta>>,
    next: Option<Start>,
}

pub(super) struct Listing<'a> {
    store: &'a S3Store,
    question: Arc<Question>,
    items: vec::IntoIter<Result<ObjectMeta>>,
    next: Option<Pending<Page>>,
    last: Option<(Key, Option<Version>)>,
}

impl<'a> Listing<'a> {
    pub(super) fn begin(
        store: &'a S3Store,
        prefix: &Prefix,
        after: Option<&Key>,
        which: Which,
    ) -> Result<Self> {
        let question = Arc::new(Question {
            prefix: format!("{}{prefix}", store.shared.prefix),
            after: after.cloned(),
            which,
        });
        let mut listing = Self { store, question, items: Vec::new().into_iter(), next: None, last: None };
        let first = listing.fetch(Start::Beginning).wait()?;
        listing.turn_to(first);
        Ok(listing)
    }

    fn fetch(&self, start: Start) -> Pending<Page> {
        let (shared, question) = (Arc::clone(&self.store.shared), Arc::clone(&self.question));
        self.store.background.begin(async move {
            page(&shared, &question, &start).await.map_err(|failure| {
                failure.into_error("list", format!("{}/{}", shared.bucket, question.prefix))
            })
        })
    }

    fn turn_to(&mut self, page: Page) {
        self.items = page.items.into_iter();
        self.next = page.next.map(|start| self.fetch(start));
    }

    fn was_last(&self, meta: &ObjectMeta) -> bool {
        self.last.as_ref().is_some_and(|(key, version)| *key == meta.key && *version == meta.version)
    }

    /// Holds the store to the order that is promised.
    fn in_order(&mut self, meta: ObjectMeta) -> Result<ObjectMeta> {
        let is_behind = self.last.as_ref().is_none_or(|(last, _)| match self.question.which {
            Which::Current => meta.key > *last,
            Which::All => meta.key >= *last,
        });
        if !is_behind {
            return Err(Error::Remote {
                operation: "list",
                target: self.store.shared.location.clone(),
                problem: RemoteProblem::Answer,
                detail: format!("'{}' comes out of order", meta.key),
            });
        }
        self.last = Some((meta.key.clone(), meta.version.clone()));
        Ok(meta)
    }
}

impl Iterator for Listing<'_> {
    type Item = Result<ObjectMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.next() {
                // Some stores begin a page with what the last one ended with.
                if item.as_ref().is_ok_and(|meta| self.was_last(meta)) {
                    continue;
                }
                return Some(item.and_then(|meta| self.in_order(meta)));
            }
            match self.next.take()?.wait() {
                Ok(page) => self.turn_to(page),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

async fn page(shared: &Shared, question: &Question, start: &Start) -> std::result::Result<Page, Failure> {
    let versioning = probe::versioning(shared).await?;
    if versioning.has_versions() {
        versions_page(shared, question, start, versioning).await
    } else {
        objects_page(shared, question, start).await
    }
}

/// One page of a bucket without versions.
async fn objects_page(
    shared: &Shared,
    question: &Question,
    start: &Start,
) -> std::result::Result<Page, Failure> {
    let token = match start {
        Start::Token(token) => Some(token.clone()),
        _ => None,
    };
    let after = question.after.as_ref().map(|key| format!("{}{key}", shared.prefix));
    let list = || {
        let request = shared.client.list_objects_v2().bucket(&shared.bucket).prefix(&question.prefix);
        request.set_start_after(after.clone()).set_continuation_token(token.clone()).send()
    };
    let answer = call(shared, 0, list).await?;
    let mut items = Vec::with_capacity(answer.contents().len());
    for object in answer.contents() {
        let size = length(object.size());
        items.extend(item(shared, question, object.key().unwrap_or_default(), size, |key| ObjectMeta {
            key,
            size,
            modified: time(object.last_modified()),
            version: None,
        }));
    }
    let next = match (answer.is_truncated().unwrap_or(false), answer.next_continuation_token) {
        (false, _) => None,
        (true, Some(next)) if token.as_deref() != Some(next.as_str()) => Some(Start::Token(next)),
        (true, _) => return Err(Failure::nonsense("there is more, and the store does not say where")),
    };
    Ok(Page { items, next })
}

/// One page of a bucket with versions: only such a list tells them, and which one is the newest.
async fn versions_page(
    shared: &Shared,
    question: &Question,
    start: &Start,
    versioning: probe::Versioning,
) -> std::result::Result<Page, Failure> {
    let (key_marker, version_marker) = match start {
        Start::Marker { key, version } => (key.clone(), version.clone()),
        _ => (question.after.as_ref().map(|key| format!("{}{key}", shared.prefix)), None),
    };
    let list = || {
        let request = shared.client.list_object_versions().bucket(&shared.bucket).prefix(&question.prefix);
        request.set_key_marker(key_marker.clone()).set_version_id_marker(version_marker.clone()).send()
    };
    let answer = call(shared, 0, list).await?;
    let mut items = Vec::with_capacity(answer.versions().len());
    for found in answer.versions() {
        if question.which == Which::Current && !found.is_latest().unwrap_or(false) {
            continue;
        }
        let size = length(found.size());
        items.extend(item(shared, question, found.key().unwrap_or_default(), size, |key| ObjectMeta {
            key,
            size,
            modified: time(found.last_modified()),
            version: look::version(versioning, found.version_id()),
        }));
    }
    let next = answer.is_truncated().unwrap_or(false).then_some(Start::Marker {
        key: answer.next_key_marker.clone(),
        version: answer.next_version_id_marker.clone().filter(|id| !id.is_empty()),
    });
    if let Some(Start::Marker { key, version }) = &next
        && (key.is_none() || (*key == key_marker && *version == version_marker))
    {
        return Err(Failure::nonsense("there is more, and the store does not say where"));
    }
    Ok(Page { items, next })
}

fn length(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

/// What of a listed name is to be told.
fn item(
    shared: &Shared,
    question: &Question,
    name: &str,
    size: u64,
    meta: impl FnOnce(Key) -> ObjectMeta,
) -> Option<Result<ObjectMeta>> {
    match shared.named(name, size) {
        // Some stores begin with the key itself that they are to begin behind.
        Named::Object(key) if question.after.as_ref().is_some_and(|after| key <= *after) => None,
        Named::Object(key) => Some(Ok(meta(key))),
        Named::Nothing => None,
        Named::Foreign(error) => Some(Err(error)),
    }
}
