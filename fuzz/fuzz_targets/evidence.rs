//! Evidence: envelopes that anyone can write, and statements beneath a signature that is right.
#![no_main]

use backup_store::Key;
use libfuzzer_sys::fuzz_target;
use restore_guard::{Envelope, IN_TOTO, RecordName, TrustedWriters, UnverifiedEvidence, WriterKey};
use std::sync::LazyLock;

static KEY: LazyLock<WriterKey> = LazyLock::new(|| WriterKey::generate().unwrap());

// The first line is where it lies.
fuzz_target!(|input: (bool, &[u8])| {
    let (sign, bytes) = input;
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (key, bytes) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let Ok(key) = Key::new(String::from_utf8_lossy(key)) else { return };
    let _ = RecordName::parse(&key);
    let trusted = TrustedWriters::new([KEY.public()]);
    if sign {
        let envelope = Envelope::sign(IN_TOTO, bytes.to_vec(), &KEY);
        assert_eq!(Envelope::from_json(&envelope.to_json().unwrap()).unwrap(), envelope);
        let _ = UnverifiedEvidence::new(key, envelope).verify(&trusted).map_err(|why| why.to_string());
    } else if let Ok(found) = UnverifiedEvidence::from_json(&key, bytes) {
        assert!(found.verify(&trusted).is_err(), "nobody signed this");
    }
});
