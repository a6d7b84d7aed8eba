//! What was found in a bundle, held against its manifest.

use crate::inspect::Inspected;
use crate::layout::{self, Class, OptionalTree, Shape};
use crate::manifest::{FileEntry, Manifest};
use crate::{BundleFault, StatePath};
use backup_contract::{ContextName, SnapshotId};

/// What a bundle is to be: its manifest has to say the same.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) id: &'a SnapshotId,
    pub(crate) context: &'a ContextName,
}

/// What was found in the archive, in the order of its entries.
pub(crate) struct Found {
    pub(crate) path: StatePath,
    pub(crate) size: u64,
    pub(crate) inspected: Inspected,
}

/// Holds what was found against what the manifest says.
pub(crate) fn compare(
    manifest: &Manifest,
    found: &[Found],
    expected: Expected<'_>,
) -> Result<(), BundleFault> {
    if manifest.id != *expected.id {
        return Err(BundleFault::OtherSnapshot { found: manifest.id.to_string() });
    }
    if manifest.context != *expected.context {
        return Err(BundleFault::OtherSnapshot { found: format!("the context '{}'", manifest.context) });
    }
    let mismatch = |path: &StatePath, detail: &str| BundleFault::Mismatch {
        path: path.to_string(),
        detail: detail.to_owned(),
    };
    if let Some(extra) = found.get(manifest.files.len()) {
        return Err(mismatch(&extra.path, "it is not in the manifest"));
    }
    if let Some(missing) = manifest.files.get(found.len()) {
        return Err(mismatch(&missing.path, "it is missing"));
    }
    for (said, found) in manifest.files.iter().zip(found) {
        compare_file(said, found)?;
    }
    match manifest.absent.iter().find(|absent| manifest.file(absent.as_str()).is_some()) {
        Some(absent) => Err(mismatch(absent, "it is said to be absent")),
        None => Ok(()),
    }
}

fn compare_file(said: &FileEntry, found: &Found) -> Result<(), BundleFault> {
    let mismatch = |detail: String| Err(BundleFault::Mismatch { path: said.path.to_string(), detail });
    let inspected = &found.inspected;
    if said.path != found.path {
        return mismatch(format!("'{}' is in its place", found.path));
    }
    if said.size != found.size {
        return mismatch(format!("it has {} bytes instead of {}", found.size, said.size));
    }
    if said.sha256 != inspected.sha256 {
        return mismatch("its digest is another".into());
    }
    // What a file is follows from its name: a manifest may not talk a store out of being JSON.
    let class = layout::judge_file(said.path.as_str(), &OptionalTree::ALL).class;
    if said.class != class {
        return mismatch(format!("it is {class}, not {}", said.class));
    }
    if said.shape != layout::shape_of(said.path.as_str()) {
        return mismatch("it is said to be of another shape".into());
    }
    if let Some(why) = &inspected.not_json
        && class == Class::Protected
    {
        return Err(BundleFault::NotWellFormed { path: said.path.to_string(), detail: why.clone() });
    }
    let lines = (said.shape == Shape::Log).then_some(inspected.lines);
    if (said.lines, said.malformed_lines) != (lines, inspected.malformed_lines) {
        return mismatch("its count of lines is another".into());
    }
    Ok(())
}
