use super::manifest_of;
use crate::{CliError, Session, Shelf};
use backup_store::Store;
use paas_state::{Manifest, is_store};
use restore_guard::Pending;
use serde_json::Value;

/// What is kept in the journal of a restore of what was restored: as much as its checks ask. They can be made again then
/// wherever the backup is, and without its identity. The journal's plan, which it lies in, is held against a checksum.
pub(super) fn of(manifest: &Manifest) -> Result<Value, CliError> {
    let mut kept = manifest.clone();
    kept.files.retain(|file| is_store(&file.path));
    kept.left_out.clear();
    kept.allowed.clear();
    Ok(serde_json::from_slice(&kept.to_json()?).unwrap_or_default())
}

/// What a restore has brought, as its journal tells; from the backup where the journal is one of an older version.
pub(in crate::usecase) fn manifest_of_pending(
    session: &Session<'_>,
    store: &dyn Store,
    pending: &Pending,
) -> Result<Manifest, CliError> {
    if let Some(note) = &pending.note {
        return Ok(Manifest::parse(note.to_string().as_bytes())?);
    }
    let shelf = Shelf::read(session, store)?;
    manifest_of(session, &shelf, &pending.grant.snapshot())
}
