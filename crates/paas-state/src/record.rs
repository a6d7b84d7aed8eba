use crate::manifest::check_format;
use crate::{Error, Result};
use backup_contract::{Checksum, ContextName, SnapshotId};
use backup_store::{Key, Prefix};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The newest format version of a record that this software writes and understands.
pub const RECORD_VERSION: u32 = 1;
/// What a record calls itself.
pub const RECORD_FORMAT: &str = "si-backup/state-snapshot";

/// What is known of a state snapshot without opening it: `snapshot.json`, written last.
///
/// It tells nothing of the plaintext: no file names, no digests of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Always [`RECORD_FORMAT`].
    pub format: String,
    /// The format version.
    pub version: u32,
    /// The snapshot.
    pub id: SnapshotId,
    /// The context that was read.
    pub context: ContextName,
    /// The context's origin, as claimed at `init`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The SHA-256 of the sealed bundle.
    pub checksum: Checksum,
    /// The length of the sealed bundle in bytes.
    pub bytes: u64,
    /// When reading began.
    pub started_at: DateTime<Utc>,
    /// When the bundle was stored.
    pub finished_at: DateTime<Utc>,
    /// The host that made it.
    pub host: String,
    /// The program that made it, with its version.
    pub tool: String,
    /// To how many recipients it is sealed.
    pub recipients: usize,
    /// Whether the mutation lock was shut while it was read.
    #[serde(default)]
    pub suspect: bool,
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Newer`]; [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        check_format(bytes, RECORD_FORMAT, RECORD_VERSION, "record")?;
        serde_json::from_slice(bytes).map_err(|e| Error::malformed("record", &e))
    }

    /// The text of the record, as the store holds it.
    ///
    /// # Errors
    /// [`Error::Malformed`], never in practice.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Malformed { what: "record".into(), reason: e.to_string() })?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Where the snapshots of a context lie.
///
/// # Errors
/// Never in practice: a context's name is a valid part of a key.
pub fn prefix_of(context: &ContextName) -> Result<Prefix> {
    Ok(Prefix::new(&format!("state/{context}"))?)
}

/// The key of a snapshot's bundle.
///
/// # Errors
/// Never in practice: names and ids are valid parts of a key.
pub fn bundle_key(context: &ContextName, id: &SnapshotId) -> Result<Key> {
    Ok(Key::new(format!("state/{context}/{id}/bundle.tar.zst.age"))?)
}

/// The key of a snapshot's record.
///
/// # Errors
/// Never in practice, as for [`bundle_key`].
pub fn record_key(context: &ContextName, id: &SnapshotId) -> Result<Key> {
    Ok(Key::new(format!("state/{context}/{id}/snapshot.json"))?)
}

/// A snapshot's keys in the order in which they may be written: the record last.
///
/// # Errors
/// Never in practice, as for [`bundle_key`].
pub fn objects_of(context: &ContextName, id: &SnapshotId) -> Result<[Key; 2]> {
    Ok([bundle_key(context, id)?, record_key(context, id)?])
}
