use crate::{Error, KeyId, OriginId, Result, TrustedWriters, WriterId, WriterPublicKey, objects};
use backup_contract::ContextName;
use backup_store::{Key, Prefix, Store};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

const VERSION: u64 = 1;

/// What a writer says of itself at `writers/<context>/<writer>.json`, for people and for other hosts.
///
/// Whoever can write to the store can write such a record, so it makes nobody believed: a key counts only when the
/// settings or the recovery sheet name it. The record then says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterRecord {
    /// The context that the writer works for.
    pub context: ContextName,
    /// Its id.
    pub writer: WriterId,
    /// Its key.
    pub public_key: WriterPublicKey,
    /// The origin of the context, as the writer knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginId>,
    /// The host it runs on.
    pub host: String,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u64,
    key_id: KeyId,
    #[serde(flatten)]
    record: T,
}

/// A record of a writer, and whether its key counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedWriter {
    /// What it says of itself.
    pub record: WriterRecord,
    /// By what envelopes name its key.
    pub key_id: KeyId,
    /// Whether the settings name this very key.
    pub trusted: bool,
}

/// The writers of a context.
#[derive(Debug, Default)]
pub struct PublishedWriters {
    /// Those whose record can be read, in the order of their ids.
    pub writers: Vec<PublishedWriter>,
    /// What lies beside them and cannot be read as such a record.
    pub unreadable: Vec<Error>,
}

/// Writes the record of a writer. Doing so again changes nothing.
///
/// # Errors
/// `object-exists`, when another record stands there: the writer's key was changed, which takes a new writer id.
pub fn publish_writer(store: &dyn Store, record: &WriterRecord) -> Result<Key> {
    let key = Key::new(format!("writers/{}/{}.json", record.context, record.writer))?;
    let json = objects::to_json(
        "the record of a writer",
        &Versioned { version: VERSION, key_id: record.public_key.key_id(), record },
    )?;
    match objects::put(store, &key, &json) {
        Err(Error::Store(backup_store::Error::AlreadyExists { key: existing, store: place })) => {
            let there = read(store, &existing)?;
            if there.writer == record.writer && there.public_key == record.public_key {
                Ok(key)
            } else {
                Err(backup_store::Error::AlreadyExists { key: existing, store: place }.into())
            }
        }
        done => done.map(|()| key),
    }
}

/// Reads the records of all writers of a context.
///
/// # Errors
/// When the store cannot be listed or read. A record that is no such record is returned as unreadable.
pub fn published_writers(
    store: &dyn Store,
    context: &ContextName,
    trusted: &TrustedWriters,
) -> Result<PublishedWriters> {
    let mut found = PublishedWriters::default();
    for meta in store.list(&Prefix::new(&format!("writers/{context}"))?, None)? {
        let key = meta?.key;
        match read(store, &key) {
            Ok(record) => {
                let named = format!("writers/{}/{}.json", record.context, record.writer);
                if named == key.as_str() {
                    let (key_id, trusted) =
                        (record.public_key.key_id(), trusted.contains(&record.public_key));
                    found.writers.push(PublishedWriter { record, key_id, trusted });
                } else {
                    found.unreadable.push(objects::malformed(
                        &key,
                        "record of a writer",
                        "it belongs to another key",
                    ));
                }
            }
            Err(error @ (Error::Malformed { .. } | Error::NewerFormat { .. })) => {
                found.unreadable.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn read(store: &dyn Store, key: &Key) -> Result<WriterRecord> {
    objects::read_record(store, key, "record of a writer", VERSION)
}
