use crate::place::Sealed;
use crate::settings::SettingsError;
use crate::{CliError, Session};
use backup_store::{Key, PutOptions, Store, durable, put_bytes};
use chrono::TimeDelta;
use paas_state::Recipients;
use restore_guard::sign_text;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// How many seconds later a copy may be named when others are made in the same second.
const TRIES: i64 = 60;

/// Signs the settings, seals them to the recipients and copies them into the store, unless the same copy lies there already.
pub(super) fn seal(
    session: &Session<'_>,
    store: &dyn Store,
    recipients: &Recipients,
) -> Result<(), CliError> {
    let path = session.config_path();
    let text =
        std::fs::read(path).map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
    let mut sha256 = String::new();
    let key = session.home.open_signing_key()?;
    // Also who signs it: a copy by another key, or by none, is another one.
    let digest = Sha256::new()
        .chain_update(&text)
        .chain_update(recipients.to_string())
        .chain_update(key.public().to_string())
        .finalize();
    digest.iter().for_each(|byte| {
        let _ = write!(sha256, "{byte:02x}");
    });
    if let Some(last) = Sealed::last_in(session, store).filter(|last| last.sha256 == sha256)
        && store.head(&last.key, None).is_ok()
    {
        return Ok(());
    }
    let signer = key;
    for later in 0..TRIES {
        let at = session.now() + TimeDelta::seconds(later);
        let key = Key::new(format!("settings/{}/{}.toml.age", session.context, at.format("%Y%m%dT%H%M%SZ")))?;
        // Anyone can seal something to a public recipient: the signature says whose it is, and which one.
        let sealed = recipients.seal_bytes(&sign_text(&signer, key.as_str(), &text))?;
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
