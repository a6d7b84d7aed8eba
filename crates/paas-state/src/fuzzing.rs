//! Doors for the fuzz targets to what has no public interface. Compiled with `--cfg fuzzing` only, which `cargo fuzz`
//! sets; nothing else may use it.

use crate::compare::Expected;
use crate::open::{Discard, Sink, Stop, read_archive, read_bundle, read_frame};
use crate::scan::Scanner;
use crate::{Identities, Manifest, Staging, Unwatched, jsonl};
use backup_contract::{ContextName, SnapshotId};
use std::path::Path;
use std::sync::LazyLock;

/// The snapshot that everything here is to be of.
pub const ID: &str = "state-20261123T201500Z-1a2b3c4d";
/// The context that everything here is to be of.
pub const CONTEXT: &str = "default";

static NAMES: LazyLock<(SnapshotId, ContextName)> = LazyLock::new(|| match (ID.parse(), CONTEXT.parse()) {
    (Ok(id), Ok(context)) => (id, context),
    other => unreachable!("{other:?}"),
});
static SCANNER: LazyLock<Scanner> = LazyLock::new(Scanner::new);

fn expected() -> Expected<'static> {
    Expected { id: &NAMES.0, context: &NAMES.1 }
}

fn said(stop: Stop) -> String {
    match stop {
        Stop::Fault(fault) => fault.to_string(),
        Stop::Error(error) => error.to_string(),
    }
}

/// Reads a sealed bundle.
///
/// # Errors
/// Why it is refused.
pub fn read_sealed(sealed: &[u8], identities: &Identities) -> Result<Manifest, String> {
    let size = sealed.len() as u64;
    read_bundle(&mut &*sealed, size, expected(), identities, &mut Discard, &Unwatched).map_err(said)
}

/// Reads what lies beneath the seal.
///
/// # Errors
/// Why it is refused.
pub fn read_compressed(frame: &[u8]) -> Result<Manifest, String> {
    read_frame(frame, expected(), &mut Discard).map_err(said)
}

/// Reads the archive.
///
/// # Errors
/// Why it is refused.
pub fn read_tar(tar: &[u8]) -> Result<Manifest, String> {
    read_tar_into(tar, &mut Discard)
}

/// Unpacks the archive to a new directory.
///
/// # Errors
/// Why it is refused.
pub fn unpack_tar(tar: &[u8], target: &Path) -> Result<Manifest, String> {
    let mut staging = Staging::beside(target, None).map_err(|e| e.to_string())?;
    let manifest = read_tar_into(tar, &mut staging)?;
    let staged = staging.proved(manifest, &NAMES.0).map_err(|e| e.to_string())?;
    staged.publish().map_err(|e| e.to_string())
}

fn read_tar_into(tar: &[u8], sink: &mut dyn Sink) -> Result<Manifest, String> {
    read_archive(&mut &*tar, expected(), sink, &Unwatched).map_err(said)
}

/// Looks for secrets in a document; tells where they are and what is shown of them.
#[must_use]
pub fn scan_document(bytes: &[u8]) -> Vec<String> {
    SCANNER.scan_json_document(bytes).iter().map(|hit| hit.finding("a.json").detail).collect()
}

/// Looks for secrets in a log that comes in blocks of whole lines.
#[must_use]
pub fn scan_log(blocks: &[&[u8]]) -> Vec<String> {
    let mut log = SCANNER.log();
    blocks.iter().for_each(|block| log.feed(block));
    log.finish().iter().map(|hit| hit.finding("a.jsonl").detail).collect()
}

/// Looks for secrets in a text that comes in blocks of whole lines.
#[must_use]
pub fn scan_text(blocks: &[&[u8]]) -> Vec<String> {
    let mut text = SCANNER.text();
    blocks.iter().for_each(|block| text.feed(block));
    text.finish().iter().map(|hit| hit.finding("a.yaml").detail).collect()
}

/// How many lines a block has, how many are malformed, and the first of those.
#[must_use]
pub fn check_lines(block: &[u8]) -> (u64, u64, Option<u64>) {
    let report = jsonl::check_lines(block);
    (report.lines, report.malformed, report.first_malformed)
}
