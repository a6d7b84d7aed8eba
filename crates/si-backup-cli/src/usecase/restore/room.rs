use super::{LivePlace, manifest_of};
use crate::usecase::prove::unpacked_in;
use crate::{CliError, Session, Shelf};
use paas_state::Inventory;
use restore_guard::Allowed;
use std::path::Path;

/// What is needed besides the files themselves, in bytes: the journal, and room for the directories.
const BESIDES: u64 = 1 << 20;

/// What a file takes at most besides its own bytes.
const BLOCK: u64 = 4096;

/// How many bytes a restore takes before it has replaced anything: what the snapshot unpacks to, and the lines that only the
/// live logs have.
///
/// The evidence that lets it through tells the one; where there is none that does, the bundle is read once more.
pub(super) fn needed(
    session: &Session<'_>,
    place: &LivePlace,
    shelf: &Shelf<'_>,
    allowed: &Allowed,
) -> Result<u64, CliError> {
    let snapshot = allowed.snapshot();
    let evidence = allowed
        .evidence()
        .and_then(|(key, ..)| shelf.evidence.of(&snapshot).iter().find(|evidence| evidence.key() == key));
    let told = evidence.and_then(|evidence| unpacked_in(&evidence.record().details));
    let (files, bytes) = if let Some(told) = told {
        told
    } else {
        let manifest = manifest_of(session, shelf, &snapshot)?;
        (manifest.files.len() as u64, manifest.bytes())
    };
    let live = Inventory::take(&place.context, &[])?;
    let logs = live.entries.iter().filter(|entry| is_log(&entry.path)).map(|entry| entry.bytes).sum();
    let rounded = files.saturating_mul(BLOCK).saturating_add(bytes);
    Ok(rounded.saturating_add(logs).saturating_add(BESIDES))
}

fn is_log(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "jsonl")
}
