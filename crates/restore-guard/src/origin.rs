use crate::{Error, OriginId, Result, WriterId, objects};
use backup_contract::ContextName;
use backup_store::{Key, Store};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

const VERSION: u64 = 1;
const WHAT: &str = "record of a context's origin";

/// Whose a context's place in a store is, at `origin/<context>.json`. Written once, when the context first comes there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginRecord {
    /// The context.
    pub context: ContextName,
    /// Its random id, which its home keeps.
    pub origin: OriginId,
    /// The writer that claimed it.
    pub writer: WriterId,
    /// On which host.
    pub host: String,
    /// Who had it done.
    pub operator: String,
    /// When.
    pub claimed_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Versioned<'a> {
    version: u64,
    #[serde(flatten)]
    record: &'a OriginRecord,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The place was free, and is now this context's.
    Claimed,
    /// It was this context's already.
    Ours,
    /// It belongs to another context of the same name.
    Foreign(OriginRecord),
}

fn key(context: &ContextName) -> Result<Key> {
    Ok(Key::new(format!("origin/{context}.json"))?)
}

/// Claims a context's place in a store. Of several hosts that do so at once, one succeeds.
///
/// # Errors
/// When the store cannot be written or read; [`Error::Malformed`] and [`Error::NewerFormat`], when a claim is there that
/// cannot be read.
pub fn claim_origin(store: &dyn Store, claim: &OriginRecord) -> Result<Claim> {
    let json = objects::to_json(WHAT, &Versioned { version: VERSION, record: claim })?;
    match objects::put(store, &key(&claim.context)?, &json) {
        Ok(()) => Ok(Claim::Claimed),
        Err(Error::Store(backup_store::Error::AlreadyExists { key, .. })) => {
            let there = read(store, &key, &claim.context)?;
            if there.origin == claim.origin { Ok(Claim::Ours) } else { Ok(Claim::Foreign(there)) }
        }
        Err(error) => Err(error),
    }
}

/// Whose a context's place is; `None` while nobody has claimed it.
///
/// # Errors
/// As for [`claim_origin`].
pub fn read_origin(store: &dyn Store, context: &ContextName) -> Result<Option<OriginRecord>> {
    match read(store, &key(context)?, context) {
        Err(Error::Store(backup_store::Error::NotFound { .. })) => Ok(None),
        record => record.map(Some),
    }
}

fn read(store: &dyn Store, key: &Key, context: &ContextName) -> Result<OriginRecord> {
    let record: OriginRecord = objects::read_record(store, key, WHAT, VERSION)?;
    if record.context == *context {
        Ok(record)
    } else {
        Err(objects::malformed(key, WHAT, format!("it is about the context '{}'", record.context)))
    }
}
