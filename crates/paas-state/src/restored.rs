//! Which files of a context a snapshot speaks for: those that a restore of it replaces, and no others.

use crate::inventory::Inventory;
use crate::layout::{Class, PROTECTED, Shape, shape_of};
use crate::{ContextDir, Manifest, Result, StatePath};
use std::collections::BTreeMap;

/// The files of `live` that are as the snapshot says after a restore, with the way in which each is written.
///
/// That is what it holds, and what it says was not there: a protected file that it does not have goes. A log that it does not
/// have stays, for events are never taken back; of the optional trees only what it holds is replaced. The vault and all else
/// is not among them.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the live context cannot be listed.
pub fn spoken_for(manifest: &Manifest, live: &ContextDir) -> Result<Vec<(StatePath, Shape)>> {
    let mut paths = BTreeMap::new();
    for file in &manifest.files {
        paths.insert(file.path.clone(), shape_of(file.path.as_str()));
    }
    let held_live = Inventory::take(live, &[])?;
    let protected = held_live.entries.iter().filter(|entry| entry.class == Class::Protected);
    for path in PROTECTED.into_iter().chain(protected.map(|entry| entry.path.as_str())) {
        let path = StatePath::new(path)?;
        let shape = shape_of(path.as_str());
        if shape != Shape::Log {
            paths.entry(path).or_insert(shape);
        }
    }
    Ok(paths.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::ContextName;
    use std::fs;

    #[test]
    fn what_a_snapshot_does_not_hold_goes_but_for_logs_and_what_is_not_protected() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("contexts/default");
        for path in [
            "addons/shop/x.compose.yaml",
            "vault/secrets.env",
            "releases/r1/compose.yaml",
            "events/audit.jsonl",
        ] {
            fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs::write(dir.join(path), "{}\n").unwrap();
        }
        let live = ContextDir::open(home.path(), ContextName::new("default").unwrap()).unwrap();
        let found = spoken_for(&Manifest::example(), &live).unwrap();
        let names: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert!(
            names.contains(&"addons/shop/x.compose.yaml") && names.contains(&"targets.json"),
            "{names:?}"
        );
        assert_eq!(names.len(), 8, "seven stores and the fragment: {names:?}");
    }
}
