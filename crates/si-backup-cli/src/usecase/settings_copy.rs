use crate::place::Sealed;
use crate::settings::SettingsError;
use crate::{CliError, Session};
use backup_store::{Key, PutOptions, Store, durable, put_bytes};
use chrono::TimeDelta;
use paas_state::Recipients;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// How many seconds later a copy may be named when others are made in the same second.
const TRIES: i64 = 60;

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
    if let Some(last) = Sealed::last_in(session, store).filter(|last| last.sha256 == sha256)
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
                return Ok(durable::replace(&Sealed::file(session), &text, 0o600)?);
            }
        }
    }
    Err(CliError::usage("a minute of copies of the settings lies in the store already", "run again later"))
}
