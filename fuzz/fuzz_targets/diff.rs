//! Stores of si in two snapshots: what is said to differ does, and nothing else is said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::fuzzing::{CONTEXT, ID};
use paas_state::{Change, Manifest, Side, StatePath};
use serde_json::{Value, json};
use si_backup_fuzz::hex;

fn side(text: &[u8]) -> Side {
    let path = "deployments.json";
    let manifest = json!({
        "format": "si-backup/state-manifest", "version": 1, "id": ID, "context": CONTEXT,
        "read_at": "2026-11-23T20:15:00Z", "tool": "fuzz", "with": [], "absent": [], "left_out": [], "allowed": [],
        "files": [{
            "path": path, "class": "protected", "shape": "json", "size": text.len(), "mode": 0o600,
            "mtime": "2026-11-23T20:15:00Z", "sha256": hex(text),
        }],
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    Side::of_snapshot(&manifest, &[(StatePath::new(path).unwrap(), text.to_vec())])
}

// One document a line.
fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (was, is) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    assert!(side(was).compare(&side(was)).is_empty());
    let differences = side(was).compare(&side(is));
    assert_eq!(differences.is_empty(), was == is);
    let parse = |text| serde_json::from_slice::<Value>(text);
    let (Ok(was), Ok(is)) = (parse(was), parse(is)) else { return };
    for key in differences.iter().flat_map(|difference| &difference.keys) {
        let (then, now) = (was.pointer(&key.pointer), is.pointer(&key.pointer));
        match key.change {
            Change::Added => assert!(then.is_none() && now.is_some()),
            Change::Removed => assert!(then.is_some() && now.is_none()),
            Change::Changed => assert!(then.is_some() && now.is_some() && then != now),
        }
    }
});
