//! The key that signs evidence, in PEM.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restore_guard::{Envelope, IN_TOTO, TrustedWriters, UnverifiedEvidence, WriterKey};
use si_backup_fuzz::file;

fuzz_target!(|bytes: &[u8]| {
    match WriterKey::open(&file("signing.key", bytes)) {
        Ok(key) => {
            let shown = key.public().to_string();
            let trusted = TrustedWriters::parse([shown.as_str()]).unwrap();
            assert_eq!(format!("{key:?}").matches(&shown).count(), 1, "the public half, and nothing else");
            let envelope = Envelope::sign(IN_TOTO, b"{}".to_vec(), &key);
            let key = backup_store::Key::new("evidence/x.json").unwrap();
            let why = UnverifiedEvidence::new(key, envelope).verify(&trusted).unwrap_err();
            assert_ne!(why.code(), "bad-signature");
        }
        Err(e) => si_backup_fuzz::is_fit_to_print(&e.to_string()),
    }
});
