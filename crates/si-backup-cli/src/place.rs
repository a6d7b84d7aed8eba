use crate::report::message_of;
use crate::{CliError, Session};
use backup_store::{Key, Prefix, Store};
use restore_guard::{Error as GuardError, OriginId, OriginRecord, read_origin};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which copy of the settings lies in the store, as this home remembers it: also the proof that it has stored there.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Of the settings and their recipients.
    pub(crate) sha256: String,
    pub(crate) store: String,
    pub(crate) key: Key,
}

impl Sealed {
    /// The file that remembers it.
    pub(crate) fn file(session: &Session<'_>) -> PathBuf {
        session.home.path().join(format!("sealed-{}.json", session.context))
    }

    /// What this home has stored last; none where it has stored nothing.
    pub(crate) fn last(session: &Session<'_>) -> Option<Self> {
        std::fs::read(Self::file(session)).ok().and_then(|text| serde_json::from_slice(&text).ok())
    }

    /// What this home has stored last, if that was in this store.
    pub(crate) fn last_in(session: &Session<'_>, store: &dyn Store) -> Option<Self> {
        Self::last(session).filter(|last| last.store == store.location())
    }
}

/// Refuses a store that holds nothing of what this home has stored there: the disk below is another one, and to say that
/// there are no snapshots would be as wrong as to begin anew.
///
/// # Errors
/// [`CliError::StoreEmptied`]; [`CliError::Store`], [`CliError::Guard`] when the store cannot be read.
pub(crate) fn refuse_emptied(session: &Session<'_>, store: &dyn Store) -> Result<(), CliError> {
    use backup_store::Error as StoreError;
    let Some(last) = Sealed::last_in(session, store) else { return Ok(()) };
    // One thing of it is enough to know the store by: the others can then be looked for.
    match store.head(&last.key, None) {
        Ok(_) => return Ok(()),
        Err(StoreError::NotFound { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    match read_origin(store, &session.context) {
        Ok(None) => {}
        Ok(Some(_)) | Err(GuardError::Malformed { .. } | GuardError::NewerFormat { .. }) => return Ok(()),
        Err(e) => return Err(e.into()),
    }
    match store.list(&Prefix::new(&format!("state/{}", session.context))?, None)?.next().transpose()? {
        Some(_) => Ok(()),
        None => Err(CliError::StoreEmptied { store: store.location(), memory: Sealed::file(session) }),
    }
}

/// Where this home keeps the origin of its context.
pub(crate) fn origin_file(session: &Session<'_>) -> PathBuf {
    session.home.path().join("origin").join(session.context.as_str())
}

/// Which of the contexts of its name is meant on this host, whose evidence counts: this home's own, which nobody who can
/// write to the store can change; on a host that has none, such as one that rehearses, the one that the store is of.
///
/// # Errors
/// [`CliError::Guard`] when this home's own is not one, or the store cannot be read.
pub(crate) fn origin_meant(session: &Session<'_>, store: &dyn Store) -> Result<Option<OriginId>, CliError> {
    let own = OriginId::open(&origin_file(session))?;
    let claimed = match read_origin(store, &session.context) {
        Ok(claimed) => claimed,
        // Somebody damaged it. What is stored can be read all the same, and must be.
        Err(e @ (GuardError::Malformed { .. } | GuardError::NewerFormat { .. })) => {
            session.warn(format!("whose this store is cannot be known: {}", message_of(&e.into())));
            None
        }
        Err(e) => return Err(e.into()),
    };
    Ok(match (own, claimed) {
        (Some(own), Some(claimed)) if own != claimed.origin => {
            session.warn(format!(
                "the store says that it is that of another context named '{}', claimed by {}; no evidence about that one counts here",
                session.context,
                by(&claimed),
            ));
            Some(own)
        }
        (own, claimed) => own.or(claimed.map(|claimed| claimed.origin)),
    })
}

/// Who has claimed a place.
pub(crate) fn by(claim: &OriginRecord) -> String {
    format!("{} on {}", claim.operator, claim.host)
}
