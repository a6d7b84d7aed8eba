//! The generator is what other tests rest on: it must be determined by its seed, and quick.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use si_backup_tests::{LiveWriter, StateSpec};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

fn tree(dir: &Path, at: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            tree(dir, &path, into);
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            into.insert(
                path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            );
        }
    }
}

fn generate(spec: &StateSpec) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    spec.write(&dir.path().join("paas"), "default").unwrap();
    let mut files = BTreeMap::new();
    tree(dir.path(), dir.path(), &mut files);
    files.remove("paas/contexts/default/config.json").expect("it names its own state root");
    files
}

#[test]
fn equal_specifications_give_equal_bytes() {
    let spec = StateSpec::default();
    let files = generate(&spec);
    assert_eq!(files, generate(&spec));
    assert_ne!(files, generate(&StateSpec { seed: 2, ..spec }));
    for path in
        ["vault/secrets.env", "events/audit.jsonl", "alerts/policy.json", "addons/shop/walg.compose.yaml"]
    {
        assert!(files.contains_key(&format!("paas/contexts/default/{path}")), "{path}");
    }
}

#[test]
fn a_live_writer_leaves_whole_generations() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateSpec::default().write(dir.path(), "default").unwrap();
    let writer = LiveWriter::start(&state.context_dir, 200, 1).unwrap();
    while writer.generation() < 5 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = writer.stop().unwrap();
    assert!(done.generations >= 5 && done.lines == 3 * done.generations);
    for store in ["config.json", "targets.json", "alerts/policy.json"] {
        let value: serde_json::Value =
            serde_json::from_slice(&fs::read(state.context_dir.join(store)).unwrap()).unwrap();
        assert_eq!(value["generation"], done.generations);
    }
    let log = fs::read_to_string(state.context_dir.join("events/audit.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["fields"]["generation"], done.generations.to_string());
}
