use crate::layout::{self, Class, OptionalTree, Shape};
use crate::{ContextDir, Error, Inventory, Manifest, Patience, Result, StatePath, Watch, stable};
use backup_store::Clock;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

/// The store that says which release each app runs.
const DEPLOYMENTS: &str = "deployments.json";

/// The side of a comparison: what a snapshot or a live context holds.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// Length in bytes and SHA-256 of each file, in hexadecimal.
    digests: BTreeMap<StatePath, (u64, String)>,
    /// The stores' documents. Values stay in here; a comparison tells keys.
    documents: BTreeMap<StatePath, Value>,
}

/// How two sides differ: files, keys and releases, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The file.
    pub path: StatePath,
    /// How it differs.
    pub change: Change,
    /// For a JSON store that both sides have: the keys that differ, as RFC 6901 pointers.
    pub keys: Vec<KeyChange>,
}

/// How one of a side's things differs from the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// A key of a store that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// An RFC 6901 pointer.
    pub pointer: String,
    /// How it differs.
    pub change: Change,
    /// For the current release of an app, which is no secret: what it was and what it became.
    pub release: Option<(String, String)>,
}

impl Side {
    /// The side of a snapshot: its manifest, and the texts of its stores.
    #[must_use]
    pub fn of_snapshot(manifest: &Manifest, stores: &[(StatePath, Vec<u8>)]) -> Self {
        let digests =
            manifest.files.iter().map(|file| (file.path.clone(), (file.size, file.sha256.clone()))).collect();
        let parse =
            |(path, text): &(StatePath, Vec<u8>)| Some((path.clone(), serde_json::from_slice(text).ok()?));
        Self { digests, documents: stores.iter().filter_map(parse).collect() }
    }

    /// The side of a live context, read as a backup would read it. `with` names the optional trees to look at.
    ///
    /// # Errors
    /// As for a backup that stores nothing.
    pub fn of_live(
        context: &ContextDir,
        with: &[OptionalTree],
        clock: &dyn Clock,
        patience: &Patience,
        watch: &dyn Watch,
    ) -> Result<Self> {
        let mut side = Self::default();
        let taken = Inventory::take(context, with)?.taken();
        for mut source in stable::collect(context, taken, clock, patience)? {
            let path = source.path.clone();
            let read = source.read(context, |_, _, data| {
                let mut reading =
                    Digesting { digest: Sha256::new(), text: is_store(&path).then(Vec::new), watch };
                io::copy(data, &mut reading).map_err(|e| {
                    if watch.stop() { Error::Stopped } else { context.io("read", path.as_str(), e) }
                })?;
                Ok(reading)
            })?;
            let Some((_, bytes, seen)) = read else { continue };
            if let Some(document) = seen.text.and_then(|text| serde_json::from_slice(&text).ok()) {
                side.documents.insert(path.clone(), document);
            }
            let mut hex = String::new();
            for byte in seen.digest.finalize() {
                let _ = write!(hex, "{byte:02x}");
            }
            side.digests.insert(path, (bytes, hex));
        }
        Ok(side)
    }

    /// The release that each app runs, by its slug, as deployments.json says.
    #[must_use]
    pub fn releases(&self) -> BTreeMap<String, String> {
        let documents = self.documents.iter().filter(|(path, _)| path.as_str() == DEPLOYMENTS);
        let apps = documents.filter_map(|(_, document)| document.get("apps")?.as_object()).flatten();
        apps.filter_map(|(slug, app)| Some((slug.clone(), app.get("current_release")?.as_str()?.to_owned())))
            .collect()
    }

    /// How `other` differs from this side.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Vec<Difference> {
        let paths: BTreeSet<_> = self.digests.keys().chain(other.digests.keys()).collect();
        paths
            .into_iter()
            .filter_map(|path| {
                let change = match (self.digests.get(path), other.digests.get(path)) {
                    (Some(a), Some(b)) if a == b => return None,
                    (Some(_), Some(_)) => Change::Changed,
                    (None, _) => Change::Added,
                    (_, None) => Change::Removed,
                };
                let mut keys = Vec::new();
                if let (Some(a), Some(b)) = (self.documents.get(path), other.documents.get(path)) {
                    compare_values(path, String::new(), a, b, &mut keys);
                }
                Some(Difference { path: path.clone(), change, keys })
            })
            .collect()
    }
}

/// Digests what is written to it, and keeps the text of a store.
struct Digesting<'a> {
    digest: Sha256,
    text: Option<Vec<u8>>,
    watch: &'a dyn Watch,
}

impl io::Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.watch.stop() {
            return Err(io::Error::other("stopped on request"));
        }
        self.watch.advanced(bytes.len() as u64);
        self.digest.update(bytes);
        if let Some(text) = &mut self.text {
            text.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a file is one of si's JSON stores, whose keys are compared.
#[must_use]
pub fn is_store(path: &StatePath) -> bool {
    layout::shape_of(path.as_str()) == Shape::Json
        && layout::judge_file(path.as_str(), &[]).class == Class::Protected
}

fn compare_values(path: &StatePath, pointer: String, a: &Value, b: &Value, changes: &mut Vec<KeyChange>) {
    let mut below = |pointer: String, a: Option<&Value>, b: Option<&Value>| match (a, b) {
        (Some(a), Some(b)) => compare_values(path, pointer, a, b, changes),
        (None, _) => changes.push(KeyChange { pointer, change: Change::Added, release: None }),
        (_, None) => changes.push(KeyChange { pointer, change: Change::Removed, release: None }),
    };
    match (a, b) {
        (a, b) if a == b => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                below(format!("{pointer}/{escaped}"), a.get(key), b.get(key));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                below(format!("{pointer}/{i}"), a.get(i), b.get(i));
            }
        }
        (Value::String(was), Value::String(is)) if is_current_release(path, &pointer) => {
            let release = Some((was.clone(), is.clone()));
            changes.push(KeyChange { pointer, change: Change::Changed, release });
        }
        _ => changes.push(KeyChange { pointer, change: Change::Changed, release: None }),
    }
}

/// `apps/<slug>/current_release` of deployments.json.
fn is_current_release(path: &StatePath, pointer: &str) -> bool {
    let parts: Vec<_> = pointer.split('/').collect();
    path.as_str() == DEPLOYMENTS && matches!(parts[..], ["", "apps", _, "current_release"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn side(document: &Value) -> Side {
        let path = StatePath::new("deployments.json").unwrap();
        let text = document.to_string();
        Side {
            digests: [(path.clone(), (text.len() as u64, text))].into(),
            documents: [(path, document.clone())].into(),
        }
    }

    #[test]
    fn keys_are_told_and_values_are_not() {
        let a = side(&json!({"apps": {"shop": {"current_release": "r1", "token": "hunter2"}}, "x/y": 1}));
        let b = side(&json!({"apps": {"shop": {"current_release": "r2", "token": "hunter3"}}, "z": [1]}));
        let differences = a.compare(&b);
        assert_eq!(differences.len(), 1);
        let told: Vec<_> = differences[0].keys.iter().map(|k| (k.pointer.as_str(), k.change)).collect();
        assert_eq!(
            told,
            [
                ("/apps/shop/current_release", Change::Changed),
                ("/apps/shop/token", Change::Changed),
                ("/x~1y", Change::Removed),
                ("/z", Change::Added),
            ]
        );
        assert_eq!(differences[0].keys[0].release, Some(("r1".into(), "r2".into())));
        assert!(!format!("{differences:?}").contains("hunter"));
        assert_eq!(b.releases(), [("shop".to_owned(), "r2".to_owned())].into());
    }

    #[test]
    fn equal_sides_do_not_differ() {
        let a = side(&json!({"apps": {}}));
        assert_eq!(a.compare(&a), []);
    }
}
