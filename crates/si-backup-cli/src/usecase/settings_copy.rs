use crate::settings::SettingsError;
use crate::{CliError, Session};
use backup_store::{Key, PutOptions, Store, durable, put_bytes};
use chrono::TimeDelta;
use paas_state::Recipients;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::PathBuf;

/// How many seconds later a copy may be named when others are made in the same second.
const TRIES: i64 = 60;

/// Which copy of the settings lies in the store, as this home remembers it.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// Of the settings and their recipients.
    sha256: String,
    store: String,
    key: Key,
}

fn memory(session: &Session<'_>) -> PathBuf {
    session.home.path().join(format!("sealed-{}.json", session.context))
}

fn last(session: &Session<'_>) -> Option<Sealed> {
    std::fs::read(memory(session)).ok().and_then(|text| serde_json::from_slice(&text).ok())
}

/// The file by which this home remembers that it has stored something in this store; none when it has not.
pub(super) fn memory_of(session: &Session<'_>, store: &dyn Store) -> Option<PathBuf> {
    last(session).filter(|last| last.store == store.location()).map(|_| memory(session))
}

/// Seals the settings to the recipients and copies them into the store, unless the same copy lies there already.
pub(super) fn seal(
    session: &Session<'_>,
    store: &dyn Store,
    recipients: &Recipients,
) -> Result<(), CliError> {
    let path = session.config_path();
    let text =
        std::fs::read(path).map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
    let mut sha256 = String::new();
    let digest = Sha256::new().chain_update(&text).chain_update(recipients.to_string()).finalize();
    digest.iter().for_each(|byte| {
        let _ = write!(sha256, "{byte:02x}");
    });
    let memory = memory(session);
    if let Some(last) = last(session).filter(|last| last.sha256 == sha256 && last.store == store.location())
        && store.head(&last.key, None).is_ok()
    {
        return Ok(());
    }
    let sealed = recipients.seal_bytes(&text)?;
    for later in 0..TRIES {
        let at = session.now() + TimeDelta::seconds(later);
        let key = Key::new(format!("settings/{}/{}.toml.age", session.context, at.format("%Y%m%dT%H%M%SZ")))?;
        match put_bytes(store, &key, &sealed, &PutOptions::default()) {
            Err(backup_store::Error::AlreadyExists { .. }) => {}
            Err(e) => return Err(e.into()),
            Ok(_) => {
                let sealed = Sealed { sha256, store: store.location(), key };
                let text = serde_json::to_vec(&sealed).unwrap_or_default();
                return Ok(durable::replace(&memory, &text, 0o600)?);
            }
        }
    }
    Err(CliError::usage("a minute of copies of the settings lies in the store already", "run again later"))
}
