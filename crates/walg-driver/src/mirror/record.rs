//! What was fetched already: a line of JSON for each object, beside the mirror.

use crate::{Error, Result};
use backup_store::{ObjectMeta, durable};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A fetched object: what the store said of it then, and the digest of its bytes as they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fetched {
    pub(super) path: String,
    pub(super) size: u64,
    /// Milliseconds since 1970, by the store's clock: an object that was written again is another one.
    modified: i64,
    version: Option<String>,
    pub(super) sha256: [u8; 32],
}

impl Fetched {
    pub(super) fn new(path: &str, meta: &ObjectMeta, sha256: [u8; 32]) -> Self {
        Self {
            path: path.to_owned(),
            size: meta.size,
            modified: meta.modified.timestamp_millis(),
            version: meta.version.as_ref().map(|version| version.as_str().to_owned()),
            sha256,
        }
    }

    /// Whether it is the object that the store has now.
    pub(super) fn is_of(&self, meta: &ObjectMeta) -> bool {
        *self == Self::new(&self.path, meta, self.sha256)
    }
}

/// The file with those lines.
#[derive(Debug)]
pub(super) struct Record {
    known: HashMap<String, Fetched>,
    file: Mutex<File>,
}

impl Record {
    /// Reads the lines that are whole, and goes on behind them: a killed process may have left half a line.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::io("read", path)(e)),
        };
        let known: HashMap<String, Fetched> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Fetched>(line).ok())
            .map(|fetched| (fetched.path.clone(), fetched))
            .collect();
        let lines: Vec<u8> = known.values().flat_map(line).collect();
        durable::replace(path, &lines, 0o600)?;
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))?;
        Ok(Self { known, file: Mutex::new(file) })
    }

    /// What is recorded of an object.
    pub(super) fn of(&self, path: &str) -> Option<&Fetched> {
        self.known.get(path)
    }

    pub(super) fn add(&self, fetched: &Fetched) -> std::io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line(fetched))
    }
}

fn line(fetched: &Fetched) -> Vec<u8> {
    let mut line = serde_json::to_vec(fetched).unwrap_or_default();
    line.push(b'\n');
    line
}
